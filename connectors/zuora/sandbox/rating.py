"""What charges cost and when they are billed, as the vendor reckons it: exact decimals, one rounding per invoice item.

Dates inside are half-open; the wire's last service day is taken off where the items are written.
"""

import calendar
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal

MONTHS = {"Month": 1, "Quarter": 3, "Semi_Annual": 6, "Annual": 12, "Two_Years": 24, "Three_Years": 36}
_DECIMALS = {**dict.fromkeys("BIF CLP ISK JPY KRW PYG UGX VND XAF XOF".split(), 0)}
_DECIMALS |= dict.fromkeys("BHD JOD KWD OMR TND".split(), 3)
_WIDE = Context(prec=50)
_KINDS = {"OneTime": "ONETIME", "Recurring": "RECURRING", "Usage": "USAGE"}


@dataclass(frozen=True)
class Band:
    """A price band: units above `start` up to `end` (open when None)."""

    start: Decimal
    end: Decimal | None
    price: Decimal
    flat: bool


@dataclass(frozen=True)
class Charge:
    """A charge of a subscription with everything that its price depends on."""

    number: str | None
    name: str
    product_charge_id: str
    product_plan_id: str
    product_name: str
    subscription: str
    kind: str
    model: str
    start: date
    end: date | None
    price: Decimal = Decimal(0)
    quantity: Decimal = Decimal(1)
    bands: tuple[Band, ...] = ()
    uom: str | None = None
    billing_period: str = "Month"
    arrears: bool = False
    anchor: date | None = None
    anchor_day: int = 0
    percentage: Decimal | None = None
    discount_amount: Decimal | None = None
    discounts: str = "ONETIMERECURRINGUSAGE"
    level: str = "subscription"
    targets: tuple[tuple[str, str], ...] = ()

    @property
    def is_discount(self) -> bool:
        """Whether it only lowers other charges."""
        return self.percentage is not None or self.discount_amount is not None


@dataclass
class Item:
    """One line of a billing document, before tax."""

    charge: Charge
    start: date
    end: date
    bill_on: date
    amount: Decimal
    processing: str = "Charge"
    applied_to: Charge | None = None
    quantity: Decimal = field(default=Decimal(1))


def decimals(currency: str) -> int:
    """Decimal places that the tenant keeps for a currency."""
    return _DECIMALS.get(currency, 2)


def to_currency(amount: Decimal, currency: str) -> Decimal:
    """Half up, away from zero, to the decimals of the currency."""
    return amount.quantize(Decimal(1).scaleb(-decimals(currency)), ROUND_HALF_UP, context=_WIDE)


def shift(day: date, months: int, dom: int) -> date:
    """The same day of another month; `dom` is the wanted day, clipped to the month's end."""
    index = day.year * 12 + day.month - 1 + months
    year, month = index // 12, index % 12 + 1
    return date(year, month, min(dom, calendar.monthrange(year, month)[1]))


def bill_anchor(start: date, dom: int) -> date:
    """The last billing day on or before `start`."""
    here = shift(start, 0, dom)
    return here if here <= start else shift(start, -1, dom)


def full_price(charge: Charge) -> Decimal:
    """The price of one whole billing period (or of the one time), not rounded."""
    if charge.model == "FlatFee":
        return charge.price
    if charge.model == "PerUnit":
        return _WIDE.multiply(charge.price, charge.quantity)
    if charge.model == "Volume":
        for band in charge.bands:
            if band.end is None or charge.quantity <= band.end:
                return band.price if band.flat else _WIDE.multiply(band.price, charge.quantity)
        return Decimal(0)
    due = Decimal(0)
    for band in charge.bands:
        top = charge.quantity if band.end is None else min(band.end, charge.quantity)
        if top > band.start:
            due += band.price if band.flat else _WIDE.multiply(band.price, top - band.start)
    return due


def _spans(charge: Charge) -> list[tuple[date, date, date, date]]:
    """Served part and whole billing period, for every period of the charge: (from, to, whole_from, whole_to)."""
    assert charge.end is not None  # noqa: S101 - only recurring and usage charges come here, and they end
    if charge.billing_period == "Subscription_Term":
        return [(charge.start, charge.end, charge.start, charge.end)]
    months = MONTHS[charge.billing_period]
    anchor = charge.anchor or charge.start
    dom = charge.anchor_day or anchor.day
    found: list[tuple[date, date, date, date]] = []
    index = 0
    while True:
        low, high = shift(anchor, index * months, dom), shift(anchor, (index + 1) * months, dom)
        index += 1
        if low >= charge.end:
            return found
        if high > charge.start:
            found.append((max(low, charge.start), min(high, charge.end), low, high))


def charge_items(charge: Charge, currency: str, usage: str = "zero") -> list[Item]:
    """All items that a charge brings over its life; a discount brings none of its own."""
    if charge.is_discount:
        return []
    if charge.kind == "OneTime":
        amount = to_currency(full_price(charge), currency)
        return [Item(charge, charge.start, charge.start, charge.start, amount, quantity=charge.quantity)]
    if charge.kind == "Usage" and usage == "absent":
        return []
    items: list[Item] = []
    for low, high, whole_low, whole_high in _spans(charge):
        due = Decimal(0)
        if charge.kind == "Recurring":
            due = full_price(charge)
            served, whole = (high - low).days, (whole_high - whole_low).days
            if served != whole:
                due = _WIDE.divide(_WIDE.multiply(due, Decimal(served)), Decimal(whole))
        bill_on = high if charge.arrears or charge.kind == "Usage" else low
        items.append(Item(charge, low, high, bill_on, to_currency(due, currency), quantity=charge.quantity))
    return items


def _lowers(discount: Charge, item: Item) -> bool:
    if _KINDS[item.charge.kind] not in _discountable(discount.discounts):
        return False
    if discount.level == "rateplan" and discount.product_plan_id != item.charge.product_plan_id:
        return False
    if (
        discount.targets
        and (item.charge.product_plan_id, item.charge.product_charge_id) not in discount.targets
    ):
        return False
    return discount.start <= item.start and (discount.end is None or item.start < discount.end)


def _discountable(text: str) -> set[str]:
    found = {"ONETIME"} if text.startswith("ONETIME") else set()
    rest = text.removeprefix("ONETIME")
    if rest.startswith("RECURRING"):
        found.add("RECURRING")
    if text.endswith("USAGE"):
        found.add("USAGE")
    return found


def _discount_items(charges: list[Charge], items: list[Item], currency: str) -> list[Item]:
    """Negative items, one for each discount, charge and period; several discounts apply one after the other."""
    left = {id(item): item.amount for item in items}
    found: list[Item] = []
    for discount in (c for c in charges if c.is_discount):
        for item in items:
            base = left[id(item)]
            if item.amount == 0 or not _lowers(discount, item):
                continue
            if discount.percentage is not None:
                off = to_currency(_WIDE.multiply(base, discount.percentage) / 100, currency)
            else:
                off = min(to_currency(discount.discount_amount or Decimal(0), currency), base)
            left[id(item)] = base - off
            found.append(Item(discount, item.start, item.end, item.bill_on, -off, "Discount", item.charge))
    return found


def rate(charges: list[Charge], currency: str, through: date, usage: str = "zero") -> list[Item]:
    """Every item billed up to and including `through`, in the order of their bill days."""
    items = [item for charge in charges for item in charge_items(charge, currency, usage)]
    items += _discount_items(charges, items, currency)
    return sorted((i for i in items if i.bill_on <= through), key=lambda i: (i.bill_on, i.start))
