"""Validation reports everything that is wrong, together, each with the field, the fix and the owner."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from canonical.catalog import Catalog, ChargeType, Frequency, Tier
from canonical.entity import RoutingRule
from canonical.failures import Finding, Owner
from canonical.ground import NOT_SYNCHRONISED, Ground
from canonical.mapping import MappingSet
from canonical.money import Money
from canonical.party import Parties
from canonical.period import Period
from canonical.quote import Deal, PaymentInstruction, QuoteLine
from canonical.tax import AddressCheck, Nexus
from canonical.validation import CHECKS, validate
from tests.builders.quotes import (
    CATALOG,
    START,
    YEAR,
    a_bundle,
    a_contact,
    a_deal,
    a_ground,
    a_line,
    a_product,
    a_rule,
    an_entity,
    mapped,
)


def _found(deal: Deal, ground: Ground | None = None) -> dict[str, Finding]:
    found = validate(deal, ground or a_ground()).findings
    for f in found:
        assert f.code
        assert f.code == f.code.lower()
        assert f.field
        assert f.message
        assert f.fix
        assert f.owner in Owner
    assert len({(f.code, f.field) for f in found}) == len(found)
    return {f.code: f for f in found}


def _parties(deal: Deal, **changes: Any) -> Deal:
    customer = deal.parties.customer.model_copy(update=changes.pop("customer", {}))
    parties = deal.parties.model_copy(update={"customer": customer} | changes)
    return deal.model_copy(update={"parties": Parties.model_validate(parties.model_dump())})


def _germany(**customer: Any) -> tuple[Deal, Ground]:
    """A German business customer of a German entity."""
    contact = a_contact(country="DE", region="", postal_code="10117", city="Berlin")
    deal = _parties(a_deal(), customer=customer, sold_to=contact, bill_to=contact)
    entity = an_entity("DE-GMBH", country="DE")
    nexus = Nexus(country="DE", tax="vat", effective_from=date(2020, 1, 1))
    ground = a_ground(entities=(entity,), rules=(a_rule("de", "DE-GMBH"),), nexus={"DE-GMBH": (nexus,)})
    return deal, ground


def test_a_good_deal_has_no_findings_and_a_route() -> None:
    verdict = validate(a_deal(), a_ground())
    assert verdict.findings == ()
    assert not verdict.waiting
    assert verdict.route is not None
    assert verdict.entity is not None
    assert (verdict.route.entity, verdict.entity.code) == ("US-INC", "US-INC")


def test_six_faults_are_six_codes_in_one_verdict() -> None:
    """Hierarchy, entity, currency, tax nexus, payment terms and product mapping, each wrong."""
    deal = a_deal(
        [a_line("L1", currency="EUR"), a_line("L2", "GONE", currency="EUR")], payment_terms="Net 365"
    )
    deal = deal.model_copy(update={"parents": {"C1": "C2", "C2": "C1"}})
    contact = a_contact(country="FR", region="")
    deal = _parties(deal, sold_to=contact, bill_to=a_contact())
    ground = a_ground(
        entities=(an_entity(currencies=("USD",)), an_entity("CA-LTD")),
        rules=(a_rule("fr", countries=("FR",)), a_rule("us", "CA-LTD", countries=("US",))),
    )
    assert {code: f.owner for code, f in _found(deal, ground).items()} == {
        "hierarchy-cycle": Owner.REVOPS,
        "bill-to-cross-entity": Owner.FINANCE_OPS,
        "currency-not-sold": Owner.FINANCE_OPS,
        "tax-nexus-missing": Owner.FINANCE_OPS,
        "terms-not-granted": Owner.FINANCE_OPS,
        NOT_SYNCHRONISED: Owner.REVOPS,
    }


def test_every_check_runs_whatever_the_others_found() -> None:
    deal = a_deal([], currency="XTS", net_total=Money.zero("USD"), status="draft", payment_terms="")
    deal = _parties(deal, sold_to=None, bill_to=None)
    ground = a_ground(rules=())
    assert len(CHECKS) == 11
    assert set(_found(deal, ground)) == {
        "quote-not-approved", "sold-to-missing", "bill-to-missing", "entity-not-found", "currency-unknown",
        "terms-unmapped", "quote-empty",
    }  # fmt: skip


DEALS: dict[str, tuple[Callable[[], Deal], str]] = {
    "deal-not-won": (
        lambda: a_deal().model_copy(
            update={"opportunity": a_deal().opportunity.model_copy(update={"won": False})}
        ),
        "opportunity.stage",
    ),
    "quote-not-approved": (lambda: a_deal(status="in-review"), "quote.status"),
    "quote-not-primary": (lambda: a_deal(primary=False), "quote.primary"),
    "quote-not-calculated": (lambda: a_deal(calculated=False), "quote.calculated"),
    "hierarchy-cycle": (lambda: a_deal().model_copy(update={"parents": {"C1": "C1"}}), "account.parent"),
    "hierarchy-parent-missing": (
        lambda: _parties(a_deal(), customer={"parent_id": "C9"}).model_copy(update={"parents": {}}),
        "account.parent",
    ),
    "sold-to-missing": (lambda: _parties(a_deal(), sold_to=None), "parties.sold_to"),
    "bill-to-missing": (lambda: _parties(a_deal(), bill_to=None), "parties.bill_to"),
    "currency-unknown": (
        lambda: a_deal(currency="XTS", net_total=Money.exactly(1000, "USD")),
        "quote.currency",
    ),
    "currency-not-sold": (lambda: a_deal([a_line(currency="GBP")]), "quote.currency"),
    "currency-mixed": (
        lambda: a_deal([a_line("L1"), a_line("L2", currency="EUR")], net_total=Money.exactly(2000, "USD")),
        "quote.lines",
    ),
    "terms-not-granted": (lambda: a_deal(payment_terms="Net 31"), "quote.payment_terms"),
    "payment-method-missing": (
        lambda: a_deal(payment=PaymentInstruction(autopay=True, gateway_customer="cus_1")),
        "quote.payment.payment_method",
    ),
    "product-charge-missing": (
        lambda: a_deal([a_line(charge_type=ChargeType.ONE_TIME)]),
        "quote.lines[0].product_code",
    ),
    NOT_SYNCHRONISED: (lambda: a_deal([a_line("L1"), a_line("L2", "GONE")]), "quote.lines[1].product_code"),
    "quote-empty": (lambda: a_deal([]), "quote.lines"),
    "quantity-not-positive": (
        lambda: a_deal([a_line("L1"), a_line("L2", net=0, quantity=Decimal(0))]),
        "quote.lines[1].quantity",
    ),
    "discount-out-of-range": (
        lambda: a_deal([a_line(discount_percent=Decimal("100.01"))]),
        "quote.lines[0].discount_percent",
    ),
    "line-negative": (lambda: a_deal([a_line(net=-1)]), "quote.lines[0].net_total"),
    "lines-do-not-sum": (lambda: a_deal(net_total=Money.exactly("1000.01", "USD")), "quote.net_total"),
    "bundle-without-components": (lambda: a_deal([a_bundle("B0", 10)]), "quote.lines[0]"),
    "bundle-empty": (
        lambda: a_deal([a_bundle("B0", 10), a_line("L1", "CALLS", parent_line_id="B0")]),
        "quote.lines[B0]",
    ),
    "bundle-cycle": (
        lambda: a_deal([a_line("L1", parent_line_id="L2"), a_line("L2", parent_line_id="L1")]),
        "quote.lines",
    ),
    "bundle-parent-missing": (lambda: a_deal([a_line(parent_line_id="B7")]), "quote.lines[0].parent_line_id"),
    "line-repeated": (lambda: a_deal([a_line("L1"), a_line("L1")]), "quote.lines"),
    "service-before-contract": (
        lambda: a_deal([a_line(period=Period(start=date(2025, 12, 31), end=YEAR.end))]),
        "quote.lines[0].period.start",
    ),
    "service-after-contract": (
        lambda: a_deal([a_line(period=Period(start=START, end=date(2027, 1, 2)))]),
        "quote.lines[0].period.end",
    ),
    "frequency-missing": (lambda: a_deal([a_line(frequency=Frequency.ONCE)]), "quote.lines[0].frequency"),
    "tiers-not-continuous": (
        lambda: a_deal(
            [a_line(code="CALLS", tiers=(Tier(from_quantity=Decimal(5), unit_price=Decimal(1)),))]
        ),
        "quote.lines[0].tiers",
    ),
    "address-incomplete": (
        lambda: _parties(a_deal(), bill_to=a_contact(postal_code=" ")),
        "parties.bill_to.address.postal_code",
    ),
}


@pytest.mark.parametrize("code", DEALS)
def test_each_mistake_in_a_deal_is_named(code: str) -> None:
    make, field = DEALS[code]
    found = _found(make())
    assert set(found) == {code}, found
    assert found[code].field == field


GROUNDS: dict[str, tuple[Callable[[], Ground], str]] = {
    "terms-unmapped": (lambda: a_ground(erp=mapped(terms=())), "quote.payment_terms"),
    "tax-nexus-home": (lambda: a_ground(nexus={}), "entity.tax_company"),
    "address-unresolved": (
        lambda: a_ground(addresses={"sold_to": AddressCheck(resolved=False, problems=("no such street",))}),
        "parties.sold_to.address",
    ),
    "entity-not-found": (lambda: a_ground(rules=(a_rule("a"), a_rule("b"))), "quote.legal_entity"),
    NOT_SYNCHRONISED: (lambda: a_ground(billing=MappingSet(vendor="x")), "quote.lines[0].product_code"),
}


@pytest.mark.parametrize("code", GROUNDS)
def test_each_gap_in_the_master_data_is_named(code: str) -> None:
    make, field = GROUNDS[code]
    found = _found(a_deal(), make())
    assert set(found) == {code}, found
    assert found[code].field == field


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ((), "no routing rule applies"),
        ((a_rule("a"), a_rule("b"), a_rule("c", currencies=("JPY",))), "rules a, b are equally specific"),
        ((a_rule("a", "GONE-INC"),), "there is no entity GONE-INC"),
    ],
)
def test_a_missing_entity_says_why(rules: tuple[RoutingRule, ...], words: str) -> None:
    found = _found(a_deal(), a_ground(rules=rules))["entity-not-found"]
    assert words in found.message
    assert "route explain Q1" in found.fix
    assert found.owner is Owner.FINANCE_OPS


def test_only_products_on_their_way_are_worth_waiting_for() -> None:
    late = a_deal([a_line("L1"), a_line("L2", "GONE")])
    assert validate(late, a_ground()).waiting
    worse = a_deal([a_line("L1"), a_line("L2", "GONE")], status="draft")
    assert not validate(worse, a_ground()).waiting
    tomorrow = Catalog(products=(*CATALOG.products, a_product("SEATS").model_copy(update={"code": "GONE"})))
    assert not validate(
        late, a_ground(catalog=tomorrow, billing=mapped(tomorrow), erp=mapped(tomorrow))
    ).findings


def test_a_product_that_is_not_on_sale_yet_waits_too() -> None:
    future = Catalog(products=(a_product("SEATS", effective_from=date(2026, 1, 2)),))
    assert validate(a_deal(), a_ground(catalog=future)).waiting


def test_what_is_not_synchronised_is_listed() -> None:
    billing = MappingSet(vendor="b", entries={"plan:SEATS-P": "1"})
    found = _found(
        a_deal(), a_ground(billing=billing, erp=MappingSet(vendor="e", entries={"terms:Net 30": "1"}))
    )
    message = found[NOT_SYNCHRONISED].message
    assert "charge SEATS-C in billing" in message
    assert "item SEATS in the ERP" in message
    assert "plan" not in message


@pytest.mark.parametrize(
    ("customer", "code"),
    [
        ({"vat_id": "DE123456789"}, None),
        ({"vat_id": "FR 12 345678901"}, None),
        ({"business": False}, None),
        ({}, "vat-id-missing"),
        ({"vat_id": ""}, "vat-id-missing"),
        ({"vat_id": "DE12345678"}, "vat-id-form"),
        ({"vat_id": "<script>"}, "vat-id-form"),
    ],
)
def test_business_customers_in_vat_countries_have_a_vat_id(
    customer: dict[str, Any], code: str | None
) -> None:
    assert set(_found(*_germany(**customer))) == ({code} if code else set())


def test_a_registration_counts_from_its_day_to_its_day() -> None:
    def row(since: date, until: date | None) -> Ground:
        nexus = Nexus(country="US", tax="sales", effective_from=since, effective_to=until)
        return a_ground(nexus={"US-INC": (nexus,)})

    assert _found(a_deal(), row(START, None)) == {}
    assert "tax-nexus-home" in _found(a_deal(), row(date(2026, 1, 2), None))
    assert "tax-nexus-home" in _found(a_deal(), row(date(2025, 1, 1), START))


def test_reverse_charge_needs_no_registration() -> None:
    deal, ground = _germany(vat_id="FR12345678901")
    contact = a_contact(country="FR", region="", city="Paris", postal_code="75001")
    assert _found(_parties(deal, sold_to=contact, bill_to=contact), ground) == {}
    without = _parties(deal, customer={"vat_id": None}, sold_to=contact, bill_to=contact)
    assert set(_found(without, ground)) == {"tax-nexus-missing", "vat-id-missing"}


@pytest.mark.parametrize(
    ("country", "missing"),
    [
        ("US", {"region", "postal_code"}),
        ("CA", {"region", "postal_code"}),
        ("DE", {"postal_code"}),
        ("HK", set()),
    ],
)
def test_what_an_address_needs_depends_on_the_country(country: str, missing: set[str]) -> None:
    deal = _parties(a_deal(), sold_to=a_contact(country=country, region="", postal_code=""))
    fields = {f.field for f in validate(deal, a_ground()).findings if f.code == "address-incomplete"}
    assert fields == {f"parties.sold_to.address.{name}" for name in missing}


@pytest.mark.parametrize(
    "tiers",
    [
        [(0, 10), (11, None)],
        [(0, 10), (5, None)],
        [(0, 10), (10, 20)],
        [(0, None), (10, None)],
        [(0, 0), (0, None)],
        [(1, None)],
    ],
)
def test_price_bands_leave_no_gap(tiers: list[tuple[int, int | None]]) -> None:
    bands = tuple(
        Tier(
            from_quantity=Decimal(a),
            to_quantity=None if b is None else Decimal(b),
            unit_price=Decimal(1),
        )
        for a, b in tiers
    )
    assert set(_found(a_deal([a_line(code="CALLS", tiers=bands)]))) == {"tiers-not-continuous"}


def test_names_may_hold_anything() -> None:
    ugly = 'O\'Brien, "Quotes" & Söhne\r\nline 2\t🚀 \u202e {{x}} %s'
    line = a_line(product_name=ugly, description=ugly)
    deal = _parties(a_deal([line], name=ugly, purchase_order=ugly), customer={"name": ugly})
    assert _found(deal) == {}


def test_a_line_may_be_wrong_in_several_ways_at_once() -> None:
    line = a_line(net=-5, quantity=Decimal(-1), discount_percent=Decimal(120), frequency=Frequency.ONCE)
    other: QuoteLine = a_line("L2", period=Period(start=date(2025, 1, 1), end=date(2028, 1, 1)))
    assert set(_found(a_deal([line, other]))) == {
        "quantity-not-positive", "discount-out-of-range", "line-negative", "frequency-missing",
        "service-before-contract", "service-after-contract",
    }  # fmt: skip
