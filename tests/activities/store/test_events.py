"""The chain of events: it only grows, and whoever changes it is named."""

import asyncio
import json
from datetime import UTC, datetime

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.store import Store
from activities.store.events import Anchor
from canonical.event import Event, emit
from canonical.event_types import QuoteLocked
from tests.activities.postgres import Postgres


def happened(number: int, note: str = "") -> Event:
    return emit(
        QuoteLocked(quote_id=f"Q-{number}", operation_id=f"op {note}", content_hash="abc"),
        key=f"{number}",
        subject=f"Q-{number}",
        time=datetime(2026, 3, 1, 12, number % 60, tzinfo=UTC),
        correlation_id=f"C-{number % 3}",
        actor="saga",
        entity="US-01",
    )


async def grown(store: Store, size: int = 12) -> None:
    assert await store.events.append([happened(n) for n in range(1, size + 1)]) == size


async def tamper(store: Store, statement: str) -> None:
    """What somebody with the rights of the owner could do."""
    async with store.transaction() as connection:
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(statement)


async def test_append_read_and_verify(store: Store) -> None:
    await grown(store)
    report = await store.events.verify()
    assert report.whole
    assert report.checked == 12
    assert [e.event.subject for e in await store.events.list(correlation_id="C-1")] == [
        "Q-1",
        "Q-4",
        "Q-7",
        "Q-10",
    ]
    assert len(await store.events.list(type_prefix="com.revsaga.o2c.financial.")) == 0
    first = await store.events.show(happened(1).id)
    assert first is not None
    assert first.event == happened(1)
    assert await store.events.show("1") == first
    assert await store.events.show("nothing") is None


async def test_the_same_fact_twice_is_one_event(store: Store) -> None:
    await grown(store)
    assert await store.events.append([happened(3), happened(4, "told otherwise"), happened(13)]) == 13
    assert (await store.events.verify()).whole


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET entity = 'X'",
        "DELETE FROM event WHERE seq = 3",
        "TRUNCATE event",
        "DELETE FROM event_anchor",
        "UPDATE event_anchor SET seq = 1",
        "TRUNCATE event_anchor",
    ],
)
async def test_the_table_only_grows(store: Store, statement: str) -> None:
    await grown(store)
    await store.events.seal()
    with pytest.raises(asyncpg.RestrictViolationError):
        await store.execute(statement)


@pytest.mark.parametrize(
    ("statement", "at"),
    [
        ("UPDATE event SET record = replace(record, 'Q-5', 'Q-6') WHERE seq = 5", 5),
        ("UPDATE event SET subject = 'Q-6' WHERE seq = 5", 5),
        ("UPDATE event SET time = time + interval '1 s' WHERE seq = 5", 5),
        ("UPDATE event SET hash = sha256('x') WHERE seq = 7", 7),
        ("DELETE FROM event WHERE seq = 7", 7),
        ("DELETE FROM event WHERE seq = 1", 1),
        ("DELETE FROM event WHERE seq > 9", 10),
        ("DELETE FROM event", 1),
        (
            """UPDATE event SET seq = CASE seq WHEN 4 THEN -5 ELSE -4 END WHERE seq IN (4, 5);
               UPDATE event SET seq = -seq WHERE seq < 0""",
            4,
        ),
        ("UPDATE event_head SET hash = sha256('x')", 12),
        ("DELETE FROM event_head", 13),
    ],
)
async def test_tampering_is_named_by_place(store: Store, statement: str, at: int) -> None:
    await grown(store)
    await tamper(store, statement)
    report = await store.events.verify()
    assert report.broken_at == at
    assert report.why


async def test_a_tail_cut_with_the_head_needs_an_anchor(store: Store) -> None:
    await grown(store)
    kept = await store.events.seal()
    assert kept.seq == 12
    cut = """DELETE FROM event WHERE seq > 9;
             UPDATE event_head SET (seq, hash) = (SELECT seq, hash FROM event WHERE seq = 9)"""
    await tamper(store, cut)
    report = await store.events.verify()
    assert report.broken_at == 10
    assert "anchor" in report.why
    await tamper(store, "DELETE FROM event_anchor")
    assert (await store.events.verify()).whole, "nothing in this database can tell any more"
    assert (await store.events.verify([kept])).broken_at == 10
    assert (await store.events.verify([Anchor(seq=4, hash="00")])).broken_at == 4


async def test_a_chain_forged_from_some_record_on_is_told_by_an_older_anchor(store: Store) -> None:
    await grown(store, 6)
    await store.events.seal()
    rows = await store.fetch("SELECT * FROM event ORDER BY seq")
    await tamper(store, "DELETE FROM event; UPDATE event_head SET seq = 0, hash = sha256('')")
    forged = [json.loads(row["record"]) for row in rows]
    for record in forged:
        record.pop("recordedtime")
        record["data"]["content_hash"] = "forged"
    await store.events.append([Event.model_validate(record) for record in forged])
    report = await store.events.verify()
    assert report.broken_at == 6
    assert "sealed" in report.why


async def test_many_appenders_take_turns(database_url: str) -> None:
    stores = [await Store.connect(database_url, pool=4) for _ in range(3)]
    jobs = [
        store.events.append([happened(1000 * i + n), happened(1000 * i + n + 500)])
        for i, store in enumerate(stores)
        for n in range(40)
    ]
    ends = await asyncio.gather(*jobs)
    assert max(ends) == 240
    report = await stores[0].events.verify()
    assert report.whole
    assert report.checked == 240
    for store in stores:
        await store.close()


async def test_an_append_that_is_rolled_back_leaves_no_trace(store: Store) -> None:
    from activities.store.events import APPEND, columns

    await grown(store)

    async def fail_after_appending() -> None:
        async with store.transaction() as connection:
            await connection.fetchval(APPEND, *columns([happened(99)]))
            await connection.fetchval("SELECT 1 / 0")

    with pytest.raises(asyncpg.DivisionByZeroError):
        await fail_after_appending()
    assert await store.events.append([happened(13)]) == 13
    assert (await store.events.verify()).whole


async def test_any_text_survives_and_any_flip_is_found(postgres: Postgres, store: Store) -> None:
    loop = asyncio.get_running_loop()
    serial = iter(range(10**6))

    async def play(notes: list[str], pick: int) -> None:
        start = (await store.events.verify()).checked
        facts = [happened(next(serial) + 100, note) for note in notes]
        await store.events.append(facts)
        listed = await store.events.list(after=start)
        assert [e.event for e in listed] == facts
        victim = listed[pick % len(listed)]
        record = await store.fetchval("SELECT record FROM event WHERE seq = $1", victim.seq)
        async with store.transaction() as connection:
            await connection.execute("SET LOCAL session_replication_role = replica")
            await connection.execute("UPDATE event SET record = record || ' ' WHERE seq = $1", victim.seq)
        assert (await store.events.verify()).broken_at == victim.seq
        async with store.transaction() as connection:
            await connection.execute("SET LOCAL session_replication_role = replica")
            await connection.execute("UPDATE event SET record = $2 WHERE seq = $1", victim.seq, record)
        assert (await store.events.verify()).whole

    texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)

    @settings(max_examples=25)
    @given(notes=st.lists(texts, min_size=1, max_size=5), pick=st.integers(0, 10))
    def sync(notes: list[str], pick: int) -> None:
        asyncio.run_coroutine_threadsafe(play(notes, pick), loop).result(60)

    await asyncio.to_thread(sync)
