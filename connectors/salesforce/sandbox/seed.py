"""Loading deals: the org's side of the shared test data, written the way CPQ would have left it."""

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from canonical.party import Contact, Customer
from canonical.quote import Deal, Quote, QuoteLine
from connectors.kit.world import World
from connectors.salesforce.sandbox.store import Org, stamp

if TYPE_CHECKING:
    from connectors.salesforce.sandbox.app import SalesforceSandbox

_STATUS = {"in-review": "In Review"}
_CHARGE = {"one-time": "One-Time", "recurring": "Recurring", "usage": "Usage"}
_AGE = timedelta(hours=1)


def seed(sandbox: "SalesforceSandbox", world: World) -> None:
    """Load every deal of the world. Records that exist already are written over."""
    for deal in world.deals:
        load_deal(sandbox.org, deal)


def load_deal(org: Org, deal: Deal) -> None:
    """One deal that is won now: its accounts, contacts, products, quote and lines are an hour old."""
    quote = deal.quote
    _accounts(org, deal.parties.customer, deal.parents)
    _put(
        org,
        "Opportunity",
        {
            "Id": deal.opportunity.opportunity_id,
            "Name": deal.opportunity.name,
            "AccountId": deal.opportunity.customer_id,
            "StageName": "Closed Won" if deal.opportunity.won else "Negotiation",
            "IsWon": deal.opportunity.won,
            "IsClosed": deal.opportunity.won,
            "CloseDate": quote.period.start.isoformat(),
            "CurrencyIsoCode": quote.currency,
            "Amount": quote.net_total.amount,
            "SBQQ__PrimaryQuote__c": deal.opportunity.primary_quote_id,
            "SBQQ__Contracted__c": deal.opportunity.contracted,
        },
    )
    bill_to = _contact(org, quote.quote_id, "B", deal.parties.bill_to)
    sold_to = _contact(org, quote.quote_id, "S", deal.parties.sold_to)
    _quote(org, quote, deal.opportunity.customer_id, bill_to | sold_to)
    products = _products(org)
    for line in quote.lines:
        _line(org, quote, line, products)


def _put(org: Org, name: str, row: dict[str, Any]) -> None:
    # A deal is won now, when the watch looks; everything else was written before.
    org.put(name, row, at=org.now() - (timedelta(0) if name == "Opportunity" else _AGE))


def _accounts(org: Org, customer: Customer, parents: dict[str, str | None]) -> None:
    for account, parent in parents.items():
        if account != customer.customer_id and org.get("Account", account) is None:
            _put(org, "Account", {"Id": account, "Name": f"Group {account}", "ParentId": parent})
    _put(
        org,
        "Account",
        {
            "Id": customer.customer_id,
            "Name": customer.name,
            "ParentId": customer.parent_id,
            "IsPersonAccount": not customer.business,
            "Otc_Vat_Id__c": customer.vat_id,
            "Otc_Region__c": customer.region or None,
            "Otc_Exemption_Number__c": customer.exemption_number,
            "SBQQ__TaxExempt__c": "Yes" if customer.tax_exempt else "No",
        },
    )


def _contact(org: Org, quote_id: str, role: str, party: Contact | None) -> dict[str, Any]:
    """A party as text on the quote; with a contact record when it has more than a name."""
    if party is None:
        return {}
    word = "Billing" if role == "B" else "Shipping"
    address = party.address
    street = f"{address.line1}\n{address.line2}" if address.line2 else address.line1
    fields: dict[str, Any] = {
        f"SBQQ__{word}Name__c": " ".join(n for n in (party.first_name, party.last_name) if n) or None,
        f"SBQQ__{word}Street__c": street or None,
        f"SBQQ__{word}City__c": address.city or None,
        f"SBQQ__{word}State__c": address.region or None,
        f"SBQQ__{word}PostalCode__c": address.postal_code or None,
        f"SBQQ__{word}Country__c": address.country or None,
    }
    if party.first_name or party.email:
        contact = {
            "Id": f"{quote_id}-{role}",
            "FirstName": party.first_name or None,
            "LastName": party.last_name,
            "Email": party.email or None,
        }
        _put(org, "Contact", contact)
        lookup = "Otc_Bill_To_Contact__c" if role == "B" else "Otc_Sold_To_Contact__c"
        fields[lookup] = contact["Id"]
    return fields


def _quote(org: Org, quote: Quote, account: str, parties: dict[str, Any]) -> None:
    calculated = org.now() - _AGE
    saved = calculated if quote.calculated else calculated + timedelta(minutes=5)
    _put(
        org,
        "SBQQ__Quote__c",
        {
            "Id": quote.quote_id,
            "Name": quote.name,
            "CurrencyIsoCode": quote.currency,
            "SBQQ__Account__c": account,
            "SBQQ__Opportunity2__c": quote.opportunity_id,
            "SBQQ__Status__c": _STATUS.get(quote.status, quote.status.capitalize()),
            "SBQQ__Type__c": "Quote",
            "SBQQ__Primary__c": quote.primary,
            "SBQQ__LastCalculatedOn__c": stamp(calculated),
            "SBQQ__LastSavedOn__c": stamp(saved),
            "SBQQ__StartDate__c": quote.period.start.isoformat(),
            "SBQQ__EndDate__c": _last_day(quote.period.end),
            "SBQQ__PaymentTerms__c": quote.payment_terms or None,
            "SBQQ__NetAmount__c": quote.net_total.amount,
            "Otc_Purchase_Order__c": quote.purchase_order or None,
            "Otc_Content_Hash__c": quote.content_mark,
            "Otc_Autopay__c": quote.payment.autopay,
            "Otc_Gateway_Customer__c": quote.payment.gateway_customer,
            "Otc_Payment_Method__c": quote.payment.payment_method,
            **parties,
        },
    )


def _last_day(end: date) -> str:
    """CPQ's ends are inclusive."""
    return (end - timedelta(days=1)).isoformat()


_Products = dict[tuple[str, str, str], str]


def _products(org: Org) -> _Products:
    """Products by code, name and unit, in which they differ."""
    names = ("ProductCode", "Name", "QuantityUnitOfMeasure")
    found: _Products = {}
    for row in org.table("Product2").values():
        code, name, unit = (row[field] or "" for field in names)
        found[code, name, unit] = row["Id"]
    return found


def _product(org: Org, line: QuoteLine, known: _Products) -> str:
    wanted = (line.product_code, line.product_name, line.unit)
    if wanted in known:
        return known[wanted]
    made = org.put(
        "Product2",
        {
            "ProductCode": line.product_code or None,
            "Name": line.product_name or None,
            "QuantityUnitOfMeasure": line.unit or None,
            "IsActive": True,
        },
        at=org.now() - _AGE,
    )
    known[wanted] = made["Id"]
    return known[wanted]


def _line(org: Org, quote: Quote, line: QuoteLine, products: _Products) -> None:
    _put(
        org,
        "SBQQ__QuoteLine__c",
        {
            "Id": line.line_id,
            "Name": f"QL-{line.number:07d}",
            "CurrencyIsoCode": quote.currency,
            "SBQQ__Quote__c": quote.quote_id,
            "SBQQ__Number__c": Decimal(line.number),
            "SBQQ__Product__c": _product(org, line, products),
            "SBQQ__Description__c": line.description or None,
            "SBQQ__RequiredBy__c": line.parent_line_id,
            "SBQQ__Bundle__c": line.bundle,
            "SBQQ__ChargeType__c": _CHARGE[line.charge_type.value],
            "SBQQ__BillingFrequency__c": None
            if line.frequency.value == "once"
            else line.frequency.value.capitalize(),
            "SBQQ__BillingType__c": "Arrears" if line.arrears else "Advance",
            "SBQQ__SubscriptionPricing__c": "Fixed Price" if line.charge_type.value == "recurring" else None,
            "SBQQ__SubscriptionType__c": "One-time" if line.charge_type.value == "one-time" else "Renewable",
            "SBQQ__Quantity__c": line.quantity,
            "SBQQ__ListPrice__c": line.list_unit_price,
            "SBQQ__ProratedListPrice__c": line.list_unit_price,
            "SBQQ__ProrateMultiplier__c": Decimal(1),
            "SBQQ__NetPrice__c": line.net_unit_price,
            "SBQQ__Discount__c": line.discount_percent,
            "SBQQ__NetTotal__c": line.net_total.amount,
            "SBQQ__StartDate__c": line.period.start.isoformat(),
            "SBQQ__EndDate__c": _last_day(line.period.end),
            "SBQQ__DiscountScheduleType__c": "Range"
            if line.tier_model == "volume"
            else "Slab"
            if line.tiers
            else None,
            "SBQQ__SegmentIndex__c": None if line.segment_index is None else Decimal(line.segment_index),
            "SBQQ__SegmentKey__c": line.segment_key,
        },
    )
    _tiers(org, line)


def _tiers(org: Org, line: QuoteLine) -> None:
    rows: Iterable[dict[str, Any]] = (
        {
            "Id": f"{line.line_id}-T{index}",
            "Otc_Quote_Line__c": line.line_id,
            "Otc_From__c": tier.from_quantity,
            "Otc_To__c": tier.to_quantity,
            "Otc_Unit_Price__c": tier.unit_price,
            "Otc_Flat__c": tier.flat,
        }
        for index, tier in enumerate(line.tiers)
    )
    for row in rows:
        _put(org, "Otc_Usage_Tier__c", row)
