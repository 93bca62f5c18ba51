"""A revision changes with what was agreed and with nothing else, or a background job would activate a deal twice."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from canonical.catalog import ChargeType, Frequency
from canonical.money import Money
from canonical.party import Address, Contact, Customer
from canonical.period import Period
from canonical.quote import Deal, PaymentInstruction, Quote, QuoteLine
from tests.builders.quotes import TIERS, a_bundle, a_contact, a_deal, a_line

DEAL = a_deal(
    [
        a_line("L1", list_unit_price=Decimal("1000.50")),
        a_line("L2", "CALLS"),
        a_bundle("B3", 5),
        a_line("L4", "TRAINING", 0, parent_line_id="B3"),
    ],
    payment=PaymentInstruction(autopay=True, gateway_customer="cus_1", payment_method="pm_1"),
)
QUIET_QUOTE = {
    "status": "accepted", "primary": False, "calculated": False, "name": "Q-0002", "content_mark": "feed" * 16,
}  # fmt: skip
LOUD_QUOTE: dict[str, Any] = {
    "quote_id": "Q2",
    "opportunity_id": "O2",
    "currency": "EUR",
    "period": Period(start=date(2026, 1, 1), end=date(2027, 1, 2)),
    "payment_terms": "Net 60",
    "purchase_order": "PO-1",
    "payment": PaymentInstruction(),
    "net_total": Money.exactly(1, "USD"),
    "lines": DEAL.quote.lines[1:],
}
LOUD_LINE: dict[str, Any] = {
    "line_id": "L9",
    "product_code": "BASE",
    "product_name": "other",
    "description": "other",
    "parent_line_id": "B3",
    "bundle": True,
    "charge_type": ChargeType.ONE_TIME,
    "frequency": Frequency.ANNUAL,
    "arrears": True,
    "quantity": Decimal("1.000001"),
    "list_unit_price": Decimal("1000.51"),
    "net_unit_price": Decimal("0.01"),
    "discount_percent": Decimal("0.01"),
    "net_total": Money(minor=100001, currency="USD"),
    "period": Period(start=date(2026, 1, 2), end=date(2027, 1, 1)),
    "tiers": TIERS,
    "tier_model": "volume",
    "unit": "seat",
    "segment_index": 1,
    "segment_key": "r",
}
LOUD_CUSTOMER: dict[str, Any] = {
    "customer_id": "C2",
    "name": "other",
    "parent_id": "C3",
    "vat_id": "DE123456789",
    "business": False,
    "tax_exempt": True,
    "exemption_number": "7",
    "region": "EMEA",
}


def _quote(**changes: Any) -> Deal:
    return DEAL.model_copy(update={"quote": DEAL.quote.model_copy(update=changes)})


def _party(**changes: Any) -> Deal:
    return DEAL.model_copy(update={"parties": DEAL.parties.model_copy(update=changes)})


def test_every_field_is_either_commercial_or_named_as_not() -> None:
    assert set(Quote.model_fields) == set(QUIET_QUOTE) | set(LOUD_QUOTE)
    assert set(QuoteLine.model_fields) == {"number"} | set(LOUD_LINE)
    assert set(Customer.model_fields) == {"ancestors"} | set(LOUD_CUSTOMER)


@pytest.mark.parametrize("field", QUIET_QUOTE)
def test_state_marks_and_names_change_nothing(field: str) -> None:
    assert _quote(**{field: QUIET_QUOTE[field]}).content_hash == DEAL.content_hash


@pytest.mark.parametrize("field", LOUD_QUOTE)
def test_whatever_was_agreed_changes_the_revision(field: str) -> None:
    assert _quote(**{field: LOUD_QUOTE[field]}).revision != DEAL.revision


@pytest.mark.parametrize("field", LOUD_LINE)
def test_every_commercial_field_of_a_line_changes_it(field: str) -> None:
    first = DEAL.quote.lines[0].model_copy(update={field: LOUD_LINE[field]})
    assert _quote(lines=(first, *DEAL.quote.lines[1:])).revision != DEAL.revision


@pytest.mark.parametrize("field", LOUD_CUSTOMER)
def test_who_buys_changes_it(field: str) -> None:
    customer = DEAL.parties.customer.model_copy(update={field: LOUD_CUSTOMER[field]})
    assert _party(customer=customer).revision != DEAL.revision


@pytest.mark.parametrize("role", ["sold_to", "bill_to"])
@pytest.mark.parametrize("field", [*Address.model_fields, "first_name", "last_name", "email"])
def test_where_it_is_sold_and_billed_to_changes_it(role: str, field: str) -> None:
    contact: Contact = a_contact(**{field: "other"} if field in Address.model_fields else {})
    if field not in Address.model_fields:
        contact = contact.model_copy(update={field: "other"})
    assert _party(**{role: contact}).revision != DEAL.revision
    assert _party(**{role: None}).revision != DEAL.revision


@given(st.permutations(DEAL.quote.lines), st.lists(st.integers(0, 99), min_size=4, max_size=4))
def test_neither_the_order_nor_the_numbers_of_lines_matter(
    lines: list[QuoteLine], numbers: list[int]
) -> None:
    renumbered = (line.model_copy(update={"number": n}) for line, n in zip(lines, numbers, strict=True))
    assert _quote(lines=tuple(renumbered)).content_hash == DEAL.content_hash


def test_the_deal_around_the_quote_may_move() -> None:
    opportunity = DEAL.opportunity.model_copy(update={"name": "renamed", "contracted": True})
    moved = DEAL.model_copy(update={"opportunity": opportunity, "parents": {"C1": None, "C7": None}})
    customer = DEAL.parties.customer.model_copy(update={"ancestors": ("C7",)})
    assert moved.revision == DEAL.revision == _party(customer=customer).revision


@pytest.mark.parametrize("text", ["1000.5", "1000.500", "1.0005E+3"])
def test_another_spelling_of_a_number_is_the_same_number(text: str) -> None:
    first = DEAL.quote.lines[0].model_copy(update={"list_unit_price": Decimal(text)})
    assert _quote(lines=(first, *DEAL.quote.lines[1:])).revision == DEAL.revision


def test_a_revision_survives_storage_and_has_twelve_digits() -> None:
    again = Deal.model_validate_json(DEAL.model_dump_json())
    assert again.revision == DEAL.revision == DEAL.content_hash[:12]
    assert int(DEAL.revision, 16) >= 0


@pytest.mark.parametrize(
    "number", ["4242424242424242", "4242 4242 4242 4242", "4242-4242-4242-4242", "4111111111111"]
)
def test_a_card_number_never_gets_in(number: str) -> None:
    with pytest.raises(ValidationError, match="never a card number") as refused:
        PaymentInstruction(payment_method=number)
    assert number not in str(refused.value)
    with pytest.raises(ValidationError, match="never a card number"):
        PaymentInstruction(gateway_customer=number)
    assert PaymentInstruction(payment_method="pm_1234567890123456").payment_method
