"""The order that billing receives, what billing says it will invoice, and what it says it holds."""

from datetime import date

from pydantic import Field

from canonical.base import Model
from canonical.catalog import ChargeType, Frequency, PriceModel, Tier, Timing
from canonical.money import Exact, Money, total
from canonical.party import Contact
from canonical.period import Period


class BillingAccount(Model):
    """The invoice owner in billing. `number` is ours, `account_id` the vendor's."""

    number: str
    name: str
    currency: str
    customer_id: str = Field(description="customer id in the CRM")
    parent_number: str | None = None
    payment_terms: str
    autopay: bool = False
    payment_reference: str | None = Field(default=None, description="opaque token, or None")
    bill_to: Contact
    sold_to: Contact
    vat_id: str | None = None
    bill_cycle_day: int = 1
    account_id: str = ""
    status: str = Field(default="active", description="draft, active, cancelled")


class AccountUse(Model):
    """What else lives on a billing account; an account with any of it is never cancelled."""

    orders: tuple[str, ...] = ()
    subscriptions: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()

    @property
    def unused(self) -> bool:
        """Nothing but the account itself."""
        return not (self.orders or self.subscriptions or self.documents)


class OrderLine(Model):
    """One charge of the order. `lineage_id` is the quote line; `unit_price` is per unit and billing period."""

    lineage_id: str
    kind: str = Field(default="charge", description="charge, discount or rounding")
    product_code: str
    plan_code: str
    charge_code: str
    type: ChargeType
    model: PriceModel
    quantity: Exact
    unit_price: Exact | None = None
    discount_percent: Exact | None = None
    tiers: tuple[Tier, ...] = ()
    unit: str = ""
    frequency: Frequency
    timing: Timing = Timing.ADVANCE
    period: Period


class Residual(Model):
    """What conversion from term prices to period prices left over, and where it was put."""

    lineage_id: str
    amount: Money
    periods: int
    policy: str


class OrderPlan(Model):
    """A new subscription as an order: exactly what preview, draft and comparison all use."""

    order_number: str
    account_number: str
    subscription_number: str
    correlation_id: str
    quote_id: str
    currency: str
    order_date: date
    term: Period
    payment_terms: str
    lines: tuple[OrderLine, ...]
    residuals: tuple[Residual, ...] = ()


class PreviewLine(Model):
    """One item of a previewed invoice. `lineage_id` is None when billing does not tell."""

    lineage_id: str | None
    charge_code: str
    charge_name: str
    kind: str = "charge"
    period: Period
    amount: Money = Field(description="without tax")
    unit_price: Exact | None = None
    quantity: Exact | None = None


class PreviewInvoice(Model):
    """One invoice that billing will make."""

    target_date: date
    lines: tuple[PreviewLine, ...]


class OrderPreview(Model):
    """The invoice plan of an order, to the end of its term."""

    currency: str
    invoices: tuple[PreviewInvoice, ...]

    @property
    def term_total(self) -> Money:
        """Everything that will be invoiced over the term, without tax and usage."""
        return total((line.amount for invoice in self.invoices for line in invoice.lines), self.currency)


class BillingOrder(Model):
    """An order as billing holds it."""

    number: str
    status: str = Field(description="draft, pending, completed, cancelled, scheduled, failed or unknown")
    account_number: str
    subscription_number: str
    term: Period | None
    lines: tuple[OrderLine, ...]


class SubscriptionCharge(Model):
    """A charge of a subscription as billing holds it."""

    charge_number: str
    lineage_id: str
    kind: str = "charge"
    product_code: str
    charge_code: str
    type: ChargeType
    model: PriceModel
    quantity: Exact
    unit_price: Exact | None = None
    discount_percent: Exact | None = None
    tiers: tuple[Tier, ...] = ()
    frequency: Frequency
    period: Period


class BillingSubscription(Model):
    """A subscription as billing holds it."""

    number: str
    status: str = Field(
        description="draft, pending-activation, pending-acceptance, active, suspended, cancelled, expired, unknown"
    )
    version: int
    account_number: str
    order_number: str
    currency: str
    term: Period | None
    charges: tuple[SubscriptionCharge, ...]
