"""The connection to PostgreSQL: one small pool, plain statements on hot paths, typed failures."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Self

import asyncpg
from sqlalchemy import exc as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import greenlet_spawn
from sqlmodel.ext.asyncio.session import AsyncSession

from canonical.failures import Failure, Misconfigured, Transient

_GONE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    sa.TimeoutError,
    sa.InterfaceError,
)
_REFUSED = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)
_NOT_OURS = (asyncpg.UndefinedTableError, asyncpg.UndefinedFunctionError, asyncpg.UndefinedColumnError)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and those that the pool has wrapped it around; the innermost is the driver's own."""
    current: BaseException | None = error
    for _ in range(6):
        if current is None:
            return
        yield current
        inner = current.orig if isinstance(current, sa.DBAPIError) else None
        current = inner or current.__cause__


def failure_of(error: BaseException) -> Failure | None:
    """The failure kind of an error of the driver or the pool; None for what is a bug of ours."""
    for cause in _causes(error):
        if isinstance(cause, Failure):
            return cause
        if isinstance(cause, _REFUSED):
            return Misconfigured(
                f"the database refuses us: {cause}",
                code="store-refused",
                field="REVSAGA_DATABASE_URL",
                fix="correct REVSAGA_DATABASE_URL, or the rights of its user",
            )
        if isinstance(cause, _NOT_OURS):
            return Misconfigured(
                f"the database does not have our tables: {cause}",
                code="store-not-migrated",
                fix="revsaga db migrate",
            )
        if isinstance(cause, _GONE):
            return Transient(
                f"the database does not answer: {cause}",
                code="store-unavailable",
                fix="start PostgreSQL, or correct REVSAGA_DATABASE_URL",
            )
    return None


@contextlib.contextmanager
def typed_failures() -> Iterator[None]:
    """Turn errors of the driver into failure kinds; constraint violations and bugs pass through."""
    try:
        yield
    except Failure:
        raise
    except Exception as error:
        failure = failure_of(error)
        if failure is None:
            raise
        raise failure from error


class Database:
    """A pool of connections. Give it back with `close()`."""

    def __init__(self, engine: AsyncEngine, url: str) -> None:
        self.engine = engine
        self.url = url

    @classmethod
    async def connect(
        cls, url: str, *, pool: int = 8, application: str = "revsaga", timeout: float = 10.0
    ) -> Self:
        """Open the pool (`pool` connections at most) and make sure that the database answers.

        `url` may start with `postgresql://` or `postgresql+asyncpg://`; `timeout` is in seconds, for connecting and for
        waiting for a free connection. Raises Transient `store-unavailable` or Misconfigured `store-refused`.
        """
        engine = create_async_engine(
            with_driver(url),
            pool_size=pool,
            max_overflow=0,
            pool_timeout=timeout,
            connect_args={"server_settings": {"application_name": application}, "timeout": timeout},
        )
        found = cls(engine, with_driver(url))
        try:
            await found.fetchval("SELECT 1")
        except BaseException:
            await engine.dispose()
            raise
        return found

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """One connection of the driver, for plain statements. Outside a transaction each statement stands alone."""
        with typed_failures():
            fairy = await self.engine.raw_connection()
            while (driver := fairy.driver_connection) is None or driver.is_closed():
                # The server was restarted: what waited in the pool is dead, and costs no caller a failure.
                await greenlet_spawn(fairy.invalidate)
                fairy = await self.engine.raw_connection()
            try:
                yield driver
            except asyncio.CancelledError:
                # A statement may still be on its way on this connection: nobody else may get it.
                driver.terminate()
                raise
            finally:
                if driver.is_closed():
                    await asyncio.shield(greenlet_spawn(fairy.invalidate))
                await asyncio.shield(greenlet_spawn(fairy.close))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """A connection inside a transaction: all of it is committed at the end, or nothing."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """An SQLModel session for lists and reports; not for hot paths."""
        with typed_failures():
            async with AsyncSession(self.engine, expire_on_commit=False) as session:
                yield session

    async def fetch(self, statement: str, *values: Any) -> "list[asyncpg.Record]":
        """All rows of one statement."""
        async with self.connection() as connection:
            rows: list[asyncpg.Record] = await connection.fetch(statement, *values)
        return rows

    async def fetchrow(self, statement: str, *values: Any) -> "asyncpg.Record | None":
        """The first row of one statement, or None."""
        async with self.connection() as connection:
            return await connection.fetchrow(statement, *values)

    async def fetchval(self, statement: str, *values: Any) -> Any:
        """The first value of the first row of one statement, or None."""
        async with self.connection() as connection:
            return await connection.fetchval(statement, *values)

    async def execute(self, statement: str, *values: Any) -> int:
        """Run one statement; the number of rows it touched (0 when it has none)."""
        async with self.connection() as connection:
            status: str = await connection.execute(statement, *values)
        last = status.rsplit(" ", 1)[-1]
        return int(last) if last.isdigit() else 0


def with_driver(url: str) -> str:
    """The URL as SQLAlchemy wants it, whichever of the usual forms it has."""
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+asyncpg://" + url.removeprefix(prefix)
    return url


def without_driver(url: str) -> str:
    """The URL as the driver itself wants it."""
    return with_driver(url).replace("postgresql+asyncpg://", "postgresql://", 1)
