"""Manners: how patiently an activity is called. Named here, so that a story reads as `manner=manners.CRM`.

A role has one task queue, so that a slow system holds up nobody else. A queue's name is made beside the name of the
saga's own queue (`revsaga-core` -> `revsaga-billing`), so that a second stack or a test needs no other setting.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from temporalio.common import RetryPolicy

from canonical.base import Model

# Retrying cannot make a payload smaller (the server itself treats this failure as retryable).
NEVER_AGAIN = ("PayloadsTooLarge", "PayloadValidationError")


class Role(StrEnum):
    """Whose system an activity speaks to; `core` is our own store."""

    CORE = "core"
    CRM = "crm"
    BILLING = "billing"
    PAYMENTS = "payments"
    TAX = "tax"
    ERP = "erp"


PREFIX = "revsaga"
CORE_QUEUE = f"{PREFIX}-{Role.CORE}"


def queue(role: Role, beside: str = CORE_QUEUE) -> str:
    """The task queue of `role` in the installation whose core queue is `beside` (it ends in `-core`)."""
    return f"{beside.removesuffix(f'-{Role.CORE}')}-{role}"


@dataclass(frozen=True)
class Manner:
    """How an activity is called: where, how long one try may take, and how long it is tried again.

    A local manner runs inside the saga's own task: keep it under a second, and give it `tries`, since the budget of a
    local activity never ends its retries. A leased manner has neither tries nor budget: waiting for a lease must not
    spend them, so the activity counts its real tries itself and ends them with a final failure.
    """

    name: str
    role: Role = Role.CORE
    local: bool = False
    attempt: timedelta = timedelta(seconds=60)
    beat: timedelta | None = None
    budget: timedelta | None = timedelta(minutes=15)
    first_gap: timedelta = timedelta(seconds=1)
    longest_gap: timedelta = timedelta(minutes=1)
    tries: int = 0
    leased: bool = False

    def __post_init__(self) -> None:
        if self.local and not self.tries:
            raise ValueError(f"manner {self.name}: a local activity ends its retries by tries only")
        if self.leased and (self.tries or self.budget is not None):
            raise ValueError(f"manner {self.name}: waiting for a lease may spend neither tries nor budget")
        if not self.leased and not self.tries and self.budget is None:
            raise ValueError(f"manner {self.name}: nothing would ever end its retries")

    @property
    def retry(self) -> RetryPolicy:
        """The same as the engine's retry policy."""
        return RetryPolicy(
            initial_interval=self.first_gap,
            backoff_coefficient=2.0,
            maximum_interval=self.longest_gap,
            maximum_attempts=self.tries,
            non_retryable_error_types=list(NEVER_AGAIN),
        )

    def to_undo(self) -> "Manner":
        """The same manner for taking something back: four times as patient before a person is called."""
        if self.leased:
            return self
        return replace(
            self,
            name=f"{self.name}-undo",
            budget=None if self.budget is None else self.budget * 4,
            tries=self.tries * 4,
        )


class Pace(Model):
    """Overrides for one run, carried in its memo under `pace`, so that a replay sees what the run saw."""

    attempt: timedelta | None = None
    beat: timedelta | None = None
    budget: timedelta | None = None
    first_gap: timedelta | None = None
    longest_gap: timedelta | None = None
    tries: int | None = None

    def of(self, manner: Manner) -> Manner:
        """`manner` at this pace. What a manner does not have (a budget, a beat) it does not get."""
        return replace(
            manner,
            attempt=self.attempt or manner.attempt,
            beat=manner.beat and (self.beat or manner.beat),
            budget=manner.budget and (self.budget or manner.budget),
            first_gap=self.first_gap or manner.first_gap,
            longest_gap=self.longest_gap or manner.longest_gap,
            tries=manner.tries and (self.tries or manner.tries),
        )


PACE_MEMO = "pace"

STORE = Manner(
    "store", local=True, attempt=timedelta(seconds=5), tries=20, first_gap=timedelta(milliseconds=200)
)
# A call whose worker was killed is tried again after this, instead of after the whole attempt.
_BEAT = timedelta(seconds=20)
CORE = Manner("core", role=Role.CORE, attempt=timedelta(seconds=30))
CRM = Manner("crm", role=Role.CRM, beat=_BEAT)
BILLING = Manner("billing", role=Role.BILLING, attempt=timedelta(seconds=90), beat=_BEAT)
PAYMENTS = Manner("payments", role=Role.PAYMENTS, beat=_BEAT)
TAX = Manner("tax", role=Role.TAX, beat=_BEAT)
ERP = Manner(
    "erp",
    role=Role.ERP,
    attempt=timedelta(minutes=3),
    beat=timedelta(seconds=30),
    budget=None,
    leased=True,
)
