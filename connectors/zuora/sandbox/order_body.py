"""Reads the body of an order: checks it as the vendor would, and lays out the charges that it brings."""

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from connectors.zuora.sandbox.catalog import CatalogDesk
from connectors.zuora.sandbox.rating import MONTHS, Band, Charge, bill_anchor, shift
from connectors.zuora.sandbox.replies import refuse

# Which pricing a charge of the price list takes: (type, model) -> key of the override.
_KEYS = {
    (kind, model): f"{word}{model}"
    for kind, word in (("OneTime", "oneTime"), ("Recurring", "recurring"), ("Usage", "usage"))
    for model in ("FlatFee", "PerUnit", "Tiered", "Volume")
}
_PERIODS = (*MONTHS, "Subscription_Term")
_ORDERED = ("ContractEffective", "ServiceActivation", "CustomerAcceptance")


@dataclass
class NewSubscription:
    """A subscription that an order creates."""

    number: str
    action: dict[str, Any]
    custom: dict[str, Any]
    term_start: date
    term_end: date
    dates: dict[str, date]
    plans: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = field(default_factory=list)
    charges: list[list[Charge]] = field(default_factory=list)
    undated: bool = False


def day(value: Any, name: str, resource: int) -> date:
    """A date of the wire."""
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise refuse(resource, 20, f"'{name}' value should be a date in the format yyyy-mm-dd") from None


def number(value: Any, name: str, resource: int) -> Decimal:
    """A number of the wire, exactly as written."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise refuse(resource, 20, f"'{name}' value should be a number")
    return Decimal(value)


class OrderReader:
    """Reads one order for one account."""

    def __init__(self, desk: CatalogDesk, account: dict[str, Any], resource: int) -> None:
        self.desk = desk
        self.account = account
        self.resource = resource

    def bad(self, message: str, category: int = 20) -> Exception:
        """The refusal of a value."""
        return refuse(self.resource, category, message)

    def read(self, body: dict[str, Any]) -> list[NewSubscription]:
        """Every subscription that the order creates."""
        if "orderDate" not in body:
            raise self.bad("'orderDate' is required", 22)
        order_date = day(body["orderDate"], "orderDate", self.resource)
        entries = body.get("subscriptions", [])
        actions = [(entry, action) for entry in entries for action in entry.get("orderActions", [])]
        if len(entries) > 50 or len(actions) > 50:
            raise self.bad("At most 50 subscriptions and 50 order actions are allowed", 30)
        found = [self._subscription(entry, action, order_date) for entry, action in actions]
        numbers = [c.number for s in found for charges in s.charges for c in charges if c.number]
        if len(numbers) != len(set(numbers)):
            raise self.bad("'chargeNumber' must be unique", 30)
        return found

    def _subscription(
        self, entry: dict[str, Any], action: dict[str, Any], order_date: date
    ) -> NewSubscription:
        if action.get("type") != "CreateSubscription":
            raise self.bad(f"'type' value {action.get('type')!r} is not one that this tenant simulates")
        create = action.get("createSubscription")
        if not isinstance(create, dict):
            raise self.bad("'createSubscription' is required", 22)
        dates = self._dates(action)
        # Without a contract date the order date counts.
        dates.setdefault("ContractEffective", order_date)
        start, end = self._term(create, dates["ContractEffective"])
        found = NewSubscription(
            number=create.get("subscriptionNumber") or entry.get("subscriptionNumber") or "",
            action=action,
            custom=entry.get("customFields", {}),
            term_start=start,
            term_end=end,
            dates=dates,
        )
        if not found.number:
            found.number = f"A-S{self.desk.next_number('subscription'):08d}"
        plans = create.get("subscribeToRatePlans", [])
        if not plans:
            raise self.bad("'subscribeToRatePlans' is required", 22)
        for plan in plans:
            self._plan(found, plan)
        return found

    def _dates(self, action: dict[str, Any]) -> dict[str, date]:
        found = {}
        for trigger in action.get("triggerDates", []):
            if trigger.get("name") not in _ORDERED:
                raise self.bad(f"'name' value should be one of: {', '.join(_ORDERED)}")
            if trigger.get("triggerDate"):
                found[trigger["name"]] = day(trigger["triggerDate"], "triggerDate", self.resource)
        given = [found[name] for name in _ORDERED if name in found]
        if given != sorted(given):
            raise self.bad("Contract effective <= service activation <= customer acceptance must hold", 30)
        return found

    def _term(self, create: dict[str, Any], effective: date) -> tuple[date, date]:
        initial = create.get("terms", {}).get("initialTerm")
        if initial is None:
            raise self.bad("'initialTerm' is required", 22)
        if initial.get("termType") not in ("TERMED", "EVERGREEN"):
            raise self.bad("'termType' value should be one of: TERMED, EVERGREEN")
        start = day(initial.get("startDate", effective), "startDate", self.resource)
        length, unit = initial.get("period"), initial.get("periodType")
        if initial["termType"] == "EVERGREEN" or not isinstance(length, int) or length < 1:
            raise self.bad("'period' must be a whole number of at least 1")
        if unit in ("Month", "Year"):
            months = length * (12 if unit == "Year" else 1)
            return start, shift(start, months, start.day)
        if unit in ("Day", "Week"):
            return start, start + timedelta(days=length * (7 if unit == "Week" else 1))
        raise self.bad("'periodType' value should be one of: Month, Year, Day, Week")

    def _plan(self, found: NewSubscription, entry: dict[str, Any]) -> None:
        product, plan = self.desk.plan_of(entry, self.resource)
        subset = bool(entry.get("isAddingSubsetCharges")) and self.desk.tenant.subset_charges
        overrides = {o.get("productRatePlanChargeId"): o for o in entry.get("chargeOverrides", [])}
        listed = {c["id"]: c for c in plan["productRatePlanCharges"]}
        for key in overrides:
            if key not in listed:
                raise self.bad(f"Cannot find the product rate plan charge '{key}' in this plan.", 40)
        charges = []
        for key, item in listed.items():
            if key in overrides:
                charges.append(self._charge(found, product, plan, item, overrides[key]))
            elif not subset:
                charges.append(self._charge(found, product, plan, item, {}))
        found.plans.append((entry, product, plan))
        found.charges.append(charges)

    def _charge(
        self,
        found: NewSubscription,
        product: dict[str, Any],
        plan: dict[str, Any],
        item: dict[str, Any],
        override: dict[str, Any],
    ) -> Charge:
        start, end = self._life(found, item, override)
        charge = Charge(
            number=override.get("chargeNumber"),
            name=item["name"],
            product_charge_id=item["id"],
            product_plan_id=plan["id"],
            product_name=product["name"],
            subscription=found.number,
            kind=item["type"],
            model=item["model"],
            start=start,
            end=end,
            uom=item.get("uom"),
        )
        pricing = override.get("pricing", {})
        if item["model"].startswith("Discount"):
            return self._discount(charge, pricing.get("discount", {}))
        charge = self._priced(charge, pricing)
        return charge if item["type"] == "OneTime" else self._billed(found, charge, item, override)

    def _life(
        self, found: NewSubscription, item: dict[str, Any], override: dict[str, Any]
    ) -> tuple[date, date | None]:
        trigger = override.get("startDate", {})
        start = found.dates.get(trigger.get("triggerEvent", "ContractEffective"), found.term_start)
        if trigger.get("triggerEvent") == "SpecificDate":
            if "specificTriggerDate" not in trigger:
                found.undated = True
                start = found.term_start
            else:
                start = day(trigger["specificTriggerDate"], "specificTriggerDate", self.resource)
        if not found.term_start <= start < found.term_end:
            raise self.bad("A charge must start within the term of its subscription", 30)
        if item["type"] == "OneTime":
            return start, None
        ending = override.get("endDate", {})
        end = found.term_end
        if ending.get("endDateCondition", "Subscription_End") == "Specific_End_Date":
            end = day(ending.get("specificEndDate"), "specificEndDate", self.resource)
        if end <= start:
            raise self.bad("'specificEndDate' must be after the start of the charge", 30)
        return start, min(end, found.term_end)

    def _discount(self, charge: Charge, given: dict[str, Any]) -> Charge:
        if given.get("discountApplyDetails") and not self.desk.tenant.enhanced_discounts:
            raise self.bad("'discountApplyDetails' needs the Enhanced Discounts feature", 10)
        percentage = given.get("discountPercentage")
        amount = given.get("discountAmount")
        if percentage is not None:
            percentage = number(percentage, "discountPercentage", self.resource)
            if not 0 <= percentage <= 100:
                raise self.bad("'discountPercentage' must be between 0 and 100")
        return replace(
            charge,
            percentage=percentage if charge.model == "DiscountPercentage" else None,
            discount_amount=None if amount is None else number(amount, "discountAmount", self.resource),
            discounts=given.get("applyDiscountTo", "ONETIMERECURRINGUSAGE"),
            level=given.get("discountLevel", "subscription"),
            targets=tuple(
                (d["productRatePlanId"], d["productRatePlanChargeId"])
                for d in given.get("discountApplyDetails", [])
            ),
        )

    def _priced(self, charge: Charge, pricing: dict[str, Any]) -> Charge:
        wanted = _KEYS[(charge.kind, charge.model)]
        wrong = [key for key in pricing if key != wanted]
        if wrong:
            raise self.bad(f"'{wrong[0]}' does not fit the charge {charge.name}, which takes '{wanted}'")
        given = pricing.get(wanted, {})
        price = number(given.get("listPrice", 0), "listPrice", self.resource)
        quantity = number(given.get("quantity", 1), "quantity", self.resource)
        if quantity < 0:
            raise self.bad("'quantity' must not be negative")
        bands = tuple(self._band(tier) for tier in given.get("tiers", []))
        if charge.model in ("Tiered", "Volume") and pricing and not bands:
            raise self.bad("'tiers' is required", 22)
        return replace(charge, price=price, quantity=quantity, bands=bands)

    def _band(self, tier: dict[str, Any]) -> Band:
        for name in ("tier", "startingUnit", "price", "priceFormat"):
            if name not in tier:
                raise self.bad(f"'{name}' is required in a tier", 22)
        if tier["priceFormat"] not in ("PerUnit", "FlatFee"):
            raise self.bad("'priceFormat' value should be one of: PerUnit, FlatFee")
        end = tier.get("endingUnit")
        return Band(
            number(tier["startingUnit"], "startingUnit", self.resource),
            None if end is None else number(end, "endingUnit", self.resource),
            number(tier["price"], "price", self.resource),
            tier["priceFormat"] == "FlatFee",
        )

    def _billed(
        self, found: NewSubscription, charge: Charge, item: dict[str, Any], override: dict[str, Any]
    ) -> Charge:
        billing = override.get("billing", {})
        period = billing.get("billingPeriod", item.get("billingPeriod") or "Month")
        if period not in _PERIODS:
            raise self.bad(f"'billingPeriod' value should be one of: {', '.join(_PERIODS)}")
        timing = billing.get("billingTiming", item.get("billingTiming") or "IN_ADVANCE")
        if timing not in ("IN_ADVANCE", "IN_ARREARS"):
            raise self.bad("'billingTiming' value should be one of: IN_ADVANCE, IN_ARREARS")
        kind = billing.get("billCycleType", "DefaultFromCustomer")
        if kind in ("SubscriptionStartDay", "TermStartDay"):
            wanted = found.term_start.day
        elif kind == "SpecificDayofMonth":
            wanted = billing.get("billCycleDay", 1)
        elif kind == "ChargeTriggerDay":
            wanted = charge.start.day
        else:
            # Day 0 lets the first charge set the day.
            wanted = self.account.get("billCycleDay") or charge.start.day
        return replace(
            charge,
            billing_period=period,
            arrears=timing == "IN_ARREARS",
            anchor=bill_anchor(charge.start, wanted),
            anchor_day=wanted,
        )
