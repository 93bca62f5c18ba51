"""What was agreed: the quote with its lines and bundles, and the deal that it belongs to."""

from typing import Self

from pydantic import ConfigDict, Field, model_validator

from canonical.base import Model
from canonical.catalog import ChargeType, Frequency, Tier
from canonical.ids import digest
from canonical.money import Exact, Money
from canonical.party import Parties
from canonical.period import Period


class QuoteLine(Model):
    """One line of a quote. `line_id` is the lineage id that every later form of this line carries.

    `net_unit_price` is the price of one unit for the whole term of the line; `net_total` is what the customer pays for
    the line over its term (zero for usage, whose money is known later); `list_unit_price` is that of a unit for the
    whole term before any discount.
    """

    line_id: str
    number: int = Field(description="display order")
    product_code: str
    product_name: str = ""
    description: str = ""
    parent_line_id: str | None = Field(default=None, description="the bundle that requires this line")
    bundle: bool = Field(default=False, description="is a package of other lines")
    charge_type: ChargeType
    frequency: Frequency
    arrears: bool = False
    quantity: Exact
    list_unit_price: Exact
    net_unit_price: Exact
    discount_percent: Exact = Field(description="percentage points off the list price; 10 is 10 %")
    net_total: Money
    period: Period
    tiers: tuple[Tier, ...] = Field(default=(), description="usage price bands; empty for other charges")
    tier_model: str = Field(default="tiered", description="tiered or volume")
    unit: str = ""
    segment_index: int | None = Field(default=None, description="position in a ramp, from 1")
    segment_key: str | None = Field(default=None, description="shared by the segments of one ramp")


class PaymentInstruction(Model):
    """How the customer pays. References are opaque tokens of the gateway; card data never comes near."""

    # What is refused here may be a card number, and an error must not carry it into a log.
    model_config = ConfigDict(hide_input_in_errors=True)

    autopay: bool = False
    gateway_customer: str | None = None
    payment_method: str | None = None

    @model_validator(mode="after")
    def _no_card(self) -> Self:
        for value in (self.gateway_customer, self.payment_method):
            bare = (value or "").translate({ord(c): None for c in " -."})
            if len(bare) >= 13 and bare.isdigit():
                raise ValueError("a payment reference is an opaque token, never a card number")
        return self


class Quote(Model):
    """A priced offer that a customer accepted. Dates are half-open."""

    quote_id: str
    name: str
    opportunity_id: str
    currency: str
    status: str = Field(description="draft, in-review, approved, accepted, rejected, ...")
    primary: bool
    calculated: bool = Field(description="prices are up to date with the lines")
    period: Period
    payment_terms: str
    purchase_order: str = ""
    payment: PaymentInstruction = PaymentInstruction()
    net_total: Money
    lines: tuple[QuoteLine, ...]
    content_mark: str | None = Field(
        default=None, description="content hash this product wrote on the quote, if any"
    )

    def commercial(self) -> dict[str, object]:
        """What was agreed and nothing else: no time stamps, no states, no field that this product writes."""
        kept = self.model_dump(
            mode="json", exclude={"status", "primary", "calculated", "content_mark", "name"}
        )
        lines = kept["lines"]
        for line in lines:
            del line["number"]
        kept["lines"] = sorted(lines, key=lambda line: str(line["line_id"]))
        return kept


class Opportunity(Model):
    """The deal as sales sees it."""

    opportunity_id: str
    name: str
    won: bool
    customer_id: str
    primary_quote_id: str | None
    contracted: bool = False


class Deal(Model):
    """Everything that activation reads before it acts."""

    opportunity: Opportunity
    quote: Quote
    parties: Parties
    parents: dict[str, str | None] = Field(
        description="account id -> parent id, as far up as it could be read"
    )

    def content(self) -> dict[str, object]:
        """The commercial content: the quote, who buys, and where it is sold and billed to."""
        parties = self.parties.model_dump(mode="json", exclude={"customer": {"ancestors"}})
        return {"quote": self.quote.commercial(), "parties": parties}

    @property
    def revision(self) -> str:
        """First 12 hex digits of the hash of the commercial content."""
        return self.content_hash[:12]

    @property
    def content_hash(self) -> str:
        """Hash of the commercial content; equal content gives an equal hash whatever else moved."""
        return digest(self.content())


class DealRef(Model):
    """A closed-won deal as the watch sees it."""

    opportunity_id: str
    quote_id: str
    modified: str = Field(description="the CRM's time stamp, opaque; only for the cursor")
    approved_at: str | None = Field(default=None, description="ISO 8601, when the CRM knows it")


class DealPage(Model):
    """Deals that changed since a cursor, with the next cursor."""

    deals: tuple[DealRef, ...]
    cursor: str


class QuoteMark(Model):
    """What this product keeps on the quote in the CRM: who holds it, for which content, in which state."""

    operation_id: str
    content_hash: str
    state: str = Field(description="activating, active or empty")
    billing_subscription: str = ""
    erp_document: str = ""
