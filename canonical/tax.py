"""Tax determination: per line and jurisdiction, with the reason whenever it is zero."""

from datetime import date
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from canonical.base import Model
from canonical.money import Exact, Money, total
from canonical.party import Address


class ZeroReason(StrEnum):
    """Why no tax is due. `unexplained` is a finding, never a reason to go on."""

    NO_NEXUS = "no-nexus"
    EXEMPT = "exempt"
    NOT_TAXABLE = "not-taxable"
    REVERSE_CHARGE = "reverse-charge"
    ZERO_BASE = "zero-base"
    UNEXPLAINED = "unexplained"


class TaxLine(Model):
    """A line to be taxed."""

    lineage_id: str
    amount: Money
    quantity: Exact
    item_code: str
    tax_code: str
    description: str = ""


class TaxRequest(Model):
    """A document to be taxed."""

    document_code: str
    company: str = Field(description="company code in the tax engine")
    entity: str
    customer_code: str
    on: date
    currency: str
    ship_from: Address
    ship_to: Address
    vat_id: str | None = None
    exemption_number: str | None = None
    lines: tuple[TaxLine, ...]


class TaxRow(Model):
    """Tax of one line in one jurisdiction. `rate` is a fraction (0.06 is 6 %)."""

    jurisdiction_type: str = Field(description="country, state, county, city or special")
    jurisdiction_code: str
    jurisdiction_name: str
    tax_name: str
    rate: Exact
    base: Money
    amount: Money
    non_taxable: Money


class LineTax(Model):
    """Tax of one line. The rows sum to the amount."""

    lineage_id: str
    amount: Money
    rows: tuple[TaxRow, ...]
    zero_reason: ZeroReason | None = None
    tax_code: str = Field(default="", description="the code that the engine applied")
    inclusive: bool = Field(default=False, description="the line's amount already contains this tax")
    exempt: Money | None = Field(default=None, description="what was exempted, when the engine tells")

    @model_validator(mode="after")
    def _rows_sum(self) -> Self:
        if total((row.amount for row in self.rows), self.amount.currency) != self.amount:
            raise ValueError(f"the tax rows of line {self.lineage_id} do not sum to its tax")
        return self


class TaxDetermination(Model):
    """What the tax engine decided. An estimate has no document."""

    company: str
    currency: str
    on: date
    recorded: bool = False
    document_id: str | None = None
    lines: tuple[LineTax, ...]
    messages: tuple[str, ...] = Field(
        default=(), description="texts that must be printed, e.g. reverse charge"
    )
    evidence: str = Field(default="", description="hash of the engine's whole answer")

    @property
    def amount(self) -> Money:
        """The tax of the document."""
        return total((line.amount for line in self.lines), self.currency)


class Nexus(Model):
    """A place where an entity must collect tax, from a day on."""

    country: str
    region: str = ""
    tax: str = Field(description="sales or vat")
    effective_from: date
    effective_to: date | None = None


class AddressCheck(Model):
    """What the tax engine says of an address."""

    resolved: bool
    quality: str = ""
    problems: tuple[str, ...] = ()
    normalised: Address | None = None
