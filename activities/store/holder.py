"""Who holds what is in flight: each process has a number, and an advisory lock on it for as long as it lives."""

import asyncio
from weakref import WeakValueDictionary

import asyncpg

from activities.store.database import Database, typed_failures, without_driver

# The class of the advisory locks of holders ("HOLD"), apart from all other advisory locks of this database.
LOCK_CLASS = 0x484F4C44


class Holder:
    """This process, as other processes see it in the ledger.

    The lock lives on a connection of its own, outside the pool: when the process dies, PostgreSQL sees the connection
    end and lets the lock go, so that others know at once. A lost connection means another number; what was in flight
    under the old one is then looked up by business key like that of a dead process.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._number = 0
        self._opening = asyncio.Lock()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def lock(self, key: str) -> asyncio.Lock:
        """The lock of this process for `key`; it is forgotten when nobody uses it."""
        return self._locks.setdefault(key, asyncio.Lock())

    async def number(self) -> int:
        """The number of this process; opens the connection at the first call."""
        connection = self._connection
        if connection is not None and not connection.is_closed():
            return self._number
        async with self._opening:
            if self._connection is None or self._connection.is_closed():
                with typed_failures():
                    found = await asyncpg.connect(
                        without_driver(self._database.url),
                        server_settings={"application_name": "revsaga-holder"},
                    )
                    number: int = await found.fetchval("SELECT nextval('effect_holder')::int")
                    await found.execute("SELECT pg_advisory_lock($1, $2)", LOCK_CLASS, number)
                self._connection, self._number = found, number
        return self._number

    async def lives(self, number: int) -> bool:
        """Whether the process with that number is still there."""
        free: bool = await self._database.fetchval(
            "SELECT pg_try_advisory_xact_lock_shared($1, $2)", LOCK_CLASS, number
        )
        return not free

    async def close(self) -> None:
        """Let the number go: what was in flight under it counts as interrupted."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
