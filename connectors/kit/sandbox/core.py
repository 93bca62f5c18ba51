"""The vendor on loopback: one handler that serves in-process tests and real HTTP alike. See the package docstring."""

import os
import re
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from inspect import isawaitable
from pathlib import Path
from random import Random
from typing import Any, ClassVar, NamedTuple, TypeVar, cast
from urllib.parse import unquote

from starlette.routing import compile_path

from connectors.kit import decimal_json
from connectors.kit.sandbox import control
from connectors.kit.sandbox.faults import Fault, Faults, damage
from connectors.kit.sandbox.windows import (
    Concurrency,
    Idempotency,
    IdempotencyWindow,
    Tokens,
    fingerprint,
    pause,
)
from connectors.kit.sandbox.wire import Call, Refusal, Reply

Handler = Callable[..., Reply | Awaitable[Reply]]
H = TypeVar("H", bound=Handler)
_BEFORE = frozenset({"timeout_before", "reset_before"})
_LOG_SIZE = 20_000


class _Route(NamedTuple):
    rank: tuple[int, ...]
    pattern: re.Pattern[str]
    name: str
    open: bool


def route(method: str, path: str, *, open: bool = False) -> Callable[[H], H]:  # noqa: A002 -- reads best at the call
    """Serve `method path` by this method of a Sandbox; `{name}` matches one segment or part of one, `{name:path}` many.

    `open`: no guard, limits or idempotency (token endpoints). May be repeated on one method.
    """

    def mark(handler: H) -> H:
        known = getattr(handler, "_routes", ())
        handler._routes = (*known, (method.upper(), path, open))  # type: ignore[attr-defined]
        return handler

    return mark


def _rank(path: str) -> tuple[int, ...]:
    """Literal segments before partly literal ones, before whole parameters, before rests of a path."""
    ranks = []
    for segment in path.split("/"):
        if "{" not in segment:
            ranks.append(0)
        elif ":path}" in segment:
            ranks.append(3)
        else:
            ranks.append(2 if segment.startswith("{") and segment.endswith("}") else 1)
    return tuple(ranks)


class Sandbox:
    """A vendor with state in memory. Subclasses add routes and override the hooks; all state lives in `self.state`."""

    vendor: ClassVar[str] = ""
    _table: ClassVar[dict[str, list[_Route]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Collect the routes of the class and its parents."""
        super().__init_subclass__(**kwargs)
        table: dict[str, list[_Route]] = {}
        for name in dir(cls):
            for method, path, open_ in getattr(getattr(cls, name, None), "_routes", ()):
                table.setdefault(method, []).append(_Route(_rank(path), compile_path(path)[0], name, open_))
        for routes in table.values():
            routes.sort(key=lambda r: r.rank)
        cls._table = table

    def __init__(
        self,
        *,
        clock: Callable[[], datetime] | None = None,
        seed: int = 1,
        data: Path | None = None,
        control: bool = True,
    ) -> None:
        self.clock: Callable[[], datetime] = clock or _system_clock
        self.control_enabled = control
        self.rng = Random(seed)  # noqa: S311 -- made-up data must be repeatable
        self.faults = Faults(seed)
        self.log: deque[dict[str, Any]] = deque(maxlen=_LOG_SIZE)
        self.effects: Counter[tuple[str, str]] = Counter()
        self.concurrency = Concurrency()
        self.tokens = Tokens()
        self.windows: dict[str, IdempotencyWindow] = {}
        self.state: dict[str, Any] = self.initial_state()
        self.dirty = False
        self._data = data
        self.served = 0
        if data is not None and data.exists():
            self.restore(decimal_json.loads(data.read_bytes()))

    # Hooks

    def initial_state(self) -> dict[str, Any]:
        """An empty vendor. JSON-able: text, int, Decimal, bool, None, lists and dicts with text keys."""
        return {}

    async def guard(self, call: Call) -> Reply | None:
        """Authentication and rate limits; a Reply refuses the call before anything happens."""
        del call
        return None

    def idempotency(self, call: Call) -> Idempotency | None:
        """How this call is made idempotent, if it is."""
        del call
        return None

    def expire(self, call: Call) -> None:
        """Make the credential of this call stale (fault `expired_token`)."""
        self.tokens.revoke(call.bearer)

    def too_busy(self, call: Call) -> Reply:
        """The vendor's refusal when `self.concurrency.limit` is reached."""
        del call
        return Reply.json({"error": "too many requests at once"}, 429)

    def not_found(self, call: Call) -> Reply:
        """The vendor's answer to an address that it does not know."""
        return Reply.json({"error": f"no {call.method} {call.path}"}, 404)

    def server_error(self, call: Call) -> Reply:
        """The vendor's own internal error."""
        del call
        return Reply.json({"error": "internal error"}, 500)

    def finish(self, call: Call, reply: Reply) -> Reply:
        """Last touch on every answer: request ids, limit headers."""
        del call
        return reply

    def key_of(self, call: Call) -> str | None:
        """The idempotency key of a call, for the log."""
        return call.headers.get("idempotency-key")

    def seed(self, data: Any) -> None:
        """Load test data: the JSON form of `connectors.kit.world.World`."""
        raise ValueError(f"the {self.vendor} sandbox takes no test data, not even {type(data).__name__}")

    async def clock_moved(self, before: datetime, after: datetime) -> None:
        """Do what falls due between two business times."""
        del before, after

    # For handlers

    def now(self) -> datetime:
        """The business time, with a time zone."""
        return self.clock()

    def today(self) -> date:
        """The business day in UTC."""
        return self.clock().astimezone(UTC).date()

    def effect(self, kind: str, key: str) -> None:
        """Count a real change in the vendor's books, by business key: one effect per key is an invariant."""
        self.effects[kind, key] += 1

    def effects_by_kind(self) -> dict[str, dict[str, int]]:
        """How often each change was really made: `{kind: {business key: count}}`."""
        found: dict[str, dict[str, int]] = {}
        for (kind, key), count in self.effects.items():
            found.setdefault(kind, {})[key] = count
        return found

    def next_number(self, name: str = "id") -> int:
        """1, 2, 3, ... per name; part of the state."""
        counters = self.state.setdefault("_numbers", {})
        counters[name] = counters.get(name, 0) + 1
        return cast("int", counters[name])

    # State

    def snapshot(self) -> dict[str, Any]:
        """Everything that this vendor knows, JSON-able and independent of later changes."""
        whole = {
            "state": self.state,
            "effects": self.effects_by_kind(),
            "windows": {name: window.snapshot() for name, window in self.windows.items()},
        }
        return cast("dict[str, Any]", decimal_json.loads(decimal_json.dumps(whole)))

    def restore(self, data: dict[str, Any]) -> None:
        """The inverse of `snapshot`."""
        copy = decimal_json.loads(decimal_json.dumps(data))
        self.state = copy["state"]
        self.effects = Counter(
            {(kind, key): n for kind, keys in copy.get("effects", {}).items() for key, n in keys.items()}
        )
        for name, kept in copy.get("windows", {}).items():
            if name in self.windows:
                self.windows[name].restore(kept)

    def reset(self) -> None:
        """Forget everything: state, effects, faults, log, keys, tokens."""
        self.state = self.initial_state()
        self.effects.clear()
        self.faults.clear()
        self.log.clear()
        self.tokens.revoke()
        for window in self.windows.values():
            window.clear()
        limit = self.concurrency.limit
        self.concurrency = Concurrency(limit)

    def save(self) -> None:
        """Write the state to disk, if a place was given; whole or not at all."""
        self.dirty = False
        if self._data is None:
            return
        self._data.parent.mkdir(parents=True, exist_ok=True)
        draft = self._data.with_suffix(".part")
        draft.write_bytes(decimal_json.dumps(self.snapshot()))
        os.replace(draft, self._data)  # noqa: PTH105 -- atomic

    @property
    def persistent(self) -> bool:
        """Whether a place on disk was given."""
        return self._data is not None

    async def set_clock(self, now: datetime | None) -> None:
        """Stop the business clock at `now`, or let it run with the system's (None)."""
        before = self.clock()
        self.clock = _system_clock if now is None else (lambda: now)
        await self.clock_moved(before, self.clock())

    # The one handler

    async def respond(self, call: Call) -> Reply:
        """Answer one call. Raises only for a bug in the sandbox."""
        if self.control_enabled and call.path.startswith("/_control/"):
            return await control.respond(self, call)
        started = time.perf_counter()
        seconds, fault = self.faults.take(call)
        self.served += 1
        entry: dict[str, Any] = {
            "n": self.served,
            "at": time.time(),
            "method": call.method,
            "path": call.path,
            "query": call.query_string,
            "key": self.key_of(call),
            "fault": fault.kind if fault else ("latency" if seconds else None),
            "status": None,
        }
        self.log.append(entry)
        try:
            reply = self.finish(call, await self._play(call, seconds, fault))
        except Exception as error:
            entry["bug"] = repr(error)
            raise
        entry["status"] = reply.status if reply.wire in ("answer", "cut") else reply.wire
        entry["ms"] = round((time.perf_counter() - started) * 1000, 3)
        if call.method not in ("GET", "HEAD"):
            self.dirty = True
        return reply

    async def _play(self, call: Call, seconds: float, fault: Fault | None) -> Reply:
        kind = fault.kind if fault else None
        if fault and kind in _BEFORE:
            return damage(fault.kind, Reply())
        if fault and kind == "status" and not fault.stored:
            return fault.reply(self.server_error(call))
        if kind == "expired_token":
            self.expire(call)
        call.partial = kind == "partial_batch"
        found = self._find(call)
        try:
            if found is None or not found.open:
                refused = await self.guard(call)
                if refused is not None:
                    if fault and kind != "expired_token":
                        fault.struck -= 1  # it was meant for a call that does something
                    return refused
            if found is None:
                return self.not_found(call)
            reply = await self._admit(call, found, seconds, fault)
        except Refusal as refusal:
            reply = refusal.reply
        if fault and kind == "error_after" and not fault.stored:
            return fault.reply(self.server_error(call))
        return damage(fault.kind, reply) if fault else reply

    async def _admit(self, call: Call, found: _Route, seconds: float, fault: Fault | None) -> Reply:
        if found.open:
            return await self._run(call, found, seconds, fault)
        if not self.concurrency.enter():
            return self.too_busy(call)
        try:
            once = self.idempotency(call)
            if once is None:
                return await self._run(call, found, seconds, fault)
            return await once.window.once(
                once.key,
                once.fingerprint or fingerprint(call),
                lambda: self._run(call, found, seconds, fault),
                conflict=once.conflict,
                in_flight=once.in_flight,
            )
        finally:
            self.concurrency.leave()

    async def _run(self, call: Call, found: _Route, seconds: float, fault: Fault | None) -> Reply:
        await pause(seconds)
        stored = fault if fault is not None and fault.stored else None
        if stored and stored.kind == "status":
            return stored.reply(self.server_error(call))
        try:
            outcome = getattr(self, found.name)(call)
            reply = cast("Reply", await outcome if isawaitable(outcome) else outcome)
        except Refusal as refusal:
            reply = refusal.reply
        if stored and stored.kind == "error_after":
            return stored.reply(self.server_error(call))
        return reply

    def _find(self, call: Call) -> _Route | None:
        path = call.path
        if "%" in path:
            # A slash inside a value stays inside its segment.
            path = "/".join(unquote(segment).replace("/", "\0") for segment in path.split("/"))
        for candidate in self._table.get(call.method, ()):
            match = candidate.pattern.match(path)
            if match:
                call.path_params = {k: v.replace("\0", "/") for k, v in match.groupdict().items()}
                return candidate
        return None


def _system_clock() -> datetime:
    return datetime.now(UTC)
