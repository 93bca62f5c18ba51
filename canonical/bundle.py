"""Bundles become lines that can be billed: the price of a package is shared out to its components, exactly."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

from canonical.catalog import ChargeType
from canonical.failures import Rejected
from canonical.money import Money
from canonical.quote import QuoteLine


def _components(lines: Sequence[QuoteLine]) -> dict[str, list[QuoteLine]]:
    children: dict[str, list[QuoteLine]] = defaultdict(list)
    for line in lines:
        if line.parent_line_id is not None:
            children[line.parent_line_id].append(line)
    return children


def _weight(line: QuoteLine) -> Decimal:
    """Stated list value; usage has none, since nobody knows its amount yet."""
    if line.charge_type is ChargeType.USAGE:
        return Decimal(0)
    return max(line.list_unit_price * line.quantity, Decimal(0))


def explode(lines: Sequence[QuoteLine]) -> tuple[QuoteLine, ...]:
    """The lines that billing receives, in display order, with the price of each package shared to its components.

    Shares follow list value by largest remainder, so they sum to the package price; components without any list value
    share equally. Usage takes no share. Lineage ids are those of the components. Packages may nest. Raises Rejected
    `bundle-empty` for a package with a price and nothing to carry it, `bundle-cycle` for lines that contain each other.
    """
    children = _components(lines)
    by_id = {line.line_id: line for line in lines}
    out: dict[str, QuoteLine] = {}

    def place(line: QuoteLine, extra: Money, above: tuple[str, ...]) -> None:
        if line.line_id in above:
            raise Rejected(
                f"bundle lines {' -> '.join([*above, line.line_id])} contain each other",
                code="bundle-cycle",
                field="quote.lines",
                fix="recalculate the quote in CPQ",
            )
        price = line.net_total + extra
        if not line.bundle:
            out[line.line_id] = line.model_copy(update={"net_total": price})
            for part in children[line.line_id]:
                place(part, Money.zero(price.currency), (*above, line.line_id))
            return
        parts = children[line.line_id]
        carriers = [p for p in parts if p.charge_type is not ChargeType.USAGE]
        if price and not carriers:
            raise Rejected(
                f"bundle {line.product_code} costs {price} but has no component that can carry it",
                code="bundle-empty",
                field=f"quote.lines[{line.line_id}]",
                fix="add its components in CPQ, or quote the product without a bundle",
            )
        weights = [_weight(p) for p in carriers]
        shares = price.split(weights if any(weights) else [1] * len(carriers)) if carriers else ()
        share = {p.line_id: s for p, s in zip(carriers, shares, strict=True)}
        for part in parts:
            place(part, share.get(part.line_id, Money.zero(price.currency)), (*above, line.line_id))

    for line in lines:
        if line.parent_line_id is None or line.parent_line_id not in by_id:
            place(line, Money.zero(line.net_total.currency), ())
    if missing := [line.line_id for line in lines if not line.bundle and line.line_id not in out]:
        raise Rejected(
            f"bundle lines {', '.join(missing[:5])} contain each other",
            code="bundle-cycle",
            field="quote.lines",
            fix="recalculate the quote in CPQ",
        )
    return tuple(sorted(out.values(), key=lambda line: (line.number, line.line_id)))
