"""Subscriptions: made by orders, read in their newest version, rolled back when their order is deleted."""

from datetime import date
from typing import Any

from connectors.kit.sandbox import Call, Reply, route
from connectors.zuora.sandbox.accounts import AccountDesk
from connectors.zuora.sandbox.catalog import CatalogDesk
from connectors.zuora.sandbox.order_body import NewSubscription
from connectors.zuora.sandbox.rating import Charge
from connectors.zuora.sandbox.replies import ORDER, READ, page, refuse


class SubscriptionDesk(AccountDesk, CatalogDesk):
    """`/v1/subscriptions`; every number holds its versions, oldest first."""

    @route("GET", "/v1/subscriptions/{key}")
    def subscription(self, call: Call) -> Reply:
        """The newest version by number, or one version by its id."""
        return Reply.json({"success": True, **self._by_key(call.path_params["key"])})

    def _by_key(self, key: str) -> dict[str, Any]:
        versions = self.state["subscriptions"].get(key)
        if versions:
            return dict(versions[-1])
        for other in self.state["subscriptions"].values():
            for version in other:
                if version["id"] == key:
                    return dict(version)
        raise refuse(READ, 40, f"Cannot find entity by key: '{key}'.")

    @route("GET", "/v1/subscriptions/{key}/versions/{version}")
    def version(self, call: Call) -> Reply:
        """One version of a subscription."""
        for version in self.state["subscriptions"].get(call.path_params["key"], []):
            if str(version["version"]) == call.path_params["version"]:
                return Reply.json({"success": True, **version})
        raise refuse(READ, 40, f"Cannot find entity by key: '{call.path_params['key']}'.")

    @route("GET", "/v1/subscriptions/accounts/{key}")
    def subscriptions_of(self, call: Call) -> Reply:
        """The newest versions of all subscriptions of an account."""
        owner = self.account_of(call.path_params["key"])["accountNumber"]
        rows = [v[-1] for v in self.state["subscriptions"].values() if v[-1]["accountNumber"] == owner]
        return page(call, "subscriptions", rows)

    # Made by orders

    def create_subscription(self, order: dict[str, Any], new: NewSubscription, status: str) -> None:
        """Version 1."""
        if new.number in self.state["subscriptions"]:
            raise refuse(ORDER, 30, f"The subscription number {new.number} already exists.")
        account = self.account_of(order["existingAccountNumber"], ORDER)
        terms = new.action["createSubscription"]["terms"]
        initial = terms["initialTerm"]
        self.state["subscriptions"][new.number] = [
            {
                "id": self.new_id("8ad4"),
                "subscriptionNumber": new.number,
                "version": 1,
                "isLatestVersion": True,
                "status": status,
                "accountId": account["id"],
                "accountNumber": account["accountNumber"],
                "accountName": account["name"],
                "invoiceOwnerAccountNumber": account["accountNumber"],
                "orderNumber": order["orderNumber"],
                "currency": account["currency"],
                "termType": "TERMED",
                "initialTerm": initial["period"],
                "initialTermPeriodType": initial["periodType"],
                "currentTerm": initial["period"],
                "currentTermPeriodType": initial["periodType"],
                "autoRenew": terms.get("autoRenew", False),
                "renewalSetting": terms.get("renewalSetting"),
                "termStartDate": new.term_start.isoformat(),
                # The first day that is no longer served.
                "termEndDate": new.term_end.isoformat(),
                "subscriptionStartDate": new.term_start.isoformat(),
                "subscriptionEndDate": new.term_end.isoformat(),
                **_dates(new.dates),
                **new.custom,
                "ratePlans": [self._rate_plan(new, i, account["currency"]) for i in range(len(new.plans))],
            }
        ]
        self.state["charges"] |= {
            c["number"]: new.number
            for plan in self.state["subscriptions"][new.number][0]["ratePlans"]
            for c in plan["ratePlanCharges"]
        }
        self.effect("subscription", new.number)

    def _rate_plan(self, new: NewSubscription, index: int, currency: str) -> dict[str, Any]:
        entry, product, plan = new.plans[index]
        return {
            "id": self.new_id("8ad5"),
            "subscriptionRatePlanNumber": f"SRP-{self.next_number('rate plan'):08d}",
            "lastChangeType": "Add",
            "productId": product["id"],
            "productName": product["name"],
            "productSku": product["sku"],
            "productRatePlanId": plan["id"],
            "productRatePlanNumber": plan["productRatePlanNumber"],
            "ratePlanName": plan["name"],
            **entry.get("customFields", {}),
            "ratePlanCharges": [self._charge(charge, currency) for charge in new.charges[index]],
        }

    def _charge(self, charge: Charge, currency: str) -> dict[str, Any]:
        once, rated = charge.kind == "OneTime", bool(charge.bands)
        usage = charge.kind == "Usage"
        return {
            "id": (charge_id := self.new_id("8ad6")),
            "originalChargeId": charge_id,
            "number": charge.number or f"C-{self.next_number('charge'):08d}",
            "name": charge.name,
            "productRatePlanChargeId": charge.product_charge_id,
            "type": charge.kind,
            "model": charge.model,
            "uom": charge.uom,
            "currency": currency,
            "version": 1,
            "segment": 1,
            "isLastSegment": True,
            "quantity": None if usage or charge.is_discount or charge.model == "FlatFee" else charge.quantity,
            "price": None if rated or charge.is_discount else charge.price,
            "tiers": [
                {
                    "tier": at,
                    "startingUnit": band.start,
                    "endingUnit": band.end,
                    "price": band.price,
                    "priceFormat": "FlatFee" if band.flat else "PerUnit",
                }
                for at, band in enumerate(charge.bands, start=1)
            ]
            or None,
            "discountPercentage": charge.percentage,
            "discountAmount": charge.discount_amount,
            "discountLevel": charge.level if charge.is_discount else None,
            "billingPeriod": None if once or charge.is_discount else charge.billing_period,
            "billingTiming": None if once else ("IN_ARREARS" if charge.arrears else "IN_ADVANCE"),
            "endDateCondition": "One_Time" if once else "Subscription_End",
            "triggerEvent": "ContractEffective",
            "effectiveStartDate": charge.start.isoformat(),
            "effectiveEndDate": (charge.end or charge.start).isoformat(),
            "chargedThroughDate": None,
            "processedThroughDate": None,
        }

    def activate_subscription(self, number: str, dates: dict[str, date], status: str) -> str:
        """Give a pending subscription its dates; its status follows from what is still blank."""
        version = self.state["subscriptions"][number][-1]
        version.update(_dates(dates))
        version["status"] = status
        return status

    def drop_subscriptions(self, order_number: str) -> list[str]:
        """Roll back what an order created."""
        gone = [n for n, v in self.state["subscriptions"].items() if v[-1]["orderNumber"] == order_number]
        for number in gone:
            del self.state["subscriptions"][number]
        self.state["charges"] = {c: n for c, n in self.state["charges"].items() if n not in gone}
        return gone


def _dates(dates: dict[str, date]) -> dict[str, str]:
    names = {
        "ContractEffective": "contractEffectiveDate",
        "ServiceActivation": "serviceActivationDate",
        "CustomerAcceptance": "customerAcceptanceDate",
    }
    return {names[name]: when.isoformat() for name, when in dates.items()}
