"""Orders: Draft, Pending, Completed, Cancelled, and the verbs that move between them."""

from collections.abc import Callable
from typing import Any

from connectors.kit.sandbox import Call, Reply, route
from connectors.zuora.sandbox.order_body import NewSubscription, OrderReader, day
from connectors.zuora.sandbox.preview import documents, through
from connectors.zuora.sandbox.replies import (
    ORDER,
    PREVIEW,
    READ,
    body_of,
    done,
    page,
    refuse,
    without_nulls,
)
from connectors.zuora.sandbox.subscriptions import SubscriptionDesk

_NOT_LISTED = ("Draft", "Scheduled")


class OrderDesk(SubscriptionDesk):
    """`/v1/orders`."""

    @route("POST", "/v1/orders")
    async def create_order(self, call: Call) -> Reply:
        """A draft waits; anything else takes effect at once, or waits for a date that is required and blank."""
        body = without_nulls(body_of(call, ORDER))
        account, new = self._read(body, ORDER)
        status = body.get("status")
        if status not in (None, "Draft", "Completed"):
            raise refuse(ORDER, 20, "'status' value should be one of: Draft, Completed")
        self._check_options(body, draft=status == "Draft")
        number = body.get("orderNumber") or f"O-{self.next_number('order'):08d}"
        if "/" in number or len(number) > 100:
            raise refuse(ORDER, 20, "'orderNumber' must not contain a slash and has at most 100 characters")
        if number in self.state["orders"]:
            raise refuse(ORDER, 30, f"The order number {number} already exists.")
        self._numbers_free(new)
        async with self.writing(account["accountNumber"], ORDER):
            order = {
                **{k: v for k, v in body.items() if k not in ("processingOptions", "status")},
                "orderNumber": number,
                "accountNumber": account["accountNumber"],
                "currency": account["currency"],
                "status": "Draft",
                "createdDate": self.stamp(),
                "updatedDate": self.stamp(),
            }
            if status != "Draft":
                self._take_effect(order, new)
            self.state["orders"][number] = order
            self.effect("order", number)
        return self._told(order, new)

    def _read(self, body: dict[str, Any], resource: int) -> tuple[dict[str, Any], list[NewSubscription]]:
        key = body.get("existingAccountNumber")
        if not key:
            raise refuse(resource, 22, "'existingAccountNumber' is required")
        account = self.account_of(str(key), resource)
        if account["status"] != "Active":
            raise refuse(resource, 30, f"The account {key} is not active.")
        return account, OrderReader(self, account, resource).read(body)

    def _check_options(self, body: dict[str, Any], *, draft: bool) -> None:
        options = body.get("processingOptions")
        if options is None:
            return
        if draft:
            raise refuse(ORDER, 30, "'processingOptions' is not supported in draft orders")
        if options.get("collectPayment") and not options.get("runBilling"):
            raise refuse(ORDER, 30, "'collectPayment' needs 'runBilling'")
        if options.get("runBilling"):
            raise refuse(ORDER, 10, "Billing within an order is switched off in this tenant")

    def _numbers_free(self, new: list[NewSubscription]) -> None:
        for item in new:
            if item.number in self.state["subscriptions"]:
                raise refuse(ORDER, 30, f"The subscription number {item.number} already exists.")
            for charge in (c for charges in item.charges for c in charges):
                if charge.number in self.state["charges"]:
                    raise refuse(ORDER, 30, f"The charge number {charge.number} already exists.")

    def _waits_for(self, new: NewSubscription) -> str:
        """The subscription's status: what is required and blank, in the order in which it is filled."""
        if self.tenant.require_service_activation and "ServiceActivation" not in new.dates:
            return "Pending Activation"
        if self.tenant.require_customer_acceptance and "CustomerAcceptance" not in new.dates:
            return "Pending Acceptance"
        # Dates that nobody requires fill themselves.
        activated = new.dates.setdefault("ServiceActivation", new.dates["ContractEffective"])
        new.dates.setdefault("CustomerAcceptance", activated)
        return "Active"

    def _take_effect(self, order: dict[str, Any], new: list[NewSubscription]) -> None:
        waiting = False
        for item in new:
            status = self._waits_for(item)
            waiting = waiting or status != "Active" or item.undated
            self.create_subscription(order, item, status)
        order["status"] = "Pending" if waiting else "Completed"
        if not waiting:
            self.effect("order-completed", order["orderNumber"])

    def _told(self, order: dict[str, Any], new: list[NewSubscription]) -> Reply:
        drafted = order["status"] == "Draft"
        rows = [
            {
                "subscriptionNumber": item.number,
                "status": "Draft" if drafted else self.state["subscriptions"][item.number][-1]["status"],
                "subscriptionOwnerNumber": order["accountNumber"],
            }
            for item in new
        ]
        return done(
            orderNumber=order["orderNumber"],
            accountNumber=order["accountNumber"],
            status=order["status"],
            subscriptionNumbers=[row["subscriptionNumber"] for row in rows],
            subscriptions=rows,
        )

    # Reading

    def order_of(self, call: Call, resource: int = ORDER) -> dict[str, Any]:
        """The order that the address names."""
        number = call.path_params["number"]
        found: dict[str, Any] | None = self.state["orders"].get(number)
        if found is None:
            raise refuse(resource, 40, f"Cannot find entity by key: '{number}'.")
        return found

    def _shown(self, order: dict[str, Any]) -> dict[str, Any]:
        """As answers spell it: actions have a sequence, and the id of a charge is written productRateplanChargeId."""
        subscriptions = []
        for entry in order.get("subscriptions", []):
            actions = [
                {**action, "sequence": at, "createSubscription": self._create_shown(action)}
                for at, action in enumerate(entry.get("orderActions", []))
            ]
            subscriptions.append({**entry, "sequence": 0, "orderActions": actions})
        shown = {k: v for k, v in order.items() if k != "accountNumber"}
        return {**shown, "subscriptions": subscriptions, "category": order.get("category", "NewSales")}

    def _create_shown(self, action: dict[str, Any]) -> dict[str, Any]:
        create = action["createSubscription"]
        plans = []
        for plan in create.get("subscribeToRatePlans", []):
            _, listed = self.plan_of(plan, READ)
            units = {c["id"]: c.get("uom") for c in listed["productRatePlanCharges"]}
            overrides = []
            for given in plan.get("chargeOverrides", []):
                key = given["productRatePlanChargeId"]
                kept = {k: v for k, v in given.items() if k != "productRatePlanChargeId"}
                pricing = {
                    name: _with_unit(name, value, units.get(key))
                    for name, value in given.get("pricing", {}).items()
                }
                overrides.append({**kept, "productRateplanChargeId": key, "pricing": pricing})
            plans.append({**plan, "productRatePlanId": listed["id"], "chargeOverrides": overrides})
        return {**create, "subscribeToRatePlans": plans}

    @route("GET", "/v1/orders/{number}")
    def read_order(self, call: Call) -> Reply:
        """One order in whatever state."""
        return done(order=self._shown(self.order_of(call, READ)))

    @route("GET", "/v1/orders")
    def list_orders(self, call: Call) -> Reply:
        """All orders; statuses are spelled in lower case here."""
        wanted = call.query.get("status", "all")
        return self._list(call, lambda o: wanted in ("all", o["status"].lower()))

    @route("GET", "/v1/orders/invoiceOwner/{account}")
    @route("GET", "/v1/orders/subscriptionOwner/{account}")
    def orders_of(self, call: Call) -> Reply:
        """Orders of an account, without drafts and scheduled ones."""
        owner = self.account_of(call.path_params["account"])["accountNumber"]
        return self._list(call, lambda o: o["accountNumber"] == owner and o["status"] not in _NOT_LISTED)

    def _list(self, call: Call, wanted: Callable[[dict[str, Any]], bool]) -> Reply:
        rows = [o for o in self.state["orders"].values() if wanted(o)]
        return page(call, "orders", rows, self._shown)

    # Moving

    def _must_be(self, order: dict[str, Any], *states: str) -> None:
        if order["status"] not in states:
            raise refuse(
                ORDER, 30, f"The order {order['orderNumber']} is {order['status']}, not {states[0]}."
            )

    @route("PUT", "/v1/orders/{number}/activate")
    async def activate(self, call: Call) -> Reply:
        """A draft takes effect. There is no body, so nothing is billed or collected by it."""
        order = self.order_of(call)
        self._must_be(order, "Draft")
        account, new = self._read(order, ORDER)
        self._numbers_free(new)
        async with self.writing(account["accountNumber"], ORDER):
            self._take_effect(order, new)
            order["updatedDate"] = self.stamp()
        return self._told(order, new)

    @route("PUT", "/v1/orders/{number}/cancel")
    async def cancel(self, call: Call) -> Reply:
        """Only a draft can be cancelled."""
        body = without_nulls(body_of(call, ORDER)) if call.body else {}
        order = self.order_of(call)
        self._must_be(order, "Draft", "Scheduled")
        async with self.writing(order["accountNumber"], ORDER):
            order.update(status="Cancelled", cancelReason=body.get("cancelReason"), updatedDate=self.stamp())
            self.effect("order-cancelled", order["orderNumber"])
        return done(
            orderNumber=order["orderNumber"],
            accountNumber=order["accountNumber"],
            status="Cancelled",
            cancelReason=body.get("cancelReason"),
        )

    @route("PUT", "/v1/orders/{number}/triggerDates")
    async def trigger_dates(self, call: Call) -> Reply:
        """The dates that a pending order waits for; the contract date is not among them."""
        body = without_nulls(body_of(call, ORDER))
        order = self.order_of(call)
        self._must_be(order, "Pending")
        _, new = self._read(order, ORDER)
        async with self.writing(order["accountNumber"], ORDER):
            by_number = {item.number: item for item in new}
            for entry in body.get("subscriptions", []):
                item = by_number.get(entry.get("subscriptionNumber", ""))
                if item is None:
                    raise refuse(
                        ORDER, 40, f"Cannot find the subscription {entry.get('subscriptionNumber')}."
                    )
                self._set_dates(item, entry)
            waiting = False
            for item in new:
                self._keep_dates(item)
                status = self.activate_subscription(item.number, item.dates, self._waits_for(item))
                waiting = waiting or status != "Active"
            if not waiting:
                order["status"] = "Completed"
                self.effect("order-completed", order["orderNumber"])
            order["updatedDate"] = self.stamp()
        return self._told(order, new)

    def _set_dates(self, item: NewSubscription, entry: dict[str, Any]) -> None:
        for action in entry.get("orderActions", []):
            if action.get("sequence") != 0:
                raise refuse(ORDER, 20, "'sequence' names no action of this order")
            for trigger in action.get("triggerDates", []):
                name = trigger.get("name")
                if name not in ("ServiceActivation", "CustomerAcceptance"):
                    raise refuse(ORDER, 30, f"'{name}' cannot be set here")
                when = day(trigger.get("triggerDate"), "triggerDate", ORDER)
                if when < item.dates["ContractEffective"]:
                    raise refuse(ORDER, 30, f"'{name}' is before the contract date")
                item.dates[name] = when

    def _keep_dates(self, item: NewSubscription) -> None:
        item.action["triggerDates"] = [
            {"name": name, "triggerDate": when.isoformat()} for name, when in item.dates.items()
        ]

    @route("DELETE", "/v1/orders/{number}")
    async def delete(self, call: Call) -> Reply:
        """The order and the subscriptions that it created disappear, unless something of it was invoiced."""
        order = self.order_of(call, READ)
        if order["status"] == "Cancelled" and not self.tenant.delete_cancelled_orders:
            raise refuse(READ, 30, "A cancelled order cannot be deleted.")
        invoiced = any(d["accountNumber"] == order["accountNumber"] for d in self.state["documents"])
        if order["status"] == "Completed" and invoiced:
            raise refuse(READ, 30, "An order whose charges are invoiced cannot be deleted.")
        async with self.writing(order["accountNumber"], READ):
            self.drop_subscriptions(order["orderNumber"])
            del self.state["orders"][order["orderNumber"]]
            self.effect("order-deleted", order["orderNumber"])
        return done()

    # Asking

    @route("POST", "/v1/orders/preview")
    async def preview(self, call: Call) -> Reply:
        """What the order would be billed. Nothing is created."""
        body = without_nulls(body_of(call, PREVIEW))
        for name in ("status", "processingOptions", "schedulingOptions"):
            if name in body:
                raise refuse(PREVIEW, 21, f"'{name}' is not allowed in a preview")
        if "previewOptions" not in body:
            raise refuse(PREVIEW, 22, "'previewOptions' is required")
        account, new = self._read(body, PREVIEW)
        if not new:
            raise refuse(PREVIEW, 22, "'subscriptions' is required")
        until = through(body["previewOptions"], new)
        async with self.writing(account["accountNumber"], PREVIEW):
            found = documents(new, account["currency"], until, self.tenant)
        return done(previewResult=found)


def _with_unit(name: str, pricing: dict[str, Any], unit: str | None) -> dict[str, Any]:
    """Prices per unit are shown with the unit of the price list."""
    return pricing if name == "discount" or name.endswith("FlatFee") or not unit else {**pricing, "uom": unit}
