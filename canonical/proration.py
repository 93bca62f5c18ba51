"""How a part of a billing period is priced. A policy is a value on the plan version, never a default of a function."""

from datetime import date
from enum import StrEnum
from fractions import Fraction

from pydantic import Field

from canonical.base import Model
from canonical.money import Money, half_away
from canonical.period import Period


class DayCount(StrEnum):
    """What a day is divided by."""

    ACTUAL_PERIOD = "actual-period"
    THIRTY_DAY_MONTH = "thirty-day-month"
    ACTUAL_365 = "actual-365"


class ProrationPolicy(Model):
    """The choices in which products differ: day count, inclusivity, time zone, ratio precision, rounding."""

    name: str
    day_count: DayCount = DayCount.ACTUAL_PERIOD
    change_day_belongs_to_new: bool = Field(
        default=True, description="the day of a change is charged at the new terms"
    )
    time_zone: str = Field(default="UTC", description="IANA zone in which a moment becomes a day")
    ratio_decimals: int | None = Field(
        default=None, description="decimals that the ratio keeps; None keeps it exact"
    )
    cumulative: bool = Field(
        default=True, description="credit is charged minus consumed, rather than a rounded rest"
    )

    def ratio(self, part: Period, full: Period) -> Fraction:
        """The share of `full` that `part` is. `part` must lie within `full`; the whole is exactly 1."""
        if part.start < full.start or part.end > full.end:
            raise ValueError(f"{part} is not within {full}")
        if part == full:
            return Fraction(1)
        exact = min(Fraction(part.days) / self._full_days(full), Fraction(1))
        if self.ratio_decimals is None:
            return exact
        scale = 10**self.ratio_decimals
        return Fraction(half_away(exact * scale), scale)

    def _full_days(self, full: Period) -> Fraction:
        """Days that a full period counts. A period that is no whole number of months counts its own."""
        months = full.whole_months()
        if months is None or self.day_count is DayCount.ACTUAL_PERIOD:
            return Fraction(full.days)
        return Fraction(
            30 * months if self.day_count is DayCount.THIRTY_DAY_MONTH else Fraction(365 * months, 12)
        )

    def consumed(self, amount: Money, full: Period, change: date) -> Money:
        """What of `amount` has been served when the terms change on `change` (a day within the period)."""
        first_new = change.toordinal() + (0 if self.change_day_belongs_to_new else 1)
        end = date.fromordinal(min(max(first_new, full.start.toordinal()), full.end.toordinal()))
        if end == full.start:
            return Money.zero(amount.currency)
        share = self.ratio(Period(start=full.start, end=end), full)
        return Money.rounded(Fraction(amount.amount) * share, amount.currency)


EXACT_BY_DAY = ProrationPolicy(name="exact-by-day")
