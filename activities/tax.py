"""Activities about the tax engine."""

from temporalio import activity

from activities.contracts.tax import EstimateTax, TaxEstimated
from activities.tools import Tools
from canonical import event_types
from canonical.catalog import Catalog
from canonical.failures import Misconfigured, Rejected
from canonical.money import Money
from canonical.order import OrderPlan, OrderPreview
from canonical.planning import tax_request
from canonical.quote import Deal
from canonical.tax import ZeroReason
from connectors.ports import Tax


class TaxActivities:
    """Asks for tax; records no document."""

    def __init__(self, tax: Tax, tools: Tools) -> None:
        self._tax = tax
        self._tools = tools

    @activity.defn
    async def estimate_tax(self, order: EstimateTax) -> TaxEstimated:
        """See the contract."""
        await self._tools.open("tax")
        get, put = self._tools.store.documents.get, self._tools.store.documents.put
        deal, plan = await get(order.deal, Deal), await get(order.plan, OrderPlan)
        preview, catalog = await get(order.preview, OrderPreview), await get(order.catalog, Catalog)
        master = await self._tools.store.master.load()
        entity = next((e for e in master.entities if e.code == order.entity), None)
        if entity is None:
            raise Misconfigured(
                f"legal entity {order.entity} is not in the master data any more",
                code="entity-missing",
                field="entity",
                fix="publish it again, then retry",
            )
        request = tax_request(deal, preview, plan, catalog, entity)
        if request is None:
            nothing = Money.zero(plan.currency)
            await self._say(plan, order.entity, nothing, (ZeroReason.ZERO_BASE,), "")
            return TaxEstimated(amount=str(nothing), zero_reasons=(ZeroReason.ZERO_BASE,))
        found = await self._tax.estimate(request)
        unexplained = [line.lineage_id for line in found.lines if line.zero_reason is ZeroReason.UNEXPLAINED]
        if unexplained:
            raise Rejected(
                f"no tax on line {unexplained[0]}, and nothing says why",
                code="tax-zero-unexplained",
                field=f"quote.lines[{unexplained[0]}]",
                fix="check nexus, tax code and exemption in the tax engine, then retry",
            )
        reasons = sorted({line.zero_reason.value for line in found.lines if line.zero_reason is not None})
        await self._say(plan, order.entity, found.amount, tuple(reasons), found.evidence)
        return TaxEstimated(
            determination=await put("tax", found),
            amount=str(found.amount),
            zero_reasons=tuple(reasons),
            messages=found.messages,
        )

    async def _say(
        self, plan: OrderPlan, entity: str, tax: Money, reasons: tuple[str, ...], evidence: str
    ) -> None:
        """The estimate leaves no document anywhere, so the chain of events is where it can be found again."""
        payload = event_types.TaxEstimated(
            order_number=plan.order_number, tax=tax, zero_reasons=reasons, evidence=evidence
        )
        event = await self._tools.event(
            payload, subject=plan.order_number, correlation_id=plan.correlation_id, entity=entity
        )
        await self._tools.store.events.append([event])
