"""Activities about the activation itself: its ledger row, validation, turns, and what is recorded at the end."""

from collections import Counter
from datetime import date

from temporalio import activity

from activities.boundary import MOST_FINDINGS
from activities.contracts.activation import (
    ActivationOpened,
    ActivationRecorded,
    GiveTurn,
    NextTurn,
    OpenActivation,
    RecordActivation,
    TakeTurn,
    Turn,
    Validated,
    ValidateDeal,
)
from activities.contracts.kernel import Undone, UndoOf
from activities.store.activations import ActivationState
from activities.store.closing import close
from activities.store.master import Master
from activities.store.xref import Xref
from activities.tools import Tools
from canonical import event_types
from canonical.bundle import explode
from canonical.catalog import Catalog
from canonical.entity import explain
from canonical.failures import Finding, Owner, Rejected
from canonical.ground import Ground
from canonical.ids import number
from canonical.money import total
from canonical.order import BillingSubscription, OrderPlan
from canonical.planning import sold_charge
from canonical.quote import Deal
from canonical.subscription import Subscription, SubscriptionItem, SubscriptionState, SubscriptionVersion
from canonical.tax import AddressCheck, Nexus
from canonical.validation import Verdict, validate
from connectors.ports import Tax

_RESOLVED_IN = ("US", "CA")


class ActivationActivities:
    """Mostly work on our own store; validation asks the tax engine."""

    def __init__(self, tax: Tax, tools: Tools) -> None:
        self._tax = tax
        self._tools = tools

    @activity.defn
    async def open_activation(self, claim: OpenActivation) -> ActivationOpened:
        """See the contract."""
        settings = self._tools.settings
        payload = event_types.ActivationStarted(
            quote_id=claim.quote_id, revision=claim.revision, opportunity_id="", started_by=claim.actor
        )
        correlation = number("COR", claim.quote_id, claim.workflow_id)
        event = await self._tools.event(payload, subject=claim.quote_id, correlation_id=correlation)
        now = await self._tools.clock.now()
        answer = await self._tools.store.activations.claim(
            workflow_id=claim.workflow_id,
            quote_id=claim.quote_id,
            revision=claim.revision,
            again=claim.again,
            at=now,
            actor=claim.actor,
            reason=claim.reason,
        )
        if answer.granted:
            await self._tools.store.events.append([event])
        return ActivationOpened(
            granted=answer.granted,
            holder="" if answer.granted else answer.row.workflow_id,
            holder_state="" if answer.granted else answer.why,
            now=now,
            waits_for_contract=settings.waits_for_contract,
            catalog_patience_hours=settings.catalog_patience_hours,
        )

    @activity.defn
    async def release_claim(self, undo: UndoOf[OpenActivation, ActivationOpened]) -> Undone:
        """See the contract."""
        claim = undo.input
        entries = await self._tools.effects.entries(f"{claim.workflow_id}/")
        payload = event_types.ActivationUnwound(
            quote_id=claim.quote_id,
            revision=claim.revision,
            because=undo.because,
            undone=tuple(
                e.key.removeprefix(f"{claim.workflow_id}/").partition("/")[0]
                for e in entries
                if e.state == "done" and "/undo" in e.key.removeprefix(claim.workflow_id)
            ),
        )
        correlation = number("COR", claim.quote_id, claim.workflow_id)
        event = await self._tools.event(payload, subject=claim.quote_id, correlation_id=correlation)
        now = await self._tools.clock.now()
        await close(self._tools.store, claim.workflow_id, ActivationState.UNWOUND, now, events=[event])
        return Undone(read_back="unwound")

    async def ground(self, deal: Deal) -> Ground:
        """What validation stands on, read now: master data, maps, nexus and addresses. No call to the ERP."""
        master = await self._tools.store.master.load()
        nexus: dict[str, tuple[Nexus, ...]] = {}
        on = (await self._tools.clock.now()).date()
        for company in sorted(_companies(deal, master, on)):
            nexus[company] = await self._tax.nexus(company)
        addresses: dict[str, AddressCheck] = {}
        for role in ("sold_to", "bill_to"):
            contact = getattr(deal.parties, role)
            if contact is not None and contact.address.country in _RESOLVED_IN:
                addresses[role] = await self._tax.resolve_address(contact.address)
        return Ground(
            on=on,
            entities=master.entities,
            rules=master.rules,
            catalog=master.catalog,
            billing=await self._tools.refs("billing"),
            erp=await self._tools.refs("erp"),
            nexus=nexus,
            addresses=addresses,
        )

    @activity.defn
    async def validate_deal(self, order: ValidateDeal) -> Validated:
        """See the contract."""
        await self._tools.open("tax")
        deal = await self._tools.store.documents.get(order.deal, Deal)
        ground = await self.ground(deal)
        verdict = validate(deal, ground)
        if other := await self._other_of(deal):
            verdict = verdict.model_copy(update={"findings": (other, *verdict.findings)})
        await self._say(deal, verdict, order.correlation_id)
        if verdict.waiting and order.patient:
            return Validated(findings=_mixed(verdict.findings), waiting=True, on=ground.on)
        if verdict.findings:
            raise refusal(verdict)
        return Validated(
            route=verdict.route,
            on=ground.on,
            catalog=await self._tools.store.documents.put("catalog", ground.catalog),
        )

    async def _other_of(self, deal: Deal) -> Finding | None:
        """Another quote of the same deal that is active already: it would be sold twice."""
        opportunity = deal.opportunity.opportunity_id
        rows = await self._tools.store.xrefs.show(opportunity)
        held = next(
            (x for x in rows if (x.canonical_type, x.external_id) == ("opportunity", opportunity)), None
        )
        if held is None:
            return None
        return Finding(
            code="opportunity-activated",
            field="quote.opportunity_id",
            message=f"another quote of this deal is active already, as subscription {held.canonical_id}",
            fix="amend that subscription; a sale beside it needs an opportunity of its own",
            owner=Owner.REVOPS,
        )

    async def _say(self, deal: Deal, verdict: Verdict, correlation_id: str) -> None:
        quote_id, revision = deal.quote.quote_id, deal.revision
        if verdict.findings or verdict.route is None:
            codes = tuple(sorted({f.code for f in verdict.findings}))
            payload: event_types.Operational = event_types.QuoteRefused(
                quote_id=quote_id, revision=revision, codes=codes
            )
            entity, fact = "", ",".join(codes)
        else:
            route, fact = verdict.route, ""
            payload = event_types.QuoteValidated(
                quote_id=quote_id,
                revision=revision,
                entity=route.entity,
                erp=route.erp,
                rule_id=route.rule_id,
            )
            entity = route.entity
        event = await self._tools.event(
            payload, subject=quote_id, correlation_id=correlation_id, entity=entity, fact=fact
        )
        await self._tools.store.events.append([event])

    @activity.defn
    async def take_turn(self, order: TakeTurn) -> Turn:
        """See the contract."""
        turn = await self._tools.store.turns.take(order.account, order.workflow_id)
        return Turn(granted=turn.granted, holder=turn.holder)

    @activity.defn
    async def leave_turn(self, undo: UndoOf[TakeTurn, Turn]) -> Undone:
        """See the contract."""
        await self._give(undo.input.account, undo.input.workflow_id)
        return Undone(read_back="given back")

    @activity.defn
    async def give_turn(self, order: GiveTurn) -> NextTurn:
        """See the contract."""
        return NextTurn(workflow_id=await self._give(order.account, order.workflow_id))

    async def _give(self, account: str, workflow_id: str) -> str:
        """The store first, then the signal: if the signal is lost, the next try of this activity sends it again."""
        current = await self._tools.store.turns.give_back(account, workflow_id)
        while current:
            if await self._tools.wake(current, "turn_given"):
                return current
            # Whoever was next has ended: the turn must not stop with it.
            current = await self._tools.store.turns.give_back(account, current)
        return ""

    @activity.defn
    async def record_activation(self, order: RecordActivation) -> ActivationRecorded:
        """See the contract."""
        get = self._tools.store.documents.get
        deal, plan = await get(order.deal, Deal), await get(order.plan, OrderPlan)
        held, catalog = await get(order.subscription, BillingSubscription), await get(order.catalog, Catalog)
        subscription = _subscription(order, deal, plan, held, catalog)
        ref = await self._tools.store.documents.put("subscription", subscription)
        common = {"correlation_id": order.correlation_id, "entity": order.entity}
        activated = event_types.SubscriptionActivated(
            subscription_number=order.subscription_number,
            quote_id=order.quote_id,
            customer_id=order.customer_id,
            term=plan.term,
            term_total=deal.quote.net_total,
            charges=len(held.charges),
        )
        completed = event_types.ActivationCompleted(
            quote_id=order.quote_id, revision=deal.revision, subscription_number=order.subscription_number
        )
        events = [
            await self._tools.event(activated, subject=order.subscription_number, **common),
            await self._tools.event(completed, subject=order.quote_id, **common),
        ]
        now = await self._tools.clock.now()
        store, xrefs = self._tools.store, self._xrefs(order)
        await close(store, order.workflow_id, ActivationState.COMPLETED, now, events=events, xrefs=xrefs)
        return ActivationRecorded(subscription=ref, events=len(events))

    def _xrefs(self, order: RecordActivation) -> list[Xref]:
        crm, billing = self._tools.vendor("crm"), self._tools.vendor("billing")
        rows = [
            ("quote", order.subscription_number, self._tools.vendor("cpq"), "quote", order.quote_id),
            ("opportunity", order.subscription_number, crm, "opportunity", order.opportunity_id),
            ("order", order.subscription_number, billing, "order", order.order_number),
        ]
        if order.crm_contract:
            rows.append(("crm-contract", order.subscription_number, crm, "contract", order.crm_contract))
        return [
            Xref(
                canonical_type=a,
                canonical_id=b,
                system=c,
                external_type=d,
                external_id=e,
                entity=order.entity,
            )
            for a, b, c, d, e in rows
        ]


def _companies(deal: Deal, master: Master, on: date) -> set[str]:
    """The tax company of the entity that the routing table names, if it names one."""
    sold_to = deal.parties.sold_to
    route, _ = explain(
        master.rules,
        currency=deal.quote.currency,
        country=sold_to.address.country if sold_to else "",
        region=deal.parties.customer.region,
        on=on,
    )
    return {e.tax_company for e in master.entities if route is not None and e.code == route.entity}


def refusal(verdict: Verdict) -> Rejected:
    """All findings as one failure, headed by the first; of each kind some, where there are too many to travel."""
    first = verdict.findings[0]
    more = len(verdict.findings) - 1
    return Rejected(
        first.message + (f" (and {more:,} more)" if more else ""),
        code="deal-invalid" if more else first.code,
        field=first.field,
        fix="; ".join(dict.fromkeys(f.fix for f in verdict.findings[:6])),
        findings=_mixed(verdict.findings),
        evidence={"findings": f"{more + 1}; all of them: revsaga quote validate"}
        if more >= MOST_FINDINGS
        else {},
    )


def _mixed(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """As many as may travel, the first of each code before the second of any."""
    if len(findings) <= MOST_FINDINGS:
        return findings
    seen: Counter[str] = Counter()
    ranked: list[tuple[int, Finding]] = []
    for finding in findings:
        ranked.append((seen[finding.code], finding))
        seen[finding.code] += 1
    return tuple(finding for _, finding in sorted(ranked, key=lambda pair: pair[0])[:MOST_FINDINGS])


def _subscription(
    order: RecordActivation, deal: Deal, plan: OrderPlan, held: BillingSubscription, catalog: Catalog
) -> Subscription:
    """The canonical subscription, version 1: what billing holds with what the quote says it is worth."""
    quoted = {line.line_id: line for line in explode(deal.quote.lines)}
    items = []
    for charge in held.charges:
        line = quoted.get(charge.lineage_id)
        if charge.kind != "charge" or line is None:
            continue
        _, sold = sold_charge(catalog, line)
        items.append(
            SubscriptionItem(
                lineage_id=charge.lineage_id,
                charge_number=charge.charge_number,
                product_code=charge.product_code,
                type=charge.type,
                frequency=charge.frequency,
                quantity=charge.quantity,
                unit_price=charge.unit_price,
                term_total=line.net_total,
                period=charge.period,
                obligation=f"{sold.obligation.code}:{line.line_id}",
            )
        )
    if total((i.term_total for i in items), plan.currency) != deal.quote.net_total:
        raise ValueError(f"the items of {order.subscription_number} do not sum to {deal.quote.net_total}")
    version = SubscriptionVersion(
        number=1, effective=plan.term.start, cause=order.workflow_id, term=plan.term, items=tuple(items)
    )
    return Subscription(
        subscription_number=order.subscription_number,
        customer_id=order.customer_id,
        entity=order.entity,
        currency=plan.currency,
        correlation_id=order.correlation_id,
        quote_id=order.quote_id,
        state=SubscriptionState.ACTIVE,
        versions=(version,),
    )
