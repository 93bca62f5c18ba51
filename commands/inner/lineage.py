"""Line lineage: each quote line, the charges of the subscription that came of it, and its line in the contract."""

from typing import TYPE_CHECKING, Any

from pydantic import Field

from canonical.base import Model
from canonical.bundle import explode
from canonical.failures import Rejected
from canonical.money import Money
from canonical.quote import Deal, QuoteLine

if TYPE_CHECKING:
    from commands.inner.found import Found


class Charge(Model):
    """A charge of the subscription (or of its draft order, before there is one)."""

    number: str
    charge: str
    kind: str = "charge"


class ContractLine(Model):
    """A line of the contract in the ERP."""

    obligation: str
    amount: str
    allocated: str


class Line(Model):
    """One line that is billed, from the quote to the ledger."""

    lineage_id: str
    product: str
    quantity: str
    amount: str
    parent: str = Field(default="", description="the bundle that it was sold in")
    charges: tuple[Charge, ...] = ()
    contract: ContractLine | None = None

    @property
    def whole(self) -> bool:
        """It is known in all three forms."""
        return bool(self.charges) and self.contract is not None


def lines(found: "Found") -> tuple[Line, ...]:
    """The lines of the deal, in the order of their ids."""
    if found.deal is None:
        return ()
    contracted, charged = _contracted(found), _charged(found)
    made = [
        Line(
            lineage_id=line.line_id,
            product=line.product_code,
            quantity=format(line.quantity, "f"),
            amount=str(line.net_total),
            parent=line.parent_line_id or "",
            charges=tuple(charged.get(line.line_id, ())),
            contract=contracted.get(line.line_id),
        )
        for line in _billed(found.deal)
    ]
    return tuple(sorted(made, key=lambda line: line.lineage_id))


def _billed(deal: Deal) -> tuple[QuoteLine, ...]:
    """The lines that billing receives; as they were typed, when the quote is one that nobody could bill."""
    try:
        return explode(deal.quote.lines)
    except Rejected:
        return deal.quote.lines


def _charged(found: "Found") -> dict[str, list[Charge]]:
    """What the subscription holds; charges that only balance (discount, rounding) are known from the order."""
    made: dict[str, list[Charge]] = {}
    for item in found.subscription.versions[0].items if found.subscription else ():
        made.setdefault(item.lineage_id, []).append(
            Charge(number=item.charge_number, charge=item.product_code)
        )
    order = found.effect("draft-order")
    sent: list[dict[str, Any]] = (
        order.result.get("lines", []) if order and isinstance(order.result, dict) else []
    )
    for line in sent:
        if line["kind"] != "charge" or found.subscription is None:
            charge = Charge(number="", charge=line["charge_code"], kind=line["kind"])
            made.setdefault(line["lineage_id"], []).append(charge)
    return made


def _contracted(found: "Found") -> dict[str, ContractLine]:
    event = found.event("contract.recorded")
    recorded: Any = event.event.data["lines"] if event else []
    return {
        line["lineage_id"]: ContractLine(
            obligation=line["obligation"],
            amount=in_words(line["amount"]),
            allocated=in_words(line["allocated"]),
        )
        for line in recorded
    }


def in_words(data: Any) -> str:
    """An amount out of an event, for people."""
    return str(Money.model_validate(data))
