"""Promises about the ERP: the customer and the contract document. Nothing of this happens before activation holds."""

from datetime import date

from temporalio import activity

from activities.contracts.kernel import Claim, Proof
from canonical.base import Model
from canonical.contract import ErpRef
from canonical.document import DocumentRef
from canonical.entity import Route


class RecordCustomer(Model):
    """Who bought, from which entity."""

    deal: DocumentRef
    route: Route
    correlation_id: str


class RecordContract(Model):
    """What was bought."""

    deal: DocumentRef
    plan: DocumentRef
    catalog: DocumentRef
    route: Route
    customer_external_id: str
    external_id: str
    on: date
    correlation_id: str


@activity.defn
async def record_customer(order: RecordCustomer) -> ErpRef:
    """Create or update the customer by external id, read back."""
    raise NotImplementedError


@activity.defn
async def probe_customer(claim: Claim[RecordCustomer, ErpRef]) -> Proof:
    """Whether the ERP has that customer."""
    raise NotImplementedError


@activity.defn
async def record_contract(order: RecordContract) -> ErpRef:
    """Create or complete the contract document by external id, read back and compare every line."""
    raise NotImplementedError


@activity.defn
async def probe_contract(claim: Claim[RecordContract, ErpRef]) -> Proof:
    """Whether the ERP has that document, with the lines that were agreed."""
    raise NotImplementedError
