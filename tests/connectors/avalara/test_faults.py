"""Whatever happens on the way: the right failure kind, nothing recorded, and well again afterwards."""

from typing import Any

import pytest

from canonical.failures import Failure, Kind
from canonical.tax import TaxDetermination
from connectors.avalara.client import AvalaraClient
from connectors.avalara.connector import AvalaraTax
from connectors.kit.sandbox import Fault, serve
from tests.connectors.avalara import data

DOCUMENT = "POST /api/v2/transactions/create"


async def failing(**fault: Any) -> Failure:
    """The failure of one estimate under a fault; the next one must succeed and nothing may be recorded."""
    sandbox = data.engine()
    sandbox.faults.add(Fault(match=DOCUMENT, **fault))
    tax = data.tax(sandbox)
    with pytest.raises(Failure) as failed:
        await tax.estimate(data.request())
    assert (await tax.estimate(data.request())).amount.minor == 1000
    assert (sandbox.state["documents"], dict(sandbox.effects)) == ({}, {})
    return failed.value


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"kind": "html"}, "answer-not-json"),
        ({"kind": "empty"}, "answer-empty"),
        ({"kind": "truncated"}, "answer-not-json"),
        ({"kind": "huge"}, "answer-too-large"),
        ({"kind": "timeout_before"}, "answer-lost"),
        ({"kind": "timeout_after"}, "answer-lost"),
        ({"kind": "reset_before"}, "answer-lost"),
        ({"kind": "reset_after"}, "answer-lost"),
        ({"kind": "status", "status": 500}, "tax-engine-failed"),
        ({"kind": "error_after"}, "tax-engine-failed"),
        ({"kind": "status", "status": 502, "body": "<html>Bad gateway</html>"}, "avalara-502"),
        ({"kind": "status", "status": 503, "body": ""}, "unavailable"),
        ({"kind": "status", "status": 429, "body": "slow down"}, "rate-limited"),
        ({"kind": "status", "status": 201, "body": {"id": 0}}, "answer-unexpected"),
        ({"kind": "status", "status": 201, "body": [1, 2]}, "answer-unexpected"),
    ],
)
async def test_an_estimate_may_simply_be_asked_for_again(fault: dict[str, Any], code: str) -> None:
    failure = await failing(**fault)
    assert (failure.kind, failure.code) == (Kind.TRANSIENT, code)


@pytest.mark.parametrize(("header", "seconds"), [({"Retry-After": "7"}, 7.0), ({}, None)])
async def test_the_wait_that_is_asked_for(header: dict[str, str], seconds: float | None) -> None:
    failure = await failing(
        kind="status", status=429, headers=header, body={"error": {"code": "RateLimitExceeded"}}
    )
    assert (failure.kind, failure.retry_after) == (Kind.TRANSIENT, seconds)


async def test_somebody_elses_404_is_a_wrong_address() -> None:
    failure = await failing(kind="status", status=404, body="<html>nothing here</html>")
    assert (failure.kind, failure.code, failure.field) == (Kind.MISCONFIGURED, "address-wrong", "base_url")


async def test_a_refused_credential_is_misconfigured() -> None:
    failure = await failing(kind="expired_token")
    assert (failure.kind, failure.code, failure.field) == (
        Kind.MISCONFIGURED,
        "credential-refused",
        "license_key",
    )


async def test_unknown_fields_change_nothing() -> None:
    sandbox = data.engine()
    tax = data.tax(sandbox)
    plain = await tax.estimate(data.request())
    sandbox.faults.add(Fault(kind="unknown_fields", times=-1))
    grown = await tax.estimate(data.request())
    assert _judged(grown) == _judged(plain)
    assert set(await tax.nexus("US-INC")) == set(data.NEXUS["US-INC"])
    assert (await tax.resolve_address(data.PHILADELPHIA)).resolved
    assert (await tax.check()).well


def _judged(found: TaxDetermination) -> dict[str, Any]:
    return found.model_dump(exclude={"evidence"})


@pytest.mark.parametrize("path", ["/nexus", "/companies", "/taxcodes", "/addresses/resolve"])
@pytest.mark.parametrize("kind", ["html", "empty", "truncated", "timeout_after", "error_after"])
async def test_reads_are_transient_too(path: str, kind: Any) -> None:
    sandbox = data.engine()
    sandbox.faults.add(Fault(match=path, kind=kind))
    with pytest.raises(Failure) as failed:
        await _read_everything(data.tax(sandbox))
    assert failed.value.kind is Kind.TRANSIENT
    assert sandbox.faults.armed[0].struck == 1


async def _read_everything(tax: AvalaraTax) -> None:
    await tax.nexus("US-INC")
    await tax.references()
    await tax.resolve_address(data.PHILADELPHIA)


async def test_a_page_link_that_runs_in_a_circle_ends() -> None:
    sandbox = data.engine()
    row = {"country": "US", "region": "PA"}
    body = {"value": [row], "@nextLink": f"{data.HOST}/api/v2/companies/848107/nexus?$skip=1"}
    sandbox.faults.add(Fault(match="/nexus", kind="status", status=200, body=body, times=-1))
    with pytest.raises(Failure) as failed:
        await data.tax(sandbox).nexus("US-INC")
    assert failed.value.code == "paging-loop"


async def test_a_page_link_to_another_host_is_not_followed() -> None:
    sandbox = data.engine()
    body = {"value": [], "@nextLink": "https://evil.example/steal?$skip=1"}
    sandbox.faults.add(Fault(match="/nexus", kind="status", status=200, body=body))
    assert set(await data.tax(sandbox).nexus("US-INC")) == set(data.NEXUS["US-INC"][1:])


@pytest.mark.parametrize("kind", ["timeout_after", "reset_before", "html", "huge"])
async def test_over_real_http(kind: Any) -> None:
    sandbox = data.engine()
    sandbox.faults.add(Fault(match=DOCUMENT, kind=kind))
    async with serve(sandbox) as url:
        tax = AvalaraTax(AvalaraClient(data.settings(sandbox, url, read_timeout=0.3)))
        with pytest.raises(Failure) as failed:
            await tax.estimate(data.request())
        assert failed.value.kind is Kind.TRANSIENT
        assert (await tax.estimate(data.request())).amount.minor == 1000
        await tax.aclose()
