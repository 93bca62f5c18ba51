"""Their codes -> our failure kinds.

A code has eight digits: six of the resource, two of the category. The category decides, whatever the HTTP status,
because business failures come as 200 with `success: false` as often as with 400.
"""

import math
from typing import Any

from canonical.failures import Failure, Kind, Rejected
from connectors.kit.answer import Answer
from connectors.kit.errors import ErrorTable, Rule

NOT_FOUND = "zuora-not-found"

TABLE = ErrorTable(
    "zuora",
    (
        Rule(
            kind=Kind.OUTCOME_UNKNOWN,
            status=409,
            name="zuora-key-in-flight",
            fix="the first request with this idempotency key still runs: look the document up by its number",
        ),
        Rule(
            kind=Kind.CONFLICT,
            status=422,
            name="zuora-key-reused",
            fix="the same idempotency key was used with another content: find out which of the two is wanted",
        ),
        Rule(
            kind=Kind.MISCONFIGURED,
            code=r"9\d{7}|\d{6}11",
            name="zuora-credential-refused",
            fix="check client id and secret, and that the API user is active",
        ),
        Rule(
            kind=Kind.MISCONFIGURED,
            code=r"\d{6}10",
            name="zuora-permission-missing",
            fix="give the API user the permission, or switch the feature on in the tenant",
        ),
        Rule(
            kind=Kind.REJECTED,
            code=r"\d{6}(20|21|22|23|27)",
            name="zuora-value-refused",
            fix="correct the value that the message names",
        ),
        Rule(
            kind=Kind.REJECTED,
            code=r"\d{6}30",
            name="zuora-rule-refused",
            fix="the tenant's rules forbid it in this state: see the message",
        ),
        Rule(
            kind=Kind.REJECTED,
            code=r"\d{6}40",
            name=NOT_FOUND,
            fix="check that the record that the message names exists in this tenant",
        ),
        Rule(
            kind=Kind.MISCONFIGURED,
            code=r"\d{6}(45|90)",
            name="zuora-request-malformed",
            fix="this version of the adapter does not fit the tenant's API: check `version` and base_url",
        ),
        Rule(kind=Kind.TRANSIENT, code=r"\d{6}50", name="zuora-lock-competition"),
        Rule(kind=Kind.OUTCOME_UNKNOWN, code=r"\d{6}60", name="zuora-internal-error"),
        Rule(kind=Kind.TRANSIENT, code=r"\d{6}61", name="zuora-temporary-error"),
        Rule(kind=Kind.TRANSIENT, code=r"\d{6}70", name="zuora-concurrency-limit"),
        Rule(
            kind=Kind.OUTCOME_UNKNOWN,
            code=r"\d{6}99",
            name="zuora-external-system",
            fix="a gateway or tax engine behind the tenant failed: see the message",
        ),
        # A 'no' in words that we do not know proves neither that something happened nor that nothing did.
        Rule(kind=Kind.OUTCOME_UNKNOWN, status=range(200, 300), name="zuora-code-unknown"),
    ),
)


def _first_reason(body: Any) -> tuple[str | None, str]:
    """Code and message of either family of error bodies: `reasons[]` or a bare `code` and `message`."""
    if not isinstance(body, dict):
        return None, ""
    for key, code, message in (("reasons", "code", "message"), ("Errors", "Code", "Message")):
        listed = body.get(key)
        if isinstance(listed, list) and listed and isinstance(listed[0], dict):
            found = listed[0].get(code)
            texts = [str(r.get(message, "")) for r in listed if isinstance(r, dict)]
            return None if found is None else str(found), "; ".join(t for t in texts if t)
    found = body.get("code")
    return None if found is None else str(found), str(body.get("message", ""))


def _wait(answer: Answer, failure: Failure) -> float | None:
    """Seconds to wait: `Retry-After`, or at a rate limit the reset of the window nearest exhaustion."""
    if failure.retry_after is not None or answer.status != 429:
        return failure.retry_after
    try:
        reset = float(answer.headers.get("ratelimit-reset", ""))
    except ValueError:
        return None
    return max(0.0, reset) if math.isfinite(reset) else None


def failure_in(answer: Answer, body: Any) -> Failure | None:
    """The failure that `answer` reports, or None when it reports success."""
    refused = isinstance(body, dict) and (body.get("success") is False or body.get("Success") is False)
    if answer.ok and not refused:
        return None
    code, message = _first_reason(body)
    failure = TABLE.of(answer, code=code, message=message)
    failure.retry_after = _wait(answer, failure)
    request = answer.headers.get("zuora-request-id") or (
        body.get("requestId") if isinstance(body, dict) else None
    )
    if request:
        failure.evidence["zuora-request-id"] = str(request)
    return failure


def is_not_found(failure: Failure) -> bool:
    """Whether the vendor said, in its own code, that the record does not exist. A bare 404 does not say that."""
    return isinstance(failure, Rejected) and failure.code == NOT_FOUND
