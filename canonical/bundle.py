"""Bundles become lines that can be billed: the price of a package is shared out to its components, exactly."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from fractions import Fraction

from canonical.catalog import ChargeType
from canonical.failures import Rejected
from canonical.money import Money, price
from canonical.quote import QuoteLine


class _Tree:
    """The lines of a quote by parent. Everything here is a loop: packages may nest deeper than Python may call."""

    def __init__(self, lines: Sequence[QuoteLine]) -> None:
        repeated = [line_id for line_id, n in Counter(line.line_id for line in lines).items() if n > 1]
        if repeated:
            raise Rejected(
                f"line ids occur more than once: {', '.join(repeated[:5])}",
                code="line-repeated",
                field="quote.lines",
                fix="read the quote again; if it stays, recalculate it in CPQ",
            )
        known = {line.line_id for line in lines}
        self.parts: dict[str, list[QuoteLine]] = defaultdict(list)
        self.tops: list[QuoteLine] = []
        for line in lines:
            if line.parent_line_id is None or line.parent_line_id not in known:
                self.tops.append(line)
            else:
                self.parts[line.parent_line_id].append(line)
        self.order = self._from_the_top(lines)
        self.weights = self._weights()

    def _from_the_top(self, lines: Sequence[QuoteLine]) -> list[QuoteLine]:
        """Every line after its parent. A line has one parent, so lines that cannot be reached contain each other."""
        found = list(self.tops)
        for line in found:
            found.extend(self.parts.get(line.line_id, ()))
        if len(found) != len(lines):
            reached = {line.line_id for line in found}
            lost = [line.line_id for line in lines if line.line_id not in reached]
            raise Rejected(
                f"bundle lines {', '.join(lost[:5])} contain each other",
                code="bundle-cycle",
                field="quote.lines",
                fix="recalculate the quote in CPQ",
            )
        return found

    def _weights(self) -> dict[str, Fraction]:
        """List value of every line that can carry money; lines that cannot are absent.

        Usage cannot: nobody knows its amount yet. A package can when one of its components can; it weighs what its
        own list price says, or else what its components weigh together.
        """
        found: dict[str, Fraction] = {}
        for line in reversed(self.order):
            own = max(Fraction(line.list_unit_price) * Fraction(line.quantity), Fraction(0))
            if line.bundle:
                parts = [found[p.line_id] for p in self.parts.get(line.line_id, ()) if p.line_id in found]
                if parts:
                    found[line.line_id] = own or sum(parts, Fraction(0))
            elif line.charge_type is not ChargeType.USAGE:
                found[line.line_id] = own
        return found

    def shares(self, package: QuoteLine, amount: Money) -> dict[str, Money]:
        """`amount` shared to the components of `package` that can carry money, by line id."""
        carriers = [p.line_id for p in self.parts.get(package.line_id, ()) if p.line_id in self.weights]
        if not carriers:
            if amount:
                raise Rejected(
                    f"bundle {package.product_code} costs {amount} but has no component that can carry it",
                    code="bundle-empty",
                    field=f"quote.lines[{package.line_id}]",
                    fix="add its components in CPQ, or quote the product without a bundle",
                )
            return {}
        weights = [self.weights[line_id] for line_id in carriers]
        parts = amount.split(weights if any(weights) else [1] * len(carriers))
        return dict(zip(carriers, parts, strict=True))


def _with(line: QuoteLine, extra: Money | None) -> QuoteLine:
    """The line with its share of the package price; its unit price follows, so that both say the same."""
    if not extra:
        return line
    net = line.net_total + extra
    unit = price(Fraction(net.amount) / Fraction(line.quantity)) if line.quantity else line.net_unit_price
    return line.model_copy(update={"net_total": net, "net_unit_price": unit})


def explode(lines: Sequence[QuoteLine]) -> tuple[QuoteLine, ...]:
    """The lines that billing receives, in display order, with the price of each package shared to its components.

    Shares follow list value by largest remainder, so they sum to the package price; components without any list value
    share equally. Usage takes no share. Lineage ids are those of the components. Packages may nest. Raises Rejected
    `bundle-empty` for a package with a price and nothing to carry it, `bundle-cycle` for lines that contain each other,
    `line-repeated` for a line id that occurs twice.
    """
    tree = _Tree(lines)
    extra: dict[str, Money] = {}
    out: list[QuoteLine] = []
    for line in tree.order:
        placed = _with(line, extra.get(line.line_id))
        if line.bundle:
            extra.update(tree.shares(line, placed.net_total))
        else:
            out.append(placed)
    return tuple(sorted(out, key=lambda line: (line.number, line.line_id)))
