"""What the sandbox reckons, against figures worked out by hand."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from connectors.zuora.sandbox.rating import Band, Charge, bill_anchor, rate, shift, to_currency

SEAT = Charge(
    number="C-1",
    name="Seat",
    product_charge_id="seat",
    product_plan_id="plan",
    product_name="Platform",
    subscription="S-1",
    kind="Recurring",
    model="PerUnit",
    start=date(2026, 1, 1),
    end=date(2027, 1, 1),
    price=Decimal("83.33"),
    quantity=Decimal(1),
    anchor=date(2026, 1, 1),
    anchor_day=1,
)
BANDS = (
    Band(Decimal(0), Decimal(10), Decimal(5), False),
    Band(Decimal(10), Decimal(20), Decimal(30), True),
    Band(Decimal(20), None, Decimal(1), False),
)
END = date(2030, 1, 1)


def amounts(*charges: Charge, currency: str = "USD") -> list[str]:
    return [str(i.amount) for i in rate(list(charges), currency, END)]


def test_a_year_billed_monthly() -> None:
    assert amounts(SEAT) == ["83.33"] * 12


@pytest.mark.parametrize(
    ("period", "count"), [("Quarter", 4), ("Semi_Annual", 2), ("Annual", 1), ("Subscription_Term", 1)]
)
def test_longer_periods(period: str, count: int) -> None:
    assert len(amounts(replace(SEAT, billing_period=period))) == count


def test_in_arrears_is_billed_when_the_period_is_over() -> None:
    items = rate([replace(SEAT, arrears=True, billing_period="Quarter")], "USD", END)
    assert [i.bill_on for i in items] == [
        date(2026, 4, 1), date(2026, 7, 1), date(2026, 10, 1), date(2027, 1, 1)
    ]  # fmt: skip
    assert items[0].start == date(2026, 1, 1)


def test_partial_periods_count_their_days_of_the_billing_period() -> None:
    # Bill day 1, from 15 January (17 of 31 days) up to 10 March (9 of 31 days).
    charge = replace(SEAT, start=date(2026, 1, 15), end=date(2026, 3, 10), price=Decimal(31))
    assert amounts(charge) == ["17.00", "31.00", "9.00"]


def test_periods_that_begin_on_the_31st_survive_short_months() -> None:
    charge = replace(
        SEAT, start=date(2026, 1, 31), end=date(2026, 4, 30), anchor=date(2026, 1, 31), anchor_day=31
    )
    assert [i.start for i in rate([charge], "USD", END)] == [
        date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31)
    ]  # fmt: skip
    assert amounts(charge) == ["83.33"] * 3


@pytest.mark.parametrize(
    ("start", "day", "anchor"),
    [
        (date(2026, 1, 15), 1, date(2026, 1, 1)),
        (date(2026, 1, 15), 20, date(2025, 12, 20)),
        (date(2026, 2, 28), 31, date(2026, 2, 28)),
        (date(2026, 3, 30), 31, date(2026, 2, 28)),
    ],
)
def test_the_billing_day_on_or_before_a_start(start: date, day: int, anchor: date) -> None:
    assert bill_anchor(start, day) == anchor


@pytest.mark.parametrize(
    ("quantity", "tiered", "volume"),
    [("5", "25.00", "25.00"), ("10", "50.00", "50.00"), ("11", "80.00", "30.00"), ("25", "85.00", "25.00")],
)
def test_tiered_adds_the_bands_up_and_volume_takes_the_reached_one(
    quantity: str, tiered: str, volume: str
) -> None:
    charge = replace(
        SEAT, model="Tiered", quantity=Decimal(quantity), bands=BANDS, billing_period="Subscription_Term"
    )
    assert amounts(charge) == [tiered]
    assert amounts(replace(charge, model="Volume")) == [volume]


def test_a_discount_is_a_negative_item_for_each_charge_and_period() -> None:
    off = replace(SEAT, number="C-2", model="DiscountPercentage", percentage=Decimal(10))
    items = rate([SEAT, off], "USD", END)
    assert [str(i.amount) for i in items[:2]] == ["83.33", "-8.33"]
    assert items[1].processing == "Discount"
    assert items[1].applied_to is SEAT
    assert len(items) == 24


def test_a_second_discount_applies_to_what_the_first_has_left() -> None:
    off = replace(SEAT, model="DiscountPercentage", percentage=Decimal(50))
    assert amounts(replace(SEAT, end=date(2026, 2, 1), price=Decimal(100)), off, off) == [
        "100.00", "-50.00", "-25.00"
    ]  # fmt: skip


def test_a_discount_aims_at_its_targets_and_ends_with_its_own_period() -> None:
    off = replace(
        SEAT,
        model="DiscountPercentage",
        percentage=Decimal(10),
        end=date(2026, 3, 1),
        targets=(("plan", "seat"),),
    )
    other = replace(SEAT, product_charge_id="other")
    assert sum(1 for i in rate([SEAT, other, off], "USD", END) if i.processing == "Discount") == 2


def test_a_fixed_discount_never_lowers_below_zero() -> None:
    off = replace(SEAT, model="DiscountFixedAmount", discount_amount=Decimal(100))
    assert amounts(replace(SEAT, end=date(2026, 2, 1)), off) == ["83.33", "-83.33"]


def test_one_time_and_usage() -> None:
    once = replace(SEAT, kind="OneTime", end=None, quantity=Decimal(3))
    usage = replace(SEAT, kind="Usage")
    assert amounts(once) == ["249.99"]
    assert amounts(usage) == ["0.00"] * 12
    assert rate([usage], "USD", END, usage="absent") == []


@pytest.mark.parametrize(
    ("amount", "currency", "rounded"),
    [
        ("0.005", "USD", "0.01"),
        ("-0.005", "USD", "-0.01"),
        ("0.5", "JPY", "1"),
        ("1.0005", "KWD", "1.001"),
        ("0.00499999", "EUR", "0.00"),
    ],
)
def test_half_up_to_the_decimals_of_the_currency(amount: str, currency: str, rounded: str) -> None:
    assert to_currency(Decimal(amount), currency) == Decimal(rounded)


def test_months_are_clipped_to_their_end() -> None:
    assert shift(date(2026, 1, 31), 1, 31) == date(2026, 2, 28)
    assert shift(date(2026, 11, 30), 2, 31) == date(2027, 1, 31)
