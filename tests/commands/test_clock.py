"""`revsaga clock`: the store, the vendors and the waiting sagas move together."""

import asyncio
from datetime import datetime, timedelta

from activities.contracts.stories import ActivationOrder
from activities.processes import free_port
from commands.demo import world as master
from stack import Stack
from tests.builders.embedded import revsaga_later
from workflows.quote_to_subscription import ActivateQuote


async def _now(stack: Stack) -> datetime:
    shown = await revsaga_later("clock", "show", "--json", environment=stack.environment)
    assert shown.code == 0
    assert shown.json["simulated"] is True
    return datetime.fromisoformat(shown.json["now"])


async def test_the_vendors_follow(stack: Stack) -> None:
    before = await _now(stack)
    said = await revsaga_later("clock", "advance", "1d12h", "--json", environment=stack.environment)
    assert said.code == 0, said.err
    after = await _now(stack)
    assert after - before == timedelta(days=1, hours=12)
    for vendor in stack.vendors():
        answer = await stack.sandbox(vendor)._ask("GET", "clock")
        assert datetime.fromisoformat(answer["now"]) == after


async def test_a_saga_that_waits_is_woken_at_its_time_and_not_before(stack: Stack) -> None:
    assert stack.world is not None
    deal = next(
        d for d in stack.world.deals if any(line.product_code == master.NOT_YET for line in d.quote.lines)
    )
    store, client = await stack.store(), await stack.client()
    try:
        await store.master.publish("catalog", master.CATALOG.products, actor="test", reason="one is missing")
        handle = await client.start_workflow(
            ActivateQuote.run,
            ActivationOrder(quote_id=deal.quote.quote_id, revision=deal.revision, actor="test"),
            id=f"activation/{deal.quote.quote_id}/r{deal.revision}",
            task_queue="revsaga-core",
        )
        for _ in range(300):
            if any(w.workflow_id == handle.id for w in await store.waits.list()):
                break
            await asyncio.sleep(0.1)
        due = next(w.due_at for w in await store.waits.list() if w.workflow_id == handle.id)
        early = await revsaga_later("clock", "advance", "2d", "--json", environment=stack.environment)
        assert handle.id not in early.out
        assert (await handle.query(ActivateQuote.state)).state == "waiting"
        said = await revsaga_later("clock", "advance", "2d", "--json", environment=stack.environment)
        assert said.code == 0, said.err
        stop = next(s for s in said.json["stops"] if s["waits"][0]["workflow_id"] == handle.id)
        assert datetime.fromisoformat(stop["at"]) == due
        # It goes on only when the work that was due has settled: the saga asks a person now.
        assert (await handle.query(ActivateQuote.state)).state == "parked"
        await handle.cancel()
    finally:
        await store.master.publish(
            "catalog", master.CATALOG_LATER.products, actor="test", reason="all are there"
        )
        await store.close()


async def test_without_temporal_nothing_moves(stack: Stack) -> None:
    before = await _now(stack)
    environment = {**stack.environment, "REVSAGA_TEMPORAL_ADDRESS": f"127.0.0.1:{free_port()}"}
    said = await revsaga_later("clock", "advance", "1d", environment=environment)
    assert said.code == 4
    assert "fix: " in said.err
    assert await _now(stack) == before


async def test_the_system_clock_cannot_be_moved(stack: Stack, database_url: str) -> None:
    environment = {**stack.environment, "REVSAGA_DATABASE_URL": database_url, "REVSAGA_CLOCK": "system"}
    said = await revsaga_later("clock", "advance", "1d", environment=environment)
    assert said.code == 4
    assert "--clock simulated" in said.err
    shown = await revsaga_later("clock", "show", environment=environment)
    assert "the system clock" in shown.out


async def test_a_span_that_is_none_is_a_usage_error(stack: Stack) -> None:
    for wrong in ("tomorrow", "1.5d", "d", "5", "", "9999999w"):
        said = await revsaga_later("clock", "advance", wrong, environment=stack.environment)
        assert said.code == 2, wrong
        assert "30d" in said.err
