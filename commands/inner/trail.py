"""The trail of a deal: what became of a quote in every system, when, caused by what, line by line.

Read from what was written down while it happened: the ledgers of activations and effects, the cross-references, the
chain of events, the cases and the documents. No system is asked, so the trail is there when none of them answers.
"""

from datetime import datetime

from pydantic import Field

from activities.store.activations import Activation
from activities.store.store import Store
from canonical.base import Model
from canonical.case import ExceptionCase
from canonical.failures import Rejected
from canonical.ids import number
from canonical.quote import Deal
from commands.inner import finding, lineage
from commands.inner.found import gather
from commands.inner.lineage import Line
from commands.inner.nodes import Node, Required, nodes, required


class Happened(Model):
    """An event, by its head."""

    seq: int
    id: str
    type: str
    subject: str
    at: datetime
    actor: str
    cause: str


class Done(Model):
    """An effect, by its head."""

    key: str
    system: str
    state: str
    tries: int
    ref: str


class CaseHead(Model):
    """A case, by its head."""

    case_id: str
    step: str
    code: str
    owner: str
    state: str
    since: datetime
    resolution: str
    resolved_by: str


class Attempt(Model):
    """One activation of the quote."""

    workflow_id: str
    correlation_id: str
    revision: str
    state: str
    started_at: datetime
    finished_at: datetime | None
    nodes: tuple[Node, ...]
    lines: tuple[Line, ...]
    required: tuple[Required, ...]
    cases: tuple[CaseHead, ...]
    effects: tuple[Done, ...]
    events: tuple[Happened, ...]

    @property
    def gaps(self) -> tuple[str, ...]:
        """What is missing."""
        return tuple(f"{r.kind}: {r.text}" for r in self.required if r.status == "gap")


class Chain(Model):
    """Everything about one quote, oldest attempt first."""

    quote_id: str
    attempts: tuple[Attempt, ...]


class Trace(Model):
    """The answer to `trace`. It is the same for every entry into the same chain, `entry` apart."""

    entry: str
    chains: tuple[Chain, ...]
    verdict: str = Field(description="`no gap`, or the gaps by name")


async def trace(store: Store, any_id: str) -> Trace:
    """The trail that an id belongs to. Rejected `trace-unknown` when nothing here knows it."""
    quotes = await finding.quotes_of(store, any_id)
    if not quotes:
        raise Rejected(
            f"nothing here knows {any_id!r}",
            code="trace-unknown",
            field="id",
            fix="give the id of a quote, deal, customer, account, order, subscription, ERP record, case or saga",
        )
    chains = tuple([await _chain(store, quote_id) for quote_id in quotes])
    gaps = [f"{a.workflow_id}: {gap}" for c in chains for a in c.attempts for gap in a.gaps]
    return Trace(entry=any_id, chains=chains, verdict="; ".join(gaps) or "no gap")


async def _chain(store: Store, quote_id: str) -> Chain:
    deals = {d.revision: d for d in await finding.deals_with(store, quote_id) if d.quote.quote_id == quote_id}
    rows = await store.activations.of_quote(quote_id)
    attempts = tuple([await _attempt(store, row, deals.get(row.revision)) for row in rows])
    return Chain(quote_id=quote_id, attempts=attempts)


async def _attempt(store: Store, row: Activation, deal: Deal | None) -> Attempt:
    correlation = number("COR", row.quote_id, row.workflow_id)
    found = await gather(store, row, deal, correlation)
    cases = await store.cases.list(workflow_id=row.workflow_id, all_states=True)
    lines, made = lineage.lines(found), nodes(found)
    return Attempt(
        workflow_id=row.workflow_id,
        correlation_id=correlation,
        revision=row.revision,
        state=row.state.value,
        started_at=row.started_at,
        finished_at=row.finished_at,
        nodes=made,
        lines=lines,
        required=required(found, made, lines),
        cases=tuple(_case(c) for c in cases),
        effects=tuple(
            Done(key=e.key, system=e.vendor, state=e.state, tries=e.tries, ref=e.vendor_ref) for e in found.effects
        ),
        events=tuple(
            Happened(
                seq=e.seq, id=e.event.id, type=e.event.type, subject=e.event.subject, at=e.event.time,
                actor=e.event.actor, cause=e.event.causationid,
            )
            for e in found.events
        ),
    )  # fmt: skip


def _case(case: ExceptionCase) -> CaseHead:
    return CaseHead(
        case_id=case.case_id, step=case.step, code=case.code, owner=case.owner.value, state=case.state.value,
        since=case.since, resolution=case.resolution, resolved_by=case.resolved_by,
    )  # fmt: skip
