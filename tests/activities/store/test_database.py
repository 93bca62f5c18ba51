"""The pool and its failures, and the embedded server."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from activities.store import Store, Xref, migrate, status
from activities.store.embedded import EmbeddedPostgres, running, uri_of
from activities.store.tables import XrefRow
from canonical.failures import Misconfigured, Transient
from tests.activities.postgres import Postgres, in_memory


@pytest.fixture
def folder() -> Iterator[Path]:
    found = Path(tempfile.mkdtemp(prefix="revsaga-own-", dir=in_memory()))
    yield found
    shutil.rmtree(found)


async def test_nobody_there_is_transient(folder: Path) -> None:
    for work in (
        Store.connect(f"postgresql://x@/x?host={folder}"),
        migrate(f"postgresql://x@/x?host={folder}"),
    ):
        with pytest.raises(Transient) as caught:
            await work
        assert caught.value.code == "store-unavailable"


async def test_a_wrong_database_is_a_matter_of_settings(postgres: Postgres) -> None:
    with pytest.raises(Misconfigured) as caught:
        await Store.connect(postgres.server.uri("nothing_here"))
    assert caught.value.code == "store-refused"
    with pytest.raises(Misconfigured) as caught:
        await status(postgres.server.uri("nothing_here"))
    assert caught.value.code == "store-refused"


async def test_missing_tables_name_the_command(postgres: Postgres) -> None:
    name = await postgres.create(empty=True)
    store = await Store.connect(postgres.server.uri(name))
    with pytest.raises(Misconfigured) as caught:
        await store.xrefs.show("x")
    assert (caught.value.code, caught.value.fix) == ("store-not-migrated", "revsaga db migrate")
    await store.close()
    await postgres.drop(name)


async def test_a_pool_with_nothing_free_is_transient(database_url: str) -> None:
    store = await Store.connect(database_url, pool=1, timeout=0.2)
    async with store.connection():
        with pytest.raises(Transient):
            await store.fetchval("SELECT 1")
    assert await store.fetchval("SELECT 1") == 1
    await store.close()


async def test_sessions_read_the_same_rows(store: Store) -> None:
    from sqlmodel import select

    one = Xref(canonical_type="a", canonical_id="1", system="s", external_type="t", external_id="x")
    await store.xrefs.add([one])
    async with store.session() as session:
        rows = (await session.exec(select(XrefRow))).all()
    assert [row.external_id for row in rows] == ["x"]


async def test_a_restart_of_the_server_costs_a_typed_failure_at_most(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "pg", durable=False).start()
    await migrate(server.uri())
    store = await Store.connect(server.uri(), pool=3)
    number = await store.holder.number()
    await asyncio.gather(*(store.fetchval("SELECT pg_sleep(0.05)") for _ in range(3)))
    await asyncio.to_thread(server.stop)
    with pytest.raises(Transient):
        await store.fetchval("SELECT 1")
    await asyncio.to_thread(server.start)
    for _ in range(5):
        assert await store.fetchval("SELECT 1") == 1
    assert await store.holder.number() != number
    assert not await store.holder.lives(number)
    await store.close()
    server.stop()


def test_a_second_server_on_the_same_files_is_refused_and_the_first_is_named(folder: Path) -> None:
    with EmbeddedPostgres(folder / "pg", durable=False) as server:
        assert uri_of(folder / "pg") == server.uri()
        with pytest.raises(Misconfigured) as caught:
            EmbeddedPostgres(folder / "pg").start()
        assert caught.value.code == "store-running"
        assert str(running(folder / "pg")) in caught.value.message
    assert running(folder / "pg") is None
    assert uri_of(folder / "pg") is None
    with pytest.raises(Misconfigured):
        EmbeddedPostgres(folder / "pg").uri()


async def test_data_outlive_a_restart_and_a_long_path_works(folder: Path) -> None:
    deep = folder / ("x" * 70) / ("y" * 60) / "pg"
    with EmbeddedPostgres(deep) as server:
        await migrate(server.uri())
    with EmbeddedPostgres(deep) as server:
        assert (await status(server.uri())).up_to_date
        socket = Path(server.uri().split("host=")[1])
        assert socket.exists()
    assert not socket.exists()


def test_broken_files_are_named(folder: Path) -> None:
    data = folder / "pg"
    data.mkdir()
    (data / "PG_VERSION").write_text("9\n")
    with pytest.raises(Misconfigured) as caught:
        EmbeddedPostgres(data).start()
    assert caught.value.code == "store-embedded-failed"
    assert caught.value.evidence["log"]


def test_the_server_ends_when_its_owner_is_killed(folder: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from activities.store.embedded import EmbeddedPostgres\n"
        "server = EmbeddedPostgres(Path(sys.argv[1]), durable=False).start()\n"
        "print('up', flush=True); time.sleep(60)"
    )
    root = Path(__file__).parents[3]
    owner = subprocess.Popen(
        [sys.executable, "-c", script, str(folder / "pg")], stdout=subprocess.PIPE, cwd=root
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == b"up\n"
    pid = running(folder / "pg")
    assert pid is not None
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    limit = time.monotonic() + 10
    while running(folder / "pg") is not None and time.monotonic() < limit:
        time.sleep(0.05)
    assert running(folder / "pg") is None
