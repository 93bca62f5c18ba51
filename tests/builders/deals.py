"""Deals for tests: simple ones by hand, and random ones by strategy. Ids look like the CRM's own (18 characters).

a_deal("7", currency="EUR", country="DE", autopay=True)
a_deal("8", lines=3, bundle=True, ramp=2, usage_tiers=2)
a_deal("9", quote={"status": "draft"}, line={"discount_percent": Decimal(120)})
"""

import hashlib
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from canonical.catalog import ChargeType, Frequency, Tier
from canonical.money import EXPONENTS, Money, total
from canonical.party import Address, Contact, Customer, Parties
from canonical.period import Period, add_months
from canonical.quote import Deal, Opportunity, PaymentInstruction, Quote, QuoteLine

START = date(2026, 1, 1)
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_PLACES: dict[str, tuple[str, str, str, str]] = {
    # country: line, city, region, postal code
    "US": ("100 Market Street", "San Francisco", "CA", "94105"),
    "CA": ("200 Bay Street", "Toronto", "ON", "M5J 2J5"),
    "GB": ("1 Poultry", "London", "", "EC2R 8EJ"),
    "DE": ("Friedrichstraße 10", "Berlin", "", "10117"),
    "FR": ("5 rue de la Paix", "Paris", "", "75002"),
    "IE": ("2 Grand Canal Square", "Dublin", "", "D02 A342"),
    "NL": ("Keizersgracht 1", "Amsterdam", "", "1015 CJ"),
    "JP": ("1-1 Marunouchi", "Tokyo", "13", "100-0005"),
}
_VAT = {
    "GB": "GB123456789",
    "DE": "DE123456789",
    "FR": "FR12345678901",
    "IE": "IE1234567T",
    "NL": "NL123456789B01",
}
_REGIONS = {"US": "NA", "CA": "NA", "JP": "APAC"}


def crm_id(prefix: str, *parts: object) -> str:
    """An 18-character record id, made of its parts: equal parts give an equal id."""
    raw = hashlib.sha256("/".join(str(p) for p in parts).encode()).hexdigest()
    short = f"{prefix}{raw[:12]}"
    # Half of the letters are made capital, so that the case of an id matters, as it does in the CRM.
    short = "".join(c.upper() if i % 2 else c for i, c in enumerate(short))
    tail = "".join(
        _ALPHABET[sum(1 << i for i, c in enumerate(short[n : n + 5]) if c.isupper())] for n in (0, 5, 10)
    )
    return short + tail


def an_address(country: str = "US") -> Address:
    """A real-looking address in one of a few countries."""
    line1, city, region, postal = _PLACES[country]
    return Address(line1=line1, city=city, region=region, postal_code=postal, country=country)


def a_contact(country: str = "US", **changes: Any) -> Contact:
    """A person at an address."""
    known: dict[str, Any] = {
        "first_name": "Ada",
        "last_name": "Okafor",
        "email": "ada@customer.example",
        "address": an_address(country),
    }
    return Contact(**(known | changes))


def a_customer(key: str = "1", country: str = "US", **changes: Any) -> Customer:
    """A business customer without parents."""
    known: dict[str, Any] = {
        "customer_id": crm_id("001", key),
        "name": f"Customer {key}",
        "vat_id": _VAT.get(country),
        "region": _REGIONS.get(country, "EMEA"),
    }
    return Customer(**(known | changes))


def a_line(
    key: str = "1", number: int = 1, currency: str = "USD", months: int = 12, **changes: Any
) -> QuoteLine:
    """A monthly subscription of ten units at 1,200.00 for the term, without discount."""
    scale = Decimal(1) if EXPONENTS[currency] else Decimal(100)
    price = Decimal(1200) * scale
    known: dict[str, Any] = {
        "line_id": crm_id("a0u", key, number),
        "number": number,
        "product_code": "PLATFORM",
        "product_name": "Platform",
        "charge_type": ChargeType.RECURRING,
        "frequency": Frequency.MONTHLY,
        "quantity": Decimal(10),
        "list_unit_price": price,
        "net_unit_price": price,
        "discount_percent": Decimal(0),
        "period": Period(start=START, end=add_months(START, months)),
    }
    merged = known | changes
    if "net_total" not in merged:
        usage = merged["charge_type"] is ChargeType.USAGE
        amount = Decimal(0) if usage else merged["net_unit_price"] * merged["quantity"]
        merged["net_total"] = Money.rounded(amount, currency)
    return QuoteLine(**merged)


def a_bundle(key: str, number: int, currency: str, months: int) -> tuple[QuoteLine, ...]:
    """A package whose price lies on its two components."""
    parent = a_line(
        key,
        number,
        currency,
        months,
        product_code="SUITE",
        product_name="Suite",
        bundle=True,
        quantity=Decimal(1),
        list_unit_price=Decimal(0),
        net_unit_price=Decimal(0),
    )
    parts = [
        a_line(
            key,
            number + n,
            currency,
            months,
            product_code=code,
            product_name=name,
            parent_line_id=parent.line_id,
            quantity=Decimal(2),
        )
        for n, (code, name) in enumerate(
            (("SUITE-CORE", "Suite core"), ("SUITE-SUPPORT", "Suite support")), 1
        )
    ]
    return (parent, *parts)


def a_ramp(key: str, number: int, currency: str, months: int, segments: int) -> tuple[QuoteLine, ...]:
    """One product over the term in segments of equal length, ten units more in each."""
    each = months // segments
    return tuple(
        a_line(
            key,
            number + n,
            currency,
            each,
            product_code="SEATS",
            product_name="Seats",
            quantity=Decimal(10 * (n + 1)),
            net_unit_price=Decimal(100 * each),
            list_unit_price=Decimal(100 * each),
            period=Period(start=add_months(START, n * each), end=add_months(START, (n + 1) * each)),
            segment_index=n + 1,
            segment_key=f"ramp-{key}",
        )
        for n in range(segments)
    )


def a_usage_line(key: str, number: int, currency: str, months: int, tiers: int) -> QuoteLine:
    """Usage billed monthly in arrears, with so many price bands; the last one is open."""
    bands = tuple(
        Tier(
            from_quantity=Decimal(1000 * n),
            to_quantity=None if n == tiers - 1 else Decimal(1000 * (n + 1)),
            unit_price=Decimal(tiers - n) / 100,
        )
        for n in range(tiers)
    )
    return a_line(
        key,
        number,
        currency,
        months,
        product_code="API-CALLS",
        product_name="API calls",
        charge_type=ChargeType.USAGE,
        arrears=True,
        quantity=Decimal(1),
        list_unit_price=Decimal(0),
        net_unit_price=Decimal(0),
        tiers=bands,
        unit="call",
    )


def a_deal(
    key: str = "1",
    *,
    currency: str = "USD",
    lines: int = 1,
    country: str = "US",
    autopay: bool = False,
    bundle: bool = False,
    ramp: int = 0,
    usage_tiers: int = 0,
    months: int = 12,
    parents: Mapping[str, str | None] | None = None,
    customer: Mapping[str, Any] | None = None,
    quote: Mapping[str, Any] | None = None,
    opportunity: Mapping[str, Any] | None = None,
    line: Mapping[str, Any] | None = None,
    own_lines: tuple[QuoteLine, ...] | None = None,
) -> Deal:
    """A deal that is won, priced, approved and fit to be activated.

    `lines` plain subscriptions, then a bundle, a ramp of so many segments and a usage line with so many bands, where
    asked for. `line` changes the first line; `customer`, `quote` and `opportunity` change those. `own_lines` replaces
    all lines. The quote's net total follows the lines unless `quote` says otherwise. `parents` is the hierarchy above
    the customer, by account id.
    """
    made: list[QuoteLine] = [
        a_line(key, n + 1, currency, months, **((line or {}) if n == 0 else {})) for n in range(lines)
    ]
    if bundle:
        made += a_bundle(key, len(made) + 1, currency, months)
    if ramp:
        made += a_ramp(key, len(made) + 1, currency, months, ramp)
    if usage_tiers:
        made.append(a_usage_line(key, len(made) + 1, currency, months, usage_tiers))
    all_lines = tuple(made) if own_lines is None else own_lines
    above = dict(parents or {})
    buyer = a_customer(key, country, **(customer or {}))
    above.setdefault(buyer.customer_id, buyer.parent_id)
    opportunity_id, quote_id = crm_id("006", key), crm_id("a0q", key)
    known: dict[str, Any] = {
        "quote_id": quote_id,
        "name": f"Q-{key}",
        "opportunity_id": opportunity_id,
        "currency": currency,
        "status": "approved",
        "primary": True,
        "calculated": True,
        "period": Period(start=START, end=add_months(START, months)),
        "payment_terms": "Net 30",
        "payment": PaymentInstruction(
            autopay=autopay,
            gateway_customer=f"cus_{key}" if autopay else None,
            payment_method=f"pm_{key}" if autopay else None,
        ),
        "net_total": total((each.net_total for each in all_lines), currency),
        "lines": all_lines,
    }
    deal_fields: dict[str, Any] = {
        "opportunity_id": opportunity_id,
        "name": f"Deal {key}",
        "won": True,
        "customer_id": buyer.customer_id,
        "primary_quote_id": quote_id,
    }
    contact = a_contact(country)
    return Deal(
        opportunity=Opportunity(**(deal_fields | dict(opportunity or {}))),
        quote=Quote(**(known | dict(quote or {}))),
        parties=Parties(customer=buyer, sold_to=contact, bill_to=contact),
        parents=above,
    )


# Strategies

_NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\r"),
    min_size=1,
    max_size=30,
) | st.sampled_from(['O\'Neill, "Bob" & Söhne', "line one\nline two", "🚀 GmbH", "back\\slash %like_"])
_CODES = st.sampled_from(["PLATFORM", "SEATS", "API-CALLS", "SUPPORT"])
_PRICES = st.decimals(min_value=0, max_value=10_000, places=2)
_CURRENCIES = st.sampled_from(["USD", "EUR", "GBP", "JPY"])


def _rarely(values: st.SearchStrategy[Any], default: Any) -> st.SearchStrategy[Any]:
    return st.just(default) | values


@st.composite
def addresses(draw: st.DrawFn) -> Address:
    """An address; any part may be missing."""
    return Address(
        line1=draw(_rarely(_NAMES.filter(lambda t: "\n" not in t), "1 Main St")),
        line2=draw(_rarely(_NAMES, "")),
        city=draw(_rarely(_NAMES, "Springfield")),
        region=draw(st.sampled_from(["", "CA", "NY", "ON"])),
        postal_code=draw(st.sampled_from(["", "94105", "EC2R 8EJ"])),
        country=draw(st.sampled_from(["US", "CA", "DE", "GB", "JP"])),
    )


@st.composite
def contacts(draw: st.DrawFn) -> Contact:
    """A contact with or without first name and e-mail address."""
    return Contact(
        first_name=draw(_rarely(_NAMES, "")),
        last_name=draw(_NAMES),
        email=draw(st.sampled_from(["", "ap@customer.example"])),
        address=draw(addresses()),
    )


@st.composite
def periods(draw: st.DrawFn) -> Period:
    """One day to three years."""
    start = draw(st.dates(date(2025, 1, 1), date(2027, 12, 31)))
    return Period(start=start, end=date.fromordinal(start.toordinal() + draw(st.integers(1, 1100))))


@st.composite
def quote_lines(
    draw: st.DrawFn, key: str, number: int, currency: str, parents: tuple[str, ...] = ()
) -> QuoteLine:
    """A line, sound or not: wrong quantities, discounts and totals are wrong in the CRM as well."""
    kind = draw(st.sampled_from(list(ChargeType)))
    bands = draw(st.integers(0, 3)) if kind is ChargeType.USAGE else 0
    segment = draw(st.none() | st.integers(1, 5))
    net = draw(_PRICES)
    quantity = draw(st.decimals(min_value=-5, max_value=1000, places=2))
    return QuoteLine(
        line_id=crm_id("a0u", key, number),
        number=number,
        product_code=draw(_CODES),
        product_name=draw(_rarely(_NAMES, "")),
        description=draw(_rarely(_NAMES, "")),
        parent_line_id=draw(st.sampled_from([None, *parents])),
        bundle=draw(st.booleans()),
        charge_type=kind,
        frequency=draw(st.sampled_from(list(Frequency))),
        arrears=draw(st.booleans()),
        quantity=quantity,
        list_unit_price=draw(_PRICES),
        net_unit_price=net,
        discount_percent=draw(st.decimals(min_value=0, max_value=150, places=2)),
        net_total=Money.rounded(net * quantity, currency)
        if draw(st.booleans())
        else Money(minor=7, currency=currency),
        period=draw(periods()),
        tiers=tuple(
            Tier(
                from_quantity=Decimal(100 * n),
                to_quantity=None if n == bands - 1 else Decimal(100 * (n + 1)),
                unit_price=draw(st.decimals(min_value=0, max_value=10, places=6)),
                flat=draw(st.booleans()),
            )
            for n in range(bands)
        ),
        tier_model=draw(st.sampled_from(["tiered", "volume"])),
        unit=draw(st.sampled_from(["", "call", "GB"])),
        segment_index=segment,
        segment_key=None if segment is None else f"ramp-{key}",
    )


@st.composite
def hierarchies(draw: st.DrawFn, customer_id: str) -> dict[str, str | None]:
    """Parents of the customer's account: none, a chain of up to eight, one that ends out of sight, or a cycle."""
    depth = draw(st.integers(0, 8))
    chain = [customer_id, *(crm_id("001", customer_id, n) for n in range(depth))]
    parents: dict[str, str | None] = dict(zip(chain, [*chain[1:], None], strict=True))
    end = draw(st.sampled_from(["top", "unseen", "cycle"]))
    if end == "unseen":
        parents[chain[-1]] = crm_id("001", customer_id, "unseen")
    elif end == "cycle":
        parents[chain[-1]] = draw(st.sampled_from(chain))
    return parents


def _above(customer_id: str, parents: Mapping[str, str | None]) -> tuple[str, ...]:
    found: list[str] = []
    current = parents.get(customer_id)
    while current is not None and current != customer_id and current not in found:
        found.append(current)
        current = parents.get(current)
    return tuple(found)


@st.composite
def deals(draw: st.DrawFn, max_lines: int = 5) -> Deal:
    """Any deal that the CRM can hold."""
    key = str(draw(st.integers(1, 10**6)))
    currency = draw(_CURRENCIES)
    customer_id = crm_id("001", key)
    parents = draw(hierarchies(customer_id))
    lines: list[QuoteLine] = []
    for number in range(1, draw(st.integers(0, max_lines)) + 1):
        lines.append(draw(quote_lines(key, number, currency, tuple(line.line_id for line in lines))))
    vat = st.none() | st.sampled_from(["DE123456789", "GB999"])
    customer = Customer(
        customer_id=customer_id,
        name=draw(_NAMES),
        parent_id=parents[customer_id],
        ancestors=_above(customer_id, parents),
        vat_id=draw(vat),
        business=draw(st.booleans()),
        tax_exempt=draw(st.booleans()),
        exemption_number=draw(st.none() | st.just("EX-1")),
        region=draw(st.sampled_from(["", "NA", "EMEA"])),
    )
    reference = draw(st.none() | st.sampled_from(["cus_1", "pm_1"]))
    quote = Quote(
        quote_id=crm_id("a0q", key),
        name=draw(_NAMES),
        opportunity_id=crm_id("006", key),
        currency=currency,
        status=draw(
            st.sampled_from(["draft", "in-review", "approved", "denied", "presented", "accepted", "rejected"])
        ),
        primary=draw(st.booleans()),
        calculated=draw(st.booleans()),
        period=draw(periods()),
        payment_terms=draw(st.sampled_from(["", "Net 30", "Net 45"])),
        purchase_order=draw(st.sampled_from(["", "PO-7"])),
        payment=PaymentInstruction(
            autopay=draw(st.booleans()), gateway_customer=reference, payment_method=reference
        ),
        net_total=Money(minor=draw(st.integers(0, 10**9)), currency=currency),
        lines=tuple(lines),
        content_mark=draw(st.none() | st.just("abc123")),
    )
    return Deal(
        opportunity=Opportunity(
            opportunity_id=quote.opportunity_id,
            name=draw(_NAMES),
            won=draw(st.booleans()),
            customer_id=customer_id,
            primary_quote_id=draw(st.sampled_from([None, quote.quote_id])),
            contracted=draw(st.booleans()),
        ),
        quote=quote,
        parties=Parties(
            customer=customer, sold_to=draw(st.none() | contacts()), bill_to=draw(st.none() | contacts())
        ),
        parents=parents,
    )
