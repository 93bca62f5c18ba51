"""What the engine's client raises, as an exit code and words that say what to do next."""

from typing import Any

from temporalio.client import (
    RPCTimeoutOrCancelledError,
    WorkflowFailureError,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import FailureError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

REFUSED, UNAVAILABLE = 3, 4
_AWAY = frozenset(
    {
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.CANCELLED,
        RPCStatusCode.RESOURCE_EXHAUSTED,
    }
)
_FORBIDDEN = frozenset({RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED})


def engine_error(error: BaseException) -> tuple[int, dict[str, Any]] | None:
    """(exit code, message and fix), or None for what the engine does not raise."""
    if isinstance(error, WorkflowAlreadyStartedError):
        return REFUSED, _said(
            f"{error.workflow_id} was started before", f"revsaga saga show {error.workflow_id}"
        )
    if isinstance(error, WorkflowUpdateFailedError | WorkflowFailureError):
        cause = error.cause
        while isinstance(cause, FailureError) and cause.cause is not None:
            cause = cause.cause
        text = getattr(cause, "message", None) or str(cause)
        return REFUSED, _said(f"refused: {text}", "revsaga saga show says what is possible now")
    if isinstance(error, RPCTimeoutOrCancelledError | WorkflowUpdateRPCTimeoutOrCancelledError):
        return UNAVAILABLE, _said(
            "no worker answered in time", "start a worker (`revsaga worker`), or see `revsaga doctor`"
        )
    if isinstance(error, WorkflowQueryFailedError | WorkflowQueryRejectedError):
        return UNAVAILABLE, _said(f"the saga cannot be asked: {error}", "see `revsaga doctor`")
    return _rpc(error) if isinstance(error, RPCError) else None


def _rpc(error: RPCError) -> tuple[int, dict[str, Any]]:
    if error.status is RPCStatusCode.NOT_FOUND:
        return REFUSED, _said(f"Temporal knows no such thing: {error.message}", "revsaga saga list")
    if error.status in _AWAY:
        fix = "start it (`revsaga up`), or correct REVSAGA_TEMPORAL_ADDRESS; see `revsaga doctor`"
        return UNAVAILABLE, _said(f"Temporal does not answer: {error.message}", fix)
    if error.status in _FORBIDDEN:
        return UNAVAILABLE, _said(
            f"Temporal refuses us: {error.message}", "correct the credential of Temporal"
        )
    return REFUSED, _said(f"Temporal says no: {error.message}", "see `revsaga doctor`")


def _said(message: str, fix: str) -> dict[str, Any]:
    return {"message": message, "fix": fix}
