"""What the account does to a record by itself when it is saved: numbers, states, line amounts and totals."""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

from connectors.netsuite.sandbox.problems import invalid_value, missing, refuse
from connectors.netsuite.sandbox.records import Values

STATUS = {
    "A": "Pending Approval",
    "B": "Pending Fulfillment",
    "C": "Cancelled",
    "D": "Partially Fulfilled",
    "E": "Pending Billing/Partially Fulfilled",
    "F": "Pending Billing",
    "G": "Billed",
    "H": "Closed",
}
# Digits after the point, as set on the currency records of an account; two where nothing else is said.
_PRECISION = {
    "JPY": 0,
    "KRW": 0,
    "VND": 0,
    "ISK": 0,
    "CLP": 0,
    "KWD": 3,
    "BHD": 3,
    "JOD": 3,
    "OMR": 3,
    "TND": 3,
}


def to_precision(amount: Decimal, symbol: str) -> Decimal:
    """An amount rounded, halves away from zero, to the precision of a currency."""
    return amount.quantize(Decimal(1).scaleb(-_PRECISION.get(symbol, 2)), rounding=ROUND_HALF_UP)


def settle(order: Values, symbol: str) -> None:
    """Complete the lines and the totals of a sales order in place. Raises Refusal."""
    lines = order.get("item")
    if not isinstance(lines, list) or not lines:
        raise missing(["Items"])
    subtotal = Decimal(0)
    for index, line in enumerate(lines):
        path = f"item.items[{index}]."
        if line.get("item") is None:
            raise missing([f"{path}item"])
        _line(line, symbol, path)
        subtotal += _decimal(line.get("amount"))
    _ordered(order, "startDate", "endDate", "")
    order["subtotal"] = subtotal
    order["taxTotal"] = Decimal(0)
    order["total"] = subtotal


def _line(line: Values, symbol: str, path: str) -> None:
    quantity = line.setdefault("quantity", Decimal(1))
    if line.get("amount") is None:
        # Only without an amount is it worked out from the rate, and then rounded to the currency.
        line["amount"] = _decimal(line.get("rate")) * _decimal(quantity)
    amount = _decimal(line["amount"])
    line["amount"] = to_precision(amount, symbol)
    line.setdefault("rate", line["amount"])
    line.setdefault("isClosed", False)
    line.setdefault("quantityBilled", Decimal(0))
    _ordered(line, "revRecStartDate", "revRecEndDate", path)


def _ordered(values: Mapping[str, object], first: str, last: str, path: str) -> None:
    start, end = values.get(first), values.get(last)
    if isinstance(start, str) and isinstance(end, str) and end < start:
        raise invalid_value(end, last, path + last)


def _decimal(value: object) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(0)


def same_subsidiary(order: Values, customer: Mapping[str, object]) -> None:
    """A sale belongs to the subsidiary of its customer. Fills the gap, or raises Refusal."""
    own = customer.get("subsidiary")
    if order.get("subsidiary") is None:
        order["subsidiary"] = own
    if order["subsidiary"] != own:
        raise refuse(
            400,
            "USER_ERROR",
            "Error while accessing a resource. The transaction must be in one of the customer's subsidiaries.",
            path="subsidiary",
        )
