"""The business clock stops at every due time, in order, and nobody is forgotten."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.clock import Stop, StoreClock, SystemClock, clock_of
from activities.store import Store
from canonical.failures import Misconfigured, Rejected

START = datetime(2026, 1, 31, 9, tzinfo=UTC)
DAY = timedelta(days=1)


async def ignore(_: Stop) -> None:
    await asyncio.sleep(0)


async def test_the_system_clock_is_the_clock_of_a_plain_store(store: Store) -> None:
    clock = await clock_of(store)
    assert isinstance(clock, SystemClock)
    assert not clock.simulated
    assert abs(await clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
    reading = await store.waits.register("wf", "w", START)
    assert not reading.simulated
    with pytest.raises(Misconfigured) as caught:
        await StoreClock(store).now()
    assert caught.value.code == "clock-not-simulated"


async def test_a_simulated_clock_stands_still_and_is_not_set_back_by_a_second_start(store: Store) -> None:
    clock = await StoreClock.start(store, START)
    assert await clock.now() == await clock.now() == START
    await clock.advance(DAY, ignore)
    again = await StoreClock.start(store, START)
    assert await again.now() == START + DAY
    assert (await clock_of(store)).simulated
    with pytest.raises(Rejected) as caught:
        await clock.advance(-DAY, ignore)
    assert caught.value.code == "clock-backwards"
    with pytest.raises(ValueError, match="zone"):
        await StoreClock.start(store, datetime(2026, 1, 1))  # noqa: DTZ001


async def test_it_stops_at_each_due_time_and_tells_each_wait_once(store: Store) -> None:
    clock = await StoreClock.start(store, START)
    await store.waits.register("b", "1", START + 2 * DAY)
    await store.waits.register("a", "1", START + DAY)
    await store.waits.register("c", "1", START + 2 * DAY)
    await store.waits.register("late", "1", START + 9 * DAY)
    seen: list[tuple[datetime, list[str]]] = []

    async def tell(stop: Stop) -> None:
        assert await clock.now() == stop.at
        seen.append((stop.at, [w.workflow_id for w in stop.waits]))

    stops = await clock.advance(3 * DAY, tell)
    assert seen == [(START + DAY, ["a"]), (START + 2 * DAY, ["b", "c"])]
    assert len(stops) == 2
    assert await clock.now() == START + 3 * DAY
    assert await clock.advance(DAY, tell) == ()
    await store.waits.end("late", "1")
    assert await clock.advance(30 * DAY, tell) == ()


async def test_waits_that_appear_on_the_way_are_kept_too(store: Store) -> None:
    clock = await StoreClock.start(store, START)
    await store.waits.register("wf", "first", START + DAY)
    seen: list[str] = []

    async def tell(stop: Stop) -> None:
        for wait in stop.waits:
            seen.append(wait.wait_id)
            await store.waits.end(wait.workflow_id, wait.wait_id)
            if wait.wait_id == "first":
                await store.waits.register("wf", "second", stop.at + DAY)
                reading = await store.waits.register("wf", "already due", stop.at - DAY)
                assert reading.now >= stop.at

    await clock.advance(5 * DAY, tell)
    assert seen == ["first", "already due", "second"]
    assert await store.waits.list() == ()


async def test_a_wait_that_is_moved_is_told_again(store: Store) -> None:
    clock = await StoreClock.start(store, START)
    await store.waits.register("wf", "w", START + DAY)
    assert len(await clock.advance(DAY, ignore)) == 1
    await store.waits.register("wf", "w", START + 3 * DAY)
    assert [s.at for s in await clock.advance(5 * DAY, ignore)] == [START + 3 * DAY]
    await store.waits.register("wf", "x", START + 30 * DAY)
    await store.waits.end_all("wf")
    assert await store.waits.list() == ()


async def test_other_sources_of_due_times_are_stops_as_well(store: Store) -> None:
    clock = await StoreClock.start(store, START)
    await store.waits.register("wf", "w", START + timedelta(hours=36))

    async def daily(after: datetime, until: datetime) -> datetime | None:
        following = after.replace(hour=12) + (DAY if after.hour >= 12 else timedelta())
        return following if following <= until else None

    stops = await clock.advance(2 * DAY, ignore, others=[daily])
    hours = [(s.at - START) / timedelta(hours=1) for s in stops]
    assert hours == [3, 27, 36]


async def test_a_wait_registered_while_the_clock_moves_is_never_lost(store: Store) -> None:
    """Either the clock stops for it, or its registration already reads a time at or after the due one."""
    clock = await StoreClock.start(store, START)
    told: set[str] = set()

    async def tell(stop: Stop) -> None:
        told.update(w.workflow_id for w in stop.waits)

    async def walk() -> None:
        for _ in range(60):
            await clock.advance(timedelta(hours=1), tell)

    async def saga(number: int) -> tuple[str, bool]:
        await asyncio.sleep(number * 0.003)
        name, due = f"wf{number}", START + timedelta(hours=number % 60)
        reading = await store.waits.register(name, "w", due)
        return name, reading.now >= due

    async with asyncio.TaskGroup() as group:
        walking = group.create_task(walk())
        sagas = [group.create_task(saga(n)) for n in range(60)]
    assert walking.done()
    await clock.advance(60 * DAY, tell)
    for name, was_due in (task.result() for task in sagas):
        assert was_due or name in told


async def test_every_wait_is_told_in_order_whatever_the_steps(store: Store) -> None:
    loop = asyncio.get_running_loop()

    async def play(dues: list[int], steps: list[int]) -> None:
        await store.execute("TRUNCATE clock, business_wait")
        clock = await StoreClock.start(store, START)
        for number, hours in enumerate(dues):
            await store.waits.register(f"wf{number}", "w", START + timedelta(hours=hours))
        order: list[datetime] = []

        async def tell(stop: Stop) -> None:
            order.extend(wait.due_at for wait in stop.waits)

        for hours in steps:
            await clock.advance(timedelta(hours=hours), tell)
        reached = sum(steps)
        assert order == sorted(order)
        assert len(order) == sum(hours <= reached for hours in dues)
        assert await clock.now() == START + timedelta(hours=reached)

    @settings(max_examples=30)
    @given(st.lists(st.integers(0, 50), max_size=6), st.lists(st.integers(0, 30), min_size=1, max_size=4))
    def sync(dues: list[int], steps: list[int]) -> None:
        asyncio.run_coroutine_threadsafe(play(dues, steps), loop).result(60)

    await asyncio.to_thread(sync)
