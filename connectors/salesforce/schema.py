"""Their JSON: the rows that our queries ask for, as loosely as they may come, and their notation.

Unknown fields are kept aside, because the names of custom fields are settings. What a field means stands in
`mapping.py`.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from email.utils import format_datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from canonical.catalog import ChargeType, Frequency
from canonical.failures import Failure, Misconfigured
from connectors.salesforce.settings import SalesforceSettings


def _or(default: Any) -> BeforeValidator:
    return BeforeValidator(lambda value: default if value is None else value)


Text = Annotated[str, _or("")]
Number = Annotated[Decimal, _or(Decimal(0))]
Flag = Annotated[bool, _or(False)]


class Row(BaseModel):
    """A record. `at` reads custom fields and walks lookups."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: str = Field(alias="Id")

    def at(self, path: str) -> Any:
        """The value at a path such as `SBQQ__Product__r.Name`; None where a lookup is empty."""
        found: Any = self.model_extra or {}
        for step in path.split("."):
            found = found.get(step) if isinstance(found, dict) else None
        return found

    def text(self, path: str) -> str:
        """The text at a path; empty for null, for an empty path and for anything that is no text."""
        found = self.at(path) if path else None
        return found if isinstance(found, str) else ""


class OpportunityRow(Row):
    """An opportunity."""

    name: Text = Field(default="", alias="Name")
    account: str | None = Field(default=None, alias="AccountId")
    won: Flag = Field(default=False, alias="IsWon")
    closed: Flag = Field(default=False, alias="IsClosed")
    primary_quote: str | None = Field(default=None, alias="SBQQ__PrimaryQuote__c")
    contracted: Flag = Field(default=False, alias="SBQQ__Contracted__c")
    modstamp: Text = Field(default="", alias="SystemModstamp")


class AccountRow(Row):
    """An account."""

    name: Text = Field(default="", alias="Name")
    parent: str | None = Field(default=None, alias="ParentId")
    person: Flag = Field(default=False, alias="IsPersonAccount")
    tax_exempt: Any = Field(default=None, alias="SBQQ__TaxExempt__c")


class QuoteRow(Row):
    """A CPQ quote. Roll-ups and formulas are read, never reckoned again."""

    name: Text = Field(default="", alias="Name")
    type: Text = Field(default="", alias="SBQQ__Type__c")
    opportunity: str | None = Field(default=None, alias="SBQQ__Opportunity2__c")
    currency: Text = Field(default="", alias="CurrencyIsoCode")
    status: Text = Field(default="", alias="SBQQ__Status__c")
    primary: Flag = Field(default=False, alias="SBQQ__Primary__c")
    uncalculated: Flag = Field(default=False, alias="SBQQ__Uncalculated__c")
    start: date | None = Field(default=None, alias="SBQQ__StartDate__c")
    end: date | None = Field(default=None, alias="SBQQ__EndDate__c")
    term: Decimal | None = Field(default=None, alias="SBQQ__SubscriptionTerm__c")
    frequency: Text = Field(default="", alias="SBQQ__BillingFrequency__c")
    terms: Text = Field(default="", alias="SBQQ__PaymentTerms__c")
    net_amount: Number = Field(default=Decimal(0), alias="SBQQ__NetAmount__c")


class LineRow(Row):
    """A CPQ quote line."""

    number: Number = Field(default=Decimal(0), alias="SBQQ__Number__c")
    product_code: Text = Field(default="", alias="SBQQ__ProductCode__c")
    required_by: str | None = Field(default=None, alias="SBQQ__RequiredBy__c")
    bundle: Flag = Field(default=False, alias="SBQQ__Bundle__c")
    charge_type: Text = Field(default="", alias="SBQQ__ChargeType__c")
    pricing: Text = Field(default="", alias="SBQQ__SubscriptionPricing__c")
    subscription_type: Text = Field(default="", alias="SBQQ__SubscriptionType__c")
    frequency: Text = Field(default="", alias="SBQQ__BillingFrequency__c")
    billing_type: Text = Field(default="", alias="SBQQ__BillingType__c")
    quantity: Number = Field(default=Decimal(0), alias="SBQQ__Quantity__c")
    list_price: Decimal | None = Field(default=None, alias="SBQQ__ListPrice__c")
    prorated_list_price: Decimal | None = Field(default=None, alias="SBQQ__ProratedListPrice__c")
    net_price: Number = Field(default=Decimal(0), alias="SBQQ__NetPrice__c")
    net_total: Number = Field(default=Decimal(0), alias="SBQQ__NetTotal__c")
    discount: Number = Field(default=Decimal(0), alias="SBQQ__Discount__c")
    start: date | None = Field(default=None, alias="SBQQ__EffectiveStartDate__c")
    end: date | None = Field(default=None, alias="SBQQ__EffectiveEndDate__c")
    schedule: Text = Field(default="", alias="SBQQ__DiscountScheduleType__c")
    segment_index: Decimal | None = Field(default=None, alias="SBQQ__SegmentIndex__c")
    segment_key: str | None = Field(default=None, alias="SBQQ__SegmentKey__c")


# Discounts beside the line's own: when one of them is there, the line's own percentage is not the whole story.
OTHER_DISCOUNTS = (
    "SBQQ__AdditionalDiscountAmount__c",
    "SBQQ__VolumeDiscount__c",
    "SBQQ__PartnerDiscount__c",
    "SBQQ__DistributorDiscount__c",
    "SBQQ__OptionDiscount__c",
    "SBQQ__Uplift__c",
    "SBQQ__MarkupRate__c",
)


def names(model: type[Row]) -> tuple[str, ...]:
    """The API names that a row model reads."""
    return tuple(field.alias or name for name, field in model.model_fields.items())


# Notation


def literal(text: str) -> str:
    """`text` as a quoted value in a query."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{escaped}'"


def unreadable(error: ValidationError, what: str) -> Failure:
    """A record whose fields do not have the types that they should have."""
    places = sorted({".".join(str(p) for p in e["loc"]) for e in error.errors()})
    return Misconfigured(
        f"{what} holds values of another type than expected: {', '.join(places)[:200]}",
        code="answer-not-understood",
        field=places[0] if places else None,
        fix="compare the field types in the org with the connector's README",
    )


def moment(stamp: str) -> datetime:
    """The instant of `2026-11-01T10:00:00.000+0000`. Raises Misconfigured for anything else."""
    try:
        return datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S.%f%z").astimezone(UTC)
    except ValueError as error:
        raise Misconfigured(
            f"{stamp!r} is not a time stamp of the data API",
            code="answer-not-understood",
            field="SystemModstamp",
        ) from error


def http_date(stamp: str) -> str:
    """The same instant for `If-Unmodified-Since`: whole seconds, which is all that the header can say."""
    return format_datetime(moment(stamp).replace(microsecond=0), usegmt=True)


def query_time(instant: datetime) -> str:
    """An instant as a literal in a query."""
    # Milliseconds matter: a stamp that is cut would find its own row again, for ever.
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# Queries

CONTACT = ("FirstName", "LastName", "Name", "Email")
ADDRESS = ("Name", "Street", "City", "State", "PostalCode", "Country")


def relation(lookup: str) -> str:
    """The name by which a query walks a custom lookup."""
    return lookup.replace("__c", "__r")


def select(fields: Iterable[str], source: str, where: str = "", tail: str = "") -> str:
    """A query. Names come from code and checked settings, values through `literal`."""
    condition = f" WHERE {where}" if where else ""
    return f"SELECT {', '.join(fields)} FROM {source}{condition} {tail}".strip()  # noqa: S608 -- see above


def quote_query(quote_id: str, s: SalesforceSettings) -> str:
    """A quote with all its lines nested."""
    fields = [n for n in names(QuoteRow) if n != "CurrencyIsoCode" or not s.default_currency]
    fields += [f"SBQQ__{role}{part}__c" for role in ("Billing", "Shipping") for part in ADDRESS]
    fields += [s.field_content_hash, s.field_autopay, s.field_gateway_customer, s.field_payment_method]
    lookups = ["SBQQ__PrimaryContact__c", s.field_bill_to_contact, s.field_sold_to_contact]
    fields += [f"{relation(lookup)}.{name}" for lookup in lookups if lookup for name in CONTACT]
    if s.field_purchase_order:
        fields.append(s.field_purchase_order)
    line = [*names(LineRow), *OTHER_DISCOUNTS, "SBQQ__Product__r.Name"]
    line += [f for f in (s.field_unit, s.field_line_description) if f]
    lines = select(line, "SBQQ__LineItems__r", tail="ORDER BY SBQQ__Number__c, Id")
    return select([*fields, f"({lines})"], "SBQQ__Quote__c", f"Id = {literal(quote_id)}")


def tier_query(quote_id: str, s: SalesforceSettings) -> str:
    """The price bands of a quote's usage lines."""
    fields = ["Id", s.tier_line, s.tier_from, s.tier_to, s.tier_price, s.tier_flat]
    where = f"{relation(s.tier_line)}.SBQQ__Quote__c = {literal(quote_id)}"
    return select(fields, s.tier_object, where, "ORDER BY Id")


# Words of picklists

STATUSES = {
    "Draft": "draft",
    "In Review": "in-review",
    "Approved": "approved",
    "Denied": "denied",
    "Presented": "presented",
    "Accepted": "accepted",
    "Rejected": "rejected",
}
CHARGE_TYPES = {
    "One-Time": ChargeType.ONE_TIME,
    "Recurring": ChargeType.RECURRING,
    "Usage": ChargeType.USAGE,
}
FREQUENCIES = {
    "Monthly": Frequency.MONTHLY,
    "Quarterly": Frequency.QUARTERLY,
    "Semiannual": Frequency.SEMIANNUAL,
    "Annual": Frequency.ANNUAL,
}

# Country and region names that users type into free text fields, beside the ISO codes themselves.


def _words(text: str) -> dict[str, str]:
    pairs = (entry.strip().partition(" ") for entry in text.split(";"))
    return {name: code for code, _, name in pairs}


COUNTRIES = _words(
    "AE united arab emirates; AT austria; AU australia; BE belgium; BG bulgaria; BR brazil; CA canada;"
    "CH switzerland; CN china; CY cyprus; CZ czechia; CZ czech republic; DE germany; DK denmark; EE estonia;"
    "ES spain; FI finland; FR france; GB united kingdom; GB great britain; GB uk; GR greece; HR croatia;"
    "HU hungary; IE ireland; IL israel; IN india; IS iceland; IT italy; JP japan; KR south korea; LT lithuania;"
    "LU luxembourg; LV latvia; MT malta; MX mexico; NL netherlands; NL the netherlands; NO norway;"
    "NZ new zealand; PL poland; PT portugal; RO romania; SA saudi arabia; SE sweden; SG singapore; SI slovenia;"
    "SK slovakia; TR turkey; US united states; US united states of america; US usa; ZA south africa"
)
REGIONS = {
    "US": _words(
        "AL alabama; AK alaska; AZ arizona; AR arkansas; CA california; CO colorado; CT connecticut; DE delaware;"
        "DC district of columbia; FL florida; GA georgia; HI hawaii; ID idaho; IL illinois; IN indiana; IA iowa;"
        "KS kansas; KY kentucky; LA louisiana; ME maine; MD maryland; MA massachusetts; MI michigan;"
        "MN minnesota; MS mississippi; MO missouri; MT montana; NE nebraska; NV nevada; NH new hampshire;"
        "NJ new jersey; NM new mexico; NY new york; NC north carolina; ND north dakota; OH ohio; OK oklahoma;"
        "OR oregon; PA pennsylvania; RI rhode island; SC south carolina; SD south dakota; TN tennessee;"
        "TX texas; UT utah; VT vermont; VA virginia; WA washington; WV west virginia; WI wisconsin; WY wyoming"
    ),
    "CA": _words(
        "AB alberta; BC british columbia; MB manitoba; NB new brunswick; NL newfoundland and labrador;"
        "NS nova scotia; NT northwest territories; NU nunavut; ON ontario; PE prince edward island; QC quebec;"
        "QC québec; SK saskatchewan; YT yukon"
    ),
}
