"""Ways in which an activation used to end half-way, twice or not at all; each was seen once and must not come back."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from activities.store.store import Store
from canonical.case import CaseNote
from canonical.failures import Owner, Transient
from canonical.quote import Deal
from commands.demo.book import Item, world
from commands.demo.world import CATALOG, CATALOG_LATER, NOT_YET
from connectors.salesforce.connector import cursor_text
from tests.builders.house import House, a_house
from tests.workflows.play import (
    PACE,
    a_deal,
    accounts,
    activated,
    change,
    crm_row,
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
from workflows.kernel.views import ParkView

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


async def test_an_edit_after_an_unwind_is_not_lost_whoever_began_it(opened: Opened) -> None:
    """Started from the command line, taken back, and only then corrected: the watch was never told of it."""
    deal = a_deal(819)
    async with opened(deal) as house:
        await _time_passes(house)
        house.fault("zuora", "POST /v1/orders$", "status", times=1, **NO)
        old = await house.start(deal, pace=PACE)
        await parked(house, old, "draft-order")
        await house.resolve(old, Decision.UNWIND)
        await eventually(lambda: _ended(house, old.id))
        assert (await one_round(house)).started == 0, "the same content is not sold again"
        change(house, QUOTE, deal.quote.quote_id, SBQQ__PaymentTerms__c="Net 45")
        assert (await one_round(house)).started == 1
        await activated(of(house, await house.wired.crm.deal(deal.quote.quote_id)))


async def _time_passes(house: House) -> None:
    """Other deals have moved the watch far past this one."""
    place = json.loads(await house.store.cursors.read(NAME) or "{}")
    place["cursor"] = cursor_text("2029-01-01T00:00:00.000+0000", "")
    await house.store.cursors.move(NAME, json.dumps(place))


async def test_the_turn_stays_until_the_last_undo_is_through(opened: Opened) -> None:
    """Two sales to one customer, paid from one card: the undo of the first must not strip the second of it."""
    first = a_deal(811, autopay=True)
    second = second_deal(first, 812, autopay=True)
    payment = second.quote.model_copy(update={"payment": first.quote.payment})
    second = second.model_copy(update={"quote": payment})
    async with opened(first, second) as house:
        house.fault("zuora", "POST /v1/orders/preview", "status", times=1, **NO)
        one = await house.start(first, pace=PACE)
        await parked(house, one, "preview-order")
        two = await house.start(second, pace=PACE)
        assert one.id in await waiting(house, two)
        house.fault("zuora", "PUT /v1/accounts/", "status", times=1, **NO)
        await house.resolve(one, Decision.UNWIND)
        park = await parked(house, one, "attach-payment")
        await eventually(lambda: _unlocked(house, first))
        assert (await house.store.turns.show(first.parties.customer.customer_id))[0] == one.id
        row = await house.store.activations.show(one.id)
        assert row is not None
        assert row.state == "live"
        await house.resolve(one, Decision.RETRY, case_id=park.case_id)
        await activated(two)
        open_ = [a for a in accounts(house, first.parties.customer.customer_id) if a["status"] == "Active"]
        reference = f"{first.quote.payment.gateway_customer}/{first.quote.payment.payment_method}"
        assert [reference in account.values() for account in open_] == [True]
        events = await house.store.events.list(subject=first.quote.quote_id)
        (unwound,) = [e.event for e in events if e.event.type.endswith("activation.unwound")]
        assert "ann" in str(unwound.data["because"])
        told = unwound.data["undone"]
        assert isinstance(told, list)
        assert sorted(map(str, told)) == ["attach-payment", "lock-quote", "open-account"]


def _unlocked(house: House, deal: Deal) -> bool:
    return not crm_row(house, QUOTE, deal.quote.quote_id).get("Otc_Operation__c")


async def test_an_undo_that_was_interrupted_names_the_account_it_cancelled(opened: Opened) -> None:
    deal = a_deal(813)
    async with opened(deal) as house:
        house.fault("zuora", "POST /v1/orders/preview", "status", times=1, **NO)
        handle = await house.start(deal, pace=PACE)
        await parked(house, handle, "preview-order")
        (account,) = accounts(house, deal.parties.customer.customer_id)
        house.fault("zuora", "DELETE /v1/accounts/", "timeout_after", times=1)
        await house.resolve(handle, Decision.UNWIND)
        await eventually(lambda: _ended(house, handle.id))
        events = await house.store.events.list(subject=deal.parties.customer.customer_id)
        told = [e.event.data["number"] for e in events if e.event.type.endswith("billing-account.cancelled")]
        assert told == [account["accountNumber"]]


async def test_a_quote_that_was_deleted_holds_up_no_unwind(opened: Opened) -> None:
    deal = a_deal(814)
    async with opened(deal) as house:
        house.fault("zuora", "POST /v1/orders/preview", "status", times=1, **NO)
        handle = await house.start(deal, pace=PACE)
        await parked(house, handle, "preview-order")
        rows: Any = house.sandboxes["salesforce"].state["rows"]
        del rows[QUOTE][deal.quote.quote_id]
        await house.resolve(handle, Decision.UNWIND)
        await eventually(lambda: _ended(house, handle.id))


async def test_an_erp_that_cannot_be_read_back_calls_a_person(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    deal = a_deal(815)
    async with opened(deal) as house:
        erp = house.wired.adapters["erp"]

        async def away(*_: Any) -> None:
            raise Transient("the ERP is away", code="connection-lost", retry_after=0.01)

        with monkeypatch.context() as patched:
            patched.setattr(erp, "find_contract", away)
            handle = await house.start(deal, pace=PACE)
            park = await parked(house, handle, "record-contract")
            assert park.failure.code == "connection-lost"
        await house.resolve(handle, Decision.RETRY)
        await activated(handle)


async def test_a_won_deal_that_cannot_be_read_has_an_owner_until_it_can(opened: Opened) -> None:
    deal = a_deal(816)
    quote_id = deal.quote.quote_id
    async with opened(deal) as house:
        for episode in (1, 2):
            change(house, QUOTE, quote_id, CurrencyIsoCode="XQX")
            for _ in range(2):
                assert (await one_round(house)).unreadable
                (case,) = await house.store.cases.list(workflow_id=f"activation/{quote_id}")
                assert (case.episode, case.code, case.owner) == (
                    episode,
                    "currency-unknown",
                    Owner.REVOPS,
                )
                assert case.field
                assert case.fix
            if episode == 1:
                case = await house.store.cases.show(case.case_id)
                note = CaseNote(case_id=case.case_id, at=case.since, actor="ann", text="looked at it")
                await house.store.cases.resolve(case.case_id, resolution="ignored", note=note)
        change(house, QUOTE, quote_id, CurrencyIsoCode="USD")
        assert (await one_round(house)).started == 1
        assert not await house.store.cases.list(workflow_id=f"activation/{quote_id}")
        await activated(of(house, deal))


async def test_a_long_list_of_deals_to_look_at_again_takes_turns(opened: Opened) -> None:
    deal = a_deal(817)
    async with opened(deal) as house:
        gone = [f"a0Q5g00099{n:05d}EAA" for n in range(120)]
        await house.store.cursors.move(NAME, json.dumps({"cursor": None, "again": gone}))
        first = await one_round(house)
        assert (first.started, len(first.unreadable)) == (1, 50)
        place = json.loads(await house.store.cursors.read(NAME) or "{}")
        assert sorted(place["again"]) == sorted([*gone, deal.quote.quote_id])
        assert place["again"][:70] == gone[50:]
        await activated(of(house, deal))


async def test_each_refusal_of_a_deal_is_an_event_once(opened: Opened) -> None:
    deal = a_deal(818, Item("PLATFORM"), Item(NOT_YET), terms="Net 365")
    async with opened(deal) as house:
        await publish(house, CATALOG)
        handle = await house.start(deal, pace=PACE)
        park = await parked(house, handle, "validate-deal")
        await publish(house, CATALOG_LATER)
        for _ in range(2):
            await house.resolve(handle, Decision.RETRY, case_id=park.case_id)
            park = await _next_case(house, handle, park.case_id)
        events = await house.store.events.list(subject=deal.quote.quote_id)
        told = [e.event.data["codes"] for e in events if e.event.type.endswith("quote.refused")]
        assert told == [["product-not-synchronised", "terms-not-granted"], ["terms-not-granted"]]
        await house.resolve(handle, Decision.UNWIND)
        await eventually(lambda: _ended(house, handle.id))


async def _next_case(house: House, handle: WorkflowHandle[Any, Any], before: str) -> ParkView:
    async def another() -> bool:
        parks = (await house.state(handle)).parks
        return bool(parks) and parks[0].case_id not in ("", before)

    await eventually(another)
    return await parked(house, handle, "validate-deal")
