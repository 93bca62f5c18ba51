"""How well activations go, from the chain of events alone.

A deal counts once, in the cohort of the business day (UTC) on which it was approved; where the CRM does not tell that,
on which it was taken up. It succeeds when it is completed within 15 minutes without a person's help. Help is a decision
about a parked step, and starting it again; that somebody started it instead of the watch is none. A deal that was taken
up and found not to be approved is no approved deal, until it is.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from pydantic import Field

from activities.store.events import StoredEvent
from activities.store.store import Store
from canonical.base import Model
from canonical.event import PREFIX, read
from canonical.event_types import (
    ActivationCancelled,
    ActivationCompleted,
    ActivationParked,
    ActivationResolved,
    ActivationStarted,
    ActivationUnwound,
    QuoteRefused,
)

PROMPT, DAY = timedelta(minutes=15), timedelta(hours=24)
ITSELF = "revsaga"
_WATCHES = ("deal-watch", "watch")
_NOT_APPROVED = "quote-not-approved"


class DealScore(Model):
    """One deal: what the two figures say of it, and why."""

    quote_id: str
    cohort: date
    approved_at: datetime
    completed_at: datetime | None = None
    seconds: int | None = Field(default=None, description="from approval to completion")
    human_actions: tuple[str, ...] = Field(
        default=(), description="what persons decided before it was completed"
    )
    prompt: bool = Field(description="completed within 15 minutes, without a person")
    in_a_day: bool = Field(description="completed within 24 hours")
    why: str = Field(default="", description="what keeps it from being prompt")


class Rate(Model):
    """A share. `percent` is text with two decimals, empty when there is nothing to divide by."""

    numerator: int
    denominator: int

    @property
    def percent(self) -> str:
        """Rounded half up, and never up to 100 when one is missing."""
        if not self.denominator:
            return ""
        exact = Decimal(100 * self.numerator) / Decimal(self.denominator)
        shown = exact.quantize(Decimal("0.01"), ROUND_HALF_UP)
        return str(min(shown, Decimal("99.99")) if self.numerator < self.denominator else shown)


class Cohort(Model):
    """The deals of one day."""

    day: date
    approved: int
    prompt: Rate
    in_a_day: Rate


class Score(Model):
    """The activation success rate."""

    name: str = "activation success rate"
    prompt: Rate = Field(description="completed without a person within 15 minutes / approved")
    in_a_day: Rate = Field(description="completed within 24 hours / approved")
    cohorts: tuple[Cohort, ...]
    deals: tuple[DealScore, ...]


async def score(store: Store, *, since: date | None = None, until: date | None = None) -> Score:
    """Both figures for the cohorts from `since` up to and without `until`."""
    return of_events(await _events(store), since=since, until=until)


async def _events(store: Store) -> list[StoredEvent]:
    found: list[StoredEvent] = []
    for prefix in (f"{PREFIX}.operational.activation.", QuoteRefused.type()):
        after = 0
        while page := await store.events.list(type_prefix=prefix, after=after, limit=2000):
            found += page
            after = page[-1].seq
    return sorted(found, key=lambda stored: stored.seq)


class _Deal:
    def __init__(self, quote_id: str, approved_at: datetime) -> None:
        self.quote_id, self.approved_at = quote_id, approved_at
        self.completed_at: datetime | None = None
        self.human: list[str] = []
        self.starts = 0
        self.last = ""
        self.unapproved = False

    def score(self) -> DealScore:
        took = None if self.completed_at is None else self.completed_at - self.approved_at
        prompt = took is not None and took <= PROMPT and not self.human
        return DealScore(
            quote_id=self.quote_id,
            cohort=self.approved_at.astimezone(UTC).date(),
            approved_at=self.approved_at,
            completed_at=self.completed_at,
            seconds=None if took is None else int(took.total_seconds()),
            human_actions=tuple(self.human),
            prompt=prompt,
            in_a_day=took is not None and took <= DAY,
            why="" if prompt else self._why(took),
        )

    def _why(self, took: timedelta | None) -> str:
        if took is None:
            return self.last or "still under way"
        return f"helped by a person: {self.human[0]}" if self.human else f"took {took}"


def of_events(
    events: Iterable[StoredEvent], *, since: date | None = None, until: date | None = None
) -> Score:
    """Both figures from the events of activations, in the order of the chain."""
    deals: dict[str, _Deal] = {}
    for stored in events:
        _take(deals, stored)
    scores = sorted(
        (d.score() for d in deals.values() if not d.unapproved), key=lambda s: (s.approved_at, s.quote_id)
    )
    kept = [s for s in scores if (since is None or s.cohort >= since) and (until is None or s.cohort < until)]
    days = sorted({s.cohort for s in kept})
    return Score(
        prompt=_rate(kept, "prompt"),
        in_a_day=_rate(kept, "in_a_day"),
        cohorts=tuple(_cohort(day, [s for s in kept if s.cohort == day]) for day in days),
        deals=tuple(kept),
    )


def _take(deals: dict[str, _Deal], stored: StoredEvent) -> None:
    payload, event = read(stored.event), stored.event
    if isinstance(payload, ActivationStarted):
        approved = datetime.fromisoformat(payload.approved_at) if payload.approved_at else event.time
        deal = deals.setdefault(payload.quote_id, _Deal(payload.quote_id, approved.astimezone(UTC)))
        deal.starts += 1
        deal.last = ""
        if deal.starts > 1 and not payload.started_by.startswith(_WATCHES):
            deal.human.append(f"started again by {payload.started_by}")
        return
    deal_ = deals.get(str(event.data.get("quote_id", "")))
    if deal_ is None or deal_.completed_at is not None:
        return
    if isinstance(payload, QuoteRefused):
        deal_.unapproved = _NOT_APPROVED in payload.codes
    elif isinstance(payload, ActivationCompleted):
        deal_.completed_at, deal_.unapproved = event.time, False
    elif isinstance(payload, ActivationResolved) and event.actor != ITSELF:
        deal_.human.append(f"{payload.resolution} of {payload.step} by {event.actor}")
        deal_.last = ""
    elif isinstance(payload, ActivationParked):
        deal_.last = f"parked: {payload.step}, {payload.code}, {payload.owner}"
    elif isinstance(payload, ActivationUnwound):
        deal_.last = f"unwound{': ' + payload.because if payload.because else ''}"
    elif isinstance(payload, ActivationCancelled):
        deal_.last = f"cancelled: {payload.reason}"


def _cohort(day: date, deals: list[DealScore]) -> Cohort:
    return Cohort(
        day=day, approved=len(deals), prompt=_rate(deals, "prompt"), in_a_day=_rate(deals, "in_a_day")
    )


def _rate(deals: list[DealScore], name: str) -> Rate:
    return Rate(numerator=sum(getattr(deal, name) for deal in deals), denominator=len(deals))
