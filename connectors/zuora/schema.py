"""Their JSON, as far as it is read. Unknown fields are ignored, unknown enumeration values are kept as text."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from canonical import party
from canonical.catalog import ChargeType, Frequency, PriceModel, Tier, Timing
from canonical.period import Period, add_months

PERIODS = {
    Frequency.MONTHLY: "Month",
    Frequency.QUARTERLY: "Quarter",
    Frequency.SEMIANNUAL: "Semi_Annual",
    Frequency.ANNUAL: "Annual",
    Frequency.ONCE: "Subscription_Term",
}
FREQUENCIES = {wire: ours for ours, wire in PERIODS.items()}
TIMINGS = {Timing.ADVANCE: "IN_ADVANCE", Timing.ARREARS: "IN_ARREARS"}
PRICING = {
    (ChargeType.RECURRING, PriceModel.FLAT): "recurringFlatFee",
    (ChargeType.RECURRING, PriceModel.PER_UNIT): "recurringPerUnit",
    (ChargeType.RECURRING, PriceModel.TIERED): "recurringTiered",
    (ChargeType.RECURRING, PriceModel.VOLUME): "recurringVolume",
    (ChargeType.ONE_TIME, PriceModel.FLAT): "oneTimeFlatFee",
    (ChargeType.ONE_TIME, PriceModel.PER_UNIT): "oneTimePerUnit",
    (ChargeType.ONE_TIME, PriceModel.TIERED): "oneTimeTiered",
    (ChargeType.ONE_TIME, PriceModel.VOLUME): "oneTimeVolume",
    (ChargeType.USAGE, PriceModel.FLAT): "usageFlatFee",
    (ChargeType.USAGE, PriceModel.PER_UNIT): "usagePerUnit",
    (ChargeType.USAGE, PriceModel.TIERED): "usageTiered",
    (ChargeType.USAGE, PriceModel.VOLUME): "usageVolume",
}
KINDS = {wire: ours for ours, wire in PRICING.items()}
DISCOUNTS = {PriceModel.DISCOUNT_PERCENT: "discountPercentage", PriceModel.DISCOUNT_AMOUNT: "discountAmount"}
TYPES = {"OneTime": ChargeType.ONE_TIME, "Recurring": ChargeType.RECURRING, "Usage": ChargeType.USAGE}
MODELS = {
    "FlatFee": PriceModel.FLAT,
    "PerUnit": PriceModel.PER_UNIT,
    "Tiered": PriceModel.TIERED,
    "Volume": PriceModel.VOLUME,
    "DiscountPercentage": PriceModel.DISCOUNT_PERCENT,
    "DiscountFixedAmount": PriceModel.DISCOUNT_AMOUNT,
}
ORDER_STATES = frozenset("draft pending completed cancelled scheduled failed".split())
SUBSCRIPTION_STATES = frozenset(
    "draft pending-activation pending-acceptance active suspended cancelled expired".split()
)
NO_FIRST_NAME = "-"
"""Sent where we have no first name: theirs is never empty."""


def state(text: str, known: frozenset[str]) -> str:
    """A status in our spelling, or `unknown`: a word we do not know is neither done nor failed."""
    word = "-".join(text.lower().replace("_", " ").split())
    return word if word in known else "unknown"


class Wire(BaseModel):
    """A part of an answer: camelCase names, tolerant of more."""

    model_config = ConfigDict(frozen=True, extra="allow", alias_generator=to_camel, populate_by_name=True)

    def custom(self, name: str) -> str | None:
        """A custom field, which comes inline or inside `customFields`; blank counts as absent."""
        extra: dict[str, Any] = self.model_extra or {}
        inner = extra.get("customFields")
        found = extra.get(name)
        if found is None and isinstance(inner, dict):
            found = inner.get(name)
        return None if found is None or found == "" else str(found)


def _number(value: object) -> object:
    """Some amounts come as strings; empty means none."""
    return None if value == "" else value


def _list(value: object) -> object:
    return () if value is None else value


Number = Annotated[Decimal | None, BeforeValidator(_number)]


class Reason(Wire):
    """Why something failed. The code is six digits of resource and two of category."""

    code: int | str = ""
    message: str = ""


class Contact(Wire):
    """A person at an address."""

    first_name: str | None = None
    last_name: str | None = None
    work_email: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    state: str | None = None
    zip_code: str | None = None
    country: str | None = None

    def ours(self) -> party.Contact:
        """The contact in our words."""
        first = self.first_name or ""
        return party.Contact(
            first_name="" if first == NO_FIRST_NAME else first,
            last_name=self.last_name or "",
            email=self.work_email or "",
            address=party.Address(
                line1=self.address1 or "",
                line2=self.address2 or "",
                city=self.city or "",
                region=self.state or "",
                postal_code=self.zip_code or "",
                country=self.country or "",
            ),
        )


class BasicInfo(Wire):
    """Head of an account. Only the parent's id is told, never its number."""

    id: str
    account_number: str
    name: str
    status: str = ""
    crm_id: str | None = None
    parent_id: str | None = None


class BillingAndPayment(Wire):
    """How an account is billed."""

    currency: str
    auto_pay: bool | None = None
    bill_cycle_day: int | None = None
    payment_term: str | None = None


class TaxInfo(Wire):
    """Tax numbers of an account."""

    vat_id: str | None = Field(default=None, validation_alias=AliasChoices("VATId", "vatId"))


class Account(Wire):
    """GET /v1/accounts/{key}."""

    basic_info: BasicInfo
    billing_and_payment: BillingAndPayment
    bill_to_contact: Contact | None = None
    sold_to_contact: Contact | None = None
    tax_info: TaxInfo | None = None


class WireTier(Wire):
    """A price band."""

    starting_unit: Decimal = Decimal(0)
    ending_unit: Number = None
    price: Decimal
    price_format: str = "PerUnit"

    def ours(self) -> Tier:
        """The band in our words."""
        return Tier(
            from_quantity=self.starting_unit,
            to_quantity=self.ending_unit,
            unit_price=self.price,
            flat=self.price_format.replace(" ", "") == "FlatFee",
        )


class Pricing(Wire):
    """One way of pricing; which fields count depends on the key it stands under."""

    list_price: Number = None
    quantity: Number = None
    uom: str | None = None
    tiers: Annotated[tuple[WireTier, ...], BeforeValidator(_list)] = ()
    discount_percentage: Number = None
    discount_amount: Number = None


class Trigger(Wire):
    """When a charge begins."""

    trigger_event: str | None = None
    specific_trigger_date: date | None = None


class End(Wire):
    """When a charge ends."""

    end_date_condition: str | None = None
    specific_end_date: date | None = None


class BillingRule(Wire):
    """Billing period and timing of a charge."""

    billing_period: str | None = None
    billing_timing: str | None = None


class ChargeOverride(Wire):
    """A charge of an order. Answers spell the id `productRateplanChargeId`, requests `productRatePlanChargeId`."""

    product_rate_plan_charge_id: str = Field(
        validation_alias=AliasChoices("productRatePlanChargeId", "productRateplanChargeId")
    )
    charge_number: str | None = None
    unique_token: str | None = None
    pricing: dict[str, Pricing | None] | None = None
    billing: BillingRule | None = None
    start_date: Trigger | None = None
    end_date: End | None = None


class RatePlanOverride(Wire):
    """A plan of an order."""

    product_rate_plan_id: str
    unique_token: str | None = None
    charge_overrides: Annotated[tuple[ChargeOverride, ...], BeforeValidator(_list)] = ()


class InitialTerm(Wire):
    """First term of a subscription."""

    start_date: date | None = None
    period: int | None = None
    period_type: str | None = None
    term_type: str | None = None

    def ours(self) -> Period | None:
        """Half-open; None for a term without end or in units that we do not know."""
        if self.start_date is None or not self.period or self.term_type == "EVERGREEN":
            return None
        months = {"Month": 1, "Year": 12}.get(self.period_type or "")
        days = {"Day": 1, "Week": 7}.get(self.period_type or "")
        if months:
            return Period(start=self.start_date, end=add_months(self.start_date, months * self.period))
        if days:
            return Period(start=self.start_date, end=self.start_date + timedelta(days=days * self.period))
        return None


class Terms(Wire):
    """Terms of a subscription."""

    initial_term: InitialTerm | None = None


class CreateSubscription(Wire):
    """Body of the order action of that name."""

    subscription_number: str | None = None
    terms: Terms | None = None
    subscribe_to_rate_plans: Annotated[tuple[RatePlanOverride, ...], BeforeValidator(_list)] = ()


class OrderAction(Wire):
    """One action of an order."""

    type: str = ""
    sequence: int | None = None
    create_subscription: CreateSubscription | None = None


class OrderSubscription(Wire):
    """The actions of an order on one subscription."""

    subscription_number: str | None = None
    order_actions: Annotated[tuple[OrderAction, ...], BeforeValidator(_list)] = ()


class Order(Wire):
    """An order in whatever state."""

    order_number: str
    status: str = ""
    currency: str | None = None
    existing_account_number: str | None = None
    subscriptions: Annotated[tuple[OrderSubscription, ...], BeforeValidator(_list)] = ()


class PreviewItem(Wire):
    """One line of a previewed document. `service_end_date` is the last day served."""

    charge_name: str = ""
    charge_number: str | None = None
    applied_to_charge_number: str | None = None
    product_rate_plan_charge_id: str | None = None
    processing_type: str = "Charge"
    service_start_date: date
    service_end_date: date
    amount_without_tax: Decimal
    unit_price: Number = None
    additional_info: dict[str, Any] | None = None


class PreviewDocument(Wire):
    """One previewed invoice, or credit memo where an invoice would be below zero."""

    target_date: date
    items: Annotated[tuple[PreviewItem, ...], BeforeValidator(_list)] = Field(
        default=(), validation_alias=AliasChoices("invoiceItems", "creditMemoItems")
    )


class PreviewResult(Wire):
    """Documents of a preview."""

    invoices: Annotated[tuple[PreviewDocument, ...], BeforeValidator(_list)] = ()
    credit_memos: Annotated[tuple[PreviewDocument, ...], BeforeValidator(_list)] = ()


class RatePlanCharge(Wire):
    """A charge of a subscription. Its dates are half-open."""

    number: str
    product_rate_plan_charge_id: str
    type: str = ""
    model: str = ""
    price: Number = None
    quantity: Number = None
    discount_percentage: Number = None
    discount_amount: Number = None
    tiers: Annotated[tuple[WireTier, ...], BeforeValidator(_list)] = ()
    billing_period: str | None = None
    effective_start_date: date
    effective_end_date: date | None = None
    currency: str | None = None


class RatePlan(Wire):
    """A plan of a subscription."""

    product_rate_plan_id: str
    product_sku: str | None = None
    last_change_type: str | None = None
    rate_plan_charges: Annotated[tuple[RatePlanCharge, ...], BeforeValidator(_list)] = ()


class Subscription(Wire):
    """The newest version of a subscription."""

    subscription_number: str
    status: str = ""
    version: int = 1
    account_number: str = ""
    order_number: str | None = None
    currency: str | None = None
    term_start_date: date | None = None
    term_end_date: date | None = None
    rate_plans: Annotated[tuple[RatePlan, ...], BeforeValidator(_list)] = ()


class Document(Wire):
    """An invoice or memo of an account; only that it exists matters here."""

    id: str
    document_number: str | None = None


class CatalogCharge(Wire):
    """A charge on the price list."""

    id: str
    name: str = ""
    product_rate_plan_charge_number: str | None = None


class CatalogPlan(Wire):
    """A plan on the price list."""

    id: str
    name: str = ""
    status: str | None = None
    product_rate_plan_number: str | None = None
    product_rate_plan_charges: Annotated[tuple[CatalogCharge, ...], BeforeValidator(_list)] = ()


class CatalogProduct(Wire):
    """A product on the price list."""

    id: str
    sku: str = ""
    name: str = ""
    product_rate_plans: Annotated[tuple[CatalogPlan, ...], BeforeValidator(_list)] = ()
