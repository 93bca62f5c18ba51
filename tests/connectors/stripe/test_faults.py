"""Whatever happens on the way: the right failure kind, and no change at the gateway."""

from typing import Any

import pytest

from canonical.failures import Failure, Kind
from connectors.kit.sandbox import Fault, serve
from connectors.stripe.client import StripeClient
from connectors.stripe.connector import StripePayments
from connectors.stripe.sandbox import lock_timeout
from tests.connectors.stripe import data

PATHS = ("/v1/customers/", "/v1/payment_methods/", "/v1/setup_intents", "/v1/mandates/")


async def failing(path: str = "/v1/customers/", **fault: Any) -> Failure:
    """The failure of one check under a fault; the next one must succeed and nothing may have changed."""
    sandbox = data.gateway()
    sandbox.faults.add(Fault(match=f"GET {path}", **fault))
    payments = data.payments(sandbox)
    with pytest.raises(Failure) as failed:
        await payments.check_method("cus_acme", "pm_sepa")
    assert sandbox.faults.armed[0].struck == 1
    assert (await payments.check_method("cus_acme", "pm_sepa")).usable
    assert dict(sandbox.effects) == {}
    return failed.value


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"kind": "html"}, "answer-not-json"),
        ({"kind": "empty"}, "answer-empty"),
        ({"kind": "truncated"}, "answer-not-json"),
        ({"kind": "timeout_before"}, "answer-lost"),
        ({"kind": "timeout_after"}, "answer-lost"),
        ({"kind": "reset_after"}, "answer-lost"),
        ({"kind": "error_after"}, "stripe-api-error"),
        ({"kind": "status", "status": 500, "body": "<html>"}, "stripe-500"),
        ({"kind": "status", "status": 503, "body": ""}, "unavailable"),
        ({"kind": "status", "status": 200, "body": [1]}, "answer-unexpected"),
        (
            {"kind": "status", "status": 409, "body": {"error": {"type": "invalid_request_error"}}},
            "concurrent-update",
        ),
    ],
)
async def test_a_check_may_simply_be_asked_for_again(path: str, fault: dict[str, Any], code: str) -> None:
    failure = await failing(path, **fault)
    assert (failure.kind, failure.code) == (Kind.TRANSIENT, code)


async def test_a_huge_answer_is_cut_short() -> None:
    assert (await failing(kind="huge")).code == "answer-too-large"


@pytest.mark.parametrize(("headers", "seconds"), [({"Retry-After": "3"}, 3.0), ({}, None)])
async def test_a_rate_limit_waits_as_asked(headers: dict[str, str], seconds: float | None) -> None:
    body = {"error": {"type": "invalid_request_error", "code": "rate_limit", "message": "Too many requests"}}
    failure = await failing(kind="status", status=429, headers=headers, body=body)
    assert (failure.kind, failure.code, failure.retry_after) == (Kind.TRANSIENT, "rate-limited", seconds)


async def test_a_locked_object_is_tried_again() -> None:
    failure = await failing(kind="status", status=429, body=lock_timeout().body.decode())
    assert (failure.kind, failure.code) == (Kind.TRANSIENT, "object-locked")


async def test_a_rolled_key_is_misconfigured() -> None:
    failure = await failing(kind="expired_token")
    assert (failure.kind, failure.code, failure.field) == (
        Kind.MISCONFIGURED,
        "credential-refused",
        "api_key",
    )


async def test_somebody_elses_404_is_a_wrong_address() -> None:
    failure = await failing(kind="status", status=404, body="<html>nothing here</html>")
    assert (failure.kind, failure.code, failure.field) == (Kind.MISCONFIGURED, "address-wrong", "base_url")


@pytest.mark.parametrize("path", ["/v1/customers/", "/v1/payment_methods/", "/v1/mandates/"])
async def test_only_an_unknown_record_is_an_answer(path: str) -> None:
    body = {"error": {"type": "invalid_request_error", "code": "parameter_unknown", "message": "no"}}
    failure = await failing(path, kind="status", status=400, body=body)
    assert (failure.kind, failure.code) == (Kind.REJECTED, "stripe-parameter-unknown")


async def test_an_error_inside_a_200_is_no_success() -> None:
    body = {"error": {"type": "api_error", "message": "strange"}}
    failure = await failing(kind="status", status=200, body=body)
    assert (failure.kind, failure.code) == (Kind.TRANSIENT, "answer-unexpected")


async def test_unknown_fields_change_nothing() -> None:
    sandbox = data.gateway()
    sandbox.faults.add(Fault(kind="unknown_fields", times=-1))
    payments = data.payments(sandbox)
    assert (await payments.check_method("cus_acme", "pm_sepa")).usable
    assert not (await payments.check_method("cus_acme", "pm_fresh")).usable
    assert (await payments.check()).well


async def test_failures_quote_the_request() -> None:
    assert "(req_" in (await failing(kind="error_after")).message


@pytest.mark.parametrize("kind", ["timeout_after", "reset_before", "html", "huge"])
async def test_over_real_http(kind: Any) -> None:
    sandbox = data.gateway()
    sandbox.faults.add(Fault(match="/v1/customers", kind=kind))
    async with serve(sandbox) as url:
        payments = StripePayments(StripeClient(data.settings(sandbox, url, read_timeout=0.3)))
        with pytest.raises(Failure) as failed:
            await payments.check_method("cus_acme", "pm_card")
        assert failed.value.kind is Kind.TRANSIENT
        assert (await payments.check_method("cus_acme", "pm_card")).usable
        await payments.aclose()
