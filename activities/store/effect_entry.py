"""What the effect ledger tells its callers, as data."""

import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import asyncpg

from canonical.base import Model
from canonical.failures import Failure, FailureRecord, OutcomeUnknown
from canonical.ids import idempotency_header

KillPoint = Callable[[str, str], Awaitable[None] | None]
"""Called with the name of a point and the key; a chaos run ends the process there, or waits there with others first."""

BEFORE_SEND, AFTER_EFFECT, AFTER_RECORD = "before-send", "after-effect-before-record", "after-record"
KILL_POINTS = (BEFORE_SEND, AFTER_EFFECT, AFTER_RECORD)


class Sending(Model):
    """What `send` is told. `header` is what the vendor's idempotency header must carry."""

    key: str
    generation: int
    tries: int

    @property
    def header(self) -> str:
        """At most 40 characters; another one after each definite refusal."""
        return idempotency_header(self.key, self.generation)


class Former(Model):
    """What a row said before it was voided. `state` is `absent` when there was no row.

    `happened` is True (done), False (nothing landed for certain) or None (nobody knows: look by business key).
    """

    state: str
    tries: int = 0
    result: Any = None
    doubt: bool = False

    @property
    def happened(self) -> bool | None:
        if self.state == "done":
            return True
        if self.state in ("absent", "intent") or (self.state == "not_done" and not self.doubt):
            return False
        return None


class Entry(Model):
    """One row of the ledger, for `saga explain` and `doctor`."""

    key: str
    state: str
    generation: int
    tries: int
    vendor: str
    vendor_ref: str
    correlation_id: str
    sent_at: datetime | None
    sent_real: datetime | None
    failure: FailureRecord | None
    result: Any
    doubt: bool = False


def entry_of(row: "asyncpg.Record") -> Entry:
    """The entry that a row stands for."""
    values = dict(row)
    values["failure"] = None if row["failure"] is None else FailureRecord.model_validate_json(row["failure"])
    values["result"] = None if row["result"] is None else json.loads(row["result"])
    return Entry(**values)


def former_of(row: "asyncpg.Record") -> Former:
    """What a row said before it was voided."""
    return Former(
        state=row["before_void"],
        tries=row["tries"],
        result=None if row["result"] is None else json.loads(row["result"]),
        doubt=row["doubt"],
    )


def answered(failure: FailureRecord | None) -> bool:
    """Whether the other side answered with an error of its own, which it stores and replays under the same header.

    A 409 or 408 is none: the first request may still be running. Nor is a mutilated 200: it has probably landed.
    """
    status = "" if failure is None else failure.evidence.get("status", "")
    return status.isdecimal() and int(status) >= 500


def uncertain(key: str, failure: FailureRecord | None, cause: Failure | None = None) -> OutcomeUnknown:
    """The failure that says so, with what is known. `cause` is what kept a probe from telling."""
    evidence = {} if failure is None else {**failure.evidence, "last-failure": failure.message}
    if cause is not None:
        evidence |= {"probe-failure": cause.message, "probe-code": cause.code}
    fix = "look into the system itself; then retry, or skip with what you found"
    return OutcomeUnknown(
        f"nobody can tell whether {key} has happened",
        code="effect-uncertain",
        fix=(cause.fix if cause is not None else None) or fix,
        retry_after=None if cause is None else cause.retry_after,
        evidence=evidence,
    )
