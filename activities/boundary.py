"""The border between our failures and the engine's: what an activity raises, what it reports, under which key.

Transient, OutcomeUnknown      retried by the engine; `retry_after` becomes the gap before the next try
Rejected, Conflict, Misconfigured   final: the saga decides
Spent(failure)                 the activity has used up its own tries: final, whatever the kind
NotYet(reason, after)          waiting is normal here (a lease, a poll): benign, costs no alarm
anything else                  a fault of ours; tried again in case it is a passing one, then parked
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, FailureError
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)

from canonical.failures import Failure, FailureRecord, Kind, OutcomeUnknown
from canonical.ids import effect_key as _key
from connectors.kit.redact import redact

NOT_YET = "NotYet"  # failure type of a benign wait
PAYLOAD_LIMIT = 256 * 1024  # bytes of one result; more travels by reference
MOST_FINDINGS = (
    100  # of one failure; a quote of thousands of lines may have more, and its case must be written down
)
MOST_TEXT = 300  # characters of one text of a finding
MOST_EVIDENCE = 20
_AGAIN = frozenset({Kind.TRANSIENT, Kind.OUTCOME_UNKNOWN})


class NotYet(Exception):
    """Not an error: ask again in a while. Spends no alarm; the step's manner must be a leased one."""

    def __init__(self, reason: str, *, after: timedelta) -> None:
        super().__init__(reason)
        self.after = after


class Spent(Exception):
    """The activity tried often enough by its own count; `failure` is what the last try said."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def effect_key() -> str:
    """The ledger key of the running activity."""
    info = activity.info()
    return _key(info.workflow_id or "", info.activity_id)


def forward_key() -> str:
    """For an undo (or a probe): the ledger key of the deed that it takes back."""
    info = activity.info()
    step, _, *edition = info.activity_id.split("/")
    return _key(info.workflow_id or "", "/".join([step, "do", *edition]))


def clean(record: FailureRecord) -> FailureRecord:
    """The record without credentials, card numbers or tokens, and so short that a case can always be made of it."""
    return record.model_copy(
        update={
            "message": _text(record.message, 4 * MOST_TEXT),
            "fix": _text(record.fix, 4 * MOST_TEXT) if record.fix else record.fix,
            "evidence": {
                name: _text(value, 8 * MOST_TEXT)
                for name, value in list(record.evidence.items())[:MOST_EVIDENCE]
            },
            "findings": tuple(
                f.model_copy(update={"message": _text(f.message, MOST_TEXT), "fix": _text(f.fix, MOST_TEXT)})
                for f in record.findings[:MOST_FINDINGS]
            ),
        }
    )


def _text(text: str, most: int) -> str:
    clear = redact(text)
    return clear if len(clear) <= most else f"{clear[:most]}..."


def translate(failure: Failure, *, final: bool = False) -> ApplicationError:
    """Our failure as the engine carries it: its kind as type, its record as detail."""
    record = clean(failure.record())
    again = record.kind in _AGAIN and not final
    gap = timedelta(seconds=record.retry_after) if again and record.retry_after else None
    return ApplicationError(
        record.message,
        record.model_dump(mode="json"),
        type=record.kind.value,
        non_retryable=not again,
        next_retry_delay=gap,
    )


@asynccontextmanager
async def crossing() -> AsyncIterator[None]:
    """Everything raised inside leaves as the engine's failure. As a decorator: `@crossing()` on an async function."""
    try:
        yield
    except Failure as failure:
        raise translate(failure) from None
    except Spent as spent:
        raise translate(spent.failure, final=True) from None
    except NotYet as wait:
        raise ApplicationError(
            redact(str(wait)),
            type=NOT_YET,
            next_retry_delay=wait.after,
            category=ApplicationErrorCategory.BENIGN,
        ) from None
    except (FailureError, asyncio.CancelledError):
        raise
    except Exception as fault:
        text = str(fault)
        if redact(text) == text:
            raise
        # The engine keeps messages and causes of faults for ever: a secret in one must not get there.
        raise ApplicationError(redact(text), type=type(fault).__name__) from None


def light(result: Any) -> Any:
    """The result, if it is light enough to travel. Its deed may be done, so nothing is claimed undone."""
    size = sum(len(p.data) for p in activity.payload_converter().to_payloads([result]))
    if size > PAYLOAD_LIMIT:
        raise Spent(
            OutcomeUnknown(
                f"the result has {size:,} bytes, more than the {PAYLOAD_LIMIT:,} that may travel through the engine",
                code="payload-too-large",
                fix="pass a reference to the content, not the content itself",
            )
        )
    return result


@asynccontextmanager
async def heartbeating() -> AsyncIterator[None]:
    """Tell the engine that the call still runs, three times within the time it allows between two signs."""
    allowed = activity.info().heartbeat_timeout
    if not allowed:
        yield
        return

    async def beat() -> None:
        while True:
            # Its beginning is a sign of its own: most calls end before they need another.
            await asyncio.sleep(allowed.total_seconds() / 3)
            activity.heartbeat()

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


class _Inbound(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        async with crossing(), heartbeating():
            return light(await super().execute_activity(input))


class Boundary(Interceptor):
    """Installed once per worker, so that no activity can forget it."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """The engine's hook."""
        return _Inbound(next)
