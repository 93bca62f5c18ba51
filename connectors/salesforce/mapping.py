"""Their words and ours, both ways. Pure: no call is made here.

Only what cannot be said in our words is refused, and all of it together; what is merely wrong (a quantity of zero, a
discount of 120 %) is read as it stands, so that validation can report it beside everything else.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeVar

from pydantic import ValidationError

from canonical.catalog import ChargeType, Frequency, Tier
from canonical.failures import Finding, Owner, Rejected
from canonical.money import EXPONENTS, Money, price
from canonical.party import Address, Contact, Customer
from canonical.period import Period, add_months
from canonical.quote import DealRef, Opportunity, PaymentInstruction, Quote, QuoteLine, QuoteMark
from connectors.salesforce.schema import (
    CHARGE_TYPES,
    COUNTRIES,
    FREQUENCIES,
    OTHER_DISCOUNTS,
    REGIONS,
    STATUSES,
    AccountRow,
    LineRow,
    OpportunityRow,
    QuoteRow,
    Row,
    moment,
    unreadable,
)
from connectors.salesforce.settings import SalesforceSettings

T = TypeVar("T")


def _refused(code: str, field: str, message: str, fix: str) -> Rejected:
    finding = Finding(code=code, field=field, message=message, fix=fix, owner=Owner.REVOPS)
    return Rejected(message, code=code, field=field, fix=fix, findings=(finding,))


# Deals and accounts


def opportunity(row: OpportunityRow) -> Opportunity:
    """A deal. Won means won and closed, whatever the stage is called."""
    if row.account is None:
        raise _refused(
            "account-missing",
            "opportunity.account",
            f"deal {row.id} has no account",
            "set the deal's account",
        )
    return Opportunity(
        opportunity_id=row.id,
        name=row.name,
        won=row.won and row.closed,
        customer_id=row.account,
        primary_quote_id=row.primary_quote,
        contracted=row.contracted,
    )


def deal_ref(row: OpportunityRow, settings: SalesforceSettings) -> DealRef:
    """A won deal as the watch sees it."""
    approved = (
        row.text(f"SBQQ__PrimaryQuote__r.{settings.field_approved_at}") if settings.field_approved_at else ""
    )
    return DealRef(
        opportunity_id=row.id,
        quote_id=row.primary_quote or "",
        modified=row.modstamp,
        approved_at=moment(approved).isoformat() if approved else None,
    )


def ancestors(customer_id: str, parents: Mapping[str, str | None]) -> tuple[str, ...]:
    """Parent, grandparent, ... up to the top, to one that cannot be read, or to the first repeat."""
    found: list[str] = []
    current = parents.get(customer_id)
    while current is not None and current != customer_id and current not in found:
        found.append(current)
        current = parents.get(current)
    return tuple(found)


def customer(row: AccountRow, parents: Mapping[str, str | None], settings: SalesforceSettings) -> Customer:
    """An account with the chain above it."""
    return Customer(
        customer_id=row.id,
        name=row.name,
        parent_id=row.parent,
        ancestors=ancestors(row.id, parents),
        vat_id=row.text(settings.field_vat_id) or None,
        business=not row.person,
        tax_exempt=row.tax_exempt is True or row.tax_exempt == "Yes",
        exemption_number=row.text(settings.field_exemption_number) or None,
        region=row.text(settings.field_region),
    )


# Parties


def _address(row: QuoteRow, role: str) -> Address:
    line1, _, line2 = row.text(f"SBQQ__{role}Street__c").replace("\r\n", "\n").partition("\n")
    country = row.text(f"SBQQ__{role}Country__c")
    code = COUNTRIES.get(country.strip().lower(), country)
    region = row.text(f"SBQQ__{role}State__c")
    return Address(
        line1=line1,
        line2=line2,
        city=row.text(f"SBQQ__{role}City__c"),
        region=REGIONS.get(code, {}).get(region.strip().lower(), region),
        postal_code=row.text(f"SBQQ__{role}PostalCode__c"),
        country=code,
    )


def party(row: QuoteRow, role: str, contact_field: str) -> Contact | None:
    """Bill-to (`Billing`) or sold-to (`Shipping`): the quote's own text, or None when it has none.

    A contact lookup wins; then the name on the quote; then the primary contact. An e-mail address comes from a contact
    only, and never from another person than the one named.
    """
    address = _address(row, role)
    name = row.text(f"SBQQ__{role}Name__c")
    lookup = contact_field.replace("__c", "__r")
    if lookup and row.at(lookup):
        person = lookup
    elif not name and address == Address():
        return None
    elif row.at("SBQQ__PrimaryContact__r") and name in ("", row.text("SBQQ__PrimaryContact__r.Name")):
        person = "SBQQ__PrimaryContact__r"
    else:
        return Contact(last_name=name, address=address)
    return Contact(
        first_name=row.text(f"{person}.FirstName"),
        last_name=row.text(f"{person}.LastName"),
        email=row.text(f"{person}.Email"),
        address=address,
    )


# Quotes


def quote(
    row: QuoteRow, lines: Sequence[LineRow], tiers: Mapping[str, Sequence[Tier]], settings: SalesforceSettings
) -> Quote:
    """A quote with its lines. Raises one Rejected that lists everything our words cannot express."""
    refusals: list[Rejected] = []

    def attempt(make: Callable[..., T], *args: Any) -> T | None:
        try:
            return make(*args)
        except Rejected as refusal:
            refusals.append(refusal)
            return None

    attempt(_check_type, row)
    deal = attempt(_deal, row)
    currency = attempt(_currency, row, settings)
    period = attempt(_quote_period, row, settings)
    payment = attempt(_payment, row, settings)
    net = attempt(_money, row.net_amount, currency, "quote.net_total") if currency else None
    mapped = [
        attempt(_line, line, i, row, currency, period, tiers.get(line.id, ()), settings)
        for i, line in enumerate(lines)
        if currency and period
    ]
    whole = tuple(line for line in mapped if line is not None)
    if refusals or deal is None or currency is None or period is None or payment is None or net is None:
        raise _together(refusals)
    return Quote(
        quote_id=row.id,
        name=row.name,
        opportunity_id=deal,
        currency=currency,
        status=STATUSES.get(row.status, "unknown"),
        primary=row.primary,
        calculated=not row.uncalculated,
        period=period,
        payment_terms=row.terms,
        purchase_order=row.text(settings.field_purchase_order),
        payment=payment,
        net_total=net,
        lines=whole,
        content_mark=row.text(settings.field_content_hash) or None,
    )


def _together(refusals: Sequence[Rejected]) -> Rejected:
    first = refusals[0]
    message = first.message + (f" (and {len(refusals) - 1} more)" if refusals[1:] else "")
    findings = tuple(finding for refusal in refusals for finding in refusal.findings)
    return Rejected(message, code=first.code, field=first.field, fix=first.fix, findings=findings)


def _check_type(row: QuoteRow) -> None:
    if row.type not in ("", "Quote"):
        raise _refused(
            "quote-type-unsupported",
            "quote.type",
            f"the quote is of type {row.type!r}; only new business can be read as a quote of its own",
            "use the operation for amendments or renewals",
        )


def _deal(row: QuoteRow) -> str:
    if row.opportunity is None:
        message = "the quote belongs to no deal"
        raise _refused("opportunity-missing", "quote.opportunity_id", message, "link it to its deal")
    return row.opportunity


def _currency(row: QuoteRow, settings: SalesforceSettings) -> str:
    currency = settings.default_currency or row.currency
    if currency not in EXPONENTS:
        message = f"no minor-unit data for currency {currency!r}"
        raise _refused("currency-unknown", "quote.currency", message, "use an ISO 4217 currency on the quote")
    return currency


def _money(amount: Decimal, currency: str, field: str) -> Money:
    try:
        return Money.exactly(amount, currency)
    except Rejected as refusal:
        raise _refused(refusal.code, field, refusal.message, refusal.fix or "round the amount") from refusal


def _period(start: date, end: date, field: str) -> Period:
    """From inclusive ends. CPQ's 12 months from 1 January end on 31 December."""
    if end < start:
        raise _refused(
            "period-invalid", field, f"it ends on {end}, before it starts on {start}", "correct the dates"
        )
    return Period.inclusive(start, end)


def _quote_period(row: QuoteRow, settings: SalesforceSettings) -> Period:
    if row.start is None:
        raise _refused(
            "date-missing", "quote.period.start", "the quote has no start date", "set the start date"
        )
    if row.end is not None:
        return _period(row.start, row.end, "quote.period")
    if row.term is None or row.term <= 0:
        raise _refused(
            "date-missing",
            "quote.period.end",
            "the quote has neither an end date nor a term",
            "set one of them",
        )
    count = int(row.term)
    end = row.start + timedelta(days=count) if settings.term_unit == "Day" else add_months(row.start, count)
    return Period(start=row.start, end=end)


def _payment(row: QuoteRow, settings: SalesforceSettings) -> PaymentInstruction:
    try:
        return PaymentInstruction(
            autopay=row.at(settings.field_autopay) is True,
            gateway_customer=row.text(settings.field_gateway_customer) or None,
            payment_method=row.text(settings.field_payment_method) or None,
        )
    except ValidationError:
        # The value is not repeated anywhere: it looks like a card number. The cause would repeat it.
        raise _refused(
            "card-number-refused",
            "quote.payment",
            "a payment reference on the quote looks like a card number",
            "replace it by the gateway's token, and treat the number as exposed",
        ) from None


def _line(
    row: LineRow,
    index: int,
    parent: QuoteRow,
    currency: str,
    term: Period,
    tiers: Sequence[Tier],
    settings: SalesforceSettings,
) -> QuoteLine:
    at = f"quote.lines[{index}]"
    charge_type = _charge_type(row, at)
    listed = row.prorated_list_price if row.prorated_list_price is not None else row.list_price or Decimal(0)
    return QuoteLine(
        line_id=row.id,
        number=int(row.number),
        product_code=row.product_code,
        product_name=row.text("SBQQ__Product__r.Name"),
        description=row.text(settings.field_line_description),
        parent_line_id=row.required_by,
        bundle=row.bundle,
        charge_type=charge_type,
        frequency=_frequency(row, parent, charge_type, at),
        arrears=row.billing_type == "Arrears",
        quantity=row.quantity,
        list_unit_price=listed,
        net_unit_price=row.net_price,
        discount_percent=_discount(row, listed),
        net_total=_money(row.net_total, currency, f"{at}.net_total"),
        period=_line_period(row, term, at),
        tiers=tuple(tiers),
        tier_model="volume" if row.schedule == "Range" else "tiered",
        unit=row.text(settings.field_unit),
        segment_index=None if row.segment_index is None else int(row.segment_index),
        segment_key=row.segment_key,
    )


def _charge_type(row: LineRow, at: str) -> ChargeType:
    if not row.charge_type:
        # Without the billing package the field is blank, and the subscription pricing tells.
        return ChargeType.RECURRING if row.pricing else ChargeType.ONE_TIME
    if row.charge_type not in CHARGE_TYPES:
        message = f"charge type {row.charge_type!r} is not known"
        raise _refused(
            "charge-type-unknown", f"{at}.charge_type", message, "use One-Time, Recurring or Usage"
        )
    return CHARGE_TYPES[row.charge_type]


def _frequency(row: LineRow, parent: QuoteRow, charge_type: ChargeType, at: str) -> Frequency:
    text = row.frequency or (parent.frequency if charge_type is not ChargeType.ONE_TIME else "")
    if not text:
        return Frequency.ONCE
    if text not in FREQUENCIES:
        message = f"billing frequency {text!r} cannot be billed"
        raise _refused(
            "frequency-unsupported", f"{at}.frequency", message, f"use one of {', '.join(FREQUENCIES)}"
        )
    return FREQUENCIES[text]


def _line_period(row: LineRow, term: Period, at: str) -> Period:
    if row.subscription_type == "Evergreen":
        fix = "sell it for a term, or bill it elsewhere"
        raise _refused("evergreen-unsupported", f"{at}.period", "the line has no end", fix)
    return _period(row.start or term.start, row.end or term.last_day, f"{at}.period")


def _discount(row: LineRow, listed: Decimal) -> Decimal:
    """The line's own percentage, or what all discounts together come to when the line has others."""
    if listed and any(row.at(name) for name in OTHER_DISCOUNTS):
        return price((1 - Fraction(row.net_price) / Fraction(listed)) * 100)
    return row.discount


def tiers(rows: Iterable[Row], settings: SalesforceSettings) -> dict[str, tuple[Tier, ...]]:
    """Price bands by quote line, lowest first."""
    found: dict[str, list[Tier]] = {}
    for row in rows:
        upper = row.at(settings.tier_to)
        try:
            band = Tier(
                from_quantity=row.at(settings.tier_from) or Decimal(0),
                to_quantity=upper,
                unit_price=row.at(settings.tier_price) or Decimal(0),
                flat=row.at(settings.tier_flat) is True,
            )
        except ValidationError as error:
            raise unreadable(error, f"price band {row.id}") from error
        found.setdefault(row.text(settings.tier_line), []).append(band)
    return {line: tuple(sorted(bands, key=lambda b: b.from_quantity)) for line, bands in found.items()}


# What we write


def mark(row: Row, settings: SalesforceSettings) -> QuoteMark | None:
    """What this product keeps on a quote, or None."""
    operation = row.text(settings.field_operation)
    if not operation:
        return None
    return QuoteMark(
        operation_id=operation,
        content_hash=row.text(settings.field_content_hash),
        state=row.text(settings.field_state),
        billing_subscription=row.text(settings.field_subscription),
        erp_document=row.text(settings.field_erp_document),
    )


def mark_fields(found: QuoteMark | None, settings: SalesforceSettings) -> dict[str, str | None]:
    """The fields of a mark; empty ones, and all of None, are cleared."""
    return {
        settings.field_operation: found.operation_id if found else None,
        settings.field_content_hash: (found.content_hash or None) if found else None,
        settings.field_state: (found.state or None) if found else None,
        settings.field_subscription: (found.billing_subscription or None) if found else None,
        settings.field_erp_document: (found.erp_document or None) if found else None,
    }
