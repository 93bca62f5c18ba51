"""A billing system in a page: what an order would invoice. Reckons by itself, and shares no arithmetic with us."""

import calendar
from collections.abc import Iterable
from datetime import date
from fractions import Fraction

from canonical.order import OrderLine

MONTHS = {"monthly": 1, "quarterly": 3, "semiannual": 6, "annual": 12}


def _later(day: date, months: int) -> date:
    year, month = day.year + (day.month - 1 + months) // 12, (day.month - 1 + months) % 12 + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def _round(value: Fraction) -> int:
    whole, rest = divmod(abs(value), 1)
    return (int(whole) + (1 if rest * 2 >= 1 else 0)) * (-1 if value < 0 else 1)


def items(line: OrderLine, decimals: int) -> list[tuple[date, date, int]]:
    """What one charge bills, as (from, to, minor units)."""
    if line.unit_price is None:
        return []
    units = Fraction(1) if line.model == "flat" else Fraction(line.quantity)
    full = Fraction(line.unit_price) * units * 10**decimals
    if line.type == "one-time":
        return [(line.period.start, line.period.end, _round(full))]
    step, found, n = MONTHS[line.frequency], [], 0
    while (begin := _later(line.period.start, n * step)) < line.period.end:
        end = _later(line.period.start, (n + 1) * step)
        if end <= line.period.end:
            found.append((begin, end, _round(full)))
        else:
            part = Fraction((line.period.end - begin).days, (end - begin).days)
            found.append((begin, line.period.end, _round(full * part)))
        n += 1
    return found


def bill(lines: Iterable[OrderLine], decimals: int) -> dict[str, int]:
    """Minor units that each quote line is billed over its term. Usage bills nothing beforehand."""
    known = list(lines)
    charged = {line.lineage_id: items(line, decimals) for line in known if line.kind == "charge"}
    found = {name: sum(minor for *_, minor in made) for name, made in charged.items()}
    for line in known:
        if line.kind == "discount":
            percent = Fraction(line.discount_percent or 0) / 100
            found[line.lineage_id] -= sum(_round(minor * percent) for *_, minor in charged[line.lineage_id])
        elif line.kind == "rounding":
            found[line.lineage_id] += sum(minor for *_, minor in items(line, decimals))
    return found
