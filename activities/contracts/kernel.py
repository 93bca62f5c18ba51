"""What the kernel itself asks of the world (cases, the business clock), and the form of every undo and probe."""

from datetime import datetime, timedelta
from typing import Generic, TypeVar

from pydantic import Field
from temporalio import activity

from canonical.base import Model
from canonical.failures import FailureRecord, Owner

A = TypeVar("A")
R = TypeVar("R")


class UndoOf(Model, Generic[A, R]):
    """What an undo is told: the input of the step, and its result if that is known. It may never have happened."""

    input: A
    result: R | None = None
    because: str = Field(
        default="", description="why the saga takes everything back; empty for one step alone"
    )


class Undone(Model):
    """What was read back after an undo."""

    read_back: str = Field(
        description="what the system says now, in words: `cancelled`, `absent`, `unlocked`"
    )
    already_absent: bool = Field(default=False, description="there was nothing to take back")


class Claim(Model, Generic[A, R]):
    """A person says that the step was done by hand, with this result."""

    input: A
    result: R


class Proof(Model):
    """What a probe found of a claimed record."""

    found: bool
    matches: bool = Field(default=False, description="what was found is what the step would have made")
    read_back: str = ""


class OpenCase(Model):
    """A step that needs a person. Workflow id, step, phase and episode name it: asking twice opens one case."""

    workflow_id: str
    saga: str = Field(description="kind of the saga, e.g. `activation`")
    title: str
    correlation_id: str
    customer_id: str = ""
    legal_entity: str = ""
    step: str
    step_title: str
    phase: str = Field(description="do or undo")
    episode: int
    owner: Owner
    failure: FailureRecord
    offers: tuple[str, ...] = Field(description="decisions that are possible now")
    give_up_after: timedelta | None = Field(
        default=None,
        description="business time after which the saga withdraws by itself; the clock must stop there",
    )


class CaseOpened(Model):
    """The case, and the business time at which it was opened."""

    case_id: str
    since: datetime
    give_up_at: datetime | None = None
    simulated: bool = Field(default=False, description="the business clock is moved by hand")


class CaseAnswer(Model):
    """A decision on a case. When it is not final (a skip that a second person must approve) the case stays open."""

    case_id: str
    decision: str = Field(
        description="retry, retry_with, skip_with, unwind; or what the saga did itself: gave-up, withdrawn"
    )
    actor: str
    reason: str
    final: bool = True
    evidence: str = Field(default="", description="what the probe read, or who proposed what was approved")


class RegisterWait(Model):
    """A saga waits for a business time: `due`, or `after` from now. Asking again returns the same wait."""

    workflow_id: str
    wait_id: str
    due: datetime | None = None
    after: timedelta | None = None
    why: str


class EndWait(Model):
    """A wait that ended before its time: the clock need not stop there any more."""

    workflow_id: str
    wait_id: str


class ClockReading(Model):
    """The business time, read in the transaction that registered the wait."""

    now: datetime
    due: datetime
    simulated: bool = False


@activity.defn
async def open_case(case: OpenCase) -> CaseOpened:
    """Open the case, or find it if it is open already; with `give_up_after`, register that wait as well."""
    raise NotImplementedError


@activity.defn
async def resolve_case(answer: CaseAnswer) -> None:
    """Write a decision into the case; a final one closes it and ends its wait. Safe to repeat."""
    raise NotImplementedError


@activity.defn
async def register_wait(wait: RegisterWait) -> ClockReading:
    """Register a wait, so that a clock that is moved by hand stops there and tells the workflow (`clock_moved`)."""
    raise NotImplementedError


@activity.defn
async def end_wait(wait: EndWait) -> None:
    """Forget a wait. Safe to repeat."""
    raise NotImplementedError
