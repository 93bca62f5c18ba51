"""Activities about the CRM and CPQ."""

import logging
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import activity

from activities.boundary import clean
from activities.contracts.crm import (
    ContractFound,
    DealRead,
    DealsFound,
    DealToStart,
    FindContract,
    FindDeals,
    LockQuote,
    MoveCursor,
    ReadDeal,
    WriteBack,
)
from activities.contracts.kernel import Claim, Proof, Undone, UndoOf
from activities.effects import Former, Sending
from activities.store.activations import Activation
from activities.store.turns import ConnectorMode
from activities.tools import Tools
from canonical.base import Model
from canonical.case import CaseNote, ExceptionCase, open_case
from canonical.event_types import QuoteCompleted, QuoteLocked, QuoteUnlocked
from canonical.failures import Conflict, Failure, FailureRecord, Kind, Rejected, Transient
from canonical.party import Parties
from canonical.quote import Deal, QuoteMark
from connectors.kit.redact import redact
from connectors.ports import CPQ, CRM

log = logging.getLogger("revsaga.watch")
_PAGE = 50
"""Deals of one page: each takes a handful of calls, and all of them must fit into one try."""
_LOOK_AGAIN_FOR = timedelta(days=30)
"""How long a deal that was taken back is looked at for an edit of its quote, which need not move the deal's stamp."""
_DEAL = "activation/{}"
"""What a case of a deal without an activation is filed under."""
_LONGEST = 500
"""Characters of a reason in the report of a round."""


class CrmActivities:
    """Reads deals, locks quotes, writes outcomes back."""

    def __init__(self, crm: CRM, cpq: CPQ, tools: Tools) -> None:
        self._crm = crm
        self._cpq = cpq
        self._tools = tools

    async def deal(self, quote_id: str) -> Deal:
        """Everything about one deal, read now."""
        await self._tools.open("crm")
        quote, parties = await self._cpq.read_quote(quote_id)
        opportunity = await self._crm.read_opportunity(quote.opportunity_id)
        customer, parents = await self._crm.read_customer(opportunity.customer_id)
        return Deal(
            opportunity=opportunity,
            quote=quote,
            parties=Parties(customer=customer, sold_to=parties.sold_to, bill_to=parties.bill_to),
            parents=parents,
        )

    @activity.defn
    async def read_deal(self, order: ReadDeal) -> DealRead:
        """See the contract."""
        deal = await self.deal(order.quote_id)
        if order.revision and deal.revision != order.revision:
            raise Conflict(
                f"the quote has another content now (revision {deal.revision}, started for {order.revision})",
                code="quote-changed",
                field="quote",
                fix="nothing to do: the deal watch starts the new revision",
            )
        quote, payment = deal.quote, deal.quote.payment
        return DealRead(
            deal=await self._tools.store.documents.put("deal", deal),
            quote_id=quote.quote_id,
            quote_name=quote.name,
            opportunity_id=deal.opportunity.opportunity_id,
            customer_id=deal.parties.customer.customer_id,
            customer_name=deal.parties.customer.name,
            currency=quote.currency,
            net_total=str(quote.net_total),
            lines=len(quote.lines),
            revision=deal.revision,
            content_hash=deal.content_hash,
            autopay=payment.autopay,
            gateway_customer=payment.gateway_customer,
            payment_method=payment.payment_method,
        )

    @activity.defn
    async def lock_quote(self, order: LockQuote) -> QuoteMark:
        """See the contract. The content is read again under the lock, so nothing can change between look and lock."""
        mark = QuoteMark(operation_id=order.operation_id, content_hash=order.content_hash, state="activating")

        async def send(_: Sending) -> QuoteMark:
            try:
                return await self._cpq.lock_quote(order.quote_id, mark)
            except Conflict as conflict:
                raise await self._not_locked(order, conflict) from conflict

        async def probe() -> QuoteMark | None:
            held = await self._cpq.read_mark(order.quote_id)
            return held if held is not None and held.operation_id == order.operation_id else None

        payload = QuoteLocked(
            quote_id=order.quote_id, operation_id=order.operation_id, content_hash=order.content_hash
        )
        event = await self._tools.event(payload, subject=order.quote_id, correlation_id=order.correlation_id)
        await self._tools.open("crm")
        locked = await self._tools.once(
            "cpq", order.model_dump(), QuoteMark, send, probe,
            correlation_id=order.correlation_id, events=lambda _: (event,),
        )  # fmt: skip
        await self._must_be_as_read(order)
        return locked

    async def _must_be_as_read(self, order: LockQuote) -> None:
        now = await self.deal(order.quote_id)
        if now.content_hash != order.content_hash:
            raise Conflict(
                "the quote was changed after it had been read",
                code="quote-changed",
                field="quote",
                fix="nothing to do: the deal watch starts the new revision",
            )

    async def _not_locked(self, order: LockQuote, conflict: Conflict) -> Failure:
        """Somebody's lock needs a person; a change in the same moment matters only if the content is another one."""
        if conflict.code == "quote-locked":
            return Failure.of(conflict.record().model_copy(update={"kind": Kind.REJECTED}))
        await self._must_be_as_read(order)
        return Failure.of(conflict.record().model_copy(update={"kind": Kind.TRANSIENT, "retry_after": 1.0}))

    @activity.defn
    async def unlock_quote(self, undo: UndoOf[LockQuote, QuoteMark]) -> Undone:
        """See the contract."""
        order = undo.input

        async def send(former: Former) -> Undone:
            try:
                left = await self._cpq.unlock_quote(order.quote_id, order.operation_id)
            except Rejected as refused:
                if refused.code != "quote-unknown":
                    raise
                # Somebody deleted the quote, and its lock went with it.
                return Undone(read_back="the quote is absent", already_absent=True)
            if left is not None and left.operation_id == order.operation_id:
                raise Transient("the lock still reads as ours", code="unlock-not-read-back")
            told = f"locked by {left.operation_id}" if left else "unlocked"
            return Undone(read_back=told, already_absent=former.happened is False)

        payload = QuoteUnlocked(quote_id=order.quote_id, operation_id=order.operation_id)
        event = await self._tools.event(payload, subject=order.quote_id, correlation_id=order.correlation_id)
        await self._tools.open("crm")
        return await self._tools.undo(
            "cpq",
            order.model_dump(),
            Undone,
            send,
            correlation_id=order.correlation_id,
            events=lambda done: () if done.already_absent else (event,),
        )

    @activity.defn
    async def write_back(self, order: WriteBack) -> QuoteMark:
        """See the contract."""

        async def send(_: Sending) -> QuoteMark:
            return await self._cpq.write_back(order.quote_id, order.mark)

        async def probe() -> QuoteMark | None:
            held = await self._cpq.read_mark(order.quote_id)
            return held if held == order.mark else None

        payload = QuoteCompleted(
            quote_id=order.quote_id,
            subscription_number=order.mark.billing_subscription,
            erp_document=order.mark.erp_document,
        )
        event = await self._tools.event(payload, subject=order.quote_id, correlation_id=order.correlation_id)
        await self._tools.open("crm")
        return await self._tools.once(
            "cpq", order.model_dump(mode="json"), QuoteMark, send, probe,
            correlation_id=order.correlation_id, repeatable=True, events=lambda _: (event,),
        )  # fmt: skip

    @activity.defn
    async def probe_write_back(self, claim: Claim[WriteBack, QuoteMark]) -> Proof:
        """See the contract."""
        held = await self._cpq.read_mark(claim.input.quote_id)
        return Proof(found=held is not None, matches=held == claim.input.mark, read_back=str(held))

    @activity.defn
    async def find_contract(self, order: FindContract) -> ContractFound:
        """See the contract."""
        await self._tools.open("crm")
        found = await self._crm.find_contract(order.opportunity_id)
        if found is None:
            raise Transient(
                "the CRM has made no contract of the deal yet",
                code="crm-contract-missing",
                fix="look at the CRM's own jobs; the contract is made there",
                retry_after=5.0,
            )
        return ContractFound(contract_id=found)

    @activity.defn
    async def find_deals(self, order: FindDeals) -> DealsFound:
        """See the contract. A deal that cannot be read is reported and looked at again, and holds up nobody."""
        await self._tools.open("crm")
        if any(c.state is ConnectorMode.DRAINING for c in await self._tools.store.connectors.list()):
            # Nothing new begins while a connector drains; the cursor stays, so nothing is missed either.
            return DealsFound(start=(), seen=0, known=0)
        kept = _Place.model_validate_json(await self._tools.store.cursors.read(order.name) or "{}")
        cursor = None if order.full else kept.cursor
        limit = order.limit or _PAGE
        page = await self._crm.closed_won(cursor, limit)
        unsettled = await self._tools.store.activations.unsettled(
            await self._tools.clock.now() - _LOOK_AGAIN_FOR
        )
        # What is to be looked at again takes turns, so that a page is never longer than two.
        again = tuple(dict.fromkeys((*kept.again, *unsettled)))
        sorted_ = _Sorted(again=list(again[limit:]), looked_at_before=frozenset(kept.again))
        quotes = tuple(dict.fromkeys((*again[:limit], *(ref.quote_id for ref in page.deals))))
        tried = await self._tools.store.activations.known(quotes)
        for quote_id in quotes:
            activity.heartbeat()
            await self._sort(quote_id, tried.get(quote_id, ()), sorted_)
        return DealsFound(
            start=tuple(sorted_.start),
            superseded=tuple(sorted_.superseded),
            again=tuple(dict.fromkeys(sorted_.again)),
            seen=len(page.deals),
            known=sorted_.known,
            unreadable=tuple(sorted_.unreadable),
            more=len(page.deals) >= limit and page.cursor != cursor,
            cursor=page.cursor,
        )

    async def _sort(self, quote_id: str, rows: tuple[Activation, ...], into: "_Sorted") -> None:
        """Start it, leave it, or tell its live activation that the content moved on.

        What is under way is looked at again until it has ended: an edit of the quote moves no stamp of the deal.
        """
        if any(row.state == "completed" for row in rows):
            into.known += 1
            return
        try:
            revision = (await self.deal(quote_id)).revision
        except Failure as failure:
            if failure.kind is Kind.TRANSIENT:
                raise
            into.cannot_read(quote_id, failure.message)
            if failure.kind is not Kind.OUTCOME_UNKNOWN:
                await self._call_owner(quote_id, clean(failure.record()))
            return
        except Exception as fault:
            # A fault of ours in one deal holds up no other; it is reported at every round until it is mended.
            log.exception("deal of quote %s cannot be read", quote_id)
            text = f"a fault in this product: {type(fault).__name__}: {fault}"
            into.cannot_read(quote_id, text)
            await self._call_owner(quote_id, None, redact(text)[:_LONGEST])
            return
        if quote_id in into.looked_at_before:
            await self._close_case(quote_id)
        live = next((row for row in rows if row.state == "live"), None)
        if any(row.revision == revision for row in rows):
            into.known += 1
            if live is not None:
                into.again.append(quote_id)
        elif live is not None:
            into.superseded.append(
                DealToStart(quote_id=quote_id, revision=revision, workflow_id=live.workflow_id)
            )
            into.again.append(quote_id)
        else:
            workflow_id = f"activation/{quote_id}/r{revision}"
            into.start.append(DealToStart(quote_id=quote_id, revision=revision, workflow_id=workflow_id))
            into.again.append(quote_id)

    async def _call_owner(self, quote_id: str, failure: FailureRecord | None, bug: str = "") -> None:
        """A deal that is won and cannot be read has no activation yet that could park: it gets a case of its own."""
        of_deal = await self._cases_of(quote_id, closed_too=True)
        if any(case.open for case in of_deal):
            return
        case = open_case(
            failure, workflow_id=_DEAL.format(quote_id), saga="deal-watch", step="read-deal", title="Read the deal",
            episode=len(of_deal) + 1, since=await self._tools.clock.now(), bug=bug,
        )  # fmt: skip
        await self._tools.store.cases.open(case)

    async def _close_case(self, quote_id: str) -> None:
        for case in await self._cases_of(quote_id, closed_too=False):
            now = await self._tools.clock.now()
            note = CaseNote(case_id=case.case_id, at=now, actor="revsaga", text="the deal can be read now")
            await self._tools.store.cases.resolve(case.case_id, resolution="read", note=note)

    async def _cases_of(self, quote_id: str, *, closed_too: bool) -> tuple[ExceptionCase, ...]:
        return await self._tools.store.cases.list(workflow_id=_DEAL.format(quote_id), all_states=closed_too)

    @activity.defn
    async def move_cursor(self, order: MoveCursor) -> None:
        """See the contract."""
        place = _Place(cursor=order.cursor, again=order.again)
        await self._tools.store.cursors.move(order.name, place.model_dump_json())


class _Place(Model):
    """Where the watch is: the CRM's cursor, and quotes that need another look."""

    cursor: str | None = None
    again: tuple[str, ...] = ()


@dataclass
class _Sorted:
    start: list[DealToStart] = field(default_factory=list)
    superseded: list[DealToStart] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    looked_at_before: frozenset[str] = frozenset()
    unreadable: list[str] = field(default_factory=list)
    known: int = 0

    def cannot_read(self, quote_id: str, why: str) -> None:
        """Report it, and look again in the next round."""
        self.unreadable.append(f"{quote_id}: {redact(why)[:_LONGEST]}")
        self.again.append(quote_id)
