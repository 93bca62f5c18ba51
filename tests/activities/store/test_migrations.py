"""The tables come from migrations, and from nothing else."""

import asyncio

from activities.store import Store, differences, migrate, status
from tests.activities.postgres import Postgres


async def test_autogenerate_finds_no_difference(store: Store) -> None:
    assert await differences(store.url) == []


async def test_a_difference_is_found(store: Store) -> None:
    await store.execute("ALTER TABLE xref DROP COLUMN entity")
    assert "entity" in repr(await differences(store.url))


async def test_two_at_once_and_back(postgres: Postgres) -> None:
    name = await postgres.create(empty=True)
    url = postgres.server.uri(name)
    before = await status(url)
    assert before.current is None
    assert len(before.pending) >= 4
    done = await asyncio.gather(migrate(url), migrate(url), migrate(url))
    assert sorted(map(len, done)) == [0, 0, len(before.pending)]
    after = await status(url)
    assert after.up_to_date
    await migrate(url, "base")
    assert (await status(url)).current is None
    await migrate(url)
    assert await differences(url) == []
    await postgres.drop(name)
