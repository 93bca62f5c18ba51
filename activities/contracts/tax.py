"""Promises about the tax engine."""

from pydantic import Field
from temporalio import activity

from canonical.base import Model
from canonical.document import DocumentRef


class EstimateTax(Model):
    """Tax of the first invoice of an order."""

    deal: DocumentRef
    plan: DocumentRef
    preview: DocumentRef
    catalog: DocumentRef
    entity: str


class TaxEstimated(Model):
    """The estimate, with the reason of every zero."""

    determination: DocumentRef | None = None
    amount: str
    zero_reasons: tuple[str, ...] = Field(default=(), description="distinct reasons of the lines without tax")
    messages: tuple[str, ...] = ()


@activity.defn
async def estimate_tax(order: EstimateTax) -> TaxEstimated:
    """Estimate without recording a document. A zero that nothing explains is Rejected."""
    raise NotImplementedError
