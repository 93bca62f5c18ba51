"""Promises about billing: the account, its payment reference, the order and the subscription."""

from datetime import date

from pydantic import Field
from temporalio import activity

from activities.contracts.kernel import Claim, Proof, Undone, UndoOf
from canonical.base import Model
from canonical.document import DocumentRef


class OpenAccount(Model):
    """The invoice owner of a deal."""

    deal: DocumentRef
    workflow_id: str
    correlation_id: str


class AccountOpened(Model):
    """The account to use. `created` is true only if this saga made it."""

    number: str
    created: bool


class AttachPayment(Model):
    """An opaque payment reference for an account; never card data."""

    account_number: str
    reference: str
    correlation_id: str


class PaymentAttached(Model):
    """What stood there before."""

    former: str | None = None


class PreviewOrder(Model):
    """Plan the order of a deal and ask billing what it will invoice."""

    deal: DocumentRef
    catalog: DocumentRef
    entity: str
    account_number: str
    order_number: str
    subscription_number: str
    correlation_id: str
    on: date


class OrderPreviewed(Model):
    """The plan and the invoice plan."""

    plan: DocumentRef
    preview: DocumentRef
    term_total: str
    invoices: int
    residuals: int = Field(description="lines whose price left a rounding residual")


class DraftOrder(Model):
    """Create the previewed order."""

    plan: DocumentRef
    order_number: str
    correlation_id: str


class OrderDrafted(Model):
    """The order as billing holds it."""

    order: DocumentRef
    order_number: str
    status: str


class CompareOrder(Model):
    """What was agreed, planned, previewed and drafted."""

    deal: DocumentRef
    plan: DocumentRef
    preview: DocumentRef
    order: DocumentRef


class Compared(Model):
    """How many fields were compared and found equal."""

    lines: int
    total: str


class ActivateOrder(Model):
    """The point of no return."""

    plan: DocumentRef
    order_number: str
    correlation_id: str


class OrderActivated(Model):
    """What billing says of the order now."""

    order_number: str
    status: str


class ReadSubscription(Model):
    """Which subscription, and what it must be."""

    plan: DocumentRef
    subscription_number: str


class SubscriptionRead(Model):
    """The subscription as billing holds it, equal to the plan."""

    subscription: DocumentRef
    number: str
    version: int
    status: str


@activity.defn
async def open_account(order: OpenAccount) -> AccountOpened:
    """Find or create the billing account, automatic payment off."""
    raise NotImplementedError


@activity.defn
async def close_account(undo: UndoOf[OpenAccount, AccountOpened]) -> Undone:
    """Cancel the account if this saga made it and nothing else uses it; otherwise leave it and say so."""
    raise NotImplementedError


@activity.defn
async def attach_payment(order: AttachPayment) -> PaymentAttached:
    """Store the payment reference on the account."""
    raise NotImplementedError


@activity.defn
async def restore_payment(undo: UndoOf[AttachPayment, PaymentAttached]) -> Undone:
    """Put back the reference that stood there before."""
    raise NotImplementedError


@activity.defn
async def preview_order(order: PreviewOrder) -> OrderPreviewed:
    """Plan the order and preview it to the end of its term. Creates nothing."""
    raise NotImplementedError


@activity.defn
async def draft_order(order: DraftOrder) -> OrderDrafted:
    """Create the order as a draft (or pending, where the tenant activates by dates), read back."""
    raise NotImplementedError


@activity.defn
async def withdraw_order(undo: UndoOf[DraftOrder, OrderDrafted]) -> Undone:
    """Cancel or delete the order; it must read cancelled or absent."""
    raise NotImplementedError


@activity.defn
async def compare_order(order: CompareOrder) -> Compared:
    """Compare the draft and its invoice plan with the quote; Rejected `not-as-agreed` lists every difference."""
    raise NotImplementedError


@activity.defn
async def activate_order(order: ActivateOrder) -> OrderActivated:
    """Activate the order."""
    raise NotImplementedError


@activity.defn
async def probe_activation(claim: Claim[ActivateOrder, OrderActivated]) -> Proof:
    """Whether the order reads completed."""
    raise NotImplementedError


@activity.defn
async def read_subscription(order: ReadSubscription) -> SubscriptionRead:
    """Read the subscription back: active, same charges, same dates; otherwise Rejected `not-as-agreed`."""
    raise NotImplementedError
