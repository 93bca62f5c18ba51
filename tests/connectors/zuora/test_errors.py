"""Their error bodies, of either family, become one failure."""

from typing import Any

import httpx
import pytest

from canonical.failures import Failure, Kind
from connectors.kit import decimal_json
from connectors.kit.answer import Answer
from connectors.zuora.errors import failure_in, is_not_found


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> tuple[Answer, Any]:
    raw = decimal_json.dumps(body)
    made = Answer(
        status=status, headers=httpx.Headers(headers or {}), body=raw, method="GET", path="/v1/x", effect=True
    )
    return made, decimal_json.loads(raw)


def failure(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Failure:
    found = failure_in(*answer(body, status, headers))
    assert found is not None
    return found


def test_success_is_no_failure() -> None:
    assert failure_in(*answer({"success": True})) is None
    assert failure_in(*answer({"status": "Completed"})) is None


def test_reasons_are_joined_and_the_first_code_decides() -> None:
    reasons = [{"code": 53500020, "message": "one"}, {"code": 53500060, "message": "two"}]
    found = failure({"success": False, "reasons": reasons, "requestId": "R-7"})
    assert (found.kind, found.code) == (Kind.REJECTED, "zuora-value-refused")
    assert "one; two" in found.message
    assert found.evidence["zuora-request-id"] == "R-7"
    assert found.evidence["vendor-code"] == "53500020"


def test_codes_may_be_texts() -> None:
    assert is_not_found(failure({"success": False, "reasons": [{"code": "50000040", "message": "gone"}]}))


def test_the_other_family_writes_capitals() -> None:
    found = failure({"Success": False, "Errors": [{"Code": "INVALID_VALUE", "Message": "bad date"}]}, 400)
    assert (found.kind, found.message) == (Kind.REJECTED, "zuora: bad date")


def test_a_bare_message_is_told() -> None:
    found = failure({"message": "Authentication error"}, 401)
    assert (found.kind, found.message) == (Kind.MISCONFIGURED, "zuora: Authentication error")


@pytest.mark.parametrize("body", [[], "text", None, {}, {"reasons": []}, {"reasons": [None]}, {"code": None}])
def test_bodies_of_any_shape_become_a_failure(body: Any) -> None:
    assert failure(body, 500).kind is Kind.OUTCOME_UNKNOWN
    assert failure(body, 400).kind is Kind.REJECTED
    assert not is_not_found(failure(body, 404))


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "3", "ratelimit-reset": "9"}, 3),
        ({"ratelimit-reset": "9"}, 9),
        ({"ratelimit-reset": "-1"}, 0),
        ({"ratelimit-reset": "inf"}, None),
        ({}, None),
    ],
)
def test_how_long_a_rate_limit_asks_to_wait(headers: dict[str, str], wait: float | None) -> None:
    assert failure({}, 429, headers).retry_after == wait


def test_an_expired_credential_in_a_200_is_a_credential_failure() -> None:
    found = failure({"success": False, "reasons": [{"code": 90000011, "message": "expired"}]})
    assert (found.kind, found.code) == (Kind.MISCONFIGURED, "zuora-credential-refused")


def test_secrets_do_not_come_along() -> None:
    found = failure({"message": "bad token Bearer abcdef0123456789"}, 401)
    assert "abcdef0123456789" not in found.message + str(found.evidence)
