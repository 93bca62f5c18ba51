"""Activities about orders and subscriptions in billing."""

from temporalio import activity

from activities.contracts.billing import (
    ActivateOrder,
    Compared,
    CompareOrder,
    DraftOrder,
    OrderActivated,
    OrderDrafted,
    OrderPreviewed,
    PreviewOrder,
    ReadSubscription,
    SubscriptionRead,
)
from activities.contracts.kernel import Claim, Proof, Undone, UndoOf
from activities.effects import Former, Sending
from activities.store.xref import Xref
from activities.tools import Tools
from canonical import event_types
from canonical.catalog import Catalog
from canonical.comparison import compare_order, compare_subscription, refuse_differences
from canonical.failures import Misconfigured, OutcomeUnknown, Transient
from canonical.order import BillingOrder, OrderPlan, OrderPreview
from canonical.planning import plan_order
from canonical.quote import Deal
from connectors.ports import Billing

_WITHDRAWN = ("cancelled",)


class OrderActivities:
    """Previews, drafts, compares, activates and reads back."""

    def __init__(self, billing: Billing, tools: Tools) -> None:
        self._billing = billing
        self._tools = tools

    @activity.defn
    async def preview_order(self, order: PreviewOrder) -> OrderPreviewed:
        """See the contract."""
        await self._tools.open("billing")
        get, put = self._tools.store.documents.get, self._tools.store.documents.put
        deal, catalog = await get(order.deal, Deal), await get(order.catalog, Catalog)
        master = await self._tools.store.master.load()
        entity = next((e for e in master.entities if e.code == order.entity), None)
        if entity is None:
            raise Misconfigured(
                f"legal entity {order.entity} is not in the master data any more",
                code="entity-missing",
                field="entity",
                fix="publish it again, then retry",
            )
        plan = plan_order(
            deal, catalog, entity, order_number=order.order_number, account_number=order.account_number,
            subscription_number=order.subscription_number, correlation_id=order.correlation_id, on=order.on,
        )  # fmt: skip
        preview = await self._billing.preview_order(plan, await self._tools.refs("billing"))
        return OrderPreviewed(
            plan=await put("plan", plan),
            preview=await put("preview", preview),
            term_total=str(preview.term_total),
            invoices=len(preview.invoices),
            residuals=len(plan.residuals),
        )

    @activity.defn
    async def draft_order(self, order: DraftOrder) -> OrderDrafted:
        """See the contract."""
        await self._tools.open("billing")
        plan, refs = (
            await self._tools.store.documents.get(order.plan, OrderPlan),
            await self._tools.refs("billing"),
        )

        async def send(sending: Sending) -> BillingOrder:
            return await self._billing.create_draft(plan, refs, key=sending.header)

        async def probe() -> BillingOrder | None:
            found = await self._billing.find_order(order.order_number, refs)
            return found if found is not None and found.status in ("draft", "pending") else None

        payload = event_types.OrderDrafted(
            order_number=order.order_number, subscription_number=plan.subscription_number
        )
        event = await self._tools.event(
            payload, subject=order.order_number, correlation_id=order.correlation_id
        )
        made = await self._tools.once(
            "billing", plan.model_dump(mode="json"), BillingOrder, send, probe,
            correlation_id=order.correlation_id, events=lambda _: (event,), vendor_ref=lambda o: o.number,
        )  # fmt: skip
        return OrderDrafted(
            order=await self._tools.store.documents.put("order", made),
            order_number=made.number,
            status=made.status,
        )

    @activity.defn
    async def withdraw_order(self, undo: UndoOf[DraftOrder, OrderDrafted]) -> Undone:
        """See the contract."""
        await self._tools.open("billing")
        order, refs = undo.input, await self._tools.refs("billing")

        async def send(former: Former) -> Undone:
            left = await self._billing.withdraw_order(order.order_number, refs)
            if left is not None and left.status not in _WITHDRAWN:
                raise Transient(
                    f"the order still reads {left.status}", code="order-not-withdrawn", retry_after=2.0
                )
            return Undone(
                read_back=left.status if left else "absent", already_absent=former.happened is False
            )

        payload = event_types.OrderWithdrawn(order_number=order.order_number)
        event = await self._tools.event(
            payload, subject=order.order_number, correlation_id=order.correlation_id
        )
        return await self._tools.undo(
            "billing", order.model_dump(mode="json"), Undone, send,
            correlation_id=order.correlation_id, events=lambda done: () if done.already_absent else (event,),
        )  # fmt: skip

    @activity.defn
    async def compare_order(self, order: CompareOrder) -> Compared:
        """See the contract. Needs no call: everything was read before."""
        get = self._tools.store.documents.get
        deal, plan = await get(order.deal, Deal), await get(order.plan, OrderPlan)
        preview, held = await get(order.preview, OrderPreview), await get(order.order, BillingOrder)
        # Another try would compare the same again: what is corrected reaches billing by a new order only.
        fix = "unwind; correct product, price plan or quote; then `revsaga activation start QUOTE_ID --again`"
        refuse_differences(compare_order(deal.quote, plan, preview, held), "the draft order", fix)
        return Compared(lines=len(plan.lines), total=str(preview.term_total))

    @activity.defn
    async def activate_order(self, order: ActivateOrder) -> OrderActivated:
        """See the contract. Whatever fails here, nothing is called certain that is not: this is the pivot."""
        async with self._tools.truthful():
            return await self._activate(order)

    async def _activate(self, order: ActivateOrder) -> OrderActivated:
        await self._tools.open("billing")
        plan, refs = (
            await self._tools.store.documents.get(order.plan, OrderPlan),
            await self._tools.refs("billing"),
        )
        on = plan.term.start

        async def send(_: Sending) -> OrderActivated:
            done = await self._billing.activate_order(order.order_number, on, refs)
            if done.status != "completed":
                raise OutcomeUnknown(
                    f"the order reads {done.status} after activation", code="activation-not-read-back"
                )
            return OrderActivated(order_number=done.number, status=done.status)

        async def probe() -> OrderActivated | None:
            found = await self._billing.find_order(order.order_number, refs)
            if found is not None and found.status == "completed":
                return OrderActivated(order_number=found.number, status=found.status)
            return None

        payload = event_types.OrderActivated(
            order_number=order.order_number, subscription_number=plan.subscription_number, on=on
        )
        event = await self._tools.event(
            payload, subject=order.order_number, correlation_id=order.correlation_id
        )
        return await self._tools.once(
            "billing", order.model_dump(mode="json"), OrderActivated, send, probe,
            correlation_id=order.correlation_id, events=lambda _: (event,), vendor_ref=lambda o: o.order_number,
        )  # fmt: skip

    @activity.defn
    async def probe_activation(self, claim: Claim[ActivateOrder, OrderActivated]) -> Proof:
        """See the contract."""
        found = await self._billing.find_order(claim.input.order_number, await self._tools.refs("billing"))
        return Proof(
            found=found is not None,
            matches=found is not None and found.status == "completed",
            read_back=found.status if found else "absent",
        )

    @activity.defn
    async def read_subscription(self, order: ReadSubscription) -> SubscriptionRead:
        """See the contract."""
        await self._tools.open("billing")
        plan, refs = (
            await self._tools.store.documents.get(order.plan, OrderPlan),
            await self._tools.refs("billing"),
        )
        held = await self._billing.find_subscription(order.subscription_number, refs)
        if held is None:
            raise Transient(
                "the subscription does not appear yet", code="subscription-missing", retry_after=2.0
            )
        refuse_differences(compare_subscription(plan, held), "the active subscription")
        await self._tools.store.xrefs.add([self._xref(plan, held.number)])
        return SubscriptionRead(
            subscription=await self._tools.store.documents.put("billing-subscription", held),
            number=held.number,
            version=held.version,
            status=held.status,
        )

    def _xref(self, plan: OrderPlan, held: str) -> Xref:
        return Xref(
            canonical_type="subscription",
            canonical_id=plan.subscription_number,
            system=self._tools.vendor("billing"),
            external_type="subscription",
            external_id=held,
        )
