"""What the books say when the performance is over: our store, and what each sandbox holds."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from activities.store.activations import Activation
from activities.store.store import Store
from canonical.case import ExceptionCase
from canonical.event_types import QuoteValidated
from canonical.money import Money
from canonical.quote import Deal
from commands.demo import standing as s
from commands.demo import world as master
from commands.demo.cast import Cast
from commands.demo.play import Played
from commands.inner.scoring import Score, score
from commands.inner.trail import Trace, trace
from stack import Stack

NORTH_AMERICA = ("US", "CA")
NOT_ROUTED = "not routed"


@dataclass(frozen=True)
class Outcome:
    """What became of one deal. `money` is what its quote says."""

    deal: Deal
    activation: Activation | None
    state: str
    entity: str
    money: Money

    @property
    def region(self) -> str:
        """NA or EMEA, by the legal entity."""
        return region(self.entity)


def region(entity: str) -> str:
    """NA or EMEA; empty for a deal that was never routed."""
    country = next((e.country for e in master.ENTITIES if e.code == entity), "")
    return "" if not country else "NA" if country in NORTH_AMERICA else "EMEA"


@dataclass(frozen=True)
class Books:
    """One vendor's books, read through its control port."""

    state: dict[str, Any]
    effects: dict[str, dict[str, int]]
    log: list[dict[str, Any]]
    figures: dict[str, Any]


@dataclass(frozen=True)
class Facts:
    """Everything that is judged and told."""

    whole: bool
    outcomes: tuple[Outcome, ...]
    cases: tuple[ExceptionCase, ...]
    books: dict[str, Books]
    traces: dict[str, Trace]
    score: Score
    played: Played

    def those(self, *states: str) -> tuple[Outcome, ...]:
        """The deals that ended so."""
        return tuple(o for o in self.outcomes if o.state in states)

    @property
    def live(self) -> frozenset[str]:
        """Workflows that are not over."""
        ended = (s.DONE, s.UNDONE)
        return frozenset(
            o.activation.workflow_id for o in self.outcomes if o.activation and o.state not in ended
        )


async def gather(stack: Stack, store: Store, book: Cast, played: Played) -> Facts:
    """Read it all."""
    ids = tuple(deal.quote.quote_id for deal in book.deals)
    now = await s.standing(store, ids)
    rows = {row.quote_id: row for row in await store.activations.list(limit=10_000)}
    routed = {
        found.event.subject: found.event.entity
        for found in await store.events.list(type_prefix=QuoteValidated.type(), limit=10_000)
    }
    outcomes = tuple(
        Outcome(
            deal=deal,
            activation=rows.get(deal.quote.quote_id),
            state=now.of[deal.quote.quote_id],
            entity=routed.get(deal.quote.quote_id, NOT_ROUTED),
            money=deal.quote.net_total,
        )
        for deal in book.deals
    )
    traces = {
        o.deal.quote.quote_id: await trace(store, o.deal.quote.quote_id)
        for o in outcomes
        if o.activation is not None
    }
    read = await asyncio.gather(*(_books(stack, vendor) for vendor in stack.vendors()))
    return Facts(
        whole=book.whole,
        outcomes=outcomes,
        cases=await store.cases.list(all_states=True, limit=10_000),
        books=dict(zip(stack.vendors(), read, strict=True)),
        traces=traces,
        score=await score(store),
        played=played,
    )


async def _books(stack: Stack, vendor: str) -> Books:
    control = stack.sandbox(vendor)
    snapshot, log, figures = await control.state(), await control.log(), await control.figures()
    return Books(snapshot["state"], snapshot["effects"], log, figures)


def minor(amount: Decimal | int, currency: str) -> Money:
    """What a vendor's books say, as money; refused when it is no whole number of minor units."""
    return Money.exactly(str(amount), currency)
