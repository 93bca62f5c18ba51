"""Account-wide leases: never more than the vendor allows, and a killed holder's slot comes back."""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from activities.leases import Leases
from activities.store import Store
from canonical.failures import Transient

LONG, SHORT = timedelta(seconds=30), timedelta(seconds=0.3)


async def test_as_many_as_there_are_slots(store: Store) -> None:
    leases = Leases(store, "worker-1")
    taken = [await leases.take("acme", 3, LONG) for _ in range(5)]
    assert [t.slot for t in taken if t is not None] == [1, 2, 3]
    assert taken[3:] == [None, None]
    assert await leases.held("acme") == ("worker-1",) * 3
    assert await leases.take("other", 1, LONG) is not None
    assert taken[1] is not None
    await leases.release(taken[1])
    again = await leases.take("acme", 3, LONG, holder="worker-2")
    assert again is not None
    assert again.slot == 2
    assert await leases.held("acme") == ("worker-1", "worker-2", "worker-1")


async def test_an_expired_lease_comes_back_and_its_old_holder_cannot_touch_it(store: Store) -> None:
    leases = Leases(store)
    first = await leases.take("acme", 1, SHORT)
    assert first is not None
    assert await leases.take("acme", 1, LONG) is None
    await asyncio.sleep(0.35)
    assert not await leases.renew(first, LONG)
    second = await leases.take("acme", 1, LONG)
    assert second is not None
    assert second.token > first.token
    await leases.release(first)
    assert not await leases.renew(first, LONG)
    assert await leases.take("acme", 1, LONG) is None
    assert await leases.renew(second, LONG)


async def test_a_block_holds_renews_and_gives_back(store: Store) -> None:
    leases = Leases(store)
    async with leases.hold("acme", 1, SHORT):
        await asyncio.sleep(0.7)
        assert await leases.take("acme", 1, SHORT) is None, "it was renewed"
        with pytest.raises(Transient) as caught:
            async with leases.hold("acme", 1, SHORT, wait=2.5):
                raise AssertionError("two holders")
        assert (caught.value.code, caught.value.retry_after) == ("lease-unavailable", 2.5)
    assert await leases.take("acme", 1, SHORT) is not None


async def test_a_failing_block_gives_its_lease_back(store: Store) -> None:
    leases = Leases(store)

    async def fail() -> None:
        async with leases.hold("acme", 1, LONG):
            raise KeyError("bug")

    with pytest.raises(KeyError):
        await fail()
    assert await leases.held("acme") == ()


async def test_two_workers_never_exceed_the_limit(database_url: str) -> None:
    stores = [await Store.connect(database_url, pool=6) for _ in range(2)]
    running = highest = done = 0

    async def work(leases: Leases) -> None:
        nonlocal running, highest, done
        while True:
            lease = await leases.take("acme", 5, LONG)
            if lease is not None:
                break
            await asyncio.sleep(0.002)
        running += 1
        highest = max(highest, running)
        await asyncio.sleep(0.005)
        running -= 1
        await leases.release(lease)
        done += 1

    await asyncio.gather(*(work(Leases(store, f"w{i}")) for i, store in enumerate(stores) for _ in range(60)))
    assert done == 120
    assert highest == 5
    for store in stores:
        await store.close()


async def test_the_slots_of_a_killed_worker_come_back(store: Store) -> None:
    script = """
import asyncio, sys
from datetime import timedelta
from activities.leases import Leases
from activities.store import Store

async def main():
    leases = Leases(await Store.connect(sys.argv[1]), "doomed")
    for _ in range(5):
        assert await leases.take("acme", 5, timedelta(seconds=1.5))
    print("held", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""
    root = Path(__file__).parents[2]
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, store.url, stdout=asyncio.subprocess.PIPE, cwd=root
    )
    assert worker.stdout is not None
    assert await worker.stdout.readline() == b"held\n"
    worker.kill()
    await worker.wait()
    leases = Leases(store, "heir")
    assert await leases.take("acme", 5, LONG) is None
    await asyncio.sleep(1.6)
    assert [t is not None for t in [await leases.take("acme", 5, LONG) for _ in range(6)]] == [True] * 5 + [
        False
    ]
