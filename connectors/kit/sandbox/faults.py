"""Faults that a test or a demo asks for: what goes wrong, where, how often.

    Fault(match="POST /v1/orders", kind="timeout_after", times=1)

| kind | effect happens | answer |
|---|---|---|
| latency | yes | later by `seconds`, counted as processing time |
| status | no | `status`, `headers`, `body` as given |
| error_after | yes | the same, afterwards (500 by default) |
| timeout_before, timeout_after | no, yes | never |
| reset_before, reset_after | no, yes | connection cut |
| expired_token | no | the vendor's own, after `Sandbox.expire(call)` |
| html, empty, truncated, huge, unknown_fields | yes | damaged; truncated: half of it, then the connection ends |
| partial_batch | in part | the vendor's own; the handler reads `call.partial` |

With `stored`, the faulty answer passes through the vendor's idempotency window, so that it is replayed to the same key.
"""

import re
from random import Random
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from connectors.kit import decimal_json
from connectors.kit.sandbox.wire import Call, Reply

FaultKind = Literal[
    "latency",
    "status",
    "error_after",
    "timeout_before",
    "timeout_after",
    "reset_before",
    "reset_after",
    "expired_token",
    "html",
    "empty",
    "truncated",
    "huge",
    "unknown_fields",
    "partial_batch",
]
HUGE = 20 * 1024 * 1024


class Fault(BaseModel):
    """One fault. `match` and `body_match` are regular expressions searched in 'METHOD /path' and in the body."""

    model_config = ConfigDict(extra="forbid")

    kind: FaultKind
    match: str = "."
    body_match: str | None = None
    times: int = Field(default=1, description="how often it strikes; -1: always")
    skip: int = Field(default=0, ge=0, description="matching calls that pass unharmed before")
    probability: float = Field(default=1.0, ge=0, le=1)
    seconds: float = Field(default=0.0, ge=0, description="of latency")
    status: int = 500
    headers: dict[str, str] = Field(default_factory=dict)
    body: Any = Field(
        default=None, description="text, or anything that becomes JSON; None: the vendor's own error"
    )
    stored: bool = False
    struck: int = Field(default=0, description="how often it has struck so far")
    _passed: int = PrivateAttr(default=0)
    _match: re.Pattern[str] = PrivateAttr()
    _body_match: re.Pattern[str] | None = PrivateAttr(default=None)

    def model_post_init(self, context: Any) -> None:
        """Compile the expressions once."""
        del context
        self._match = re.compile(self.match)
        self._body_match = re.compile(self.body_match) if self.body_match else None

    def strikes(self, call: Call, rng: Random) -> bool:
        """Whether it hits this call; counts."""
        if self.times >= 0 and self.struck >= self.times:
            return False
        if not self._match.search(f"{call.method} {call.path}"):
            return False
        if self._body_match is not None and not self._body_match.search(call.body.decode("utf-8", "replace")):
            return False
        if self._passed < self.skip:
            self._passed += 1
            return False
        if self.probability < 1 and rng.random() >= self.probability:
            return False
        self.struck += 1
        return True

    def reply(self, own: Reply) -> Reply:
        """The faulty answer: as given, or the vendor's `own` server error under our status and headers."""
        if self.body is None:
            reply = own.copy()
            reply.status = self.status
        elif isinstance(self.body, str):
            reply = Reply.text(self.body, self.status)
        else:
            reply = Reply.json(self.body, self.status)
        reply.headers.update({k.lower(): v for k, v in self.headers.items()})
        return reply


class Faults:
    """The faults in force, in order; the first that strikes is the one that counts, latency besides."""

    def __init__(self, seed: int = 1) -> None:
        self.rng = Random(seed)  # noqa: S311 -- chooses test faults, guards nothing
        self.armed: list[Fault] = []

    def add(self, *faults: Fault) -> None:
        """Arm faults."""
        self.armed.extend(faults)

    def clear(self) -> None:
        """Disarm everything."""
        self.armed.clear()

    def take(self, call: Call) -> tuple[float, Fault | None]:
        """Seconds of latency, and the fault, for this call."""
        seconds = 0.0
        for fault in self.armed:
            if fault.strikes(call, self.rng):
                if fault.kind != "latency":
                    return seconds, fault
                seconds += fault.seconds
        return seconds, None


def damage(kind: FaultKind, reply: Reply) -> Reply:
    """The answer after it was damaged on the way."""
    worse = reply.copy()
    match kind:
        case "timeout_after" | "timeout_before":
            worse.wire = "hang"
        case "reset_after" | "reset_before":
            worse.wire = "reset"
        case "html":
            worse.headers["content-type"] = "text/html; charset=utf-8"
            worse.body = (
                b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body>Back soon.</body></html>"
            )
        case "empty":
            worse.body = b""
        case "truncated":
            worse.wire = "cut"
        case "huge":
            worse.body = b'{"padding":"' + b"x" * HUGE + b'"}'
        case "unknown_fields":
            worse.body = _with_unknown_fields(reply)
        case _:
            pass
    return worse


def _with_unknown_fields(reply: Reply) -> bytes:
    try:
        body = decimal_json.loads(reply.body)
    except ValueError:
        return reply.body
    return decimal_json.dumps(_grow(body))


def _grow(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _grow(v) for k, v in value.items()} | {"zzUnknownField": {"since": "a later release"}}
    if isinstance(value, list):
        return [_grow(v) for v in value]
    return value
