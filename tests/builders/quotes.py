"""Quotes and the ground they stand on, for tests of our own arithmetic: plain examples and hypothesis strategies."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from canonical.catalog import (
    Catalog,
    Charge,
    ChargeType,
    Frequency,
    Obligation,
    PriceModel,
    PricePlan,
    Product,
    Tier,
)
from canonical.entity import LegalEntity, RoutingRule, Segments
from canonical.ground import Ground
from canonical.mapping import MappingSet
from canonical.money import Money, exponent, total
from canonical.party import Address, Contact, Customer, Parties
from canonical.period import Period, add_months
from canonical.quote import Deal, Opportunity, Quote, QuoteLine
from canonical.tax import Nexus

START = date(2026, 1, 1)
YEAR = Period(start=START, end=date(2027, 1, 1))
HOME = Address(line1="1 Main St", city="Seattle", region="WA", postal_code="98101", country="US")
SEGMENTS = Segments(department="SALES", location="HQ", product_class="SUB")

_KINDS: dict[str, tuple[ChargeType, PriceModel, str]] = {
    "SEATS": (ChargeType.RECURRING, PriceModel.PER_UNIT, "straight-line"),
    "BASE": (ChargeType.RECURRING, PriceModel.FLAT, "straight-line"),
    "TRAINING": (ChargeType.ONE_TIME, PriceModel.PER_UNIT, "point-in-time"),
    "SETUP": (ChargeType.ONE_TIME, PriceModel.FLAT, "progress"),
    "CALLS": (ChargeType.USAGE, PriceModel.TIERED, "as-invoiced"),
}
_CURRENCIES = ("USD", "EUR", "GBP", "CAD", "JPY", "KWD")
RECURRING, ONE_TIME = ("SEATS", "BASE"), ("TRAINING", "SETUP")


def a_product(code: str, **changes: Any) -> Product:
    """One product with one plan and one charge, of the kind that `code` stands for."""
    kind, model, pattern = _KINDS[code]
    charge = Charge(
        code=f"{code}-C",
        name=code.title(),
        type=kind,
        model=model,
        tax_code="SW054000",
        obligation=Obligation(code=code, pattern=pattern, ssp=dict.fromkeys(_CURRENCIES, Decimal(100))),
    )
    plan = PricePlan(code=f"{code}-P", name=f"{code} plan", charges=(charge,))
    known: dict[str, Any] = {"code": code, "name": code, "effective_from": date(2020, 1, 1), "plans": (plan,)}
    return Product(**known | changes)


CATALOG = Catalog(products=tuple(a_product(code) for code in _KINDS))
TIERS = (
    Tier(from_quantity=Decimal(0), to_quantity=Decimal(1000), unit_price=Decimal("0.002")),
    Tier(from_quantity=Decimal(1000), unit_price=Decimal("0.001")),
)


def an_entity(code: str = "US-INC", **changes: Any) -> LegalEntity:
    """A legal entity of ours that sells in many currencies."""
    known: dict[str, Any] = {
        "code": code,
        "name": f"{code} company",
        "country": "US",
        "currencies": ("USD", "EUR", "JPY", "KWD"),
        "tax_company": code,
        "ship_from": HOME,
        "payment_terms": ("Net 30",),
    }
    return LegalEntity(**known | changes)


def a_rule(rule_id: str, entity: str = "US-INC", **changes: Any) -> RoutingRule:
    """A row of the routing table that fits everything unless told otherwise."""
    known: dict[str, Any] = {
        "rule_id": rule_id,
        "entity": entity,
        "erp": "main",
        "segments": SEGMENTS,
        "effective_from": date(2020, 1, 1),
    }
    return RoutingRule(**known | changes)


def mapped(catalog: Catalog = CATALOG, terms: Sequence[str] = ("Net 30",)) -> MappingSet:
    """Maps in which every product of `catalog` and every term is known."""
    entries = {f"terms:{t}": f"id-{t}" for t in terms}
    for product in catalog.products:
        entries[f"item:{product.code}"] = f"item-{product.code}"
        for plan in product.plans:
            entries[f"plan:{plan.code}"] = f"plan-{plan.code}"
            entries |= {f"charge:{c.code}": f"charge-{c.code}" for c in plan.charges}
    return MappingSet(vendor="billing", version=1, entries=entries)


def a_ground(**changes: Any) -> Ground:
    """Master data with which `a_deal()` is valid."""
    nexus = (Nexus(country="US", region="WA", tax="sales", effective_from=date(2020, 1, 1)),)
    known: dict[str, Any] = {
        "on": START,
        "entities": (an_entity(),),
        "rules": (a_rule("all"),),
        "catalog": CATALOG,
        "billing": mapped(),
        "erp": mapped(),
        "nexus": {"US-INC": nexus},
    }
    return Ground(**known | changes)


def a_line(
    line_id: str = "L1", code: str = "SEATS", net: Decimal | int | str = 1000, **changes: Any
) -> QuoteLine:
    """A line of `code` for a year, billed monthly where that means anything. `net` is in major units."""
    kind = _KINDS[code][0] if code in _KINDS else ChargeType.RECURRING
    currency = changes.pop("currency", "USD")
    quantity = changes.get("quantity", Decimal(1))
    amount = Decimal(0) if kind is ChargeType.USAGE else Decimal(net)
    unit = amount / quantity if quantity else amount
    known: dict[str, Any] = {
        "line_id": line_id,
        "number": int("".join(c for c in line_id if c.isdigit()) or 0),
        "product_code": code,
        "charge_type": kind,
        "frequency": Frequency.ONCE if kind is ChargeType.ONE_TIME else Frequency.MONTHLY,
        "quantity": quantity,
        "list_unit_price": unit,
        "net_unit_price": unit,
        "discount_percent": Decimal(0),
        "net_total": Money.exactly(amount, currency),
        "period": YEAR,
        "tiers": TIERS if kind is ChargeType.USAGE else (),
    }
    return QuoteLine(**known | changes)


def a_bundle(line_id: str, net: Decimal | int | str = 0, **changes: Any) -> QuoteLine:
    """A package line. Its components name it as `parent_line_id`."""
    return a_line(line_id, "SUITE", net, **{"bundle": True, "list_unit_price": Decimal(0)} | changes)


def a_contact(**address: Any) -> Contact:
    """A contact at the home address, or at a changed one."""
    return Contact(last_name="Payable", email="ap@example.com", address=HOME.model_copy(update=address))


def a_deal(lines: Sequence[QuoteLine] | None = None, **quote: Any) -> Deal:
    """A deal that is ready to be activated."""
    lines = (a_line(),) if lines is None else lines
    currency = quote.get("currency", lines[0].net_total.currency if lines else "USD")
    known: dict[str, Any] = {
        "quote_id": "Q1",
        "name": "Q-0001",
        "opportunity_id": "O1",
        "currency": currency,
        "status": "approved",
        "primary": True,
        "calculated": True,
        "period": YEAR,
        "payment_terms": "Net 30",
        "lines": tuple(lines),
    }
    if "net_total" not in quote:
        known["net_total"] = total((line.net_total for line in lines), currency)
    return Deal(
        opportunity=Opportunity(
            opportunity_id="O1", name="Deal", won=True, customer_id="C1", primary_quote_id="Q1"
        ),
        quote=Quote(**known | quote),
        parties=Parties(
            customer=Customer(customer_id="C1", name="Customer"), sold_to=a_contact(), bill_to=a_contact()
        ),
        parents={"C1": None},
    )


currencies = st.sampled_from(["USD", "EUR", "JPY", "KWD"])
moneys = st.builds(Money, minor=st.integers(-(10**15), 10**15), currency=currencies)
days = st.dates(date(2023, 1, 1), date(2032, 12, 31))
quantities = st.one_of(
    st.integers(1, 10_000).map(Decimal), st.decimals("0.01", "9999", places=2, allow_nan=False)
)
percents = st.one_of(
    st.sampled_from([Decimal(0), Decimal(50), Decimal(100)]),
    st.decimals("0.01", "99.99", places=2, allow_nan=False),
)


@st.composite
def periods(draw: st.DrawFn, whole: bool = False) -> Period:
    """A term of up to five years; with `whole`, of whole months."""
    start = draw(days)
    end = add_months(start, draw(st.integers(1, 60)))
    if not whole and draw(st.booleans()):
        extra = draw(st.integers(1, 40))
        end = date.fromordinal(end.toordinal() + extra)
    return Period(start=start, end=end)


@st.composite
def priced_lines(draw: st.DrawFn, line_id: str = "L1", currency: str | None = None) -> QuoteLine:
    """A line as CPQ would price it: net unit price rounded to the currency, net total of that times the quantity.

    Now and then the total is anything at all, as after a share of a package price.
    """
    code = draw(st.sampled_from(sorted(_KINDS)))
    kind = _KINDS[code][0]
    currency = currency or draw(currencies)
    quantity, percent, term = draw(quantities), draw(percents), draw(periods())
    minor = Decimal(1).scaleb(-exponent(currency))
    listed = draw(st.integers(0, 5_000_000)) * minor
    net_unit = (listed * (100 - percent) / 100).quantize(minor)
    net = Money.rounded(net_unit * quantity, currency)
    if draw(st.integers(0, 3)) == 0:
        net = Money(minor=draw(st.integers(0, 10**9)), currency=currency)
    if kind is ChargeType.USAGE:
        net = Money.zero(currency)
    recurring = st.sampled_from([f for f in Frequency if f is not Frequency.ONCE])
    return a_line(
        line_id,
        code,
        currency=currency,
        quantity=quantity,
        list_unit_price=listed,
        net_unit_price=net_unit,
        discount_percent=percent,
        net_total=net,
        period=term,
        frequency=Frequency.ONCE if kind is ChargeType.ONE_TIME else draw(recurring),
        arrears=draw(st.booleans()),
    )
