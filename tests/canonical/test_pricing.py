"""From a term price to period prices and back: whatever the line, billing invoices what was agreed, to the cent."""

from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from canonical.catalog import ChargeType, Frequency, PriceModel, Timing
from canonical.entity import DiscountManner, ResidualPolicy
from canonical.failures import Misconfigured, Rejected
from canonical.money import EXPONENTS, Money, total
from canonical.period import Period, add_months
from canonical.planning import order_lines, plan_order
from canonical.pricing import per_billing_period
from canonical.proration import EXACT_BY_DAY, DayCount, ProrationPolicy
from canonical.quote import QuoteLine
from tests.builders.quotes import (
    CATALOG,
    ONE_TIME,
    RECURRING,
    START,
    TIERS,
    YEAR,
    a_bundle,
    a_deal,
    a_line,
    an_entity,
    currencies,
    periods,
    priced_lines,
    quantities,
)
from tests.canonical.biller import MONTHS, bill, items

RESIDUALS: tuple[ResidualPolicy, ...] = ("first-period", "last-period", "charge")
MANNERS: tuple[DiscountManner, ...] = ("in-price", "charge")
FREQUENCIES = [Frequency(name) for name in MONTHS]
residuals, manners = st.sampled_from(RESIDUALS), st.sampled_from(MANNERS)


@given(st.integers(0, 10**11), currencies, quantities, periods(), st.sampled_from([1, 3, 6, 12]), residuals)
def test_billed_and_residual_make_the_total_and_the_residual_is_small(
    minor: int, currency: str, quantity: Decimal, term: Period, months: int, policy: ResidualPolicy
) -> None:
    price = Money(minor=minor, currency=currency)
    found = per_billing_period(price, quantity, term, months, policy, EXACT_BY_DAY)
    assert total(found.billed, currency) + found.residual == price
    assert len(found.billed) == len(found.slices)
    # Half a minor unit for each period, and what the twelfth decimal of the unit price amounts to.
    beyond = len(found.slices) * quantity * Decimal(10) ** (EXPONENTS[currency] - 12)
    assert abs(found.residual.minor) <= Fraction(len(found.slices), 2) + Fraction(beyond)


def test_a_thousand_a_year_is_twelve_times_83_33_and_four_cents() -> None:
    price = Money.exactly(1000, "USD")
    for policy, where in (
        ("first-period", Period(start=date(2026, 1, 1), end=date(2026, 2, 1))),
        ("last-period", Period(start=date(2026, 12, 1), end=date(2027, 1, 1))),
        ("charge", YEAR),
    ):
        found = per_billing_period(price, Decimal(1), YEAR, 1, policy, EXACT_BY_DAY)  # type: ignore[arg-type]
        assert [str(b.amount) for b in found.billed] == ["83.33"] * 12
        assert found.unit_price == Decimal("83.333333333333")
        assert str(found.residual) == "0.04 USD"
        assert found.residual_period == where


def test_a_last_period_that_is_not_whole_costs_its_share() -> None:
    term = Period(start=date(2026, 1, 1), end=date(2026, 4, 16))
    found = per_billing_period(Money.exactly(350, "USD"), Decimal(1), term, 1, "last-period", EXACT_BY_DAY)
    assert found.unit_price == Decimal(100)
    assert [str(b.amount) for b in found.billed] == ["100.00", "100.00", "100.00", "50.00"]
    assert not found.residual


def test_the_plan_says_how_a_last_period_is_counted() -> None:
    term = Period(start=date(2026, 1, 1), end=date(2026, 2, 16))
    by = {
        count: per_billing_period(
            Money.exactly(150, "USD"), Decimal(1), term, 1, "charge",
            ProrationPolicy(name="p", day_count=count),
        ).unit_price
        for count in (DayCount.ACTUAL_PERIOD, DayCount.THIRTY_DAY_MONTH)
    }  # fmt: skip
    assert by[DayCount.ACTUAL_PERIOD] == Decimal("97.674418604651")  # 150 / (1 + 15/28)
    assert by[DayCount.THIRTY_DAY_MONTH] == Decimal(100)


@pytest.mark.parametrize(
    ("quantity", "months", "code"),
    [("0", 1, "quantity-not-positive"), ("-1", 1, "quantity-not-positive"), ("1", 0, "frequency-missing")],
)
def test_a_price_of_nothing_or_of_no_period_is_refused(quantity: str, months: int, code: str) -> None:
    with pytest.raises(Rejected) as refused:
        per_billing_period(Money.exactly(1, "USD"), Decimal(quantity), YEAR, months, "charge", EXACT_BY_DAY)
    assert (refused.value.code, bool(refused.value.fix)) == (code, True)


def _check(line: QuoteLine, residual_policy: ResidualPolicy, manner: DiscountManner) -> None:
    entity = an_entity(residual=residual_policy, discount=manner)
    made, residual = order_lines(line, CATALOG, entity)
    decimals = EXPONENTS[line.net_total.currency]
    assert bill(made, decimals) == {line.line_id: line.net_total.minor}
    first = made[0]
    assert {x.lineage_id for x in made} == {line.line_id}
    assert [x.kind for x in made[1:]] == [
        k for k in ("discount", "rounding") if k in {x.kind for x in made[1:]}
    ]
    if residual is None:
        assert "rounding" not in {x.kind for x in made}
        return
    rounding = made[-1]
    assert rounding.unit_price == residual.amount.amount
    assert residual.amount
    slices = [(a, b) for a, b, _ in items(first, decimals)]
    assert residual.periods == len(slices)
    where = {
        "first-period": slices[0],
        "last-period": slices[-1],
        "charge": (line.period.start, line.period.end),
    }
    assert (rounding.period.start, rounding.period.end) == where[residual_policy]
    each = 1 if any(x.kind == "discount" for x in made) else Fraction(1, 2)
    beyond = Fraction(first.quantity) * len(slices) * Fraction(10) ** (decimals - 12)
    assert abs(residual.amount.minor) <= len(slices) * each + beyond + each


@given(priced_lines(), residuals, manners)
@settings(max_examples=400)
@example(a_line(net=1000), "last-period", "in-price")
@example(a_line(net="0.01", quantity=Decimal(9999)), "charge", "charge")
def test_billing_invoices_exactly_what_was_agreed(
    line: QuoteLine, policy: ResidualPolicy, manner: DiscountManner
) -> None:
    _check(line, policy, manner)


@pytest.mark.parametrize("currency", ["JPY", "USD", "KWD"])
@pytest.mark.parametrize("code", [*RECURRING, *ONE_TIME])
def test_every_combination_by_name(currency: str, code: str) -> None:
    terms = (
        YEAR,
        Period(start=date(2028, 1, 31), end=date(2029, 3, 15)),
        Period(start=START, end=add_months(START, 36)),
        Period(start=START, end=date(2026, 1, 11)),
    )
    percents = (Decimal(0), Decimal("12.5"), Decimal("33.33"), Decimal(100))
    seen = 0
    for term, frequency, percent, policy, manner, quantity in product(
        terms, FREQUENCIES, percents, RESIDUALS, MANNERS, (Decimal(1), Decimal(7), Decimal("2.5"))
    ):
        listed = Decimal(1999)
        unit = Money.rounded(listed * (100 - percent) / 100, currency).amount
        line = a_line(
            code=code, currency=currency, quantity=quantity, list_unit_price=listed, net_unit_price=unit,
            discount_percent=percent, period=term, net_total=Money.rounded(unit * quantity, currency),
            frequency=Frequency.ONCE if code in ONE_TIME else frequency,
        )  # fmt: skip
        _check(line, policy, manner)
        seen += 1
    assert seen == 4 * 4 * 4 * 3 * 2 * 3


def test_a_discount_is_a_charge_of_its_own_where_the_entity_wants_it() -> None:
    line = a_line(net=900, list_unit_price=Decimal(1000), discount_percent=Decimal(10))
    made, _ = order_lines(line, CATALOG, an_entity(discount="charge"))
    charge, discount, *_ = made
    assert (charge.unit_price, discount.kind) == (Decimal("83.333333333333"), "discount")
    assert (discount.discount_percent, discount.unit_price, discount.model, discount.quantity) == (
        Decimal(10), None, PriceModel.DISCOUNT_PERCENT, Decimal(1),
    )  # fmt: skip
    alone, _ = order_lines(line, CATALOG, an_entity(discount="in-price"))
    assert [x.kind for x in alone if x.kind != "rounding"] == ["charge"]
    assert alone[0].unit_price == Decimal(75)


def test_a_share_of_a_package_is_priced_and_not_put_into_the_rounding() -> None:
    """Component and package both have a price; list price and discount alone would miss the share."""
    line = a_line(net=5000, list_unit_price=Decimal(1000), discount_percent=Decimal(10))
    _, residual = order_lines(line, CATALOG, an_entity(discount="charge"))
    assert residual is None or abs(residual.amount.minor) <= 13


def test_a_flat_fee_has_no_quantity() -> None:
    made, _ = order_lines(a_line(code="BASE", net=1200, quantity=Decimal(3)), CATALOG, an_entity())
    assert (made[0].model, made[0].quantity, made[0].unit_price) == (
        PriceModel.FLAT,
        Decimal(1),
        Decimal(100),
    )


@pytest.mark.parametrize(
    ("tiers", "tier_model", "model"),
    [
        (TIERS, "tiered", PriceModel.TIERED),
        (TIERS, "volume", PriceModel.VOLUME),
        ((), "", PriceModel.PER_UNIT),
    ],
)
def test_usage_keeps_its_price_terms_and_bills_nothing_beforehand(
    tiers: Any, tier_model: str, model: PriceModel
) -> None:
    line = a_line(
        code="CALLS", tiers=tiers, tier_model=tier_model, net_unit_price=Decimal("0.0125"), unit="call"
    )
    (made,), residual = order_lines(line, CATALOG, an_entity(discount="charge"))
    assert residual is None
    assert (made.model, made.tiers, made.timing, made.unit) == (model, tiers, Timing.ARREARS, "call")
    assert made.unit_price == (None if tiers else Decimal("0.0125"))
    assert bill([made.model_copy(update={"unit_price": None})], 2) == {"L1": 0}


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (a_line(quantity=Decimal(0)), "quantity-not-positive"),
        (a_line(quantity=Decimal(-1)), "quantity-not-positive"),
        (a_line(frequency=Frequency.ONCE), "frequency-missing"),
    ],
)
def test_what_cannot_be_billed_is_refused_by_name(line: QuoteLine, code: str) -> None:
    with pytest.raises(Rejected) as refused:
        order_lines(line, CATALOG, an_entity())
    assert refused.value.code == code


@pytest.mark.parametrize("line", [a_line(code="GONE"), a_line(charge_type=ChargeType.ONE_TIME)])
def test_a_product_without_the_charge_is_a_matter_of_the_catalog(line: QuoteLine) -> None:
    with pytest.raises(Misconfigured) as refused:
        order_lines(line, CATALOG, an_entity())
    assert refused.value.code == "product-charge-missing"


@given(
    st.lists(priced_lines(currency="EUR"), min_size=1, max_size=8), st.integers(0, 10**6), residuals, manners
)
@settings(max_examples=60)
def test_a_whole_order_invoices_the_net_total_of_the_quote(
    drawn: list[QuoteLine], package: int, policy: ResidualPolicy, manner: DiscountManner
) -> None:
    lines = [
        line.model_copy(update={"line_id": f"L{i}", "number": i, "parent_line_id": "B0" if i % 2 else None})
        for i, line in enumerate(drawn)
    ]
    carrier = a_line("L99", "TRAINING", 0, currency="EUR", parent_line_id="B0", list_unit_price=Decimal(10))
    deal = a_deal([a_bundle("B0", Decimal(package) / 100, currency="EUR"), *lines, carrier])
    plan = plan_order(
        deal, CATALOG, an_entity(residual=policy, discount=manner), order_number="O", account_number="A",
        subscription_number="S", correlation_id="c", on=START,
    )  # fmt: skip
    assert sum(bill(plan.lines, 2).values()) == deal.quote.net_total.minor
    assert {r.lineage_id for r in plan.residuals} == {
        x.lineage_id for x in plan.lines if x.kind == "rounding"
    }
