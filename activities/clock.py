"""The business clock: what time it is for contracts, periods, waits and ledger windows.

In production it is the system clock. Under a simulated clock it is a row of the store that `advance` moves, stopping at
every due time in order. Leases, tokens, rate limits and retry back-off never ask it: they live in real time.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from activities.store.store import Store
from activities.store.waits import Wait
from canonical.base import Model
from canonical.failures import Rejected


class Clock(Protocol):
    """Something that knows the business time."""

    @property
    def simulated(self) -> bool:
        """Whether a person moves it."""

    async def now(self) -> datetime:
        """The business time, in UTC."""


class SystemClock:
    """The business time is the real time."""

    simulated = False

    async def now(self) -> datetime:
        return datetime.now(UTC)


class Stop(Model):
    """A moment at which the clock stands still on its way, and who waits for it."""

    at: datetime
    waits: tuple[Wait, ...]


Tell = Callable[[Stop], Awaitable[None]]
"""Told of each stop: wakes those who wait, triggers what else is due, and returns when that work has settled."""

NextDue = Callable[[datetime, datetime], Awaitable[datetime | None]]
"""Another source of due times (schedules, sandboxes): the first after the one moment, up to the other, or None."""


class StoreClock:
    """The business time is a row of the store; it stands still until somebody moves it."""

    simulated = True

    def __init__(self, store: Store) -> None:
        self._store = store

    @classmethod
    async def start(cls, store: Store, at: datetime) -> "StoreClock":
        """The simulated clock of `store`, which starts at `at` unless it runs already."""
        await store.waits.simulate(at)
        return cls(store)

    async def now(self) -> datetime:
        return await self._store.waits.simulated_now()

    async def advance(self, by: timedelta, tell: Tell, *, others: Sequence[NextDue] = ()) -> tuple[Stop, ...]:
        """Move on by `by`, and stop at every due time on the way, in order, also at those that appear meanwhile.

        `tell` is awaited at each stop that somebody waits for (or that one of `others` named). Returns those stops.
        Raises Rejected `clock-backwards` for a negative span.
        """
        if by < timedelta():
            raise Rejected(
                "the business clock only moves forward",
                code="clock-backwards",
                field="by",
                fix="give a span of zero or more",
            )
        now = await self.now()
        target, stops = now + by, list[Stop]()
        while True:
            named = [await other(now, target) for other in others]
            dates = tuple(date for date in named if date is not None and date > now)
            now, waits = await self._store.waits.step(target, dates)
            stop = Stop(at=now, waits=waits)
            if waits or now in dates:
                stops.append(stop)
                await tell(stop)
            elif now >= target:
                return tuple(stops)


async def clock_of(store: Store) -> Clock:
    """The clock that this store says: simulated when it has a clock row, else the system's."""
    found = await store.fetchval("SELECT count(*) FROM clock")
    return StoreClock(store) if found else SystemClock()
