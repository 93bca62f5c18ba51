"""Bad input, end to end: each ends as an owned case that names the field and the fix, and nothing is half done."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pytest
from temporalio.testing import WorkflowEnvironment

from activities.contracts.stories import ActivationOrder
from activities.store.store import Store
from canonical.failures import Kind, Owner
from canonical.money import Money
from canonical.period import Period
from canonical.quote import Deal
from commands.demo.book import Item, world
from tests.builders.house import House, a_house
from tests.workflows.invariants import check_activated, check_unwound
from tests.workflows.play import (
    PACE,
    a_deal,
    activated,
    change,
    erp_rows,
    parked,
    reached,
    unwound,
    with_line,
    with_quote,
)
from workflows.kernel.calls import PAYLOAD_LIMIT
from workflows.kernel.parking import Decision, SagaState
from workflows.quote_to_subscription import ActivateQuote

Opened = Callable[..., AbstractAsyncContextManager[House]]
QUOTE = "SBQQ__Quote__c"


@pytest.fixture
def opened(dev_server: WorkflowEnvironment, store: Store) -> Opened:
    """`async with opened(deal, ...) as house`: a house on a real server that knows these deals."""

    @asynccontextmanager
    async def open_(*deals: Deal) -> AsyncIterator[House]:
        async with a_house(dev_server.client, store, world(deals), versioned=True) as house:
            yield house

    return open_


@dataclass(frozen=True)
class Bad:
    """A bad deal, and what is said of it."""

    name: str
    deal: Deal
    step: str
    code: str
    field: str


def _bundle_without_components(n: int) -> Deal:
    deal = a_deal(n, Item("SUITE", children=(Item("PLATFORM"),), bundle_price=Decimal(9000)), Item("SEATS"))
    return with_quote(deal, lines=tuple(line for line in deal.quote.lines if line.parent_line_id is None))


def _cyclic(n: int) -> Deal:
    deal = a_deal(n, parent=n + 500)
    (parent,) = deal.parties.customer.ancestors
    return deal.model_copy(update={"parents": {**deal.parents, parent: deal.parties.customer.customer_id}})


def _service_before(n: int) -> Deal:
    return with_line(a_deal(n), period=Period(start=date(2026, 1, 1), end=date(2027, 2, 1)))


VALIDATE = "validate-deal"
BAD = (
    Bad("not approved", with_quote(a_deal(400), status="in-review"), VALIDATE, "quote-not-approved", "quote.status"),
    Bad("cyclic hierarchy", _cyclic(401), VALIDATE, "hierarchy-cycle", "account.parent"),
    Bad("zero quantity", with_line(a_deal(402), quantity=Decimal(0)), VALIDATE, "quantity-not-positive",
        "quote.lines[0].quantity"),
    Bad("negative quantity", a_deal(403, Item("PLATFORM", Decimal(-1))), VALIDATE, "quantity-not-positive",
        "quote.lines[0].quantity"),
    Bad("discount over 100", a_deal(404, Item("SEATS", Decimal(5), Decimal(120))), VALIDATE, "discount-out-of-range",
        "quote.lines[0].discount_percent"),
    Bad("lines do not sum", with_quote(a_deal(405), net_total=Money(minor=1, currency="USD")), VALIDATE,
        "lines-do-not-sum", "quote.net_total"),
    Bad("bundle without components", _bundle_without_components(406), VALIDATE, "bundle-without-components",
        "quote.lines[0]"),
    Bad("service before contract", _service_before(407), VALIDATE, "service-before-contract",
        "quote.lines[0].period.start"),
)  # fmt: skip


async def test_each_mistake_is_a_case_that_names_field_and_fix_and_leaves_nothing(opened: Opened) -> None:
    async with opened(*(bad.deal for bad in BAD)) as house:
        for bad in BAD:
            # What the CRM holds may be read differently from how it was meant: the revision is that of the reader.
            deal = await house.wired.crm.deal(bad.deal.quote.quote_id)
            handle = await house.start(deal)
            park = await parked(house, handle, bad.step)
            found = {f.code: f for f in park.failure.findings}
            assert bad.code in found, f"{bad.name}: {park.failure}"
            assert found[bad.code].field == bad.field, bad.name
            assert all(f.fix and f.message for f in park.failure.findings), bad.name
            (case,) = await house.store.cases.list(workflow_id=handle.id)
            assert case.owner in (Owner.REVOPS, Owner.FINANCE_OPS), bad.name
            assert case.findings == park.failure.findings
            await house.resolve(handle, Decision.UNWIND)
            await unwound(handle)
            await check_unwound(house, deal, handle.id)
        assert not any(c.startswith(("POST /v1/accounts", "POST /v1/orders")) for c in house.calls("zuora"))


async def test_a_quote_that_nobody_knows(opened: Opened) -> None:
    async with opened(a_deal(410)) as house:
        for quote_id in ("a0Q000000000000AAA", "no'such\\quote"):
            handle = await house.client.start_workflow(
                ActivateQuote.run, ActivationOrder(quote_id=quote_id, revision="", actor="test"),
                id=f"activation/{quote_id}/r0", task_queue=house.core,
            )  # fmt: skip
            park = await parked(house, handle, "read-deal")
            assert park.failure.kind is Kind.REJECTED
            assert park.failure.code == "quote-unknown"
            assert park.failure.field == "quote_id"
            assert park.owner is Owner.REVOPS
            assert park.failure.fix
            await house.resolve(handle, Decision.UNWIND)
            await unwound(handle)


async def test_a_currency_without_minor_unit_data(opened: Opened) -> None:
    deal = a_deal(411)
    async with opened(deal) as house:
        change(house, QUOTE, deal.quote.quote_id, CurrencyIsoCode="XQX")
        handle = await house.start(deal)
        park = await parked(house, handle, "read-deal")
        assert "currency" in (park.failure.field or "") + "".join(f.field for f in park.failure.findings)
        assert "XQX" in park.failure.message
        assert park.owner in (Owner.FINANCE_OPS, Owner.REVOPS)
        await house.resolve(handle, Decision.UNWIND)
        await unwound(handle)
        await check_unwound(house, deal, handle.id)


async def test_a_deal_that_is_active_already(opened: Opened) -> None:
    deal = a_deal(412)
    async with opened(deal) as house:
        first = await house.start(deal)
        await activated(first)
        result = await (await house.start(deal, again=1)).result()
        assert (result.outcome, result.holder) == ("refused", first.id)
        await check_activated(house, deal, first.id)


NAMES = (
    'O\'Brien, "Quotes" & Söhne',
    "Line\nbreak, comma; semicolon\tand tab",
    "Emoji 🚀👩‍👩‍👧 株式会社",
    "'; DROP TABLE activation; --",
    "<script>alert(1)</script> | pipe * star",
    "a" * 120,
)


async def test_names_with_everything_in_them(opened: Opened) -> None:
    deals = [a_deal(420 + n, name=name) for n, name in enumerate(NAMES)]
    async with opened(*deals) as house:
        for deal in deals:
            handle = await house.start(await house.wired.crm.deal(deal.quote.quote_id), pace=PACE)
            view = await reached(house, handle, SagaState.DONE, SagaState.PARKED)
            assert view.state is SagaState.DONE, view.parks
        names = {row["companyName"] for row in erp_rows(house, "customer")}
        assert len(names) == len(NAMES)


# Answers that are none

VENDORS = {
    "salesforce": ("GET /services/data/v62.0/query", "PATCH /services/data/v62.0/sobjects/"),
    "avalara": ("GET /api/v2/companies/.*/nexus", "POST /api/v2/transactions/create"),
    "zuora": ("GET /v1/accounts/", "POST /v1/orders$"),
    "stripe": ("GET /v1/payment_methods/", ""),
    "netsuite": ("GET /services/rest/record/v1/", "PUT /services/rest/record/v1/salesOrder"),
}
DAMAGES = ("html", "empty", "truncated", "huge", "unknown_fields")


@pytest.mark.parametrize("vendor", VENDORS)
async def test_answers_that_are_none_end_well_or_as_a_case(opened: Opened, vendor: str) -> None:
    """One damaged answer to a read and to a write; afterwards a retry finishes, and nothing was done twice."""
    cases = [(match, kind) for match in VENDORS[vendor] if match for kind in DAMAGES]
    deals = [a_deal(440 + n, autopay=True) for n in range(len(cases))]
    async with opened(*deals) as house:
        for (match, kind), deal in zip(cases, deals, strict=True):
            house.fault(vendor, match, kind, times=1)
            handle = await house.start(deal, pace=PACE)
            view = await reached(house, handle, SagaState.DONE, SagaState.PARKED, SagaState.UNWOUND)
            label = f"{vendor} {match} {kind}"
            if view.state is SagaState.PARKED:
                (park,) = view.parks
                assert park.failure.code != "fault", f"{label}: {park.failure}"
                assert "Traceback" not in park.failure.message, label
                assert (await house.store.cases.show(park.case_id)).fix, label
                await house.resolve(handle, Decision.RETRY)
            await activated(handle)
            await check_activated(house, deal, handle.id)
            assert all(f.struck for f in house.sandboxes[vendor].faults.armed), label
            house.sandboxes[vendor].faults.clear()


async def test_a_vendor_that_only_answers_nonsense_ends_as_a_case_without_a_trace(opened: Opened) -> None:
    deals = [a_deal(460 + n, autopay=True) for n in range(4)]
    async with opened(*deals) as house:
        for kind, deal in zip(("html", "empty", "truncated", "huge"), deals, strict=True):
            house.fault("avalara", "GET /api/v2/companies/.*/nexus", kind, times=-1)
            handle = await house.start(deal, pace=PACE)
            park = await parked(house, handle, VALIDATE)
            assert park.failure.code != "fault", park.failure
            assert "Traceback" not in park.failure.message
            case = await house.store.cases.show(park.case_id)
            assert case.fix, case
            assert case.owner is Owner.INTEGRATION
            house.sandboxes["avalara"].faults.clear()
            await house.resolve(handle, Decision.UNWIND)
            await unwound(handle)
            await check_unwound(house, deal, handle.id)


# Very large

MANY = 5000


async def test_a_quote_of_5000_lines_is_activated(opened: Opened) -> None:
    items = tuple(
        Item(("PLATFORM", "SEATS", "SUPPORT", "TRAINING")[n % 4], Decimal(1 + n % 7), Decimal(n % 50))
        for n in range(MANY)
    )
    deal = a_deal(480, *items)
    async with opened(deal) as house:
        handle = await house.start(deal)
        view = await reached(house, handle, SagaState.DONE, SagaState.PARKED, within=150)
        assert view.state is SagaState.DONE, view.parks
        await check_activated(house, deal, handle.id)
        history = await handle.fetch_history()
        assert sum(event.ByteSize() for event in history.events) < 250 * 1024
        assert max(event.ByteSize() for event in history.events) < PAYLOAD_LIMIT
        (contract,) = erp_rows(house, "transaction")
        assert len(contract["item"]) == MANY


async def test_a_quote_of_5000_mistakes_is_one_case_of_a_bearable_size(opened: Opened) -> None:
    items = tuple(Item("PLATFORM", Decimal(-1), Decimal(120)) for _ in range(MANY))
    deal = a_deal(481, *items)
    async with opened(deal) as house:
        handle = await house.start(await house.wired.crm.deal(deal.quote.quote_id))
        view = await reached(house, handle, SagaState.PARKED, within=90)
        (park,) = view.parks
        assert park.step == VALIDATE
        assert park.failure.code == "deal-invalid"
        assert "more" in park.failure.message
        assert park.failure.findings
        history = await handle.fetch_history()
        assert max(event.ByteSize() for event in history.events) < PAYLOAD_LIMIT
        await house.resolve(handle, Decision.UNWIND)
        await unwound(handle)
        await check_unwound(house, deal, handle.id)
