"""One quote line in all its later forms: what it keeps on the way, and that every form leads back to it."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canonical.bundle import explode
from canonical.contract import ContractDocument, ContractLine
from canonical.entity import Route
from canonical.failures import Rejected
from canonical.money import Money, total
from canonical.order import OrderLine, OrderPlan, OrderPreview, PreviewInvoice, PreviewLine
from canonical.planning import billed_by_line, contract_document, plan_order, revenue_contract, tax_request
from canonical.quote import Deal, QuoteLine
from canonical.tax import TaxLine
from canonical.validation import validate
from tests.builders.quotes import (
    CATALOG,
    SEGMENTS,
    START,
    YEAR,
    a_bundle,
    a_deal,
    a_ground,
    a_line,
    an_entity,
    priced_lines,
)

ROUTE = Route(entity="US-INC", erp="main", segments=SEGMENTS, rule_id="all")

# Where each field of a quote line goes. A field that is in neither table breaks the test below.
CARRIED: dict[str, tuple[tuple[type, str], ...]] = {
    "line_id": ((OrderLine, "lineage_id"), (TaxLine, "lineage_id"), (ContractLine, "lineage_id")),
    "product_code": ((OrderLine, "product_code"), (TaxLine, "item_code"), (ContractLine, "product_code")),
    "description": ((TaxLine, "description"), (ContractLine, "description")),
    "product_name": ((TaxLine, "description"), (ContractLine, "description")),
    "charge_type": ((OrderLine, "type"), (ContractLine, "charge_type")),
    "frequency": ((OrderLine, "frequency"),),
    "arrears": ((OrderLine, "timing"),),
    "quantity": ((OrderLine, "quantity"), (TaxLine, "quantity"), (ContractLine, "quantity")),
    "net_unit_price": ((OrderLine, "unit_price"),),
    "list_unit_price": ((OrderLine, "unit_price"),),
    "discount_percent": ((OrderLine, "discount_percent"),),
    "net_total": ((ContractLine, "amount"), (TaxLine, "amount")),
    "period": ((OrderLine, "period"), (ContractLine, "period")),
    "tiers": ((OrderLine, "tiers"),),
    "tier_model": ((OrderLine, "model"),),
    "unit": ((OrderLine, "unit"),),
}
DROPPED = {
    "number": "the order of display; the contract document numbers its own lines",
    "parent_line_id": "the package is dissolved into its components",
    "bundle": "as above",
    "segment_index": "each segment of a ramp is a line with its own dates",
    "segment_key": "as above",
}


def _plan(deal: Deal) -> OrderPlan:
    return plan_order(
        deal, CATALOG, an_entity(), order_number="O1", account_number="A1", subscription_number="S1",
        correlation_id="corr", on=date(2026, 2, 1),
    )  # fmt: skip


def _document(deal: Deal) -> ContractDocument:
    return contract_document(
        deal, _plan(deal), CATALOG, ROUTE, external_id="K1", customer_external_id="E1", on=START
    )


def _preview(*items: tuple[date, str | None, int]) -> OrderPreview:
    return OrderPreview(
        currency="USD",
        invoices=tuple(
            PreviewInvoice(
                target_date=day,
                lines=(
                    PreviewLine(
                        lineage_id=lineage,
                        charge_code="X",
                        charge_name="Mystery",
                        period=YEAR,
                        amount=Money(minor=minor, currency="USD"),
                    ),
                ),
            )
            for day, lineage, minor in items
        ),
    )


def test_no_field_of_a_quote_line_is_lost_without_a_reason() -> None:
    assert set(CARRIED) | set(DROPPED) == set(QuoteLine.model_fields)
    assert not set(CARRIED) & set(DROPPED)
    for forms in CARRIED.values():
        for model, field in forms:
            assert field in model.model_fields  # type: ignore[attr-defined]


@given(st.lists(priced_lines(currency="USD"), min_size=1, max_size=6))
@settings(max_examples=60)
def test_every_later_form_leads_back_to_exactly_one_quote_line(drawn: list[QuoteLine]) -> None:
    lines = [x.model_copy(update={"line_id": f"L{i}", "number": i}) for i, x in enumerate(drawn)]
    deal = a_deal(lines)
    quoted = {line.line_id: line for line in lines}
    plan, document = _plan(deal), _document(deal)
    assert set(billed_by_line(plan.lines)) == set(quoted)
    assert all(line in billed_by_line(plan.lines)[line.lineage_id] for line in plan.lines)
    assert [line.lineage_id for line in document.lines] == list(quoted)
    assert [line.line_no for line in document.lines] == list(range(1, len(lines) + 1))
    for line in document.lines:
        origin = quoted[line.lineage_id]
        assert (line.product_code, line.quantity, line.amount, line.period, line.charge_type) == (
            origin.product_code, origin.quantity, origin.net_total, origin.period, origin.charge_type,
        )  # fmt: skip
        assert line.segments == SEGMENTS
        assert line.obligation.endswith(line.lineage_id)
    assert total((line.allocated for line in document.lines), "USD") == deal.quote.net_total
    assert (document.correlation_id, plan.correlation_id) == ("corr", "corr")


def test_plan_and_document_speak_of_the_same_contract() -> None:
    deal = a_deal([a_line("L1"), a_line("L2", "CALLS")], purchase_order="PO-7")
    plan, document = _plan(deal), _document(deal)
    assert plan.order_date == START  # the contract starts before the day on which it is activated
    assert (plan.term, plan.currency, plan.payment_terms) == (YEAR, "USD", "Net 30")
    assert (document.purchase_order, document.term, document.subscription_number) == ("PO-7", YEAR, "S1")
    usage = document.lines[1]
    assert (usage.amount, usage.allocated, usage.ssp) == (Money.zero("USD"), Money.zero("USD"), None)
    assert usage.pattern == "as-invoiced"


def test_usage_is_variable_and_stays_out_of_the_allocation() -> None:
    contract = revenue_contract(a_deal([a_line("L1"), a_line("L2", "CALLS")]), CATALOG, "K1")
    assert [e.lineage_id for e in contract.elements] == ["L1"]
    assert contract.elements[0].ssp == Money.exactly(1200, "USD")  # 100 a month


def test_packages_are_allocated_by_component() -> None:
    lines = [
        a_bundle("B0", 1200),
        a_line("L1", net=0, parent_line_id="B0"),
        a_line("L2", "TRAINING", 0, parent_line_id="B0"),
    ]
    contract = revenue_contract(a_deal(lines), CATALOG, "K1")
    assert [(e.lineage_id, e.stated.minor, e.ssp.minor) for e in contract.elements] == [
        ("L1", 60000, 120000),
        ("L2", 60000, 10000),
    ]
    assert sum(e.allocated.minor for e in contract.elements) == 120000


def test_tax_is_asked_for_everything_that_is_invoiced_first() -> None:
    deal = a_deal([a_line("L1"), a_line("L2", "TRAINING")])
    later, first = date(2026, 2, 1), START
    preview = _preview((later, "L1", 9), (first, "L1", 100), (first, "L2", 50), (first, "L1", -20))
    request = tax_request(deal, preview, _plan(deal), CATALOG, an_entity())
    assert request is not None
    assert request.on == first
    assert {line.lineage_id: line.amount.minor for line in request.lines} == {"L1": 80, "L2": 50}
    assert {line.tax_code for line in request.lines} == {"SW054000"}
    assert (request.company, request.entity, request.customer_code) == ("US-INC", "US-INC", "C1")


def test_an_exemption_is_sent_only_for_the_exempt() -> None:
    deal = a_deal()
    customer = deal.parties.customer.model_copy(update={"exemption_number": "E-1"})
    for exempt, number in ((False, None), (True, "E-1")):
        parties = deal.parties.model_copy(
            update={"customer": customer.model_copy(update={"tax_exempt": exempt})}
        )
        asked = deal.model_copy(update={"parties": parties})
        request = tax_request(asked, _preview((START, "L1", 1)), _plan(deal), CATALOG, an_entity())
        assert request is not None
        assert request.exemption_number == number


def test_nothing_to_invoice_is_nothing_to_tax() -> None:
    deal = a_deal()
    assert tax_request(deal, _preview(), _plan(deal), CATALOG, an_entity()) is None


def test_an_item_that_no_line_sold_is_not_left_untaxed() -> None:
    deal = a_deal()
    with pytest.raises(Rejected) as refused:
        tax_request(deal, _preview((START, None, 5)), _plan(deal), CATALOG, an_entity())
    assert refused.value.code == "preview-item-unknown"
    assert "0.05 USD for Mystery" in refused.value.message


@pytest.mark.parametrize("nested", [False, True])
def test_five_thousand_lines_are_validated_and_planned(nested: bool) -> None:
    """A quadratic step would take minutes here, and a recursive one would fail."""
    n = 5000
    packages = [
        a_bundle(f"B{i}", 100, parent_line_id=f"B{i - 1}" if nested and i else None) for i in range(n // 5)
    ]
    lines = [
        a_line(f"L{i}", ("SEATS", "BASE", "TRAINING", "CALLS")[i % 4], 0, parent_line_id=f"B{i // 4}",
               list_unit_price=Decimal(i + 1))
        for i in range(n - len(packages))
    ]  # fmt: skip
    deal = a_deal([*packages, *lines])
    assert len(deal.quote.lines) == n
    assert validate(deal, a_ground()).findings == ()
    plan, document = _plan(deal), _document(deal)
    assert len(document.lines) == len(lines)
    assert len(billed_by_line(plan.lines)) == len(lines)
    assert total((x.net_total for x in explode(deal.quote.lines)), "USD") == deal.quote.net_total
    assert total((x.allocated for x in document.lines), "USD") == deal.quote.net_total
