"""AvaTax's JSON, as far as this adapter reads it. Unknown members are ignored; absent ones stay empty.

Amounts arrive as numbers or as strings and are Decimals either way.
"""

from decimal import Decimal
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Wire(BaseModel):
    """A member of an answer: camelCase on the wire, tolerant of what is new."""

    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=to_camel, populate_by_name=True)


Item = TypeVar("Item", bound=Wire)


class Page(Wire, Generic[Item]):
    """One page of a list."""

    recordset_count: int | None = Field(default=None, alias="@recordsetCount")
    value: tuple[Item, ...] = ()
    next_link: str | None = Field(default=None, alias="@nextLink")


class Ping(Wire):
    """The answer to a ping, which is 200 whatever the credential is worth."""

    version: str = ""
    authenticated: bool = False
    authentication_type: str = "None"
    authenticated_account_id: int | None = None


class Company(Wire):
    """A company of the account."""

    id: int
    company_code: str
    name: str = ""


class NexusRow(Wire):
    """A place where a company collects. `endDate` is the last day, inclusive."""

    country: str = ""
    region: str | None = None
    effective_date: str | None = None
    end_date: str | None = None
    nexus_type_id: str | None = None
    nexus_tax_type_group: str | None = None


class TaxCode(Wire):
    """A kind of product in the vendor's list."""

    tax_code: str
    description: str | None = None
    is_active: bool = True


class Message(Wire):
    """What is wrong with an address."""

    summary: str | None = None
    details: str | None = None
    refers_to: str | None = None
    severity: str | None = None


class WireAddress(Wire):
    """An address as the post writes it."""

    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    region: str | None = None
    country: str | None = None
    postal_code: str | None = None


class Resolution(Wire):
    """What became of an address: 200 even when nothing was found."""

    address: WireAddress | None = None
    validated_addresses: tuple[WireAddress, ...] = ()
    resolution_quality: str | None = None
    messages: tuple[Message, ...] = ()


class Detail(Wire):
    """Tax of one line in one jurisdiction."""

    country: str = ""
    region: str | None = None
    juris_code: str | None = None
    juris_name: str | None = None
    juris_type: str | None = None
    jurisdiction_type: str | None = None
    tax_name: str | None = None
    rate: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)
    taxable_amount: Decimal = Decimal(0)
    non_taxable_amount: Decimal = Decimal(0)
    non_taxable_type: str | None = None
    exempt_amount: Decimal = Decimal(0)


class Line(Wire):
    """One taxed line."""

    line_number: str
    line_amount: Decimal = Decimal(0)
    tax: Decimal
    taxable_amount: Decimal = Decimal(0)
    exempt_amount: Decimal | None = None
    tax_code: str | None = None
    tax_included: bool = False
    is_item_taxable: bool | None = None
    details: tuple[Detail, ...] = ()


class InvoiceMessage(Wire):
    """A sentence that the law wants on the invoice."""

    content: str = ""
    line_numbers: tuple[str, ...] | None = None


class Transaction(Wire):
    """A taxed document. `id` is 0 when it was not recorded."""

    id: int | None = None
    code: str | None = None
    type: str | None = None
    currency_code: str | None = None
    total_tax: Decimal
    lines: tuple[Line, ...] = ()
    invoice_messages: tuple[InvoiceMessage, ...] | None = None
