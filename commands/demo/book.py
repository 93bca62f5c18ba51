"""The book: 40 deals of great variety, as sales would have closed them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from canonical.catalog import ChargeType, Frequency, Tier
from canonical.money import Money, exponent, total
from canonical.party import Address, Contact, Customer, Parties
from canonical.period import Period, add_months
from canonical.quote import Deal, Opportunity, PaymentInstruction, Quote, QuoteLine
from commands.demo import world as master
from connectors.kit.world import StoredMethod, World

START = date(2026, 2, 1)


def _place(line1: str, city: str, region: str, postal_code: str, country: str) -> Address:
    return Address(line1=line1, city=city, region=region, postal_code=postal_code, country=country)


PLACES: dict[str, Address] = {
    "PA": _place("822 Reed St", "Philadelphia", "PA", "19147", "US"),
    "WA": _place("400 Broad St", "Seattle", "WA", "98109", "US"),
    "TX": _place("1100 Congress Ave", "Austin", "TX", "78701", "US"),
    "NY": _place("20 W 34th St", "New York", "NY", "10001", "US"),
    "CA": _place("1 Market St", "San Francisco", "CA", "94105", "US"),
    "MA": _place("1 Beacon St", "Boston", "MA", "02108", "US"),
    "OR": _place("1 SW Broadway", "Portland", "OR", "97205", "US"),
    "ON": _place("290 Bremner Blvd", "Toronto", "ON", "M5V 3L9", "CA"),
    "BC": _place("845 Avison Way", "Vancouver", "BC", "V6G 3E2", "CA"),
    "GB": _place("10 Fleet Street", "London", "", "EC4Y 1AU", "GB"),
    "IE": _place("1 Grafton Street", "Dublin", "", "D02 X576", "IE"),
    "DE": _place("Marienplatz 8", "Munich", "", "80331", "DE"),
    "FR": _place("5 Rue de Rivoli", "Paris", "", "75004", "FR"),
    "NL": _place("Damrak 1", "Amsterdam", "", "1012 LG", "NL"),
    "JP": _place("1-1 Marunouchi", "Tokyo", "", "100-0005", "JP"),
}
VAT_IDS = {
    "GB": "GB987654321",
    "IE": "IE1234567WA",
    "DE": "DE987654321",
    "FR": "FR12345678901",
    "NL": "NL123456789B01",
}
PRICES: dict[str, Decimal] = {
    "PLATFORM": Decimal(12000), "SEATS": Decimal(360), "SUPPORT": Decimal(3000), "AI-ADDON": Decimal(4800),
    "ONBOARDING": Decimal(9500), "TRAINING": Decimal(1800), "API": Decimal("0.002"), "STORAGE": Decimal("0.10"),
}  # fmt: skip
"""List prices of a unit for a year (recurring), or of a unit (one-time, usage); in JPY a hundred times these."""
TIERS = (
    Tier(from_quantity=Decimal(0), to_quantity=Decimal(100000), unit_price=Decimal("0.002")),
    Tier(from_quantity=Decimal(100000), unit_price=Decimal("0.0015")),
)


@dataclass(frozen=True)
class Item:
    """One line as a salesperson would type it. `children` makes it a bundle with its price on the parent or below."""

    code: str
    quantity: Decimal = Decimal(1)
    discount: Decimal = Decimal(0)
    frequency: Frequency = Frequency.MONTHLY
    children: tuple["Item", ...] = ()
    bundle_price: Decimal | None = None
    years: tuple[Decimal, ...] = ()
    """A ramp: the quantity in each year."""


@dataclass(frozen=True)
class Order:
    """A deal in short form."""

    n: int
    name: str
    place: str
    currency: str
    items: tuple[Item, ...]
    months: int = 12
    autopay: bool = False
    terms: str = "Net 30"
    parent: int | None = None
    business: bool = True
    start: date = START
    changes: dict[str, object] = field(default_factory=dict)


def ident(kind: str, n: int, part: int = 0) -> str:
    """A record id of 18 characters, as the CRM makes them."""
    prefix = {"quote": "a0Q", "line": "a0R", "opportunity": "006", "account": "001"}[kind]
    return f"{prefix}5g0{n:05d}{part:04d}EAA"


def _kind(code: str) -> ChargeType:
    if code in ("API", "STORAGE"):
        return ChargeType.USAGE
    return ChargeType.ONE_TIME if code in ("ONBOARDING", "TRAINING") else ChargeType.RECURRING


def _money(amount: Decimal, currency: str) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-exponent(currency)), ROUND_HALF_UP)


class _Lines:
    """Numbers the lines of one quote while they are made."""

    def __init__(self, order: Order) -> None:
        self.order, self.made = order, list[QuoteLine]()

    def _line(
        self,
        item: Item,
        period: Period,
        quantity: Decimal,
        parent: str | None,
        net: Decimal | None,
        **more: object,
    ) -> QuoteLine:
        order, kind = self.order, _kind(item.code)
        n = len(self.made) + 1
        listed = PRICES.get(item.code, Decimal(0)) * (
            100 if order.currency == "JPY" and kind is not ChargeType.USAGE else 1
        )
        if kind is ChargeType.RECURRING:
            listed = listed * (period.whole_months() or 12) / 12
        if kind is not ChargeType.USAGE:
            listed = _money(listed, order.currency)
        unit = (
            listed
            if kind is ChargeType.USAGE
            else _money(listed * (100 - item.discount) / 100, order.currency)
        )
        unit = unit if net is None else net
        due = Decimal(0) if kind is ChargeType.USAGE else unit * quantity
        data = {
            "line_id": ident("line", order.n, n), "number": n,
            "product_code": item.code, "product_name": item.code.title(),
            "parent_line_id": parent, "charge_type": kind, "arrears": kind is ChargeType.USAGE, "quantity": quantity,
            "frequency": Frequency.ONCE if kind is ChargeType.ONE_TIME else item.frequency, "list_unit_price": listed,
            "net_unit_price": unit, "discount_percent": item.discount, "period": period,
            "net_total": Money.rounded(due, order.currency), **more,
        }  # fmt: skip
        if kind is ChargeType.USAGE:
            data |= {
                "tiers": TIERS if item.code == "API" else (),
                "unit": "call" if item.code == "API" else "GB",
            }
        line = QuoteLine.model_validate(data)
        self.made.append(line)
        return line

    def add(self, item: Item, period: Period) -> None:
        """The line, its components, or its yearly segments."""
        if item.years:
            for i, quantity in enumerate(item.years):
                year = Period(
                    start=add_months(period.start, 12 * i), end=add_months(period.start, 12 * i + 12)
                )
                self._line(
                    item, year, quantity, None, None, segment_index=i + 1, segment_key=f"ramp-{item.code}"
                )
            return
        if not item.children:
            self._line(item, period, item.quantity, None, None)
            return
        price = item.bundle_price or Decimal(0)
        parent = self._line(item, period, Decimal(1), None, price, bundle=True)
        for child in item.children:
            zero = Decimal(0) if item.bundle_price is not None else None
            self._line(child, period, child.quantity, parent.line_id, zero)


def build(order: Order) -> Deal:
    """The deal in canonical form. `changes` overrides fields of the quote, to make mistakes on purpose."""
    period = Period(start=order.start, end=add_months(order.start, order.months))
    lines = _Lines(order)
    for item in order.items:
        lines.add(item, period)
    address = PLACES[order.place]
    account = ident("account", order.n)
    parent = ident("account", order.parent) if order.parent is not None else None
    contact = Contact(
        first_name="Accounts", last_name="Payable", email=f"ap{order.n}@example.com", address=address
    )
    payment = PaymentInstruction(
        autopay=True, gateway_customer=f"cus_demo{order.n:04d}", payment_method=f"pm_demo{order.n:04d}"
    )
    quote = {
        "quote_id": ident("quote", order.n), "name": f"Q-{order.n:05d}",
        "opportunity_id": ident("opportunity", order.n),
        "currency": order.currency, "status": "approved", "primary": True, "calculated": True, "period": period,
        "payment_terms": order.terms, "purchase_order": f"PO-{order.n:04d}",
        "payment": payment if order.autopay else PaymentInstruction(), "lines": tuple(lines.made),
        "net_total": total((line.net_total for line in lines.made), order.currency), **order.changes,
    }  # fmt: skip
    customer = Customer(
        customer_id=account,
        name=order.name,
        parent_id=parent,
        ancestors=(parent,) if parent else (),
        business=order.business,
        vat_id=VAT_IDS.get(address.country) if order.business else None,
        region="NA" if address.country in ("US", "CA") else "EMEA",
    )
    opportunity = Opportunity(
        opportunity_id=ident("opportunity", order.n), name=f"{order.name} deal", won=True, customer_id=account,
        primary_quote_id=ident("quote", order.n),
    )  # fmt: skip
    parents = {account: parent} | ({parent: None} if parent else {})
    return Deal(
        opportunity=opportunity,
        quote=Quote.model_validate(quote),
        parties=Parties(customer=customer, sold_to=contact, bill_to=contact),
        parents=parents,
    )


_D = Decimal
_SUITE = (Item("PLATFORM"), Item("SUPPORT"), Item("ONBOARDING"))


def _variety(n: int) -> tuple[Item, ...]:
    """Six shapes of deals, in turn."""
    shapes: tuple[tuple[Item, ...], ...] = (
        (Item("PLATFORM", frequency=Frequency.ANNUAL),),
        (Item("PLATFORM", discount=_D(15)), Item("SEATS", _D(25), _D("7.5")), Item("API")),
        (Item("SUITE", children=_SUITE, bundle_price=_D(20000)),),
        (
            Item("PLATFORM", frequency=Frequency.QUARTERLY),
            Item("ONBOARDING"),
            Item("TRAINING", _D(2), _D(10)),
        ),
        (Item("SUITE", children=(Item("SEATS", _D(10)), Item("SUPPORT", discount=_D(20)), Item("STORAGE"))),),
        (Item("SEATS", years=(_D(10), _D(20), _D(40)), frequency=Frequency.ANNUAL), Item("API")),
    )
    return shapes[n % len(shapes)]


CLEAN = 34
"""How many deals of the book are in order; the numbers after them are the special ones."""


def orders(count: int = CLEAN) -> tuple[Order, ...]:
    """The clean deals of the book; places, currencies, shapes and ways of paying rotate at different speeds."""
    places = ("PA", "GB", "DE", "WA", "ON", "FR", "TX", "JP", "NL", "NY", "IE", "BC", "MA", "OR")
    currencies = {
        "GB": "GBP",
        "IE": "EUR",
        "DE": "EUR",
        "FR": "EUR",
        "NL": "EUR",
        "JP": "JPY",
        "ON": "CAD",
        "BC": "CAD",
    }
    made = []
    for n in (*range(1, CLEAN + 1), *range(CLEAN + 7, count + 7))[:count]:
        place = places[(n * 5) % len(places)]
        items = _variety(n)
        if place == "JP":
            items = (
                Item("PLATFORM", frequency=Frequency.ANNUAL),
                Item("SEATS", _D(7), _D(5), Frequency.QUARTERLY),
                Item("TRAINING"),
            )
        months = 36 if any(item.years for item in items) else (12, 24, 12)[n % 3]
        tree, trade = (
            ("Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir")[n % 6],
            ("Foods", "Robotics", "Health")[n % 3],
        )
        name = f"{tree} {trade} {n}"
        made.append(Order(n, name, place, currencies.get(place, "USD"), items, months=months, autopay=n % 3 == 0,
                          parent=90 if n % 10 == 7 else None, terms=master.TERMS[n % 3]))  # fmt: skip
    return tuple(made)


SPECIAL = (
    Order(35, 'O\'Brien, "Quotes" & Söhne\nEmoji 🚀', "PA", "USD", (Item("PLATFORM"),)),
    Order(36, "Late Catalog Corp", "TX", "USD", (Item("PLATFORM"), Item(master.NOT_YET))),
    Order(
        38,
        "Changed Mind Ltd",
        "GB",
        "GBP",
        (Item("PLATFORM", frequency=Frequency.ANNUAL), Item("TRAINING", _D(3))),
    ),
    Order(39, "Detached Card GmbH", "DE", "EUR", (Item("PLATFORM"),), autopay=True),
    Order(
        40,
        "Odd Cents Inc",
        "WA",
        "USD",
        (Item("PLATFORM", _D(1), _D("33.33")), Item("SEATS", _D(7), _D("12.5"))),
    ),
)


def mistaken() -> Deal:
    """A deal with six mistakes, to be reported together: status, currency, terms, VAT id, quantity, discount."""
    deal = build(
        Order(
            37,
            "Six Mistakes SA",
            "FR",
            "GBP",
            (Item("PLATFORM", _D(-1)), Item("SEATS", _D(5), _D(120))),
            terms="Net 365",
        )
    )
    customer = deal.parties.customer.model_copy(update={"vat_id": "123"})
    quote = deal.quote.model_copy(update={"status": "in-review"})
    return deal.model_copy(
        update={"quote": quote, "parties": deal.parties.model_copy(update={"customer": customer})}
    )


def world(deals: Sequence[Deal] | None = None) -> World:
    """Everything that the sandboxes load."""
    book = tuple(deals) if deals is not None else (*(build(o) for o in (*orders(), *SPECIAL)), mistaken())
    methods = tuple(
        StoredMethod(
            gateway_customer=p.gateway_customer,
            payment_method=p.payment_method,
            attached=d.quote.quote_id != ident("quote", 39),
        )
        for d in book
        for p in (d.quote.payment,)
        if p.gateway_customer and p.payment_method
    )
    return World(
        on=START, catalog=master.CATALOG_LATER, entities=master.ENTITIES, rules=master.RULES, terms=master.TERMS,
        nexus=master.NEXUS, methods=methods, deals=book,
    )  # fmt: skip
