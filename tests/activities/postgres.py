"""A real PostgreSQL for tests: one server for the run, one database for each test, copied from a migrated template.

    async def test_something(store: Store) -> None: ...          # a connected store on a fresh database
    async def test_other(database_url: str) -> None: ...         # only its address

The server lives in a temporary folder (in memory where there is room: copies are ten times faster there), listens on
a Unix socket only, and ends with the run.
"""

import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from activities.store import Store
    from activities.store.embedded import EmbeddedPostgres

TEMPLATE = "template_revsaga"


def in_memory() -> Path | None:
    """A folder in memory with room for a server of the tests, or None."""
    shared = Path("/dev/shm")
    fits = shared.is_dir() and os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > 2 * 1024**3
    return shared if fits else None


@dataclass
class Postgres:
    """The server of this run."""

    server: "EmbeddedPostgres"
    counter: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    prepared: bool = False

    async def admin(self, statement: str) -> None:
        import asyncpg

        from activities.store.database import without_driver

        connection = await asyncpg.connect(without_driver(self.server.uri("postgres")))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def create(self, *, empty: bool = False) -> str:
        """A fresh database, migrated unless `empty`; its name."""
        from activities.store import migrate

        if not self.prepared:
            await self.admin(f"CREATE DATABASE {TEMPLATE}")
            await migrate(self.server.uri(TEMPLATE))
            self.prepared = True
        name = f"test_{next(self.counter)}"
        await self.admin(f"CREATE DATABASE {name} TEMPLATE {'template0' if empty else TEMPLATE}")
        return name

    async def drop(self, name: str) -> None:
        await self.admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The server of this run; started by the first test that asks for a database."""
    from activities.store.embedded import EmbeddedPostgres

    folder = Path(tempfile.mkdtemp(prefix="revsaga-test-", dir=in_memory()))
    server = EmbeddedPostgres(folder / "pg", durable=False)
    try:
        server.start()
        yield Postgres(server)
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture
async def database_url(postgres: Postgres) -> AsyncIterator[str]:
    """The address of a fresh, migrated database."""
    name = await postgres.create()
    yield postgres.server.uri(name)
    await postgres.drop(name)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator["Store"]:
    """A store on a fresh, migrated database."""
    from activities.store import Store

    found = await Store.connect(database_url)
    yield found
    await found.close()
