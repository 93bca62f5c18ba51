"""Calling a contract in its manner, with its name, its words for the Web UI and a limit on what travels."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import FailureError

from activities.contracts.manners import PACE_MEMO, Manner, Pace, queue
from workflows.kernel.reading import Caught, caught, read, too_large

PAYLOAD_LIMIT = (
    256 * 1024
)  # bytes; beyond it content travels by reference, or one saga fills a history of 50 MB


# A local activity that waits for its next try holds up updates and queries: beyond this it waits by a timer.
_LONGEST_HOLD = timedelta(seconds=1)


class Failed(Exception):
    """A call that ended without a result; or that was never made, when it was not `sent`."""

    def __init__(self, what: Caught, *, sent: bool = True) -> None:
        super().__init__(what.record.message)
        self.caught = what
        self.sent = sent


def pace() -> Pace:
    """The pace of this run, from its memo."""
    return workflow.memo_value(PACE_MEMO, Pace(), type_hint=Pace)


async def call(
    contract: Callable[..., Awaitable[Any]],
    argument: Any,
    manner: Manner,
    *,
    activity_id: str,
    summary: str,
    groups: Sequence[workflow.EventGroup] = (),
) -> Any:
    """The contract's result. Raises Failed, never an engine's failure."""
    size = sum(len(p.data) for p in workflow.payload_converter().to_payloads([argument]))
    if size > PAYLOAD_LIMIT:
        raise Failed(caught(too_large(f"the input of {activity_id}", size, PAYLOAD_LIMIT)), sent=False)
    at = pace().of(manner)
    try:
        if at.local:
            return await workflow.start_local_activity(
                contract,
                argument,
                activity_id=activity_id,
                summary=summary,
                event_groups=groups,
                start_to_close_timeout=at.attempt,
                retry_policy=at.retry,
                local_retry_threshold=_LONGEST_HOLD,
            )
        return await workflow.start_activity(
            contract,
            argument,
            task_queue=queue(at.role, beside=workflow.info().task_queue),
            activity_id=activity_id,
            summary=summary,
            event_groups=groups,
            start_to_close_timeout=at.attempt,
            heartbeat_timeout=at.beat,
            schedule_to_close_timeout=at.budget,
            retry_policy=at.retry,
        )
    except FailureError as error:
        raise Failed(read(error)) from error
