"""What vendors count and remember: idempotency keys, calls per time, calls at once, tokens."""

import asyncio
import hashlib
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from connectors.kit.sandbox.wire import Call, Reply


def fingerprint(call: Call) -> str:
    """What makes two requests the same: method, address and body."""
    text = f"{call.method} {call.path}?{call.query_string}\n".encode()
    return hashlib.sha256(text + call.body).hexdigest()


@dataclass(slots=True)
class _Stored:
    at: float
    fingerprint: str
    reply: Reply | None


class IdempotencyWindow:
    """Keeps the first result of each key, success or failure, and plays it again.

    `hours`: how long. `now`: seconds; real time by default, a business clock when one is given. `marker`: a header
    added to replays. `stores`: which results are kept (all by default).
    """

    def __init__(
        self,
        hours: float = 24,
        *,
        now: Callable[[], float] = time.time,
        marker: tuple[str, str] | None = None,
        stores: Callable[[Reply], bool] = lambda _: True,
    ) -> None:
        self._seconds = hours * 3600
        self._now = now
        self._marker = marker
        self._stores = stores
        self._kept: dict[str, _Stored] = {}
        self.replays = 0

    async def once(
        self,
        key: str,
        print_: str,
        run: Callable[[], Awaitable[Reply]],
        *,
        conflict: Callable[[], Reply],
        in_flight: Callable[[], Reply],
    ) -> Reply:
        """Run, or replay, or refuse: `conflict` for another content, `in_flight` while the first still runs."""
        now = self._now()
        kept = self._kept.get(key)
        if kept is not None and now - kept.at < self._seconds:
            if kept.fingerprint != print_:
                return conflict()
            if kept.reply is None:
                return in_flight()
            self.replays += 1
            replay = kept.reply.copy()
            if self._marker:
                replay.headers[self._marker[0].lower()] = self._marker[1]
            return replay
        self._kept[key] = entry = _Stored(now, print_, None)
        try:
            reply = await run()
        except BaseException:
            self._kept.pop(key, None)
            raise
        if self._stores(reply):
            entry.reply = reply.copy()
        else:
            self._kept.pop(key, None)
        return reply

    def clear(self) -> None:
        """Forget every key."""
        self._kept.clear()
        self.replays = 0

    def snapshot(self) -> dict[str, Any]:
        """JSON-able; requests still in flight are left out."""
        return {
            key: [
                Decimal(str(e.at)),
                e.fingerprint,
                e.reply.status,
                e.reply.headers,
                e.reply.body.decode("latin-1"),
            ]
            for key, e in self._kept.items()
            if e.reply is not None
        }

    def restore(self, data: dict[str, Any]) -> None:
        """The inverse of `snapshot`."""
        self._kept = {
            key: _Stored(float(at), mark, Reply(status, dict(headers), body.encode("latin-1")))
            for key, (at, mark, status, headers, body) in data.items()
        }


@dataclass(slots=True)
class Idempotency:
    """How one call is made idempotent: which window, which key, and the vendor's two refusals."""

    window: IdempotencyWindow
    key: str
    conflict: Callable[[], Reply]
    in_flight: Callable[[], Reply]
    fingerprint: str | None = None


class RateWindow:
    """So many calls in so many seconds, sliding, in real time."""

    def __init__(self, limit: int, seconds: float, *, now: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.seconds = seconds
        self._now = now
        self._hits: deque[float] = deque()
        self.refused = 0

    def hit(self) -> float | None:
        """Count a call. None when it may pass, otherwise the seconds until one may."""
        now = self._now()
        while self._hits and now - self._hits[0] >= self.seconds:
            self._hits.popleft()
        if len(self._hits) >= self.limit:
            self.refused += 1
            return self.seconds - (now - self._hits[0])
        self._hits.append(now)
        return None

    @property
    def remaining(self) -> int:
        """Calls that may still pass in this window."""
        return max(0, self.limit - len(self._hits))


class Concurrency:
    """So many calls at once. `limit` None only measures. Remembers the most that were offered and admitted."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.current = 0
        self.max_seen = 0
        self.max_offered = 0
        self.refused = 0

    def enter(self) -> bool:
        """Whether one more may run; if so, `leave` must follow."""
        self.max_offered = max(self.max_offered, self.current + 1)
        if self.limit is not None and self.current >= self.limit:
            self.refused += 1
            return False
        self.current += 1
        self.max_seen = max(self.max_seen, self.current)
        return True

    def leave(self) -> None:
        """One less runs."""
        self.current -= 1

    def figures(self) -> dict[str, int | None]:
        """What was seen, for reports."""
        return {
            "limit": self.limit,
            "current": self.current,
            "max_seen": self.max_seen,
            "max_offered": self.max_offered,
            "refused": self.refused,
        }


@dataclass(slots=True)
class _Issued:
    until: float
    notes: dict[str, Any] = field(default_factory=dict)


class Tokens:
    """Access tokens that the sandbox issued: valid for `seconds` of real time, or until revoked."""

    def __init__(
        self, seconds: float = 3600, *, make: Callable[[], str] = lambda: secrets.token_hex(16)
    ) -> None:
        self.seconds = seconds
        self._make = make
        self._live: dict[str, _Issued] = {}
        self.issued = 0

    def issue(self, **notes: Any) -> str:
        """A new token; `notes` come back from `valid`."""
        token = self._make()
        self._live[token] = _Issued(time.monotonic() + self.seconds, notes)
        self.issued += 1
        return token

    def valid(self, token: str) -> dict[str, Any] | None:
        """The notes of a token that holds, or None."""
        found = self._live.get(token)
        return found.notes if found is not None and time.monotonic() < found.until else None

    def revoke(self, token: str | None = None) -> None:
        """End one token, or all."""
        if token is None:
            self._live.clear()
        else:
            self._live.pop(token, None)


async def pause(seconds: float) -> None:
    """Processing time."""
    if seconds > 0:
        await asyncio.sleep(seconds)
