"""Workers die by SIGKILL while sagas stand before, in and after their effects; nothing is lost or doubled."""

from pathlib import Path

import pytest

from commands.demo.book import world
from stack import Stack
from tests.chaos.campaign import Campaign
from tests.chaos.cells import cells


async def _play(folder: Path, *, total: int, kills: int, most: int, seed: int, thorough: bool) -> Campaign:
    async with Stack(None, world=world([]), clock="simulated", worker=False) as stack:
        client, store = await stack.client(), await stack.store()
        try:
            campaign = Campaign(
                stack, client, store, folder, total=total, kills=kills, seed=seed, thorough=thorough
            )
            everything = world(campaign.deals).model_dump(mode="json")
            for vendor in stack.vendors():
                await stack.sandbox(vendor).seed(everything)
            await campaign.run(most=most)
            print(campaign.told())
            findings = await campaign.findings()
            assert not findings, "\n".join(findings)
        finally:
            await store.close()
    return campaign


def test_every_effect_has_its_cells() -> None:
    """The cells come from the Step data: three around a vendor's effect, two around work on the store alone."""
    found = cells()
    assert len(found) == len(set(found)) == 48
    assert {cell.split("@")[1] for cell in found} == {
        "before-send",
        "after-effect-before-record",
        "after-record",
    }


async def test_a_few_kills_lose_nothing(tmp_path: Path, seed: int) -> None:
    """The slice: random points, a handful of workers."""
    campaign = await _play(tmp_path, total=6, kills=2, most=6, seed=seed, thorough=False)
    assert campaign.killed["at a point"] == 2
    assert len(campaign.hits()) >= 2


@pytest.mark.chaos
async def test_fifty_kills_lose_nothing(tmp_path: Path, seed: int) -> None:
    """The whole: 200 activations, at least 50 kills, every cell hit."""
    campaign = await _play(tmp_path, total=200, kills=50, most=90, seed=seed, thorough=True)
    assert campaign.killed["at a point"] >= 50
    assert not campaign.missing()
