"""The table decides, and what no rule names errs on the careful side."""

import httpx
import pytest

from canonical.failures import Kind
from connectors.kit.answer import Answer
from connectors.kit.errors import ErrorTable, Rule, slug

TABLE = ErrorTable(
    "acme",
    (
        Rule(
            kind=Kind.TRANSIENT,
            status=range(400, 501),
            message="lock competition",
            name="locked",
            retry_after=2,
        ),
        Rule(kind=Kind.CONFLICT, code="DUP_.*", fix="read it by its number"),
        Rule(kind=Kind.OUTCOME_UNKNOWN, status=502, code="GATEWAY"),
        Rule(kind=Kind.REJECTED, status=502, effect=False, name="read-refused"),
        Rule(kind=Kind.REJECTED, status=200, code="5310\\d{4}", field="order.terms"),
    ),
)


@pytest.mark.parametrize(
    ("status", "code", "message", "effect", "kind", "name"),
    [
        (400, "X", "Operation failed due to a LOCK\ncompetition", True, Kind.REJECTED, "acme-x"),
        (400, "X", "Operation failed due to a Lock Competition", True, Kind.TRANSIENT, "locked"),
        (501, "X", "lock competition", True, Kind.OUTCOME_UNKNOWN, "acme-x"),
        (400, "dup_rcrd", "", True, Kind.CONFLICT, "acme-dup-rcrd"),
        (400, "XDUP_RCRD", "", True, Kind.REJECTED, "acme-xdup-rcrd"),
        (502, "GATEWAY", "", True, Kind.OUTCOME_UNKNOWN, "acme-gateway"),
        (502, "GATEWAY", "", False, Kind.TRANSIENT, "acme-gateway"),
        (502, "OTHER", "", False, Kind.REJECTED, "read-refused"),
        (502, "OTHER", "", True, Kind.OUTCOME_UNKNOWN, "acme-other"),
        (200, 53100320, "termType", True, Kind.REJECTED, "acme-53100320"),
        (200, None, "success is false", True, Kind.REJECTED, "acme-200"),
        (401, None, "", True, Kind.MISCONFIGURED, "credential-refused"),
        (403, None, "", False, Kind.MISCONFIGURED, "permission-missing"),
        (404, None, "", True, Kind.REJECTED, "acme-404"),
        (408, None, "", True, Kind.OUTCOME_UNKNOWN, "acme-408"),
        (408, None, "", False, Kind.TRANSIENT, "acme-408"),
        (409, None, "", True, Kind.CONFLICT, "acme-409"),
        (412, None, "", True, Kind.CONFLICT, "acme-412"),
        (429, None, "", True, Kind.TRANSIENT, "rate-limited"),
        (500, None, "", True, Kind.OUTCOME_UNKNOWN, "acme-500"),
        (500, None, "", False, Kind.TRANSIENT, "acme-500"),
        (503, None, "", True, Kind.TRANSIENT, "unavailable"),
        (504, None, "", True, Kind.OUTCOME_UNKNOWN, "acme-504"),
    ],
)
def test_every_error_finds_its_kind(
    status: int, code: str | int | None, message: str, effect: bool, kind: Kind, name: str
) -> None:
    failure = TABLE.failure(status=status, code=code, message=message, effect=effect)
    assert (failure.kind, failure.code) == (kind, name)
    assert failure.message.startswith("acme: ")
    assert failure.evidence["status"] == str(status)


def test_waiting_time_field_and_fix_come_from_the_answer_or_else_from_the_rule() -> None:
    rule = TABLE.failure(status=400, code="X", message="lock competition", effect=True)
    assert rule.retry_after == 2
    told = TABLE.failure(
        status=400, code="X", message="lock competition", effect=True, retry_after=9, field="a.b"
    )
    assert (told.retry_after, told.field) == (9, "a.b")
    assert TABLE.failure(status=200, code="53100320", message="m", effect=True).field == "order.terms"
    assert TABLE.failure(status=400, code="DUP_X", message="m", effect=True).fix == "read it by its number"


def test_an_answer_brings_its_status_effect_waiting_time_and_evidence() -> None:
    answer = Answer(
        status=429,
        headers=httpx.Headers({"Retry-After": "12", "Content-Type": "application/json"}),
        body=b'{"access_token":"abcdef123456"}',
        method="POST",
        path="/v1/orders",
        effect=True,
    )
    failure = TABLE.of(answer, code=None, message="slow down")
    assert (failure.kind, failure.retry_after) == (Kind.TRANSIENT, 12)
    assert failure.evidence["call"] == "POST /v1/orders"
    assert "abcdef123456" not in str(failure.evidence)
    hidden = TABLE.of(answer, status=200, code="53109999", message="bad", effect=False)
    assert (hidden.kind, hidden.field) == (Kind.REJECTED, "order.terms")


def test_messages_are_redacted() -> None:
    failure = TABLE.failure(status=400, code="X", message="card 4242 4242 4242 4242 declined", effect=True)
    assert "4242 4242" not in failure.message
    assert slug("Acme", "a_B c") == "acme-a-b-c"
