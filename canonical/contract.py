"""What the ERP learns: the customer and the contract document whose lines later invoices will bill."""

from datetime import date

from pydantic import Field

from canonical.base import Model
from canonical.entity import Segments
from canonical.money import Exact, Money
from canonical.party import Address
from canonical.period import Period


class ErpCustomer(Model):
    """A customer as the ERP receives it. `external_id` is ours and is the upsert key."""

    external_id: str
    name: str
    entity: str
    currency: str
    payment_terms: str
    email: str = ""
    address: Address
    vat_id: str | None = None


class ContractLine(Model):
    """One obligation of the contract document."""

    lineage_id: str
    line_no: int
    product_code: str
    description: str
    quantity: Exact
    amount: Money
    period: Period
    charge_type: str
    obligation: str = Field(description="performance obligation reference")
    pattern: str
    ssp: Money | None = None
    allocated: Money
    segments: Segments


class ContractDocument(Model):
    """The contract in financial form: one line for each obligation."""

    external_id: str
    customer_external_id: str
    entity: str
    currency: str
    on: date
    term: Period
    payment_terms: str
    purchase_order: str = ""
    correlation_id: str
    subscription_number: str
    quote_id: str
    lines: tuple[ContractLine, ...]


class ErpRef(Model):
    """A record in the ERP: its own id, our external id, its number and state."""

    kind: str
    erp_id: str
    external_id: str
    number: str = ""
    status: str = ""
