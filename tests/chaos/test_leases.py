"""Two workers share the few connections that the ERP allows, and those of a killed worker come back."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

from activities.processes import Child
from commands.demo.book import world
from stack import Stack
from tests.chaos.campaign import Campaign

_LIMIT = 5  # connections at a time, over all integrations of the account


async def _holders(campaign: Campaign) -> set[str]:
    rows = await campaign.store.fetch("SELECT holder FROM lease WHERE expires_at > clock_timestamp()")
    return {row["holder"].partition("@")[0] for row in rows}


async def _until(what: str, campaign: Campaign, holds: Any) -> None:
    for _ in range(900):
        if holds(await _holders(campaign)):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"never so: {what}")


async def _kill_with_a_lease(campaign: Campaign, worker: Child) -> None:
    """It stands still while we look, so that it cannot give the lease back in between."""
    for _ in range(100):
        os.kill(worker.pid, signal.SIGSTOP)
        if str(worker.pid) in await _holders(campaign):
            worker.kill()
            return
        os.kill(worker.pid, signal.SIGCONT)
        await asyncio.sleep(0.1)
    raise AssertionError("it never held a lease again")


async def test_two_workers_share_the_erp_and_the_slots_of_a_killed_one_come_back(
    tmp_path: Path, seed: int
) -> None:
    """A lease lives 2 s, and one activity's calls take longer: it is renewed, or a sixth call would be seen."""
    async with Stack(None, world=world([]), clock="simulated", worker=False) as stack:
        client, store = await stack.client(), await stack.store()
        campaign = Campaign(stack, client, store, tmp_path, total=10, kills=0, seed=seed, lease_seconds=2)
        everything = world(campaign.deals).model_dump(mode="json")
        for vendor in stack.vendors():
            await stack.sandbox(vendor).seed(everything)
        erp = stack.sandbox("netsuite")
        slow = {"kind": "latency", "match": "/services/rest/", "times": -1, "seconds": 0.7}
        await erp.arm(slow)
        first, second = campaign.worker(None), campaign.worker(None)
        both = {str(first.pid), str(second.pid)}
        try:
            await asyncio.gather(*(campaign.start(n) for n in range(campaign.total)))
            await _until("both workers call the ERP", campaign, lambda held: held == both)
            await _kill_with_a_lease(campaign, second)
            await _until("its leases come back", campaign, lambda held: str(second.pid) not in held)
            await asyncio.gather(*(campaign.handles[n].result() for n in range(campaign.total)))
        finally:
            second.kill()
            await asyncio.to_thread(first.stop, 20.0)
        figures = (await erp.figures())["concurrency"]
        print(figures)
        assert figures["max_offered"] <= _LIMIT
        assert figures["refused"] == 0
        assert figures["max_seen"] > 1, "nothing was done side by side, so nothing was shown"
        findings = await campaign.findings()
        assert not findings, "\n".join(findings)
        await store.close()
