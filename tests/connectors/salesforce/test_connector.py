"""The two roles against an org in process."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from canonical.failures import Conflict, Misconfigured, Rejected
from canonical.party import hierarchy_findings
from canonical.quote import DealPage, DealRef
from connectors.kit import decimal_json
from connectors.kit.sandbox import serve
from connectors.salesforce.connector import Salesforce, cursor_text
from connectors.salesforce.manifest import MANIFEST
from connectors.salesforce.sandbox import SalesforceSandbox
from connectors.salesforce.sandbox.seed import load_deal
from connectors.salesforce.settings import SalesforceSettings
from tests.builders.deals import a_deal, a_line, crm_id
from tests.connectors.salesforce.harness import NOW, a_mark, adapter, an_org, calls, once, read_deal

DEAL = a_deal("1")
QUOTE = DEAL.quote.quote_id
DEAL_ID = DEAL.opportunity.opportunity_id


# Reading


@pytest.mark.parametrize(
    ("read", "code"),
    [
        (lambda crm: crm.read_quote("a0q-none"), "quote-unknown"),
        (lambda crm: crm.read_mark("a0q-none"), "quote-unknown"),
        (lambda crm: crm.lock_quote("a0q-none", a_mark()), "quote-unknown"),
        (lambda crm: crm.unlock_quote("a0q-none", "o"), "quote-unknown"),
        (lambda crm: crm.write_back("a0q-none", a_mark()), "quote-unknown"),
        (lambda crm: crm.read_opportunity("006-none"), "opportunity-unknown"),
        (lambda crm: crm.read_customer("001-none"), "account-unknown"),
        (lambda crm: crm.read_quote("x' OR Name != '"), "quote-unknown"),
        (lambda crm: crm.read_mark("../Account/1"), "quote-unknown"),
    ],
)
async def test_what_does_not_exist_is_refused_by_name(read: Any, code: str) -> None:
    with pytest.raises(Rejected) as caught:
        await read(adapter(an_org(DEAL)))
    assert caught.value.code == code
    assert caught.value.field
    assert caught.value.fix


async def test_the_hierarchy_is_read_to_the_top_in_steps_of_five() -> None:
    chain = [crm_id("001", "up", n) for n in range(12)]
    parents = dict(zip(chain, [*chain[1:], None], strict=True))
    deal = a_deal("up", customer={"parent_id": chain[0], "ancestors": tuple(chain)}, parents=parents)
    org = an_org(deal)
    customer, read = await adapter(org).read_customer(deal.parties.customer.customer_id)
    assert customer.ancestors == tuple(chain)
    assert read == {customer.customer_id: chain[0], **parents}
    assert len([p for p in calls(org, "GET") if p.endswith("/query/")]) == 3


async def test_a_cyclic_hierarchy_ends_and_is_reported() -> None:
    a, b = crm_id("001", "cyc"), crm_id("001", "cyc", "b")
    deal = a_deal("cyc", customer={"parent_id": b, "ancestors": (b,)}, parents={b: a})
    customer, parents = await adapter(an_org(deal)).read_customer(a)
    assert parents == {a: b, b: a}
    assert customer.ancestors == (b,)
    assert [f.code for f in hierarchy_findings(a, parents)] == ["hierarchy-cycle"]


async def test_a_parent_out_of_sight_is_reported() -> None:
    unseen = crm_id("001", "unseen")
    deal = a_deal("u", customer={"parent_id": unseen, "ancestors": (unseen,)})
    customer, parents = await adapter(an_org(deal)).read_customer(deal.parties.customer.customer_id)
    assert parents == {customer.customer_id: unseen}
    assert [f.code for f in hierarchy_findings(customer.customer_id, parents)] == ["hierarchy-parent-missing"]


async def test_products_are_references() -> None:
    found = await adapter(an_org(a_deal("r", bundle=True))).references()
    assert {(r.kind, r.code) for r in found} == {
        ("product", code) for code in ("PLATFORM", "SUITE", "SUITE-CORE", "SUITE-SUPPORT")
    }
    assert all(r.active and r.vendor_id for r in found)


async def test_a_single_currency_org() -> None:
    deal = a_deal("s", currency="EUR", country="DE")
    org = an_org(deal, multi_currency=False, person_accounts=False)
    assert await read_deal(adapter(org, default_currency="EUR"), deal) == deal
    with pytest.raises(Misconfigured, match="CurrencyIsoCode") as caught:
        await adapter(org).read_quote(deal.quote.quote_id)
    assert caught.value.code == "field-missing"


async def test_an_org_without_the_optional_fields() -> None:
    org = an_org(DEAL)
    missing = ["Otc_Bill_To_Contact__c", "Otc_Sold_To_Contact__c", "Otc_Purchase_Order__c"]
    for name in missing:
        del org.types["SBQQ__Quote__c"].fields[name]
    del org.types["Opportunity"].fields["Otc_Subscription__c"]
    crm = adapter(
        org,
        field_bill_to_contact="",
        field_sold_to_contact="",
        field_purchase_order="",
        field_opportunity_subscription="",
    )
    quote, parties = await crm.read_quote(QUOTE)
    assert quote == DEAL.quote
    assert parties.bill_to is not None
    assert parties.bill_to.last_name == "Ada Okafor"
    await crm.write_back(QUOTE, a_mark(state="active", billing_subscription="S-1"))
    health = await adapter(org).check()
    assert not health.well
    assert all(f"SBQQ__Quote__c.{name}" in health.detail for name in missing)
    assert "Opportunity.Otc_Subscription__c" in health.detail


# The watch


async def scan(crm: Salesforce, cursor: str | None, limit: int) -> tuple[list[DealRef], str | None]:
    """One poll: pages until one is shorter than asked for."""
    found: list[DealRef] = []
    while True:
        page: DealPage = await crm.closed_won(cursor, limit)
        found += page.deals
        cursor = page.cursor
        if len(page.deals) < limit:
            return found, cursor


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 50])
async def test_the_watch_finds_each_deal_once_in_a_scan_whatever_the_page(limit: int) -> None:
    deals = [a_deal(f"w{n}") for n in range(7)]
    found, cursor = await scan(adapter(an_org(*deals)), None, limit)
    assert sorted(d.quote_id for d in found) == sorted(d.quote.quote_id for d in deals)
    assert cursor


async def test_the_watch_looks_back_and_goes_on() -> None:
    clock = [NOW]
    org = an_org(*(a_deal(f"b{n}") for n in range(3)), clock=lambda: clock[0])
    crm = adapter(org)
    first, cursor = await scan(crm, None, 2)
    assert len(first) == 3
    clock[0] += timedelta(hours=5)
    late = a_deal("late")
    load_deal(org.org, late)
    again, cursor = await scan(crm, cursor, 50)
    assert late.quote.quote_id in {d.quote_id for d in again}
    assert len(again) == 4  # the overlap repeats the others
    clock[0] += timedelta(hours=5)
    last, cursor = await scan(crm, cursor, 50)
    assert {d.quote_id for d in last} == {late.quote.quote_id}


async def test_the_watch_sees_only_won_deals_with_a_primary_quote() -> None:
    org = an_org(
        a_deal("won"),
        a_deal("open", opportunity={"won": False}),
        a_deal("bare", opportunity={"primary_quote_id": None}),
    )
    page = await adapter(org).closed_won(None, 10)
    assert [d.quote_id for d in page.deals] == [crm_id("a0q", "won")]


async def test_nothing_to_watch_keeps_the_cursor() -> None:
    crm = adapter(an_org())
    page = await crm.closed_won(None, 10)
    assert page == DealPage(deals=(), cursor="")
    cursor = cursor_text("2026-01-05T09:30:00.000+0000", "")
    assert (await crm.closed_won(cursor, 10)).cursor == cursor


@pytest.mark.parametrize("cursor", ["nonsense", "e30=", cursor_text("yesterday", ""), "é"])
async def test_a_foreign_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(Rejected) as caught:
        await adapter(an_org()).closed_won(cursor, 10)
    assert caught.value.code == "cursor-invalid"


async def test_the_time_of_approval_comes_from_the_field_that_the_org_names() -> None:
    org = an_org(DEAL)
    crm = adapter(org, field_approved_at="SBQQ__LastSavedOn__c")
    page = await crm.closed_won(None, 1)
    assert page.deals[0].approved_at == "2026-01-05T08:30:00+00:00"


# The lock


async def test_lock_read_unlock() -> None:
    org = an_org(DEAL)
    crm = adapter(org)
    assert await crm.read_mark(QUOTE) is None
    assert await crm.lock_quote(QUOTE, a_mark()) == a_mark()
    assert await crm.read_mark(QUOTE) == a_mark()
    assert await crm.lock_quote(QUOTE, a_mark()) == a_mark()
    assert len(calls(org, "PATCH")) == 1
    assert await crm.unlock_quote(QUOTE, a_mark().operation_id) is None
    assert await crm.unlock_quote(QUOTE, a_mark().operation_id) is None
    assert await crm.read_mark(QUOTE) is None
    once(org)


async def test_a_second_operation_is_refused_and_leaves_the_lock_alone() -> None:
    org = an_org(DEAL)
    crm = adapter(org)
    await crm.lock_quote(QUOTE, a_mark("first"))
    with pytest.raises(Conflict) as caught:
        await crm.lock_quote(QUOTE, a_mark("second"))
    assert caught.value.code == "quote-locked"
    assert caught.value.evidence["holder"] == "first"
    with pytest.raises(Conflict, match="first"):
        await crm.write_back(QUOTE, a_mark("second", "active"))
    assert await crm.unlock_quote(QUOTE, "second") == a_mark("first")
    assert await crm.read_mark(QUOTE) == a_mark("first")
    once(org)


async def test_a_lock_is_free_again_after_unlocking() -> None:
    org = an_org(DEAL)
    crm = adapter(org)
    await crm.lock_quote(QUOTE, a_mark("first"))
    await crm.unlock_quote(QUOTE, "first")
    assert await crm.lock_quote(QUOTE, a_mark("second")) == a_mark("second")
    once(org)


async def test_an_activated_quote_stays_taken() -> None:
    crm = adapter(an_org(DEAL))
    await crm.write_back(QUOTE, a_mark("first", "active", billing_subscription="S-1"))
    with pytest.raises(Conflict, match="has activated") as caught:
        await crm.lock_quote(QUOTE, a_mark("second"))
    assert caught.value.code == "quote-locked"


async def test_our_own_marks_do_not_change_the_revision() -> None:
    org = an_org(DEAL)
    crm = adapter(org)
    await crm.lock_quote(QUOTE, a_mark())
    locked = await read_deal(crm, DEAL)
    assert locked.quote.content_mark == "c" * 64
    await crm.write_back(QUOTE, a_mark(state="active", billing_subscription="S-1", erp_document="SO-1"))
    assert locked.revision == (await read_deal(crm, DEAL)).revision == DEAL.revision


# Writing back


async def test_write_back_is_one_call_and_is_not_repeated() -> None:
    org = an_org(DEAL)
    crm = adapter(org)
    await crm.lock_quote(QUOTE, a_mark())
    done = a_mark(state="active", billing_subscription="S-1", erp_document="SO-1")
    assert await crm.write_back(QUOTE, done) == done
    assert await crm.write_back(QUOTE, done) == done
    assert len(calls(org, "POST")) == 1
    deal = org.org.get("Opportunity", DEAL_ID)
    assert deal is not None
    assert deal["Otc_Subscription__c"] == "S-1"
    assert deal["SBQQ__Contracted__c"] is False
    once(org)


async def test_write_back_contracts_the_deal_once_where_the_org_wants_it() -> None:
    clock = [NOW]
    org = an_org(a_deal("1", lines=2), clock=lambda: clock[0])
    crm = adapter(org, contract_deals=True)
    done = a_mark(state="active", billing_subscription="S-1")
    await crm.write_back(QUOTE, done)
    await crm.write_back(QUOTE, a_mark(state="active", billing_subscription="S-1", erp_document="SO-1"))
    assert await crm.find_contract(DEAL_ID) is None
    clock[0] += timedelta(minutes=2)
    contract = await crm.find_contract(DEAL_ID)
    assert contract is not None
    assert len(org.org.find("SBQQ__Subscription__c", "SBQQ__Contract__c", contract)) == 2
    assert org.effects["deal-contracted", DEAL_ID] == 1
    once(org)


async def test_a_contract_for_each_end_date() -> None:
    clock = [NOW]
    lines = (a_line("e", 1, months=12), a_line("e", 2, months=24))
    deal = a_deal("e", months=24, own_lines=lines)
    org = an_org(deal, clock=lambda: clock[0])
    quote = org.org.table("SBQQ__Quote__c")[deal.quote.quote_id]
    quote["SBQQ__ContractingMethod__c"] = "By Subscription End Date"
    org.change("Opportunity", deal.opportunity.opportunity_id, {"SBQQ__Contracted__c": True})
    await org.clock_moved(NOW, NOW)
    assert not org.org.table("Contract")
    clock[0] += timedelta(minutes=2)
    first = await adapter(org).find_contract(deal.opportunity.opportunity_id)
    assert len(org.org.table("Contract")) == 2
    assert first == min(org.org.table("Contract"))


# Connections


async def test_check_is_well_and_changes_nothing() -> None:
    org = an_org(DEAL)
    health = await adapter(org).check()
    assert health.well
    assert "api-usage=3/" in health.detail
    assert not org.effects


async def test_check_names_what_is_wrong_with_the_credential() -> None:
    health = await adapter(an_org(), username="nobody@acme.example").check()
    assert not health.well
    assert "hasn't approved" in health.detail
    assert health.fix


async def test_the_whole_story_over_real_http() -> None:
    org = an_org(DEAL, clock=lambda: datetime.now(UTC))
    async with serve(org) as url:
        adapters = MANIFEST.build(SalesforceSettings(**org.connection(url)), None)
        crm = adapters["crm"]
        assert adapters["cpq"] is crm
        assert (await crm.check()).well
        page = await crm.closed_won(None, 5)
        assert [d.opportunity_id for d in page.deals] == [DEAL_ID]
        assert await read_deal(crm, DEAL) == DEAL
        await crm.lock_quote(QUOTE, a_mark())
        done = a_mark(state="active", billing_subscription="S-1", erp_document="SO-1")
        assert await crm.write_back(QUOTE, done) == done
        await MANIFEST.close(adapters)
    once(org)


async def test_test_data_comes_in_by_the_control_port() -> None:
    org = an_org()
    world: dict[str, Any] = {
        "on": "2026-01-05",
        "catalog": {"products": []},
        "entities": [],
        "rules": [],
        "terms": [],
        "nexus": {},
        "deals": [DEAL.model_dump(mode="json")],
    }
    async with serve(org) as url, httpx.AsyncClient(base_url=url) as http:
        assert (await http.post("/_control/seed", json={"world": world})).json() == {"seeded": True}
        again = decimal_json.loads((await http.get("/_control/state")).content)
        assert (
            await http.post("/_control/touch", json={"object": "Opportunity", "id": "none"})
        ).status_code == 404
    assert await read_deal(adapter(org), DEAL) == DEAL
    other = an_org()
    other.restore(again)
    assert await read_deal(adapter(other), DEAL) == DEAL


async def test_a_snapshot_keeps_numbers_exact() -> None:
    deal = a_deal("n", line={"quantity": Decimal("2.50"), "net_unit_price": Decimal("0.33")})
    org = an_org(deal)
    other = SalesforceSandbox(clock=lambda: NOW)
    other.restore(org.snapshot())
    other.change("SBQQ__QuoteLine__c", deal.quote.lines[0].line_id, {"SBQQ__Quantity__c": 3})
    quote, _ = await adapter(other).read_quote(deal.quote.quote_id)
    assert str(quote.lines[0].net_total) == "0.99 USD"
    assert str(quote.net_total) == "0.99 USD"


async def test_data_may_live_on_another_host_of_the_list() -> None:
    org = an_org(DEAL, instance_url="http://localhost:9")
    assert await adapter(org, allow_hosts=("localhost",)).read_mark(QUOTE) is None


async def test_a_host_outside_the_list_is_not_called() -> None:
    org = an_org(DEAL, instance_url="https://evil.example")
    with pytest.raises(Misconfigured) as caught:
        await adapter(org).read_mark(QUOTE)
    assert caught.value.code == "host-refused"
    assert calls(org, "GET") == []
