"""Service periods: half-open `[start, end)` dates. Adapters convert at the edge; nobody else adds or takes a day."""

import calendar
from datetime import date, timedelta
from typing import Self

from pydantic import model_validator

from canonical.base import Model
from canonical.failures import Rejected


def add_months(day: date, months: int, anchor: int | None = None) -> date:
    """`day` moved by calendar months, clipped to the month's end; `anchor` keeps the 31st alive across short months."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(anchor or day.day, last))


class Period(Model):
    """Days from `start` up to, but not including, `end`. Never empty."""

    start: date
    end: date

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"a period must end after it starts ({self.start} .. {self.end})")
        return self

    @classmethod
    def inclusive(cls, first: date, last: date) -> "Period":
        """From the first and the last day, both served. Raises Rejected `period-invalid` when they make no period."""
        if last < first or last == date.max:
            raise Rejected(
                f"{first} to {last} is no period",
                code="period-invalid",
                field="period",
                fix="correct the dates: the last day is on or after the first, and before the year 9999 ends",
            )
        return cls(start=first, end=last + timedelta(days=1))

    @property
    def last_day(self) -> date:
        """The last day that is served, for systems whose ends are inclusive."""
        return self.end - timedelta(days=1)

    @property
    def days(self) -> int:
        """Number of days served."""
        return (self.end - self.start).days

    def contains(self, day: date) -> bool:
        """Whether `day` is served."""
        return self.start <= day < self.end

    def overlap(self, other: "Period") -> "Period | None":
        """The days in both periods, or None."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Period(start=start, end=end) if start < end else None

    def whole_months(self) -> int | None:
        """How many calendar months this is exactly, or None when days are left over."""
        months = (self.end.year - self.start.year) * 12 + self.end.month - self.start.month
        return months if months > 0 and add_months(self.start, months) == self.end else None

    def slices(self, months: int) -> tuple["Period", ...]:
        """Consecutive slices of `months` calendar months from the start; the last one may be shorter.

        Raises ValueError for slices of less than a month.
        """
        if months < 1:
            raise ValueError(f"a slice has at least one month, not {months}")
        found: list[Period] = []
        start, index = self.start, 0
        while start < self.end:
            index += 1
            end = min(add_months(self.start, index * months), self.end)
            found.append(Period(start=start, end=end))
            start = end
        return tuple(found)
