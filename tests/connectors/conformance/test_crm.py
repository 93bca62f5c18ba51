"""The CRM port: deals and customer accounts."""

from typing import Any

import pytest

from canonical.failures import Failure, Rejected
from canonical.quote import Deal, DealRef
from tests.connectors.conformance.bench import CYCLE, Subject, cases, deal, deals, subject, world

pytestmark = cases("crm")


async def scan(at: Subject, cursor: str | None, limit: int) -> tuple[list[DealRef], str | None]:
    """All deals since a cursor, page by page until one is not full."""
    found: list[DealRef] = []
    for _ in range(1000):
        page = await at.adapter.closed_won(cursor, limit)
        found += page.deals
        cursor = page.cursor or cursor
        if len(page.deals) < limit:
            return found, cursor
    raise AssertionError("the list of deals does not end")


@pytest.mark.parametrize("limit", [1, 7, 200])
async def test_the_watch_sees_every_deal_oldest_first(vendor: str, limit: int) -> None:
    at = await subject("crm", vendor)
    found, _ = await scan(at, None, limit)
    expected = {(d.opportunity.opportunity_id, d.quote.quote_id) for d in deals().values()}
    assert {(ref.opportunity_id, ref.quote_id) for ref in found} == expected
    assert [ref.modified for ref in found] == sorted(ref.modified for ref in found)
    assert not at.effects


async def test_a_later_scan_repeats_and_never_skips(vendor: str) -> None:
    at = await subject("crm", vendor)
    _, cursor = await scan(at, None, 200)
    late = deal(5)
    again = late.opportunity.model_copy(update={"opportunity_id": "0065g0LATE00000EAA"})
    quote = late.quote.model_copy(
        update={"quote_id": "a0Q5g0LATE00000EAA", "opportunity_id": again.opportunity_id, "lines": ()}
    )
    again = again.model_copy(update={"primary_quote_id": quote.quote_id})
    at.sandbox.seed(only(late.model_copy(update={"opportunity": again, "quote": quote})))
    found, following = await scan(at, cursor, 200)
    assert quote.quote_id in {ref.quote_id for ref in found}
    assert following
    assert {ref.quote_id for ref in (await scan(at, following, 200))[0]} <= {
        ref.quote_id for ref in found
    } | set(deals())


def only(*kept: Deal) -> dict[str, Any]:
    """The world with these deals alone, as it is loaded."""
    return world().model_copy(update={"deals": kept}).model_dump(mode="json")


async def test_a_deal_that_is_not_won_is_not_seen(vendor: str) -> None:
    at = await subject("crm", vendor)
    lost = deal(6)
    opportunity = lost.opportunity.model_copy(update={"won": False})
    at.sandbox.seed(only(lost.model_copy(update={"opportunity": opportunity})))
    found, _ = await scan(at, None, 200)
    assert lost.quote.quote_id not in {ref.quote_id for ref in found}
    assert not (await at.adapter.read_opportunity(opportunity.opportunity_id)).won


async def test_a_cursor_of_somebody_else_is_refused(vendor: str) -> None:
    at = await subject("crm", vendor)
    with pytest.raises(Failure):
        await at.adapter.closed_won("no cursor of ours", 10)


async def test_opportunities_read_as_they_are(vendor: str) -> None:
    at = await subject("crm", vendor)
    for expected in list(deals().values())[:10]:
        assert await at.adapter.read_opportunity(expected.opportunity.opportunity_id) == expected.opportunity
    with pytest.raises(Rejected) as caught:
        await at.adapter.read_opportunity("0060000000NOBODY")
    assert caught.value.code == "opportunity-unknown"


async def test_customers_and_everybody_above_them(vendor: str) -> None:
    at = await subject("crm", vendor)
    for expected in [deal(1), deal(7), deal(35), deal(17)]:
        customer, parents = await at.adapter.read_customer(expected.parties.customer.customer_id)
        assert customer == expected.parties.customer
        assert parents == expected.parents


async def test_a_circle_of_accounts_ends(vendor: str) -> None:
    at = await subject("crm", vendor)
    expected = deal(CYCLE)
    _, parents = await at.adapter.read_customer(expected.parties.customer.customer_id)
    assert parents == expected.parents


async def test_an_unknown_customer_is_refused(vendor: str) -> None:
    at = await subject("crm", vendor)
    with pytest.raises(Rejected):
        await at.adapter.read_customer("0010000000NOBODY")


async def test_no_contract_yet_is_none(vendor: str) -> None:
    at = await subject("crm", vendor)
    assert await at.adapter.find_contract(deal(1).opportunity.opportunity_id) is None


@pytest.mark.parametrize("odd", ["'", "x' OR 'a'='a", 'a"b\\', "", "🚀\n", "a" * 2000])
async def test_odd_ids_are_unknown_and_no_query(vendor: str, odd: str) -> None:
    at = await subject("crm", vendor)
    with pytest.raises(Failure):
        await at.adapter.read_opportunity(odd)
    with pytest.raises(Failure):
        await at.adapter.read_customer(odd)


@pytest.mark.parametrize("kind", ["html", "empty", "truncated", "huge", "timeout_before", "status"])
async def test_a_damaged_answer_is_a_failure_and_never_an_end(vendor: str, kind: str) -> None:
    at = await subject("crm", vendor)
    at.break_calls(kind, times=-1)
    with pytest.raises(Failure):
        await at.adapter.closed_won(None, 10)
    with pytest.raises(Failure):
        await at.adapter.read_opportunity(deal(1).opportunity.opportunity_id)
    with pytest.raises(Failure):
        await at.adapter.read_customer(deal(1).parties.customer.customer_id)
    with pytest.raises(Failure):
        await at.adapter.find_contract(deal(1).opportunity.opportunity_id)


async def test_fields_of_a_later_release_change_nothing(vendor: str) -> None:
    at = await subject("crm", vendor)
    at.break_calls("unknown_fields", times=-1)
    found, _ = await scan(at, None, 200)
    assert len({ref.quote_id for ref in found}) == len(deals())
    assert await at.adapter.read_opportunity(deal(1).opportunity.opportunity_id) == deal(1).opportunity
