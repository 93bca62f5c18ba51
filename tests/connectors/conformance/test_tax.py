"""The tax port: addresses, nexus, estimates."""

from datetime import date
from decimal import Decimal

import pytest

from canonical.failures import Failure, Misconfigured, Rejected
from canonical.money import Money, total
from canonical.party import Address
from canonical.tax import TaxLine, TaxRequest, ZeroReason
from commands.demo.book import PLACES
from tests.connectors.conformance.bench import cases, subject, world

pytestmark = cases("tax")
ON = date(2026, 2, 1)
ENTITIES = {entity.code: entity for entity in world().entities}


def line(number: int = 1, minor: int = 100000, currency: str = "USD", tax_code: str = "SW054000") -> TaxLine:
    amount = Money(minor=minor, currency=currency)
    return TaxLine(
        lineage_id=f"QL-{number}", amount=amount, quantity=Decimal(1), item_code="PLATFORM", tax_code=tax_code
    )


def document(place: str, entity: str = "US-INC", *lines: TaxLine, **changes: object) -> TaxRequest:
    seller = ENTITIES[entity]
    whole = TaxRequest(
        document_code="EST-00001",
        company=seller.tax_company,
        entity=entity,
        customer_code="C-00001",
        on=ON,
        currency=(lines or (line(),))[0].amount.currency,
        ship_from=seller.ship_from,
        ship_to=PLACES[place],
        lines=lines or (line(),),
    )
    return whole.model_copy(update=changes)


@pytest.mark.parametrize("place", ["PA", "WA", "TX", "ON", "BC"])
async def test_good_addresses_resolve(vendor: str, place: str) -> None:
    at = await subject("tax", vendor)
    found = await at.adapter.resolve_address(PLACES[place])
    assert found.resolved, found
    assert not found.problems
    assert found.normalised is not None
    assert found.normalised.country == PLACES[place].country


@pytest.mark.parametrize(
    "address",
    [
        Address(line1="1 Nowhere St", city="Atlantis", region="ZZ", postal_code="00000", country="US"),
        Address(country="US"),
        Address(),
        PLACES["DE"],
    ],
)
async def test_a_bad_address_is_an_answer_and_no_exception(vendor: str, address: Address) -> None:
    at = await subject("tax", vendor)
    found = await at.adapter.resolve_address(address)
    assert not found.resolved
    assert found.problems


@pytest.mark.parametrize("entity", sorted(ENTITIES))
async def test_nexus_is_the_whole_list(vendor: str, entity: str) -> None:
    at = await subject("tax", vendor)
    found = await at.adapter.nexus(ENTITIES[entity].tax_company)
    expected = {(n.country, n.region, n.effective_from, n.effective_to) for n in world().nexus[entity]}
    assert {(n.country, n.region, n.effective_from, n.effective_to) for n in found} == expected
    assert len(found) == len(expected)


async def test_an_unknown_company_is_named(vendor: str) -> None:
    at = await subject("tax", vendor)
    with pytest.raises((Misconfigured, Rejected)):
        await at.adapter.nexus("NO-SUCH-COMPANY")
    with pytest.raises((Misconfigured, Rejected)):
        await at.adapter.estimate(document("PA", company="NO-SUCH-COMPANY"))


async def test_an_estimate_taxes_where_we_collect_and_records_nothing(vendor: str) -> None:
    at = await subject("tax", vendor)
    before = at.sandbox.snapshot()["state"]
    request = document("PA", "US-INC", line(1), line(2, 33333))
    found = await at.adapter.estimate(request)
    assert not found.recorded
    assert (found.company, found.currency, found.on) == (request.company, "USD", ON)
    assert [row.lineage_id for row in found.lines] == ["QL-1", "QL-2"]
    assert found.amount.minor > 0
    assert found.amount == total((row.amount for row in found.lines), "USD")
    assert all(row.rows and row.zero_reason is None for row in found.lines)
    assert not at.effects
    assert at.sandbox.snapshot()["state"] == before


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (document("OR"), ZeroReason.NO_NEXUS),
        (document("PA", "US-INC", exemption_number="EX-1"), ZeroReason.EXEMPT),
        (document("FR", "UK-LTD", line(currency="EUR"), vat_id="FR12345678901"), ZeroReason.REVERSE_CHARGE),
        (document("PA", "US-INC", line(minor=0)), ZeroReason.ZERO_BASE),
    ],
    ids=["no-nexus", "exempt", "reverse-charge", "zero-base"],
)
async def test_every_zero_has_its_reason(vendor: str, request_: TaxRequest, reason: ZeroReason) -> None:
    at = await subject("tax", vendor)
    found = await at.adapter.estimate(request_)
    assert found.amount.minor == 0
    assert {row.zero_reason for row in found.lines} == {reason}


@pytest.mark.parametrize(
    ("place", "entity", "currency"),
    [("JP", "US-INC", "JPY"), ("GB", "UK-LTD", "GBP"), ("ON", "CA-LTD", "CAD")],
)
async def test_every_currency_is_exact(vendor: str, place: str, entity: str, currency: str) -> None:
    at = await subject("tax", vendor)
    found = await at.adapter.estimate(document(place, entity, line(1, 99999, currency), line(2, 1, currency)))
    assert found.currency == currency
    for row in found.lines:
        assert total((r.amount for r in row.rows), currency) == row.amount


async def test_the_same_question_has_the_same_answer(vendor: str) -> None:
    at = await subject("tax", vendor)
    first, second = [await at.adapter.estimate(document("WA")) for _ in range(2)]
    assert first.lines == second.lines


@pytest.mark.parametrize("kind", ["html", "empty", "truncated", "huge", "timeout_before", "status"])
async def test_a_damaged_answer_is_a_failure_and_never_a_zero(vendor: str, kind: str) -> None:
    at = await subject("tax", vendor)
    at.break_calls(kind, times=-1)
    with pytest.raises(Failure):
        await at.adapter.estimate(document("PA"))
    with pytest.raises(Failure):
        await at.adapter.nexus("US-INC")
    with pytest.raises(Failure):
        await at.adapter.resolve_address(PLACES["PA"])


async def test_fields_of_a_later_release_change_nothing(vendor: str) -> None:
    at = await subject("tax", vendor)
    before = await at.adapter.estimate(document("PA"))
    at.break_calls("unknown_fields", times=-1)
    after = await at.adapter.estimate(document("PA"))
    assert after.lines == before.lines
    assert await at.adapter.nexus("US-INC")
