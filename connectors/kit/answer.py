"""What a vendor answered, read completely and within a size limit.

answer.status, .headers (case-insensitive), .body, .method, .path, .effect, .ok
answer.json()       parsed JSON with Decimals; HTML, empty, truncated or other bodies raise a typed failure
answer.try_json()   the same, or None: for error bodies that may be anything
answer.text         decoded body
retry_after(answer) seconds the vendor asked us to wait, or None
"""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from canonical.failures import Failure, OutcomeUnknown, Transient
from connectors.kit import decimal_json
from connectors.kit.redact import redact


class Answer:
    """One complete HTTP answer. `effect` tells whether the request may have changed something."""

    __slots__ = ("body", "effect", "headers", "method", "path", "status")

    def __init__(
        self, *, status: int, headers: httpx.Headers, body: bytes, method: str, path: str, effect: bool
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.method = method
        self.path = path
        self.effect = effect

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx; many vendors answer 200 to a failure, so this alone proves nothing."""
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The body as text, whatever bytes it holds."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The parsed body. An unreadable one is OutcomeUnknown after a call with an effect, else Transient."""
        if not self.body.strip():
            raise self.unreadable("answer-empty", "an empty answer")
        kind = self.headers.get("content-type", "").lower()
        if "html" in kind or self.body.lstrip()[:1] == b"<":
            raise self.unreadable("answer-not-json", "a web page or XML instead of JSON")
        try:
            return decimal_json.loads(self.body)
        except ValueError as error:
            raise self.unreadable("answer-not-json", f"an answer that is not whole JSON ({error})") from error

    def try_json(self) -> Any | None:
        """The parsed body, or None when it is not JSON."""
        try:
            return decimal_json.loads(self.body)
        except ValueError:
            return None

    def unreadable(self, code: str, what: str) -> Failure:
        """The failure of an answer that came but cannot be understood."""
        failure = OutcomeUnknown if self.effect else Transient
        return failure(f"{self.method} {self.path}: {what}", code=code, evidence=self.evidence())

    def evidence(self) -> dict[str, str]:
        """What a person needs to see of this answer, without secrets."""
        return {
            "call": f"{self.method} {self.path}",
            "status": str(self.status),
            "content-type": self.headers.get("content-type", ""),
            "body": redact(self.text[:2000])[:200],
        }

    def __repr__(self) -> str:
        return f"Answer({self.status}, {self.method} {self.path}, {len(self.body)} bytes)"


def retry_after(answer: Answer) -> float | None:
    """Seconds from `Retry-After`, given as seconds or as an HTTP date (measured from the vendor's own `Date`)."""
    raw = answer.headers.get("retry-after", "").strip()
    if not raw:
        return None
    try:
        return max(0.0, float(int(raw)))
    except ValueError:
        until = _date(raw)
    if until is None:
        return None
    start = _date(answer.headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, (until - start).total_seconds())


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
