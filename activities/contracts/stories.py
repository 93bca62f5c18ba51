"""Sagas that start one another know only this: the name of a workflow, what it is given and what it answers."""

from pydantic import Field

from canonical.base import Model
from canonical.document import DocumentRef
from canonical.subscription import SubscriptionState

ACTIVATE_QUOTE = "ActivateQuote"
SUBSCRIPTION = "Subscription"
WATCH_DEALS = "WatchDeals"


class ActivationOrder(Model):
    """What starts an activation. The workflow id is `activation/{quote_id}/r{revision}[/n{again}]`."""

    quote_id: str
    revision: str
    again: int = Field(default=0, description="0, or k for the k-th repetition that a person asked for")
    actor: str
    reason: str = ""


class ActivationResult(Model):
    """How it ended, when it was not unwound."""

    outcome: str = Field(description="activated, or refused when another activation has the quote")
    holder: str = ""
    subscription_number: str = ""
    erp_document: str = ""


class Operation(Model):
    """Something to be done to a subscription. The same id with the same content is the same operation."""

    operation_id: str = Field(min_length=1, max_length=80)
    kind: str
    against_version: int = Field(ge=1, description="the version that the caller had seen")
    content: DocumentRef
    actor: str = Field(min_length=1)
    reason: str = ""


class Ticket(Model):
    """What a caller gets at once. The result is read by it later."""

    operation_id: str
    place: int = Field(description="how many operations are before it, 0 when it is the next or running")
    repeated: bool = Field(default=False, description="the operation was known already")


class OperationEnded(Model):
    """An operation reports back."""

    operation_id: str
    outcome: str = Field(description="applied, refused or unwound")
    state: SubscriptionState | None = None
    version: int | None = None
    subscription: DocumentRef | None = None


class EntityState(Model):
    """Everything that an entity carries into its next run."""

    subscription_number: str
    subscription: DocumentRef
    state: SubscriptionState = SubscriptionState.ACTIVE
    version: int = 1
    queue: tuple[Operation, ...] = ()
    running: str | None = None
    known: dict[str, str] = Field(
        default_factory=dict, description="operation id -> hash of its content, newest last"
    )


class SubscriptionView(Model):
    """The entity as people see it."""

    subscription_number: str
    state: SubscriptionState
    version: int
    running: str | None
    queued: tuple[str, ...]
