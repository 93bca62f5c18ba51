"""Account-wide leases: how many calls one vendor may have in flight, over all workers and machines.

They live in real time on the database's clock, so that workers need not agree on theirs. A lease that its holder does
not renew comes back by itself: a killed worker blocks its slots for one time-to-live at most.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from activities.store.store import Store
from canonical.base import Model
from canonical.failures import Transient

log = logging.getLogger("revsaga.leases")


class Lease(Model):
    """One slot of a vendor. `token` rises with every grant, so that a late renewal or release of an old one is seen."""

    vendor: str
    slot: int
    token: int


class Leases:
    """Take, renew and give back."""

    def __init__(self, store: Store, holder: str = "") -> None:
        self._store = store
        self._holder = holder
        self._seeded: set[tuple[str, int]] = set()

    async def take(self, vendor: str, slots: int, ttl: timedelta, holder: str | None = None) -> Lease | None:
        """One of the vendor's `slots` for `ttl` of real time, or None when all are taken."""
        if (vendor, slots) not in self._seeded:
            await self._store.execute(
                "INSERT INTO lease (vendor, slot) SELECT $1, generate_series(1, $2::int) ON CONFLICT DO NOTHING",
                vendor,
                slots,
            )
            self._seeded.add((vendor, slots))
        # SKIP LOCKED: two takers never look at the same slot, and none waits for the other.
        row = await self._store.fetchrow(
            """UPDATE lease SET holder = $3, token = token + 1, expires_at = clock_timestamp() + $4
               WHERE vendor = $1 AND slot = (
                   SELECT slot FROM lease WHERE vendor = $1 AND slot <= $2 AND expires_at <= clock_timestamp()
                   ORDER BY slot LIMIT 1 FOR UPDATE SKIP LOCKED)
               RETURNING slot, token""",
            vendor,
            slots,
            self._holder if holder is None else holder,
            ttl,
        )
        return None if row is None else Lease(vendor=vendor, slot=row["slot"], token=row["token"])

    async def renew(self, lease: Lease, ttl: timedelta) -> bool:
        """Keep it for another `ttl` from now; False when it has expired, and may be somebody else's."""
        touched = await self._store.execute(
            """UPDATE lease SET expires_at = clock_timestamp() + $4
               WHERE vendor = $1 AND slot = $2 AND token = $3 AND expires_at > clock_timestamp()""",
            lease.vendor,
            lease.slot,
            lease.token,
            ttl,
        )
        return touched == 1

    async def release(self, lease: Lease) -> None:
        """Give it back. One that has expired meanwhile is left alone."""
        await self._store.execute(
            """UPDATE lease SET expires_at = '-infinity', holder = ''
               WHERE vendor = $1 AND slot = $2 AND token = $3""",
            lease.vendor,
            lease.slot,
            lease.token,
        )

    async def held(self, vendor: str) -> tuple[str, ...]:
        """Who holds a slot of the vendor right now, by slot."""
        rows = await self._store.fetch(
            "SELECT holder FROM lease WHERE vendor = $1 AND expires_at > clock_timestamp() ORDER BY slot",
            vendor,
        )
        return tuple(row["holder"] for row in rows)

    @asynccontextmanager
    async def hold(
        self, vendor: str, slots: int, ttl: timedelta, holder: str | None = None, wait: float = 1.0
    ) -> AsyncIterator[Lease]:
        """A lease for a block of work, renewed every third of `ttl` while the block runs.

        Choose a `ttl` above the vendor's HTTP time-out, so that a call in flight never outlives its lease.

        Raises Transient `lease-unavailable`, with `retry_after` = `wait` seconds, when all slots are taken.
        """
        lease = await self.take(vendor, slots, ttl, holder)
        if lease is None:
            raise Transient(
                f"all {slots} connections that {vendor} allows are in use",
                code="lease-unavailable",
                retry_after=wait,
                evidence={"vendor": vendor, "slots": str(slots)},
            )
        renewing = asyncio.create_task(self._keep(lease, ttl))
        try:
            yield lease
        finally:
            renewing.cancel()
            await asyncio.shield(self.release(lease))

    async def _keep(self, lease: Lease, ttl: timedelta) -> None:
        while True:
            await asyncio.sleep(ttl.total_seconds() / 3)
            try:
                if not await self.renew(lease, ttl):
                    log.warning(
                        "the lease on slot %d of %s expired under its holder", lease.slot, lease.vendor
                    )
                    return
            except Transient:
                log.warning(
                    "cannot renew the lease on slot %d of %s", lease.slot, lease.vendor, exc_info=True
                )
