"""The deal watch: whatever the CRM does to its time stamps, every deal is activated exactly once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from activities.store.store import Store
from activities.store.turns import ConnectorMode
from canonical.quote import Deal
from commands.demo.book import world
from tests.builders.house import House, a_house
from tests.workflows.invariants import check_activated, check_unwound, one_effect_per_key
from tests.workflows.play import PACE, a_deal, activated, change, eventually, parked, unwound
from workflows.deal_watch import NAME, WatchDeals, WatchOrder, WatchReport
from workflows.kernel.parking import Decision
from workflows.quote_to_subscription import ActivateQuote

Opened = Callable[..., AbstractAsyncContextManager[House]]
QUOTE = "SBQQ__Quote__c"
NO = {"status": 200, "body": {"success": False, "reasons": [{"code": 53100330, "message": "a rule says no"}]}}


@pytest.fixture
def opened(dev_server: WorkflowEnvironment, store: Store) -> Opened:
    """`async with opened(deal, ...) as house`: a house on a real server that knows these deals."""

    @asynccontextmanager
    async def open_(*deals: Deal) -> AsyncIterator[House]:
        async with a_house(dev_server.client, store, world(deals), versioned=True) as house:
            yield house

    return open_


async def begin(house: House, **order: Any) -> WorkflowHandle[WatchDeals, WatchReport]:
    """One round of the watch, started."""
    return await house.client.start_workflow(
        WatchDeals.run, WatchOrder(**order), id=f"deal-watch/{uuid4()}", task_queue=house.core,
        memo={"pace": PACE},
    )  # fmt: skip


async def one_round(house: House, **order: Any) -> WatchReport:
    """One round of the watch, from beginning to end."""
    return await asyncio.wait_for((await begin(house, **order)).result(), 60)


def typed(house: House, workflow_id: str) -> WorkflowHandle[Any, Any]:
    """A handle whose result is read as what an activation answers."""
    return house.client.get_workflow_handle_for(ActivateQuote.run, workflow_id)


def of(house: House, deal: Deal) -> WorkflowHandle[Any, Any]:
    """The activation of a deal."""
    return typed(house, f"activation/{deal.quote.quote_id}/r{deal.revision}")


def touch(house: House, deal: Deal) -> None:
    """A background job of the CRM moves the stamps of a deal and its quote."""
    box: Any = house.sandboxes["salesforce"]
    box.touch("Opportunity", deal.opportunity.opportunity_id)
    box.touch(QUOTE, deal.quote.quote_id)


async def started(house: House) -> int:
    """How many activations the ledger knows."""
    return len(await house.store.activations.list())


async def test_ten_rounds_over_deals_whose_stamps_keep_moving_start_each_once(opened: Opened) -> None:
    deals = [a_deal(200 + n) for n in range(4)]
    async with opened(*deals) as house:
        first = await one_round(house)
        assert (first.seen, first.started) == (4, 4)
        for deal in deals:
            await activated(of(house, deal))
        for _ in range(10):
            for deal in deals:
                touch(house, deal)
            again = await one_round(house)
            assert (again.started, again.superseded, again.unreadable) == (0, 0, ())
            assert again.known == again.seen == 4
        assert await started(house) == 4
        for deal in deals:
            await check_activated(house, deal, of(house, deal).id)
        one_effect_per_key(house)


async def test_two_watches_at_the_same_time_start_each_deal_once(opened: Opened) -> None:
    deals = [a_deal(210 + n) for n in range(5)]
    async with opened(*deals) as house:
        reports = await asyncio.gather(*(one_round(house) for _ in range(3)))
        assert sum(r.started for r in reports) == 5
        for deal in deals:
            await activated(of(house, deal))
        assert await started(house) == 5
        one_effect_per_key(house)


async def test_pages_follow_each_other_until_all_are_seen(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    deals = [a_deal(220 + n) for n in range(5)]
    async with opened(*deals) as house:
        monkeypatch.setattr("activities.crm._PAGE", 2)
        report = await one_round(house)
        assert report.seen >= 5, "those that are completed meanwhile move on, and are seen twice"
        assert report.started == 5
        for deal in deals:
            await activated(of(house, deal))


async def test_a_deal_that_cannot_be_read_is_reported_and_tried_again(opened: Opened) -> None:
    good, bad = a_deal(230), a_deal(231)
    async with opened(good, bad) as house:
        change(house, QUOTE, bad.quote.quote_id, CurrencyIsoCode="XQX")
        report = await one_round(house)
        assert report.started == 1
        (told,) = report.unreadable
        assert bad.quote.quote_id in told
        assert "XQX" in told
        await activated(of(house, good))
        report = await one_round(house)
        assert report.unreadable, "it stays reported"
        change(house, QUOTE, bad.quote.quote_id, CurrencyIsoCode="USD")
        report = await one_round(house)
        assert (report.started, report.unreadable) == (1, ())
        await activated(of(house, bad))


async def test_a_fault_of_ours_in_one_deal_holds_up_no_other(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = a_deal(232), a_deal(233)
    async with opened(good, bad) as house:
        read = house.wired.adapters["cpq"].read_quote

        async def faulty(quote_id: str) -> Any:
            if quote_id == bad.quote.quote_id:
                raise KeyError("a mapping of ours")
            return await read(quote_id)

        monkeypatch.setattr(house.wired.adapters["cpq"], "read_quote", faulty)
        report = await one_round(house)
        assert report.started == 1
        assert "a fault in this product" in report.unreadable[0]
        monkeypatch.undo()
        assert (await one_round(house)).started == 1
        await activated(of(house, good))
        await activated(of(house, bad))


async def test_a_crm_that_is_away_fails_the_round_and_loses_nothing(opened: Opened) -> None:
    deal = a_deal(234)
    async with opened(deal) as house:
        house.fault("salesforce", "GET /services/data/v62.0/query", "status", times=-1, status=503, body={})
        with pytest.raises(WorkflowFailureError) as failed:
            await one_round(house)
        assert "Read closed deals" in str(failed.value.cause)
        house.sandboxes["salesforce"].faults.clear()
        assert (await one_round(house)).started == 1
        await activated(of(house, deal))


async def test_the_cursor_moves_only_after_the_starts(opened: Opened) -> None:
    deals = [a_deal(240 + n) for n in range(3)]
    async with opened(*deals) as house:
        handle = await begin(house)
        await handle.result()
        events = [e async for e in handle.fetch_history_events()]
        begun = [
            e.event_id
            for e in events
            if e.event_type == EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED
        ]
        moved = [
            e.event_id
            for e in events
            if e.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
            and e.activity_task_scheduled_event_attributes.activity_id == "move-cursor"
        ]
        assert len(begun) == 3
        assert len(moved) == 1
        assert max(begun) < moved[0]
        for deal in deals:
            await activated(of(house, deal))


@pytest.mark.filterwarnings("ignore:Cannot find activity to cancel")
async def test_a_round_that_is_killed_before_its_starts_loses_no_deal(opened: Opened) -> None:
    deals = [a_deal(245 + n) for n in range(2)]
    async with opened(*deals) as house:
        house.fault("salesforce", "GET /services/data/v62.0/query", "latency", times=1, seconds=0.6)
        handle = await begin(house)
        armed = house.sandboxes["salesforce"].faults.armed[-1]
        await eventually(lambda: armed.struck)
        await handle.terminate("killed")
        assert await house.store.cursors.read(NAME) is None
        assert (await one_round(house)).started == 2
        for deal in deals:
            await activated(of(house, deal))


async def test_an_edited_deal_takes_the_place_of_its_live_activation(opened: Opened) -> None:
    """It waits for a person with its mistake; sales corrects the quote; the watch does the rest."""
    wrong = a_deal(250, terms="Net 365")
    async with opened(wrong) as house:
        assert (await one_round(house)).started == 1
        old = of(house, wrong)
        await parked(house, old, "validate-deal")
        change(house, QUOTE, wrong.quote.quote_id, SBQQ__PaymentTerms__c="Net 30")
        report = await one_round(house)
        assert (report.started, report.superseded) == (0, 1)
        assert "takes over" in (await unwound(old)).text
        await check_unwound(house, wrong, old.id)
        assert (await one_round(house)).started == 1
        rows = await house.store.activations.of_quote(wrong.quote.quote_id)
        new = typed(house, rows[-1].workflow_id)
        assert new.id != old.id
        await activated(new)
        assert (await one_round(house)).started == 0


async def test_an_activation_behind_its_lock_is_not_superseded(opened: Opened) -> None:
    """The lock is there so that nothing changes under the activation; what changes all the same is found later."""
    deal = a_deal(251)
    async with opened(deal) as house:
        house.fault("zuora", "POST /v1/orders$", "status", times=1, **NO)
        await one_round(house)
        live = of(house, deal)
        await parked(house, live, "draft-order")
        change(house, QUOTE, deal.quote.quote_id, SBQQ__PaymentTerms__c="Net 45")
        assert (await one_round(house)).superseded == 1
        await parked(house, live, "draft-order")
        await house.resolve(live, Decision.UNWIND)
        await unwound(live)
        assert (await one_round(house)).started == 1


async def test_a_live_row_without_a_workflow_is_reported_and_holds_up_nobody(opened: Opened) -> None:
    deal, other = a_deal(252, terms="Net 365"), a_deal(253)
    async with opened(deal) as house:
        await one_round(house)
        live = of(house, deal)
        await parked(house, live, "validate-deal")
        await live.terminate("by an operator")
        change(house, QUOTE, deal.quote.quote_id, SBQQ__PaymentTerms__c="Net 30")
        house.sandboxes["salesforce"].seed(world([other]).model_dump(mode="json"))
        report = await one_round(house)
        assert live.id in report.unreadable[0]
        assert report.started == 1


async def test_what_was_unwound_is_never_started_again_even_when_the_engine_forgot_it(
    opened: Opened, client: Client, store: Store
) -> None:
    deal = a_deal(254)
    async with opened(deal) as house:
        house.fault("zuora", "POST /v1/orders$", "status", times=1, **NO)
        await one_round(house)
        handle = of(house, deal)
        await parked(house, handle, "draft-order")
        await house.resolve(handle, Decision.UNWIND)
        await unwound(handle)
        touch(house, deal)
        assert (await one_round(house)).started == 0
    # An engine that has never heard of the deal, with the same ledger.
    async with a_house(client, store, world([deal])) as house:
        assert (await one_round(house)).started == 0
        assert (await one_round(house, full=True)).started == 0
        with pytest.raises(RPCError):
            await of(house, deal).describe()
        # Sales edits the deal: that is another deal.
        change(house, QUOTE, deal.quote.quote_id, SBQQ__PaymentTerms__c="Net 45")
        assert (await one_round(house)).started == 1
        rows = await house.store.activations.of_quote(deal.quote.quote_id)
        await activated(typed(house, rows[-1].workflow_id))


async def test_a_deal_that_is_won_later_is_found_by_the_cursor(opened: Opened) -> None:
    first, later = a_deal(255), a_deal(256)
    async with opened(first) as house:
        assert (await one_round(house)).started == 1
        house.sandboxes["salesforce"].seed(world([later]).model_dump(mode="json"))
        assert (await one_round(house)).started == 1
        await activated(of(house, first))
        await activated(of(house, later))


async def test_nothing_new_begins_while_a_connector_drains(opened: Opened) -> None:
    deal = a_deal(77)
    async with opened(deal) as house:
        await house.store.connectors.set("zuora", ConnectorMode.DRAINING, actor="ann", reason="upgrade")
        assert (await one_round(house)).started == 0
        await house.store.connectors.set("zuora", ConnectorMode.RUNNING, actor="ann", reason="upgraded")
        assert (await one_round(house)).started == 1
