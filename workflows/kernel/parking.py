"""Parking: a step that needs a person, what may be decided about it, and by whom."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError

from activities.contracts.kernel import Undone
from canonical.base import Model
from canonical.failures import Kind, Owner
from workflows.kernel.reading import Caught
from workflows.kernel.step import AnyStep, StepKind


class SagaState(StrEnum):
    """What a saga is doing, as lists show it."""

    RUNNING = "running"
    WAITING = "waiting"
    PARKED = "parked"
    UNWINDING = "unwinding"
    UNWOUND = "unwound"
    DONE = "done"


class Phase(StrEnum):
    """Whether a step was being done or taken back."""

    DO = "do"
    UNDO = "undo"


class Decision(StrEnum):
    """What a person may decide about a parked step."""

    RETRY = "retry"
    RETRY_WITH = "retry_with"
    SKIP_WITH = "skip_with"
    UNWIND = "unwind"


class Resolution(Model):
    """A decision about a parked step. `input` and `result` are JSON text, so that no number is bent on the way."""

    decision: Decision
    actor: str = Field(min_length=1)
    reason: str = Field(min_length=1)
    step: str | None = Field(default=None, description="needed only when several steps are parked")
    case_id: str | None = Field(
        default=None, description="when given, must be the open case: guards against a stale answer"
    )
    input: str | None = Field(default=None, description="retry_with: the corrected input, as JSON text")
    result: str | None = Field(
        default=None, description="skip_with: the record that was made by hand, as JSON text"
    )


class CancelRequest(Model):
    """Please stop at the next boundary and take everything back."""

    actor: str = Field(min_length=1)
    reason: str = Field(min_length=1)


class Answered(Model):
    """An answer was taken down; what comes of it is seen in the state."""

    text: str


@dataclass
class Entry:
    """A step of this run. It is registered before the step is tried, since a lost answer may hide a done deed."""

    step: AnyStep
    input: Any
    edition: int = 0
    batch: int = 0
    status: str = "running"
    sent: bool = False
    result: Any = None
    undone: Undone | None = None

    @property
    def owes_undo(self) -> bool:
        """Something may have to be taken back."""
        return self.step.undo is not None and self.sent and self.undone is None

    def activity_id(self, phase: str) -> str:
        """`{step}/{do|undo}`, with `/e{n}` only after a person edited the input."""
        return f"{self.step.name}/{phase}" + (f"/e{self.edition}" if self.edition else "")


@dataclass
class Park:
    """A parked step while it waits."""

    entry: Entry
    phase: Phase
    caught: Caught
    episode: int
    owner: Owner
    offers: tuple[Decision, ...]
    since: datetime
    give_up_after: timedelta | None
    withdrawable: bool
    case_id: str = ""
    give_up_at: datetime | None = None
    answer: Resolution | None = None
    proposal: Resolution | None = None
    notes: list[str] = field(default_factory=list)

    def refusal(self, asked: Resolution) -> str | None:
        """Why this decision cannot be taken now, or None."""
        step = self.entry.step
        if asked.case_id and asked.case_id != self.case_id:
            return (
                f"case {asked.case_id} is not the open case of {step.name}: {self.case_id or 'being opened'}"
            )
        if self.answer is not None:
            return f"{self.answer.actor} has just answered `{self.answer.decision}`, and that is being carried out"
        if asked.decision not in self.offers:
            return f"`{asked.decision}` is not possible for {step.name}: {self.why_not(asked.decision)}"
        if asked.decision is Decision.RETRY_WITH:
            return _misfit("input", asked.input, input_type(step))
        if asked.decision is Decision.SKIP_WITH:
            return self._refuse_skip(asked)
        return None

    def _refuse_skip(self, asked: Resolution) -> str | None:
        if self.proposal is None:
            return _misfit("result", asked.result, self.brings())
        if asked.actor == self.proposal.actor:
            return f"{asked.actor} proposed this skip; somebody else must approve it"
        if asked.result is not None and json.loads(asked.result) != json.loads(
            self.proposal.result or "null"
        ):
            return f"this is not the result that {self.proposal.actor} proposed: approve that one or decide otherwise"
        return None

    def brings(self) -> Any:
        """What a skip must bring: the result of the step, or what was read back after an undo."""
        return Undone if self.phase is Phase.UNDO else result_type(self.entry.step)

    def why_not(self, decision: Decision) -> str:
        """Why a decision is not on offer, in words."""
        step = self.entry.step
        if decision is Decision.UNWIND:
            if self.phase is Phase.UNDO:
                return "it is being taken back already"
            if step.kind is StepKind.PIVOT:
                return f"{step.title} may have happened; retry it, or skip it with the record that proves it"
            return "the point of no return is passed; retry it, and amend afterwards"
        if decision is Decision.RETRY_WITH:
            if self.phase is Phase.UNDO or step.do is None:
                return "it has no input to edit"
            return "the first try may have happened and nothing could take it back; retry, or skip with the record"
        return "a comparison without an agreed way out cannot be skipped; retry or unwind"


def offers(
    step: AnyStep, phase: Phase, caught: Caught, *, forward_only: bool, acceptable: bool
) -> tuple[Decision, ...]:
    """What a person may decide about a step that failed so. `acceptable`: a comparison has a result to go on with."""
    if phase is Phase.UNDO:
        return (Decision.RETRY, Decision.SKIP_WITH)
    found = [Decision.RETRY]
    if step.do is not None and (step.undo is not None or caught.certain):
        found.append(Decision.RETRY_WITH)
    if step.do is not None or acceptable:
        found.append(Decision.SKIP_WITH)
    if may_withdraw(step, caught, forward_only=forward_only):
        found.append(Decision.UNWIND)
    return tuple(found)


def may_withdraw(step: AnyStep, caught: Caught, *, forward_only: bool) -> bool:
    """Everything can still be taken back: the pivot is ahead, or certainly did not happen."""
    return not forward_only and (step.kind is not StepKind.PIVOT or caught.certain)


def patience(step: AnyStep, caught: Caught, *, withdrawable: bool) -> timedelta | None:
    """How long a parked step waits before the saga withdraws by itself. A set-up that is wrong is never a reason to."""
    if not withdrawable or caught.record.kind is Kind.MISCONFIGURED:
        return None
    return step.park_for


def decoded(kind: Any, text: str | None) -> Any:
    """JSON text as the contract's type."""
    return TypeAdapter(kind).validate_json(text if text is not None else "null")


def _misfit(what: str, text: str | None, kind: Any) -> str | None:
    if text is None and kind is not type(None):
        return f"the {what} is missing"
    try:
        decoded(kind, text)
    except ValidationError as problem:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc']) or what}: {fault['msg']}"
            for fault in problem.errors()[:5]
        )
        return f"the {what} does not fit: {faults}"
    return None


def input_type(step: AnyStep) -> Any:
    """What the contract of a step takes."""
    hints = get_type_hints(step.do)
    return next(kind for name, kind in hints.items() if name != "return")


def result_type(step: AnyStep) -> Any:
    """What the contract of a step gives."""
    return type(None) if step.do is None else get_type_hints(step.do).get("return", Any)
