"""A proration policy is a value: each choice changes the result in its own way, and none ever charges twice."""

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.money import Money
from canonical.period import Period, add_months
from canonical.proration import EXACT_BY_DAY, DayCount, ProrationPolicy
from tests.builders.quotes import days, moneys

policies = st.builds(
    ProrationPolicy,
    name=st.just("p"),
    day_count=st.sampled_from(DayCount),
    change_day_belongs_to_new=st.booleans(),
    ratio_decimals=st.sampled_from([None, 2, 9]),
)
JANUARY = Period(start=date(2026, 1, 1), end=date(2026, 2, 1))


def _policy(**choices: object) -> ProrationPolicy:
    return ProrationPolicy.model_validate({"name": "p", **choices})


@given(policies, days, st.sampled_from([1, 3, 12]), st.data())
def test_a_ratio_is_a_share_that_grows_with_the_days(
    policy: ProrationPolicy, start: date, months: int, data: st.DataObject
) -> None:
    full = Period(start=start, end=add_months(start, months))
    cuts = sorted(data.draw(st.sets(st.integers(1, full.days), min_size=2, max_size=2)))
    ratios = [
        policy.ratio(Period(start=start, end=date.fromordinal(start.toordinal() + cut)), full) for cut in cuts
    ]
    assert 0 <= ratios[0] <= ratios[1] <= 1
    assert policy.ratio(full, full) == 1


@given(policies, moneys, days, st.integers(-5, 40))
def test_what_is_consumed_and_what_is_left_make_the_whole(
    policy: ProrationPolicy, amount: Money, start: date, offset: int
) -> None:
    full = Period(start=start, end=add_months(start, 1))
    used = policy.consumed(amount, full, date.fromordinal(start.toordinal() + offset))
    assert used + (amount - used) == amount
    assert abs(used.minor) <= abs(amount.minor)
    if offset < 0:
        assert not used
    if offset >= full.days:
        assert used == amount


@pytest.mark.parametrize(
    ("choices", "ratio"),
    [
        ({}, Fraction(10, 31)),
        ({"day_count": DayCount.THIRTY_DAY_MONTH}, Fraction(10, 30)),
        ({"day_count": DayCount.ACTUAL_365}, Fraction(10 * 12, 365)),
        ({"ratio_decimals": 2}, Fraction(32, 100)),
    ],
)
def test_each_way_to_count_days(choices: dict[str, object], ratio: Fraction) -> None:
    assert _policy(**choices).ratio(Period(start=date(2026, 1, 1), end=date(2026, 1, 11)), JANUARY) == ratio


def test_a_year_of_365_days_in_a_leap_year() -> None:
    leap = Period(start=date(2028, 1, 1), end=date(2029, 1, 1))
    half = Period(start=date(2028, 1, 1), end=date(2028, 7, 1))
    assert EXACT_BY_DAY.ratio(half, leap) == Fraction(182, 366)
    assert _policy(day_count=DayCount.ACTUAL_365).ratio(half, leap) == Fraction(182, 365)
    rest = Period(start=date(2028, 1, 2), end=date(2029, 1, 1))
    assert _policy(day_count=DayCount.ACTUAL_365).ratio(rest, leap) == 1


def test_a_period_without_whole_months_counts_its_own_days() -> None:
    odd = Period(start=date(2026, 1, 1), end=date(2026, 2, 15))
    part = Period(start=date(2026, 1, 1), end=date(2026, 1, 10))
    for count in DayCount:
        assert _policy(day_count=count).ratio(part, odd) == Fraction(9, 45)


def test_whose_the_day_of_the_change_is() -> None:
    amount, change = Money(minor=3100, currency="USD"), date(2026, 1, 11)
    assert _policy().consumed(amount, JANUARY, change).minor == 1000
    assert _policy(change_day_belongs_to_new=False).consumed(amount, JANUARY, change).minor == 1100


def test_a_part_lies_within_its_period() -> None:
    with pytest.raises(ValueError, match="is not within"):
        EXACT_BY_DAY.ratio(Period(start=date(2026, 1, 20), end=date(2026, 2, 2)), JANUARY)
