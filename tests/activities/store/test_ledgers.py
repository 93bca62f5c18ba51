"""Activations, turns, maps, cursors and paused adapters."""

import asyncio
from datetime import UTC, datetime

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.store import Store
from activities.store.activations import ActivationState, Claim
from activities.store.turns import ConnectorMode
from canonical.failures import Conflict, Misconfigured, Rejected
from canonical.mapping import Reference

AT = datetime(2026, 5, 1, tzinfo=UTC)


async def claim(store: Store, quote: str = "Q-1", revision: str = "a", again: int = 0) -> Claim:
    workflow_id = f"activation/{quote}/r{revision}" + (f"/n{again}" if again else "")
    return await store.activations.claim(
        workflow_id=workflow_id, quote_id=quote, revision=revision, again=again, at=AT, actor="watch"
    )


async def test_one_live_or_completed_activation_per_quote_whatever_the_revision(store: Store) -> None:
    first = await claim(store)
    assert first.granted
    assert (await claim(store)).granted, "the same workflow asks again after a crash"
    other = await claim(store, revision="b")
    assert not other.granted
    assert other.row.workflow_id == first.row.workflow_id
    assert "is being activated" in other.why
    await store.activations.finish(first.row.workflow_id, ActivationState.COMPLETED, AT)
    assert "is active already" in (await claim(store, revision="b")).why
    assert not (await claim(store)).granted
    assert not (await claim(store, again=1)).granted
    assert (await claim(store, quote="Q-2")).granted


async def test_an_unwound_revision_is_remembered_for_life(store: Store) -> None:
    first = await claim(store)
    await store.activations.finish(first.row.workflow_id, ActivationState.UNWOUND, AT, "parked too long")
    refused = await claim(store)
    assert not refused.granted
    assert "unwound" in refused.why
    assert await store.activations.known_revisions("Q-1") == {"a"}
    assert await store.activations.next_again("Q-1", "a") == 1
    assert await store.activations.next_again("Q-1", "z") == 0
    again = await claim(store, again=1)
    assert again.granted
    assert [a.again for a in (await store.activations.known(["Q-1", "Q-9"]))["Q-1"]] == [0, 1]


async def test_an_end_is_written_once(store: Store) -> None:
    first = await claim(store)
    done = await store.activations.finish(
        first.row.workflow_id, ActivationState.CANCELLED, AT, "customer left"
    )
    assert await store.activations.finish(first.row.workflow_id, ActivationState.CANCELLED, AT) == done
    assert done.reason == "customer left"
    with pytest.raises(Rejected) as caught:
        await store.activations.finish(first.row.workflow_id, ActivationState.COMPLETED, AT)
    assert caught.value.code == "activation-finished"
    with pytest.raises(Rejected) as caught:
        await store.activations.finish("nobody", ActivationState.COMPLETED, AT)
    assert caught.value.code == "activation-unknown"
    assert await store.activations.counts() == {ActivationState.CANCELLED: 1}
    assert await store.activations.list(state=ActivationState.LIVE) == ()


async def test_of_forty_claims_at_once_one_is_granted(store: Store) -> None:
    found = await asyncio.gather(*(claim(store, revision=f"{n}") for n in range(40)))
    assert sum(c.granted for c in found) == 1
    assert len(await store.activations.list()) == 1
    with pytest.raises(asyncpg.UniqueViolationError):
        await store.execute(
            """INSERT INTO activation (workflow_id, quote_id, revision, state, started_at)
               VALUES ('x', 'Q-1', 'zz', 'live', now())"""
        )


async def test_turns_are_first_come_first_served(store: Store) -> None:
    assert (await store.turns.take("A", "w1")).granted
    assert (await store.turns.take("A", "w2")).position == 1
    third = await store.turns.take("A", "w3")
    assert (third.granted, third.holder, third.position) == (False, "w1", 2)
    assert (await store.turns.take("A", "w2")).position == 1, "asking again keeps the place"
    assert (await store.turns.take("B", "w3")).granted
    assert await store.turns.give_back("A", "w2") == "w1", "leaving the queue"
    assert await store.turns.give_back("A", "w1") == "w3"
    assert await store.turns.give_back("A", "w1") == "w3", "a lost message can be sent again"
    assert (await store.turns.take("A", "w3")).granted
    assert await store.turns.give_back("A", "w3") is None
    assert await store.turns.show("A") == ()
    assert (await store.turns.take("A", "w4")).granted
    assert await store.turns.give_back("C", "w4") is None


async def test_of_many_takers_at_once_one_holds_and_all_get_their_turn(store: Store) -> None:
    found = await asyncio.gather(*(store.turns.take("A", f"w{n}") for n in range(30)))
    (holder,) = {t.holder for t in found}
    assert sorted(t.position for t in found) == list(range(30))
    served: list[str] = []
    current: str | None = holder
    while current is not None:
        served.append(current)
        current = await store.turns.give_back("A", current)
    assert len(set(served)) == 30


async def test_turns_behave_like_a_queue(store: Store) -> None:
    loop = asyncio.get_running_loop()
    serial = iter(range(10**6))

    async def play(moves: list[tuple[bool, int]]) -> None:
        account, queue = f"acc-{next(serial)}", list[str]()
        for taking, who in moves:
            name = f"w{who}"
            if taking:
                if name not in queue:
                    queue.append(name)
                turn = await store.turns.take(account, name)
                assert (turn.holder, turn.position) == (queue[0], queue.index(name))
            else:
                if name in queue:
                    queue.remove(name)
                assert await store.turns.give_back(account, name) == (queue[0] if queue else None)
            assert await store.turns.show(account) == tuple(queue)

    @settings(max_examples=40)
    @given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), max_size=20))
    def sync(moves: list[tuple[bool, int]]) -> None:
        asyncio.run_coroutine_threadsafe(play(moves), loop).result(60)

    await asyncio.to_thread(sync)


def item(code: str, vendor_id: str, *, active: bool = True) -> Reference:
    return Reference(kind="item", code=code, vendor_id=vendor_id, name=code.title(), active=active)


async def test_maps_are_versioned_and_compared(store: Store) -> None:
    empty = await store.mappings.active("acme")
    assert (empty.version, empty.entries) == (0, {})
    first = [item("a", "1"), item("b", "2"), item("old", "9", active=False)]
    assert [c.what for c in await store.mappings.diff("acme", first)] == ["added", "added"]
    active = await store.mappings.activate("acme", first, actor="ann", reason="first sync")
    assert (active.version, active.id("item", "a")) == (1, "1")
    assert (await store.mappings.activate("acme", first, actor="ann", reason="again")).version == 1
    second = [item("a", "7"), item("c", "3")]
    changes = {c.code: (c.what, c.before, c.after) for c in await store.mappings.diff("acme", second)}
    assert changes == {"a": ("changed", "1", "7"), "b": ("removed", "2", None), "c": ("added", None, "3")}
    assert (await store.mappings.activate("acme", second, actor="ann", reason="new")).version == 2
    assert (
        await store.mappings.activate_version("acme", 1, actor="bob", reason="back")
    ).entries == active.entries
    assert [(v.version, v.state, v.rows) for v in await store.mappings.versions("acme")] == [
        (2, "retired", 2),
        (1, "active", 2),
    ]
    with pytest.raises(Conflict):
        await store.mappings.activate_version("acme", 9, actor="bob", reason="?")
    assert (await store.mappings.active("acme")).version == 1
    assert (await store.mappings.active("other")).version == 0


async def test_two_records_under_one_code_are_refused(store: Store) -> None:
    with pytest.raises(Misconfigured) as caught:
        await store.mappings.activate("acme", [item("a", "1"), item("a", "2")], actor="x", reason="y")
    assert caught.value.code == "mapping-ambiguous"


async def test_drafts_at_once_get_numbers_of_their_own(store: Store) -> None:
    found = await asyncio.gather(
        *(store.mappings.draft("acme", [item("a", f"{n}")], actor="x", reason="y") for n in range(6))
    )
    assert sorted(found) == [1, 2, 3, 4, 5, 6]
    assert (await store.mappings.active("acme")).version == 0


async def test_cursors_and_adapter_states(store: Store) -> None:
    assert await store.cursors.read("deals") is None
    await store.cursors.move("deals", "2026-05-01T00:00:00Z/7")
    await store.cursors.move("deals", "2026-05-02T00:00:00Z/9")
    assert await store.cursors.read("deals") == "2026-05-02T00:00:00Z/9"
    assert (await store.connectors.of("acme")).state is ConnectorMode.RUNNING
    await store.connectors.set("acme", ConnectorMode.PAUSED, actor="ann", reason="maintenance")
    assert (await store.connectors.of("acme")).reason == "maintenance"
    await store.connectors.set("acme", ConnectorMode.RUNNING, actor="ann", reason="over")
    assert [s.state for s in await store.connectors.list()] == [ConnectorMode.RUNNING]
