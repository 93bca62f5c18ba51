"""The business clock: what time it is for contracts, periods, waits and ledger windows.

In production it is the system clock. Under a simulated clock it is a row of the store that `advance` moves, stopping at
every due time in order. Leases, tokens, rate limits and retry back-off never ask it: they live in real time.
"""

from datetime import UTC, datetime
from typing import Protocol


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
