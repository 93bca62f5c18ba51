"""Promises about the activation itself: its ledger row, validation, turns on an account, its events."""

from datetime import date, datetime

from pydantic import Field
from temporalio import activity

from activities.contracts.kernel import Undone, UndoOf
from canonical.base import Model
from canonical.document import DocumentRef
from canonical.entity import Route
from canonical.failures import Finding


class OpenActivation(Model):
    """A claim on a quote."""

    workflow_id: str
    quote_id: str
    revision: str
    again: int = 0
    actor: str
    reason: str = ""


class ActivationOpened(Model):
    """Whether the claim holds, and what the saga needs to know of the installation."""

    granted: bool
    holder: str = Field(default="", description="the activation that has the quote, when it is not ours")
    holder_state: str = ""
    now: datetime
    waits_for_contract: bool = Field(
        default=False, description="the CRM makes contracts, and the saga keeps their id"
    )
    catalog_patience_hours: int = 72


class ValidateDeal(Model):
    """What is to be validated."""

    deal: DocumentRef
    correlation_id: str
    patient: bool = Field(
        default=False, description="unsynchronised products are answered by `waiting`, not refused"
    )


class Validated(Model):
    """What the rest of the activation stands on. `waiting` when only unsynchronised products are missing."""

    findings: tuple[Finding, ...] = ()
    waiting: bool = False
    route: Route | None = None
    catalog: DocumentRef | None = Field(
        default=None, description="the price list as it was, for all later steps"
    )
    on: date


class TakeTurn(Model):
    """Activations of one account take turns."""

    account: str
    workflow_id: str


class Turn(Model):
    """Whether it is our turn, and whose it is otherwise."""

    granted: bool
    holder: str = ""


class GiveTurn(Model):
    """The turn is given back, or the place in the queue."""

    account: str
    workflow_id: str


class NextTurn(Model):
    """Who is next, if anybody waits."""

    workflow_id: str = ""


class RecordActivation(Model):
    """What the event stream and the cross-reference learn of a finished activation."""

    workflow_id: str
    correlation_id: str
    quote_id: str
    opportunity_id: str
    customer_id: str
    entity: str
    account_number: str
    order_number: str
    subscription_number: str
    subscription: DocumentRef
    deal: DocumentRef
    plan: DocumentRef
    catalog: DocumentRef
    erp_customer: str
    erp_document: str
    crm_contract: str = ""
    tax_estimate: str
    route: Route


class ActivationRecorded(Model):
    """The canonical subscription, for the entity that takes over."""

    subscription: DocumentRef
    events: int


@activity.defn
async def open_activation(claim: OpenActivation) -> ActivationOpened:
    """Claim the quote in the ledger. One live or completed activation for each quote, whatever the revision."""
    raise NotImplementedError


@activity.defn
async def release_claim(undo: UndoOf[OpenActivation, ActivationOpened]) -> Undone:
    """Close the ledger row as unwound, remembered for life. A claim that was not granted is left alone."""
    raise NotImplementedError


@activity.defn
async def validate_deal(order: ValidateDeal) -> Validated:
    """Run every check; Rejected with all findings, unless nothing but the catalog is missing (then `waiting`)."""
    raise NotImplementedError


@activity.defn
async def take_turn(order: TakeTurn) -> Turn:
    """Take the turn on an account, or join the queue."""
    raise NotImplementedError


@activity.defn
async def leave_turn(undo: UndoOf[TakeTurn, Turn]) -> Undone:
    """Give the turn back, or leave the queue, and wake whoever is next."""
    raise NotImplementedError


@activity.defn
async def give_turn(order: GiveTurn) -> NextTurn:
    """Give the turn back and wake whoever is next. Safe to repeat."""
    raise NotImplementedError


@activity.defn
async def record_activation(order: RecordActivation) -> ActivationRecorded:
    """Write events, cross-references, the canonical subscription and the end of the ledger row, in one transaction."""
    raise NotImplementedError
