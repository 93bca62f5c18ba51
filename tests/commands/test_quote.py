"""Validation while somebody waits: every finding, no effect anywhere, and an answer when time is over."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client

from activities.store.store import Store
from canonical.failures import Rejected, Transient
from commands.demo.book import Item, mistaken, world
from commands.demo.world import CATALOG, NOT_YET
from commands.inner.validating import validate_quote
from tests.builders.embedded import revsaga_later
from tests.builders.house import House, a_house
from tests.workflows.play import a_deal, publish

SECONDS = timedelta(seconds=20)


async def _books(house: House) -> tuple[Any, ...]:
    """Everything that a side effect would change."""
    tables = [
        r["t"]
        for r in await house.store.fetch("SELECT tablename AS t FROM pg_tables WHERE schemaname = 'public'")
    ]
    counts = [await house.store.fetchval(f"SELECT count(*) FROM {table}") for table in sorted(tables)]
    states = [box.snapshot()["state"] for box in house.sandboxes.values()]
    effects = [box.effects_by_kind() for box in house.sandboxes.values()]
    return counts, states, effects


async def test_all_findings_come_together_and_nothing_changes(client: Client, store: Store) -> None:
    good, bad = a_deal(100), mistaken()
    late = a_deal(101, Item("PLATFORM"), Item(NOT_YET))
    async with a_house(client, store, world([good, bad, late])) as house:
        await publish(house, CATALOG)
        before, calls = await _books(house), house.calls(house.wired.settings.erp)
        valid = await validate_quote(house.wired, good.quote.quote_id, SECONDS)
        assert (valid.outcome, valid.revision, valid.findings) == ("valid", good.revision, ())
        assert valid.route is not None
        found = await validate_quote(house.wired, bad.quote.quote_id, SECONDS)
        assert found.outcome == "findings"
        assert {f.code for f in found.findings} >= {
            "quote-not-approved", "currency-not-sold", "terms-not-granted", "vat-id-form",
            "quantity-not-positive", "discount-out-of-range",
        }  # fmt: skip
        assert all(f.field and f.fix and f.owner for f in found.findings)
        waits = await validate_quote(house.wired, late.quote.quote_id, SECONDS)
        assert (waits.outcome, {f.code for f in waits.findings}) == (
            "waits-for-catalog", {"product-not-synchronised"},
        )  # fmt: skip
        with pytest.raises(Rejected) as caught:
            await validate_quote(house.wired, "NOBODY", SECONDS)
        assert caught.value.code == "quote-unknown"
        assert await _books(house) == before
        assert house.calls(house.wired.settings.erp) == calls, "validation needs no call to the ERP"


@pytest.mark.parametrize(("role", "stage"), [("crm", "reading the deal"), ("tax", "asking the tax engine")])
async def test_a_deadline_that_passes_is_an_answer_and_leaves_no_orphan(
    client: Client, store: Store, role: str, stage: str
) -> None:
    deal = a_deal(102)
    async with a_house(client, store, world([deal])) as house:
        before = await _books(house)
        house.fault(house.wired.settings.roles()[role], ".", "latency", seconds=5, times=-1)
        report = await validate_quote(house.wired, deal.quote.quote_id, timedelta(milliseconds=300))
        assert (report.outcome, report.stage) == ("deadline-exceeded", stage)
        assert 250 < report.took_ms < 3000
        assert report.findings == ()
        for box in house.sandboxes.values():
            box.faults.clear()
        assert (await validate_quote(house.wired, deal.quote.quote_id, SECONDS)).outcome == "valid"
        assert (await _books(house))[0] == before[0]
        assert not any(box.effects for box in house.sandboxes.values())


async def test_a_system_that_is_away_is_its_own_failure(client: Client, store: Store) -> None:
    deal = a_deal(103)
    async with a_house(client, store, world([deal])) as house:
        house.fault(house.wired.settings.tax, ".", "status", status=503, times=-1)
        with pytest.raises(Transient):
            await validate_quote(house.wired, deal.quote.quote_id, SECONDS)


async def test_many_at_once_stay_within_their_deadline(client: Client, store: Store) -> None:
    deals = [a_deal(n) for n in range(104, 112)]
    async with a_house(client, store, world(deals)) as house:
        asked = [validate_quote(house.wired, deal.quote.quote_id, SECONDS) for deal in deals * 3]
        reports = await asyncio.gather(*asked)
    assert {report.outcome for report in reports} == {"valid"}


async def test_the_command_over_a_real_stack(stack: Any) -> None:
    environment = {**stack.environment, "REVSAGA_ACTOR": "ann"}
    bad = mistaken().quote.quote_id
    said = await revsaga_later(
        "quote", "validate", bad, "--deadline", "20s", "--json", environment=environment
    )
    assert (said.code, said.json["outcome"]) == (1, "findings")
    table = await revsaga_later("quote", "validate", bad, "--deadline", "20s", environment=environment)
    assert "finance-operations" in table.out
    unknown = await revsaga_later("quote", "validate", "NOBODY", "--json", environment=environment)
    assert (unknown.code, unknown.json["error"]["code"]) == (3, "quote-unknown")
    # Temporal is not needed for it.
    alone = {**environment, "REVSAGA_TEMPORAL_ADDRESS": "127.0.0.1:9"}
    assert (await revsaga_later("quote", "validate", bad, "--deadline", "20s", environment=alone)).code == 1
