"""The activation saga on the real activities, five sandboxes and PostgreSQL: the story, its branches and its ends."""

import dataclasses
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from activities.store.store import Store
from canonical.failures import Kind, Owner
from canonical.quote import Deal
from commands.demo.book import PLACES, Item, build, orders, world
from commands.demo.world import CATALOG, CATALOG_LATER, NOT_YET
from tests.builders.house import House, a_house
from tests.workflows.invariants import check_activated, check_unwound, one_effect_per_key
from tests.workflows.play import (
    PACE,
    a_deal,
    accounts,
    activated,
    advance,
    billing,
    change,
    crm_row,
    erp_rows,
    event_names,
    eventually,
    parked,
    publish,
    reached,
    second_deal,
    unwound,
    waiting,
)
from workflows.kernel.parking import Decision, SagaState

Opened = Callable[..., AbstractAsyncContextManager[House]]
QUOTE = "SBQQ__Quote__c"
LOCK = "PATCH /services/data/v62.0/sobjects/SBQQ__Quote__c/"
ACTIVATE = r"PUT /v1/orders/O-[^/]+/activate"
NO = {"status": 200, "body": {"success": False, "reasons": [{"code": 53100330, "message": "a rule says no"}]}}
ERP_NO = {
    "status": 400,
    "body": {
        "title": "no",
        "status": 400,
        "o:errorDetails": [{"detail": "no", "o:errorCode": "INVALID_CONTENT"}],
    },
}
LOST_COMPETITION = {
    "status": 200,
    "body": {"success": False, "reasons": [{"code": 53100050, "message": "lock competition"}]},
}


@pytest.fixture
def opened(dev_server: WorkflowEnvironment, store: Store) -> Opened:
    """`async with opened(deal, ...) as house`: a house on a real server that knows these deals."""

    @asynccontextmanager
    async def open_(*deals: Deal, **settings: Any) -> AsyncIterator[House]:
        async with a_house(dev_server.client, store, world(deals), versioned=True, **settings) as house:
            yield house

    return open_


async def test_a_deal_becomes_a_subscription_and_a_contract(client: Client, store: Store) -> None:
    """On the time-skipping server, as in every place without a real one."""
    deals = [build(orders()[n]) for n in range(2)]
    async with a_house(client, store, world(deals)) as house:
        for deal in deals:
            handle = await house.start(deal)
            await activated(handle)
            await check_activated(house, deal, handle.id)


# One trail


async def test_one_correlation_id_and_one_lineage_lead_through_every_system(opened: Opened) -> None:
    deal = a_deal(
        1, Item("PLATFORM", discount=Decimal(15)), Item("SEATS", Decimal(25)), Item("API"), Item("ONBOARDING")
    )
    async with opened(deal) as house:
        handle = await house.start(deal)
        number = await activated(handle)
        correlation = (await house.state(handle)).correlation_id
        lines = {line.line_id for line in deal.quote.lines}

        quote = crm_row(house, QUOTE, deal.quote.quote_id)
        assert quote["Otc_Operation__c"] == handle.id
        assert quote["Otc_Content_Hash__c"] == deal.content_hash
        assert quote["Otc_Subscription__c"] == number

        subscription = billing(house, "subscriptions", number)[-1]
        assert subscription["Correlation__c"] == correlation
        order = billing(house, "orders", subscription["orderNumber"])
        assert order["customFields"]["Correlation__c"] == correlation
        assert {plan["QuoteLine__c"] for plan in subscription["ratePlans"]} == lines

        (contract,) = erp_rows(house, "transaction")
        assert contract["custbody_correlation_id"] == correlation
        priced = {line.line_id for line in deal.quote.lines if line.net_total.minor}
        assert {line["custcol_quote_line"] for line in contract["item"]} >= priced
        assert {line["custcol_quote_line"] for line in contract["item"]} <= lines

        events = await house.store.events.list(correlation_id=correlation, limit=500)
        assert {e.event.correlationid for e in events} == {correlation}
        names = [e.event.type.rsplit(".o2c.", 1)[1] for e in events]
        assert names[0] == "operational.activation.started"
        assert names[-1] == "operational.activation.completed"
        assert len(names) == len(set(names)), names
        assert (await house.store.events.verify()).whole
        rows = await house.store.fetch(
            "SELECT DISTINCT correlation_id FROM effect WHERE correlation_id <> ''"
        )
        assert [row["correlation_id"] for row in rows] == [correlation]


# The catalog


async def test_a_product_that_is_published_later_lets_the_deal_go_on_by_itself(opened: Opened) -> None:
    deal = a_deal(2, Item("PLATFORM"), Item(NOT_YET))
    async with opened(deal) as house:
        await publish(house, CATALOG)
        handle = await house.start(deal)
        assert NOT_YET in await waiting(house, handle)
        await handle.signal("catalog_published")  # something else was published
        assert NOT_YET in await waiting(house, handle)
        await publish(house, CATALOG_LATER)
        await handle.signal("catalog_published")
        await activated(handle)
        await check_activated(house, deal, handle.id)
        names = await event_names(house, (await house.state(handle)).correlation_id)
        assert "operational.quote.validated" in names
        assert not await house.store.cases.list(workflow_id=handle.id)
        assert not await house.store.waits.list()


async def test_patience_with_the_catalog_ends_in_a_case_and_then_in_an_unwind(opened: Opened) -> None:
    deal = a_deal(3, Item("PLATFORM"), Item(NOT_YET))
    async with opened(deal, catalog_patience_hours=24) as house:
        await publish(house, CATALOG)
        handle = await house.start(deal)
        await waiting(house, handle)
        stops = await advance(house, timedelta(hours=30))
        assert [w.workflow_id for w in stops[0].waits] == [handle.id]
        park = await parked(house, handle, "validate-deal")
        assert park.owner is Owner.REVOPS
        assert park.failure.field == "quote.lines[1].product_code"
        assert park.failure.fix
        await advance(house, timedelta(hours=73))  # nobody decides
        report = await unwound(handle)
        assert report.cause == "expired"
        await check_unwound(house, deal, handle.id)


async def test_a_case_about_the_catalog_heals_by_a_retry(opened: Opened) -> None:
    deal = a_deal(4, Item("PLATFORM"), Item(NOT_YET))
    async with opened(deal, catalog_patience_hours=1) as house:
        await publish(house, CATALOG)
        handle = await house.start(deal)
        await waiting(house, handle)
        await advance(house, timedelta(hours=2))
        await parked(house, handle, "validate-deal")
        await publish(house, CATALOG_LATER)
        await house.resolve(handle, Decision.RETRY)
        await activated(handle)
        await check_activated(house, deal, handle.id)


async def test_a_deal_that_waits_for_the_catalog_can_be_cancelled(opened: Opened) -> None:
    deal = a_deal(5, Item("PLATFORM"), Item(NOT_YET))
    async with opened(deal) as house:
        await publish(house, CATALOG)
        handle = await house.start(deal)
        await waiting(house, handle)
        await house.cancel(handle)
        assert (await unwound(handle)).cause == "cancelled"
        await check_unwound(house, deal, handle.id)
        assert not await house.store.waits.list()


# Turns


def _park_the_first_draft(house: House) -> None:
    house.fault("zuora", "POST /v1/orders$", "status", times=1, **NO)


async def test_activations_of_one_account_take_turns(opened: Opened) -> None:
    first = a_deal(10)
    deals = [first, second_deal(first, 11), second_deal(first, 12)]
    async with opened(*deals) as house:
        _park_the_first_draft(house)
        one = await house.start(first)
        await parked(house, one, "draft-order")
        two = await house.start(deals[1])
        assert one.id in await waiting(house, two)
        three = await house.start(deals[2])
        assert one.id in await waiting(house, three)
        assert await house.store.turns.show(first.parties.customer.customer_id) == (one.id, two.id, three.id)
        await house.resolve(one, Decision.RETRY)
        for handle in (one, two, three):
            await activated(handle)
        (account,) = accounts(house, first.parties.customer.customer_id)
        assert account["status"] == "Active"
        started = [
            c for c in house.calls("zuora") if c == "POST /v1/orders" or c.endswith("/activate")
        ]  # each draft is activated before the next is made
        assert [c.split(" ")[0] for c in started] == ["POST", "POST", "PUT", "POST", "PUT", "POST", "PUT"]
        assert not await house.store.turns.show(first.parties.customer.customer_id)
        one_effect_per_key(house)


async def test_a_waiting_activation_that_is_cancelled_leaves_the_queue(opened: Opened) -> None:
    first = a_deal(13)
    deals = [first, second_deal(first, 14), second_deal(first, 15)]
    async with opened(*deals) as house:
        _park_the_first_draft(house)
        one = await house.start(first)
        await parked(house, one, "draft-order")
        two, three = await house.start(deals[1]), None
        await waiting(house, two)
        three = await house.start(deals[2])
        await waiting(house, three)
        await house.cancel(two)
        assert (await unwound(two)).cause == "cancelled"
        assert await house.store.turns.show(first.parties.customer.customer_id) == (one.id, three.id)
        assert one.id in (await house.state(three)).waiting, "nobody may take a turn that was not given"
        await house.resolve(one, Decision.RETRY)
        await activated(one)
        await activated(three)
        assert not crm_row(house, QUOTE, deals[1].quote.quote_id).get("Otc_Operation__c")


async def test_the_turn_comes_back_at_the_end_of_an_unwind_and_a_shared_account_stays(opened: Opened) -> None:
    first = a_deal(16)
    second = second_deal(first, 17)
    async with opened(first, second) as house:
        _park_the_first_draft(house)
        one = await house.start(first)
        await parked(house, one, "draft-order")
        two = await house.start(second)
        await waiting(house, two)
        await house.resolve(one, Decision.UNWIND)
        report = await unwound(one)
        assert report.undone["open-account"].startswith("left in place"), report.undone
        assert two.id in report.undone["open-account"]
        correlation = (await house.state(one)).correlation_id
        assert "operational.billing-account.kept" in await event_names(house, correlation)
        await activated(two)
        (account,) = accounts(house, first.parties.customer.customer_id)
        assert account["status"] == "Active", "the account in use was cancelled"
        await check_activated(house, second, two.id)


async def test_a_signal_about_the_turn_that_is_lost_is_sent_again(opened: Opened) -> None:
    """Whoever is next has ended without a word: the turn goes on to the one behind it."""
    first = a_deal(18)
    deals = [first, second_deal(first, 19), second_deal(first, 20)]
    async with opened(*deals) as house:
        _park_the_first_draft(house)
        one = await house.start(first)
        await parked(house, one, "draft-order")
        two = await house.start(deals[1])
        await waiting(house, two)
        three = await house.start(deals[2])
        await waiting(house, three)
        await two.terminate("test")
        await house.resolve(one, Decision.RETRY)
        await activated(one)
        await activated(three)


# Accounts and payment references


async def test_a_cancelled_account_is_never_used_again(opened: Opened) -> None:
    deal = a_deal(21)
    async with opened(deal) as house:
        for again in range(2):
            house.fault("zuora", ACTIVATE, "status", times=1, **NO)
            handle = await house.start(deal, again=again)
            await parked(house, handle, "activate-order")
            await house.resolve(handle, Decision.UNWIND)
            report = await unwound(handle)
            assert report.undone["open-account"] == "cancelled"
            await check_unwound(house, deal, handle.id)
        last = await house.start(deal, again=2)
        number = await activated(last)
        held = accounts(house, deal.parties.customer.customer_id)
        assert sorted(a["status"] for a in held) == ["Active", "Canceled", "Canceled"]
        assert len({a["accountNumber"] for a in held}) == 3
        rows = await house.store.fetch(
            "SELECT canonical_id FROM xref WHERE canonical_type = 'billing-account'"
        )
        assert {row["canonical_id"] for row in rows} == {a["accountNumber"] for a in held}
        assert billing(house, "subscriptions", number)[-1]["accountNumber"] == next(
            a["accountNumber"] for a in held if a["status"] == "Active"
        )
        one_effect_per_key(house)


async def test_the_former_payment_reference_comes_back(opened: Opened) -> None:
    first = a_deal(22, autopay=True)
    second = second_deal(first, 23, autopay=True)
    async with opened(first, second) as house:
        await activated(await house.start(first))
        (account,) = accounts(house, first.parties.customer.customer_id)
        former = account["GatewayMethod__c"]
        assert former == f"{first.quote.payment.gateway_customer}/{first.quote.payment.payment_method}"
        assert account["autoPay"] is False
        house.fault("zuora", ACTIVATE, "status", times=1, **NO)
        two = await house.start(second)
        await parked(house, two, "activate-order")
        assert account["GatewayMethod__c"] != former
        await house.resolve(two, Decision.UNWIND)
        report = await unwound(two)
        assert report.undone["attach-payment"] == "the former reference"
        assert account["GatewayMethod__c"] == former
        assert account["status"] == "Active"
        assert all(call.startswith("GET ") for call in house.calls("stripe")), "the gateway is only asked"


async def test_a_detached_method_parks_and_unwinds(opened: Opened) -> None:
    deal = a_deal(39, autopay=True)
    async with opened(deal) as house:
        handle = await house.start(deal)
        park = await parked(house, handle, "check-method")
        assert park.owner is Owner.REVOPS
        assert park.failure.field == "quote.payment.payment_method"
        assert park.failure.fix
        await house.resolve(handle, Decision.UNWIND)
        await unwound(handle)
        await check_unwound(house, deal, handle.id)


# Tenants that activate by dates


def _by_dates(house: House, *, required: bool) -> None:
    box: Any = house.sandboxes["zuora"]
    box.tenant = dataclasses.replace(box.tenant, require_service_activation=required)


async def test_a_tenant_that_activates_by_dates(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVSAGA_ZUORA_ACTIVATION", "trigger_dates")
    deal, other = a_deal(24), a_deal(25)
    async with opened(deal, other) as house:
        _by_dates(house, required=True)
        handle = await house.start(deal)
        await activated(handle)
        await check_activated(house, deal, handle.id)
        assert any("triggerDates" in c for c in house.calls("zuora"))
        assert not any(c.endswith("/activate") for c in house.calls("zuora"))
        house.fault("zuora", "PUT /v1/orders/.*/triggerDates", "status", times=1, **NO)
        two = await house.start(other)
        await parked(house, two, "activate-order")
        await house.resolve(two, Decision.UNWIND)
        report = await unwound(two)
        assert report.undone["draft-order"] == "absent"
        await check_unwound(house, other, two.id)


async def test_an_order_that_should_wait_and_does_not_is_deleted_and_nobody_unwinds_by_itself(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REVSAGA_ZUORA_ACTIVATION", "trigger_dates")
    deal = a_deal(26)
    async with opened(deal) as house:
        handle = await house.start(deal)
        park = await parked(house, handle, "draft-order")
        assert park.failure.kind is Kind.MISCONFIGURED
        assert park.failure.code == "service-activation-not-required"
        assert not house.sandboxes["zuora"].state["orders"], "the order that became active is left"
        assert not house.sandboxes["zuora"].state["subscriptions"]
        assert park.give_up_at is None
        await advance(house, timedelta(days=30))
        assert (await house.state(handle)).state is SagaState.PARKED, "a wrong set-up is no reason to unwind"
        _by_dates(house, required=True)
        await house.resolve(handle, Decision.RETRY)
        await activated(handle)
        subscriptions = house.sandboxes["zuora"].state["subscriptions"].values()
        assert [versions[-1]["status"] for versions in subscriptions] == ["Active"]
        assert crm_row(house, QUOTE, deal.quote.quote_id)["Otc_State__c"] == "active"


# The quote moves


async def test_a_quote_that_changes_between_look_and_lock_is_unwound(opened: Opened) -> None:
    deal = a_deal(27)
    async with opened(deal) as house:
        house.fault("avalara", "GET /api/v2/companies/.*/nexus", "latency", seconds=1.0)
        handle = await house.start(deal)
        await eventually(lambda: any("nexus" in c for c in house.calls("avalara")), "validation")
        change(house, QUOTE, deal.quote.quote_id, SBQQ__PaymentTerms__c="Net 45")
        report = await unwound(handle)
        assert report.step == "lock-quote"
        assert "changed" in report.text
        await check_unwound(house, deal, handle.id)


async def test_a_quote_that_changed_before_it_was_read_is_unwound(opened: Opened) -> None:
    deal = a_deal(28)
    async with opened(deal) as house:
        change(house, QUOTE, deal.quote.quote_id, SBQQ__PaymentTerms__c="Net 45")
        handle = await house.start(deal)
        report = await unwound(handle)
        assert report.step == "read-deal"
        await check_unwound(house, deal, handle.id)


async def test_a_change_that_is_none_of_the_content_does_not_matter(opened: Opened) -> None:
    deal = a_deal(29)
    async with opened(deal) as house:
        house.fault("avalara", "GET /api/v2/companies/.*/nexus", "latency", seconds=0.5)
        handle = await house.start(deal)
        await eventually(lambda: any("nexus" in c for c in house.calls("avalara")), "validation")
        box: Any = house.sandboxes["salesforce"]
        box.touch(QUOTE, deal.quote.quote_id)
        await activated(handle)


async def test_the_lock_of_somebody_else_parks_until_it_is_gone(opened: Opened) -> None:
    deal = a_deal(30)
    async with opened(deal) as house:
        change(
            house, QUOTE, deal.quote.quote_id, Otc_Operation__c="amendment/1", Otc_State__c="activating",
            Otc_Content_Hash__c="x",
        )  # fmt: skip
        handle = await house.start(deal)
        park = await parked(house, handle, "lock-quote")
        assert park.failure.code == "quote-locked"
        assert "amendment/1" in park.failure.message
        change(
            house,
            QUOTE,
            deal.quote.quote_id,
            Otc_Operation__c=None,
            Otc_State__c=None,
            Otc_Content_Hash__c=None,
        )
        await house.resolve(handle, Decision.RETRY)
        await activated(handle)
        await check_activated(house, deal, handle.id)


# Stored failures


async def test_a_refused_lock_heals_within_the_day(opened: Opened) -> None:
    deal = a_deal(31)
    refusal = {"status": 400, "body": [{"message": "rule", "errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION"}]}
    async with opened(deal) as house:
        house.fault("salesforce", LOCK, "status", times=1, **refusal)
        handle = await house.start(deal)
        await parked(house, handle, "lock-quote")
        await house.resolve(handle, Decision.RETRY)
        await activated(handle)
        await check_activated(house, deal, handle.id)


@pytest.mark.parametrize("people", [False, True], ids=["by-itself", "after-a-case"])
async def test_a_failure_that_the_vendor_stores_under_its_key_is_not_replayed(
    opened: Opened, people: bool
) -> None:
    """Billing replays a stored failure for a day: the key must change when, and only when, the refusal was read."""
    deal = a_deal(32)
    answer = NO if people else LOST_COMPETITION
    async with opened(deal) as house:
        house.fault("zuora", "POST /v1/orders$", "status", times=1, stored=True, **answer)
        handle = await house.start(deal, pace=PACE)
        if people:
            await parked(house, handle, "draft-order")
            await house.resolve(handle, Decision.RETRY)
        await activated(handle)
        keys = [
            e["key"]
            for e in house.sandboxes["zuora"].log
            if e["method"] == "POST" and e["path"] == "/v1/orders"
        ]
        assert len(keys) == 2
        assert keys[0] != keys[1], "the stored failure would have been replayed"
        row = await house.store.fetchrow(
            "SELECT generation FROM effect WHERE key = $1", f"{handle.id}/draft-order/do"
        )
        assert row is not None
        assert row["generation"] == 2
        await check_activated(house, deal, handle.id)


# Once, and again


async def test_a_second_activation_of_a_quote_is_refused_and_names_the_holder(opened: Opened) -> None:
    deal = a_deal(33)
    async with opened(deal) as house:
        _park_the_first_draft(house)
        one = await house.start(deal)
        await parked(house, one, "draft-order")
        for again in (1, 2):
            result = await (await house.start(deal, again=again)).result()
            assert (result.outcome, result.holder) == ("refused", one.id)
        await house.resolve(one, Decision.RETRY)
        await activated(one)
        result = await (await house.start(deal, again=3)).result()
        assert (result.outcome, result.holder) == ("refused", one.id)
        await check_activated(house, deal, one.id)


async def test_again_after_an_unwind_uses_fresh_keys_and_numbers(opened: Opened) -> None:
    deal = a_deal(34)
    async with opened(deal) as house:
        _park_the_first_draft(house)
        one = await house.start(deal)
        await parked(house, one, "draft-order")
        await house.resolve(one, Decision.UNWIND)
        await unwound(one)
        two = await house.start(deal, again=1)
        assert two.id.endswith("/n1")
        await activated(two)
        await check_activated(house, deal, two.id)
        keys = [e["key"] for e in house.sandboxes["zuora"].log if e["key"]]
        assert len(keys) == len(set(keys))
        states = [a.state for a in await house.store.activations.of_quote(deal.quote.quote_id)]
        assert states == ["unwound", "completed"]


# Comparison and price


async def test_every_difference_between_draft_and_quote_is_named(opened: Opened) -> None:
    deal = a_deal(40, Item("PLATFORM"), Item("SEATS", Decimal(5)))
    async with opened(deal) as house:
        house.fault("zuora", ACTIVATE, "latency", seconds=0)
        box: Any = house.sandboxes["zuora"]
        shown = box._shown

        def bent(order: dict[str, Any]) -> dict[str, Any]:
            """The tenant changes what was ordered: another quantity, another term."""
            told = json.loads(json.dumps(shown(order), default=str))
            create = told["subscriptions"][0]["orderActions"][0]["createSubscription"]
            create["terms"]["initialTerm"]["period"] = 13
            for plan in create["subscribeToRatePlans"]:
                for override in plan["chargeOverrides"]:
                    for pricing in override["pricing"].values():
                        if pricing.get("quantity"):
                            pricing["quantity"] = 6
            return dict(told)

        box._shown = bent
        handle = await house.start(deal)
        park = await parked(house, handle, "compare-order")
        assert park.failure.code == "not-as-agreed"
        assert park.owner is Owner.REVOPS
        fields = {f.field for f in park.failure.findings}
        seats = deal.quote.lines[1].line_id
        assert f"lines[{seats}/charge].quantity" in fields, fields
        assert "term" in fields, fields
        assert all(f.message and f.fix for f in park.failure.findings)
        box._shown = shown
        await house.resolve(handle, Decision.UNWIND)
        await unwound(handle)
        await check_unwound(house, deal, handle.id)


@pytest.mark.parametrize(
    ("place", "currency", "policy"),
    [("PA", "USD", "last-period"), ("ON", "CAD", "first-period"), ("GB", "GBP", "charge")],
)
async def test_residuals_go_where_the_entity_says_and_totals_are_exact(
    opened: Opened, place: str, currency: str, policy: str
) -> None:
    deal = a_deal(
        41, Item("PLATFORM", Decimal(1), Decimal("12.5")), Item("SEATS", Decimal(7), Decimal("33.33")),
        place=place, currency=currency,
    )  # fmt: skip
    async with opened(deal) as house:
        country = PLACES[place].country
        rule = next(r for r in house.world.rules if country in r.countries)
        entity = next(e for e in house.world.entities if e.code == rule.entity)
        assert entity.residual == policy
        handle = await house.start(deal)
        number = await activated(handle)
        await check_activated(house, deal, handle.id)
        plans = billing(house, "subscriptions", number)[-1]["ratePlans"]
        (rounding,) = [p for p in plans if p["productRatePlanNumber"] == "ROUNDING"]
        (charge,) = rounding["ratePlanCharges"]
        last = policy == "last-period"
        assert (charge["effectiveStartDate"] > plans[0]["ratePlanCharges"][0]["effectiveStartDate"]) == last
        (contract,) = erp_rows(house, "transaction")
        amounts = [Decimal(str(row["amount"])) for row in contract["item"]]
        assert sum(amounts) == deal.quote.net_total.amount


async def test_a_discount_as_a_charge_of_its_own(opened: Opened) -> None:
    deal = a_deal(
        42, Item("PLATFORM", discount=Decimal(15)), Item("SEATS", Decimal(25), Decimal("7.5")),
        place="DE", currency="EUR",
    )  # fmt: skip
    async with opened(deal) as house:
        handle = await house.start(deal)
        await activated(handle)
        await check_activated(house, deal, handle.id)


# ERP and read-back


async def test_an_erp_document_that_reads_differently_parks_and_heals(opened: Opened) -> None:
    deal = a_deal(43)
    async with opened(deal) as house:
        house.fault("netsuite", "GET /services/rest/record/v1/salesOrder/", "latency", times=-1, seconds=0.6)
        handle = await house.start(deal)

        def edited() -> bool:
            for row in erp_rows(house, "transaction"):
                row["item"][0]["quantity"] = "99"
                return True
            return False

        await eventually(edited)
        park = await parked(house, handle, "record-contract")
        assert park.failure.code in ("erp-read-back-differs", "read-back-differs"), "whoever looks first"
        assert park.owner is Owner.FINANCE_OPS
        assert Decision.UNWIND not in park.offers
        assert "quantity" in f"{park.failure.message} {park.failure.evidence}"
        erp_rows(house, "transaction")[0]["item"][0]["quantity"] = "1"
        await house.resolve(handle, Decision.RETRY)
        await activated(handle)
        await check_activated(house, deal, handle.id)


# Giving up, skipping, cancelling


async def test_nobody_decides_for_three_days_of_business_time(opened: Opened) -> None:
    deal = a_deal(44)
    async with opened(deal) as house:
        _park_the_first_draft(house)
        handle = await house.start(deal)
        park = await parked(house, handle, "draft-order")
        assert park.give_up_at == park.since + timedelta(hours=72)
        await advance(house, timedelta(hours=71))
        assert (await house.state(handle)).state is SagaState.PARKED
        stops = await advance(house, timedelta(hours=2))
        assert [stop.at for stop in stops] == [park.give_up_at]
        report = await unwound(handle)
        assert report.cause == "expired"
        await check_unwound(house, deal, handle.id)
        (case,) = await house.store.cases.list(workflow_id=handle.id, all_states=True)
        assert case.state == "withdrawn"


async def test_a_skip_without_proof_takes_two_people(opened: Opened) -> None:
    deal = a_deal(45)
    async with opened(deal) as house:
        house.fault("netsuite", "PUT /services/rest/record/v1/customer/", "status", times=1, **ERP_NO)
        handle = await house.start(deal)
        park = await parked(house, handle, "record-customer")
        claim = json.dumps({"kind": "customer", "external_id": "C-BY-HAND", "erp_id": "77", "number": "C77"})
        await house.resolve(handle, Decision.SKIP_WITH, result=claim, actor="ann")
        view = await reached(house, handle, SagaState.PARKED)
        await eventually(lambda: _proposed(house, handle))
        with pytest.raises(WorkflowUpdateFailedError) as refusal:
            await house.resolve(handle, Decision.SKIP_WITH, actor="ann")
        assert "somebody else" in str(refusal.value.cause)
        view = await house.state(handle)
        assert view.parks[0].case_id == park.case_id
        await house.resolve(handle, Decision.RETRY, actor="bob")
        await activated(handle)
        await check_activated(house, deal, handle.id)


async def _proposed(house: House, handle: Any) -> bool:
    parks = (await house.state(handle)).parks
    return bool(parks and parks[0].proposal)


async def test_a_skip_with_a_record_that_the_probe_finds_takes_one_person(opened: Opened) -> None:
    deal = a_deal(46)
    async with opened(deal) as house:
        house.fault("zuora", "PUT /v1/orders/.*/activate", "timeout_after", times=1)
        house.fault("zuora", "GET /v1/orders/O-", "status", times=-1, skip=1, **NO)
        handle = await house.start(deal, pace=PACE)
        park = await parked(house, handle, "activate-order")
        assert Decision.UNWIND not in park.offers, "it may have happened"
        house.sandboxes["zuora"].faults.clear()
        (order,) = house.sandboxes["zuora"].state["orders"].values()
        done = json.dumps({"order_number": order["orderNumber"], "status": "completed"})
        await house.resolve(handle, Decision.SKIP_WITH, result=done, actor="ann")
        await activated(handle)
        view = await house.state(handle)
        assert next(s for s in view.steps if s.name == "activate-order").status == "skipped"


PHASES = {
    "read-deal": ("salesforce", "GET /services/data/v62.0/query"),
    "validate-deal": ("avalara", "GET /api/v2/companies/.*/nexus"),
    "lock-quote": ("salesforce", LOCK),
    "open-account": ("zuora", "POST /v1/accounts$"),
    "check-method": ("stripe", "GET /v1/payment_methods/"),
    "attach-payment": ("zuora", "PUT /v1/accounts/"),
    "preview-order": ("zuora", "POST /v1/orders/preview"),
    "estimate-tax": ("avalara", "POST /api/v2/transactions/create"),
    "draft-order": ("zuora", "POST /v1/orders$"),
}


async def test_a_cancel_in_every_phase_before_the_pivot_leaves_nothing(opened: Opened) -> None:
    deals = {step: a_deal(50 + n, autopay=True) for n, step in enumerate(PHASES)}
    async with opened(*deals.values()) as house:
        for step, (vendor, match) in PHASES.items():
            house.fault(vendor, match, "latency", times=1, seconds=0.4)
            handle = await house.start(deals[step])
            armed = house.sandboxes[vendor].faults.armed[-1]
            await eventually(partial(getattr, armed, "struck"), step)
            await house.cancel(handle)
            assert (await unwound(handle)).cause == "cancelled", step
            await check_unwound(house, deals[step], handle.id)
            assert all(s.status != "running" for s in (await house.state(handle)).steps), step


async def test_behind_the_pivot_it_is_too_late(opened: Opened) -> None:
    deal = a_deal(60)
    async with opened(deal) as house:
        house.fault("netsuite", "PUT /services/rest/record/v1/customer/", "latency", times=1, seconds=0.8)
        handle = await house.start(deal)
        armed = house.sandboxes["netsuite"].faults.armed[-1]
        await eventually(lambda: armed.struck)
        with pytest.raises(WorkflowUpdateFailedError) as refusal:
            await house.cancel(handle)
        assert isinstance(refusal.value.cause, ApplicationError)
        assert "too late" in refusal.value.cause.message
        assert "amend" in refusal.value.cause.message
        await activated(handle)
        await check_activated(house, deal, handle.id)


# The CRM's own contract


async def test_the_id_of_the_contract_that_the_crm_makes_is_kept(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REVSAGA_SALESFORCE_CONTRACT_DEALS", "true")
    deal = a_deal(61)
    async with opened(deal, waits_for_contract=True) as house:
        handle = await house.start(deal)
        box: Any = house.sandboxes["salesforce"]
        await eventually(
            lambda: (
                box.org.jobs
                and any("FROM%20Contract" in e["query"] or "FROM+Contract" in e["query"] for e in box.log)
            )
        )
        assert (await house.state(handle)).state is SagaState.RUNNING
        for job in box.org.jobs:
            job["due"] = "2026-01-01T00:00:00+00:00"
        number = await activated(handle)
        (contract,) = box.state["rows"]["Contract"].values()
        row = await house.store.fetchrow("SELECT * FROM xref WHERE canonical_type = 'crm-contract'")
        assert row is not None
        assert (row["canonical_id"], row["external_id"]) == (number, contract["Id"])


async def test_the_entity_of_the_subscription_runs(opened: Opened) -> None:
    deal = a_deal(62)
    async with opened(deal) as house:
        number = await activated(await house.start(deal))
        entity = house.client.get_workflow_handle(f"subscription/{number}")
        view: Any = await entity.query("view")
        assert view["state"] == "active"
        assert view["version"] == 1
