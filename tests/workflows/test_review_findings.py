"""Ways in which an activation used to end half-way, twice or not at all; each was seen once and must not come back."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment

from activities.store.store import Store
from canonical.failures import Owner
from canonical.quote import Deal
from commands.demo.book import Item, world
from commands.demo.world import CATALOG
from connectors.salesforce.connector import cursor_text
from tests.builders.house import House, a_house
from tests.workflows.play import (
    PACE,
    a_deal,
    accounts,
    activated,
    change,
    erp_rows,
    eventually,
    parked,
    publish,
    second_deal,
    waiting,
)
from tests.workflows.test_deal_watch import of, one_round
from workflows.deal_watch import NAME
from workflows.kernel.parking import Decision

Opened = Callable[..., AbstractAsyncContextManager[House]]
QUOTE = "SBQQ__Quote__c"
NO = {"status": 200, "body": {"success": False, "reasons": [{"code": 53100330, "message": "a rule says no"}]}}


@pytest.fixture
def opened(dev_server: WorkflowEnvironment, store: Store) -> Opened:
    """`async with opened(deal, ...) as house`: a house on a real server that knows these deals."""

    @asynccontextmanager
    async def open_(*deals: Deal, **settings: Any) -> AsyncIterator[House]:
        async with a_house(dev_server.client, store, world(deals), versioned=True, **settings) as house:
            yield house

    return open_


async def test_a_customer_who_was_renamed_keeps_account_and_erp_customer(opened: Opened) -> None:
    first = a_deal(801)
    second = second_deal(first, 802)
    customer = first.parties.customer.customer_id
    async with opened(first, second) as house:
        await activated(await house.start(first, pace=PACE))
        change(house, "Account", customer, Name="Renamed and Sons")
        deal = await house.wired.crm.deal(second.quote.quote_id)
        assert deal.parties.customer.name == "Renamed and Sons"
        await activated(await house.start(deal, pace=PACE))
        assert len(accounts(house, customer)) == 1
        names = [row["companyName"] for row in erp_rows(house, "customer")]
        assert names == ["Renamed and Sons"]


async def test_thousands_of_mistakes_become_one_case_that_can_be_written_down(opened: Opened) -> None:
    deal = a_deal(803, *(Item("PLATFORM"),) * 2500)
    lines = tuple(line.model_copy(update={"product_code": f"UNKNOWN-{n}-{'X' * 60}", "quantity": Decimal(-1)})
                  for n, line in enumerate(deal.quote.lines))  # fmt: skip
    deal = deal.model_copy(update={"quote": deal.quote.model_copy(update={"lines": lines})})
    async with opened(deal) as house:
        handle = await house.start(deal, pace=PACE)
        park = await parked(house, handle, "validate-deal")
        case = await house.store.cases.show(park.case_id)
        assert case.owner is Owner.REVOPS
        assert case.code == "deal-invalid"
        assert "(and 4,999 more)" in case.reason
        assert {f.code for f in case.findings} == {"product-not-synchronised", "quantity-not-positive"}
        await house.resolve(handle, Decision.UNWIND)
        await eventually(lambda: _ended(house, handle.id))


async def _ended(house: House, workflow_id: str) -> bool:
    row = await house.store.activations.show(workflow_id)
    return row is not None and row.state == "unwound"


async def test_many_products_that_are_not_published_yet_are_waited_for(opened: Opened) -> None:
    deal = a_deal(804, *(Item("PLATFORM"),) * 40)
    lines = tuple(line.model_copy(update={"product_code": f"COMING-SOON-{n}"})
                  for n, line in enumerate(deal.quote.lines))  # fmt: skip
    deal = deal.model_copy(update={"quote": deal.quote.model_copy(update={"lines": lines})})
    async with opened(deal) as house:
        await publish(house, CATALOG)
        handle = await house.start(deal, pace=PACE)
        why = await waiting(house, handle)
        assert "COMING-SOON-" in why
        assert "and 35 more" in why
        await house.cancel(handle)
        await eventually(lambda: _ended(house, handle.id))


async def test_an_account_that_collects_by_itself_is_not_used(opened: Opened) -> None:
    first = a_deal(805)
    second = second_deal(first, 806)
    customer = first.parties.customer.customer_id
    async with opened(first, second) as house:
        await activated(await house.start(first, pace=PACE))
        (account,) = accounts(house, customer)
        account["autoPay"] = True
        handle = await house.start(second, pace=PACE)
        park = await parked(house, handle, "open-account")
        assert park.failure.code == "autopay-on"
        account["autoPay"] = False
        await house.resolve(handle, Decision.RETRY)
        await activated(handle)


async def test_a_second_quote_of_an_opportunity_is_refused_before_anything_is_done(opened: Opened) -> None:
    first = a_deal(807)
    other = second_deal(first, 808)
    quote = other.quote.model_copy(update={"opportunity_id": first.opportunity.opportunity_id})
    second = other.model_copy(update={"quote": quote, "opportunity": first.opportunity})
    async with opened(first, second) as house:
        await activated(await house.start(first, pace=PACE))
        change(house, QUOTE, first.quote.quote_id, SBQQ__Primary__c=False)
        change(house, QUOTE, second.quote.quote_id, SBQQ__Primary__c=True)
        change(
            house,
            "Opportunity",
            first.opportunity.opportunity_id,
            SBQQ__PrimaryQuote__c=second.quote.quote_id,
        )
        handle = await house.start(await house.wired.crm.deal(second.quote.quote_id), pace=PACE)
        park = await parked(house, handle, "validate-deal")
        assert park.failure.code == "opportunity-activated"
        await house.resolve(handle, Decision.UNWIND)
        await eventually(lambda: _ended(house, handle.id))


async def test_an_edit_that_moves_only_the_quote_is_not_lost(opened: Opened) -> None:
    """The CRM stamps the quote alone; the watch lists opportunities, and its place has moved on."""
    deal = a_deal(809)
    async with opened(deal) as house:
        house.fault("zuora", "POST /v1/orders$", "status", times=1, **NO)
        assert (await one_round(house)).started == 1
        old = of(house, deal)
        await parked(house, old, "draft-order")
        await _time_passes(house)
        assert (await one_round(house)).started == 0
        change(house, QUOTE, deal.quote.quote_id, SBQQ__PaymentTerms__c="Net 45")
        await house.resolve(old, Decision.UNWIND)
        await eventually(lambda: _ended(house, old.id))
        assert (await one_round(house)).started == 1
        fresh = await house.wired.crm.deal(deal.quote.quote_id)
        await activated(of(house, fresh))
        await one_round(house)
        place = json.loads(await house.store.cursors.read(NAME) or "{}")
        assert not place["again"], "what is active is looked at no more"


async def _time_passes(house: House) -> None:
    """Other deals have moved the watch far past this one."""
    place = json.loads(await house.store.cursors.read(NAME) or "{}")
    place["cursor"] = cursor_text("2029-01-01T00:00:00.000+0000", "")
    await house.store.cursors.move(NAME, json.dumps(place))
