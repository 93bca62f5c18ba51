"""Reading a failure back: from what the engine hands a saga to the failure that the world reported."""

from dataclasses import dataclass

from pydantic import ValidationError
from temporalio import exceptions
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    CancelledError,
    FailureError,
    TimeoutType,
)

from activities.contracts.manners import NEVER_AGAIN
from canonical.case import route_case
from canonical.failures import FailureRecord, Kind, Owner

_KINDS = frozenset(kind.value for kind in Kind)
_NOTHING_HAPPENED = frozenset({Kind.TRANSIENT, Kind.REJECTED, Kind.CONFLICT, Kind.MISCONFIGURED})
_REFERENCE = "pass a reference to the content, not the content itself"


@dataclass(frozen=True)
class Caught:
    """A failure, and whether it is certain that nothing happened."""

    record: FailureRecord
    certain: bool

    def owner(self, of_step: Owner) -> Owner:
        """Who can do something about it: by the routing table; without a row, the step's owner for a refusal."""
        routed = route_case(self.record.code, self.record.findings)
        if routed.rule:
            return routed.owner
        return of_step if self.record.kind in {Kind.REJECTED, Kind.CONFLICT} else Owner.INTEGRATION


def caught(record: FailureRecord) -> Caught:
    """What a failure that was raised inside a saga means."""
    return Caught(record, certain=record.kind in _NOTHING_HAPPENED)


def read(error: FailureError) -> Caught:
    """What an activity's failure means, remote (wrapped) or local (bare).

    A time-out is read through to the failure before it, for its words only: the try that was under way may have landed,
    so nothing is certain any more.
    """
    inner: BaseException | None = error.cause if isinstance(error, ActivityError) else error
    if isinstance(inner, exceptions.TimeoutError):
        return Caught(_timed_out(inner), certain=False)
    if isinstance(inner, ApplicationError):
        return _application(inner)
    if isinstance(inner, CancelledError):
        return Caught(_unknown("cancelled", "the call was stopped while it was under way"), certain=False)
    return Caught(_unknown("engine-failure", str(inner or error)), certain=False)


def _application(error: ApplicationError) -> Caught:
    if error.type in _KINDS and error.details:
        try:
            return caught(FailureRecord.model_validate(error.details[0]))
        except ValidationError as problem:
            return Caught(
                _unknown("failure-unreadable", f"{error.message} ({problem.error_count()} faults)"),
                certain=False,
            )
    if error.type in NEVER_AGAIN:
        return Caught(_unknown("payload-too-large", error.message, fix=_REFERENCE), certain=False)
    fix = "a fault in this product: report it with the workflow id, then retry once it is mended"
    return Caught(_unknown("fault", f"{error.type or 'error'}: {error.message}", fix=fix), certain=False)


def _timed_out(error: exceptions.TimeoutError) -> FailureRecord:
    before = error.cause
    if isinstance(before, ApplicationError):
        record = _application(before).record
        if error.type is not TimeoutType.SCHEDULE_TO_CLOSE:
            return record.model_copy(update={"kind": Kind.OUTCOME_UNKNOWN})
        return record.model_copy(
            update={"message": f"gave up after several tries; the last said: {record.message}"}
        )
    what = {
        TimeoutType.START_TO_CLOSE: "the call did not end in time",
        TimeoutType.HEARTBEAT: "the worker that made the call was lost",
        TimeoutType.SCHEDULE_TO_START: "no worker took the call",
        TimeoutType.SCHEDULE_TO_CLOSE: "gave up after several tries, none of which ended",
    }
    return _unknown("timed-out", what.get(error.type, "timed out") if error.type else "timed out")


def _unknown(code: str, message: str, fix: str | None = None) -> FailureRecord:
    return FailureRecord(kind=Kind.OUTCOME_UNKNOWN, code=code, message=message, fix=fix)


def too_large(what: str, size: int, limit: int) -> FailureRecord:
    """An input or result that must not travel through the engine's history."""
    return FailureRecord(
        kind=Kind.MISCONFIGURED,
        code="payload-too-large",
        message=f"{what} has {size:,} bytes, more than the {limit:,} that may travel through the engine",
        fix=_REFERENCE,
    )
