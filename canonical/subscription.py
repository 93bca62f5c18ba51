"""What runs: a subscription as immutable versions, and the only legal moves of its state."""

from datetime import date
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from canonical.base import Model
from canonical.catalog import ChargeType, Frequency
from canonical.money import Exact, Money
from canonical.period import Period
from canonical.states import Machine


class SubscriptionState(StrEnum):
    """Where a subscription stands."""

    PENDING = "pending"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


MACHINE = Machine(
    "subscription",
    {
        "pending": frozenset({"active", "cancelled"}),
        "active": frozenset({"suspended", "cancelled", "expired"}),
        "suspended": frozenset({"active", "cancelled", "expired"}),
        "cancelled": frozenset(),
        "expired": frozenset(),
    },
)


class SubscriptionItem(Model):
    """One charge of a version, with the quote line that it came from."""

    lineage_id: str
    charge_number: str
    product_code: str
    type: ChargeType
    frequency: Frequency
    quantity: Exact
    unit_price: Exact | None = None
    term_total: Money
    period: Period
    obligation: str


class SubscriptionVersion(Model):
    """What is agreed from `effective` on. A change never edits a version, it adds the next."""

    number: int = Field(ge=1)
    effective: date
    cause: str = Field(description="the operation that made this version, e.g. activation/Q-1/r...")
    term: Period
    items: tuple[SubscriptionItem, ...]


class Subscription(Model):
    """All versions of one subscription, oldest first."""

    subscription_number: str
    customer_id: str
    entity: str
    currency: str
    correlation_id: str
    quote_id: str
    state: SubscriptionState = SubscriptionState.PENDING
    versions: tuple[SubscriptionVersion, ...]

    @model_validator(mode="after")
    def _numbered(self) -> Self:
        if [v.number for v in self.versions] != list(range(1, len(self.versions) + 1)):
            raise ValueError("versions are numbered from 1 without a gap")
        return self

    def to(self, state: SubscriptionState) -> "Subscription":
        """The same subscription in `state`. Raises Conflict for an illegal move."""
        return self.model_copy(update={"state": SubscriptionState(MACHINE.move(self.state, state))})

    def with_version(self, version: SubscriptionVersion) -> "Subscription":
        """The same subscription with the next version."""
        return Subscription.model_validate({**self.model_dump(), "versions": (*self.versions, version)})

    def at(self, day: date) -> SubscriptionVersion | None:
        """The version in force on `day`."""
        return max((v for v in self.versions if v.effective <= day), key=lambda v: v.number, default=None)
