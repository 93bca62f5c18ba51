"""Periods are half-open: they join without a gap, and a month that is short loses nothing for the next one."""

import calendar
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from canonical.failures import Rejected
from canonical.period import Period, add_months
from tests.builders.quotes import days, periods


@given(periods())
def test_the_end_is_not_served_and_the_last_day_is(period: Period) -> None:
    assert period.contains(period.start)
    assert period.contains(period.last_day)
    assert not period.contains(period.end)
    assert Period.inclusive(period.start, period.last_day) == period
    assert period.days == sum(1 for _ in range((period.end - period.start).days))


@given(days, st.integers(-40, 0))
def test_an_empty_period_does_not_exist(start: date, back: int) -> None:
    with pytest.raises(ValidationError, match="must end after it starts"):
        Period(start=start, end=start + timedelta(days=back))


@pytest.mark.parametrize(
    ("first", "last"), [(date(2026, 2, 1), date(2026, 1, 31)), (date(2026, 1, 1), date.max)]
)
def test_inclusive_days_that_make_no_period_are_refused(first: date, last: date) -> None:
    with pytest.raises(Rejected) as refused:
        Period.inclusive(first, last)
    assert refused.value.code == "period-invalid"


@given(periods(), st.sampled_from([1, 3, 6, 12]))
def test_slices_cover_a_term_without_gap_or_overlap(term: Period, months: int) -> None:
    slices = term.slices(months)
    assert slices[0].start == term.start
    assert slices[-1].end == term.end
    assert all(a.end == b.start for a, b in pairwise(slices))
    assert sum(s.days for s in slices) == term.days
    for i, part in enumerate(slices[:-1]):
        assert part.start == add_months(term.start, i * months)


@given(days, st.integers(1, 120), st.sampled_from([1, 3, 6, 12]))
def test_whole_months_are_counted_and_sliced_whole(start: date, count: int, months: int) -> None:
    term = Period(start=start, end=add_months(start, count))
    assert term.whole_months() == count
    assert len(term.slices(months)) == -(-count // months)


@given(days, st.integers(-60, 60))
def test_moving_months_keeps_the_day_or_takes_the_last(day: date, months: int) -> None:
    moved = add_months(day, months)
    last = calendar.monthrange(moved.year, moved.month)[1]
    assert moved.day == min(day.day, last)
    assert (moved.year * 12 + moved.month) - (day.year * 12 + day.month) == months


@given(periods(), periods())
def test_an_overlap_is_what_both_serve(a: Period, b: Period) -> None:
    both = a.overlap(b)
    assert both == b.overlap(a)
    first, last = max(a.start, b.start), min(a.last_day, b.last_day)
    assert (both is None) == (first > last)
    if both is not None:
        assert (both.start, both.last_day) == (first, last)


def test_the_thirty_first_lives_on_across_short_months() -> None:
    term = Period(start=date(2026, 1, 31), end=date(2026, 7, 31))
    assert [s.start for s in term.slices(1)] == [
        date(2026, 1, 31),
        date(2026, 2, 28),
        date(2026, 3, 31),
        date(2026, 4, 30),
        date(2026, 5, 31),
        date(2026, 6, 30),
    ]
    assert add_months(date(2026, 2, 28), 1, anchor=31) == date(2026, 3, 31)


def test_leap_days() -> None:
    assert Period(start=date(2028, 1, 1), end=date(2029, 1, 1)).days == 366
    assert add_months(date(2028, 2, 29), 12) == date(2029, 2, 28)
    assert add_months(date(2028, 2, 29), 48) == date(2032, 2, 29)
    assert Period(start=date(2028, 2, 29), end=date(2029, 2, 28)).whole_months() == 12


def test_days_left_over_are_no_whole_months() -> None:
    assert Period(start=date(2026, 1, 1), end=date(2026, 3, 2)).whole_months() is None
    assert Period(start=date(2026, 1, 1), end=date(2026, 1, 15)).whole_months() is None
    assert Period(start=date(2026, 1, 1), end=date(2026, 1, 15)).slices(1) == (
        Period(start=date(2026, 1, 1), end=date(2026, 1, 15)),
    )


@pytest.mark.parametrize("months", [0, -1])
def test_a_slice_has_a_month_at_least(months: int) -> None:
    with pytest.raises(ValueError, match="at least one month"):
        Period(start=date(2026, 1, 1), end=date(2026, 2, 1)).slices(months)
