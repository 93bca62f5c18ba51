"""Every adapter of a role keeps the promises that all of them share; `conformance/` holds one suite for each port.

The vendors are found through the registry: a new folder is judged without a line being added here.
"""

import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from canonical.failures import Failure
from connectors import ports, registry
from connectors.ports import Health
from tests.connectors.conformance.bench import EVERYWHERE, ROLES, Subject, subject, world, wrong_secrets

PORTS: dict[str, type[Any]] = {
    "crm": ports.CRM,
    "cpq": ports.CPQ,
    "billing": ports.Billing,
    "payments": ports.Payments,
    "tax": ports.Tax,
    "erp": ports.ERP,
}
everywhere = pytest.mark.parametrize(("role", "vendor"), EVERYWHERE)
# What keeps a system from answering sensibly, whatever it is asked.
BROKEN: tuple[tuple[str, dict[str, Any]], ...] = (
    ("html", {}),
    ("empty", {}),
    ("truncated", {}),
    ("huge", {}),
    ("timeout_before", {}),
    ("reset_before", {}),
    ("status", {"status": 500}),
    ("status", {"status": 503}),
    ("status", {"status": 502, "body": "<html>bad gateway</html>"}),
    ("status", {"status": 429, "headers": {"Retry-After": "3"}}),
    ("status", {"status": 302, "headers": {"Location": "https://elsewhere.example/"}}),
    ("status", {"status": 403, "body": "<html>forbidden</html>"}),
)


# Completeness


def test_every_role_has_a_port_a_suite_and_a_vendor() -> None:
    offered = {role for manifest in registry.vendors().values() for role in manifest.roles}
    assert offered == set(PORTS) == set(ROLES)
    suites = {
        path.stem.removeprefix("test_") for path in (Path(__file__).parent / "conformance").glob("test_*.py")
    }
    assert suites == set(ROLES)


@everywhere
async def test_the_adapter_has_the_methods_of_its_port(role: str, vendor: str) -> None:
    at = await subject(role, vendor)
    for name, promised in inspect.getmembers(PORTS[role], inspect.isfunction):
        if name.startswith("_"):
            continue
        made = getattr(type(at.adapter), name, None)
        assert inspect.iscoroutinefunction(made), f"{name} is missing"
        assert _shape(made) == _shape(promised), name


def _shape(function: Any) -> list[tuple[str, Any]]:
    """Names and kinds of the parameters: callers use both."""
    return [(p.name, p.kind) for p in inspect.signature(function).parameters.values()]


@everywhere
def test_the_capability_sheet_says_who_it_is_about(role: str, vendor: str) -> None:
    sheet = registry.capability(role, vendor)
    assert (sheet.vendor, sheet.role) == (vendor, role)
    assert sheet.idempotency != "header" or sheet.idempotency_window_hours
    assert sheet.concurrency is None or sheet.concurrency > 0
    assert role != "erp" or sheet.contract_document


# Health


@everywhere
async def test_a_good_connection_is_well(role: str, vendor: str) -> None:
    at = await subject(role, vendor)
    found = await at.adapter.check()
    assert found.well
    assert found.detail
    assert not at.effects


@everywhere
async def test_a_wrong_credential_is_told_with_its_fix(role: str, vendor: str) -> None:
    at = await subject(role, vendor)
    wrong = wrong_secrets(at.settings)
    assert wrong, "the settings hold no secret"
    found: Health = await at.with_settings(**wrong).adapter.check()
    assert not found.well
    assert found.detail
    assert found.fix
    for secret in wrong.values():
        assert secret.get_secret_value() not in found.detail + found.fix


@everywhere
@pytest.mark.parametrize(("kind", "more"), BROKEN)
async def test_a_check_never_raises(role: str, vendor: str, kind: str, more: dict[str, Any]) -> None:
    at = await subject(role, vendor)
    at.break_calls(kind, times=-1, **more)
    found: Health = await at.adapter.check()
    assert not found.well
    assert found.detail


# Reading


def _first_reading(at: Subject) -> Callable[[], Awaitable[Any]]:
    """One ordinary question to the system."""
    deal = world().deals[0]
    questions: dict[str, Callable[[], Awaitable[Any]]] = {
        "crm": lambda: at.adapter.read_opportunity(deal.opportunity.opportunity_id),
        "cpq": lambda: at.adapter.read_quote(deal.quote.quote_id),
        "billing": lambda: at.adapter.find_account("A-NOBODY"),
        "payments": lambda: at.adapter.check_method(
            world().methods[0].gateway_customer, world().methods[0].payment_method
        ),
        "tax": lambda: at.adapter.nexus(world().entities[0].tax_company),
        "erp": lambda: at.adapter.find_customer("C-NOBODY"),
    }
    return questions[at.role]


@everywhere
@pytest.mark.parametrize(("kind", "more"), BROKEN)
async def test_whatever_breaks_is_a_typed_failure(
    role: str, vendor: str, kind: str, more: dict[str, Any]
) -> None:
    at = await subject(role, vendor)
    ask = _first_reading(at)
    whole = await ask()
    at.break_calls(kind, times=-1, **more)
    with pytest.raises(Failure) as caught:
        await ask()
    failure = caught.value
    assert failure.code
    assert failure.message
    # It crosses a process border and comes back the same.
    assert type(Failure.of(failure.record())) is type(failure)
    if more.get("status") == 429:
        assert (failure.kind, failure.retry_after) == ("Transient", 3)
    at.sandbox.faults.clear()
    assert await ask() == whole


@everywhere
async def test_an_expired_credential_is_renewed_without_a_word(role: str, vendor: str) -> None:
    at = await subject(role, vendor)
    ask = _first_reading(at)
    whole = await ask()
    at.sandbox.tokens.revoke()
    assert await ask() == whole


@everywhere
async def test_a_wrong_credential_is_misconfigured(role: str, vendor: str) -> None:
    at = await subject(role, vendor)
    stranger = at.with_settings(**wrong_secrets(at.settings))
    with pytest.raises(Failure) as caught:
        await _first_reading(stranger)()
    assert caught.value.kind == "Misconfigured"
    assert caught.value.fix


@everywhere
async def test_references_are_unambiguous_and_change_nothing(role: str, vendor: str) -> None:
    at = await subject(role, vendor)
    found = await at.adapter.references()
    active = [(r.kind, r.code) for r in found if r.active]
    assert len(set(active)) == len(active)
    assert all(r.vendor_id for r in found)
    assert await at.adapter.references() == found
    assert not at.effects


@everywhere
@pytest.mark.parametrize("kind", ["html", "empty", "truncated"])
async def test_broken_references_are_a_failure_and_never_an_empty_list(
    role: str, vendor: str, kind: str
) -> None:
    at = await subject(role, vendor)
    whole = await at.adapter.references()
    at.break_calls(kind, times=-1)
    if whole:
        with pytest.raises(Failure):
            await at.adapter.references()
    else:
        # A vendor without records of ours has nothing to read, and so nothing to break.
        assert await at.adapter.references() == ()


@everywhere
async def test_secrets_never_show(role: str, vendor: str) -> None:
    at = await subject(role, vendor)
    at.break_calls("status", status=400, body={"error": "bad request"}, times=-1)
    with pytest.raises(Failure) as caught:
        await _first_reading(at)()
    text = caught.value.record().model_dump_json() + repr(at.settings)
    for secret in wrong_secrets(at.settings):
        assert getattr(at.settings, secret).get_secret_value() not in text
