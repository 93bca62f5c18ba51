"""`revsaga doctor` over a real stack: what is wrong is named with its fix, quickly, and the rest is still looked at."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from activities.contracts.stories import ActivationOrder
from activities.processes import free_port
from activities.settings import Settings
from commands._engine_checks import _versions
from stack import Stack
from tests.activities.postgres import Postgres
from tests.builders.embedded import Said, revsaga_later
from worker import current_build, deployed, promote
from workflows.quote_to_subscription import ActivateQuote

QUICK = 20.0
"""Seconds; the command alone takes two, and both cores are shared."""


async def _doctor(stack: Stack, **changed: str) -> tuple[Said, dict[str, dict[str, Any]]]:
    started = time.monotonic()
    said = await revsaga_later("doctor", "--json", environment={**stack.environment, **changed})
    assert time.monotonic() - started < QUICK
    return said, {check["name"]: check for check in said.json["checks"]}


def _others_are_well(checks: dict[str, dict[str, Any]], *but: str) -> None:
    assert {n: c for n, c in checks.items() if c["state"] == "down" and n not in but} == {}


async def test_all_is_well(stack: Stack) -> None:
    said, checks = await _doctor(stack)
    _others_are_well(checks)
    assert said.code in {0, 1}  # 1 when another test has left a case for a person
    assert len([c for c in checks.values() if c["area"] == "queues"]) == 6
    control = {n for n, c in checks.items() if c["area"] == "control"}
    assert control == {
        "transformation", "routing", "retries", "idempotency", "schema mediation", "observability"
    }  # fmt: skip
    assert {n.split(" ")[0] for n, c in checks.items() if c["area"] == "system"} == {
        "postgresql", "temporal", "salesforce", "zuora", "stripe", "avalara", "netsuite"
    }  # fmt: skip


async def test_postgresql_is_down(stack: Stack, tmp_path: Path) -> None:
    url = f"postgresql+asyncpg://revsaga@/revsaga?host={tmp_path}"
    said, checks = await _doctor(stack, REVSAGA_DATABASE_URL=url)
    assert said.code == 4
    assert checks["postgresql"]["state"] == "down"
    assert "REVSAGA_DATABASE_URL" in checks["postgresql"]["fix"]
    assert checks["temporal"]["state"] == "ok"
    _others_are_well(checks, "postgresql")


async def test_temporal_is_down(stack: Stack) -> None:
    said, checks = await _doctor(stack, REVSAGA_TEMPORAL_ADDRESS=f"127.0.0.1:{free_port()}")
    assert said.code == 4
    assert checks["temporal"]["state"] == "down"
    assert "revsaga up" in checks["temporal"]["fix"]
    assert "REVSAGA_TEMPORAL_ADDRESS" in checks["temporal"]["fix"]
    assert checks["postgresql"]["state"] == "ok"
    _others_are_well(checks, "temporal")


WRONG = {
    "stripe (payments)": ("REVSAGA_STRIPE_API_KEY", "rk_test_wrong_but_long_enough"),
    "zuora (billing)": ("REVSAGA_ZUORA_CLIENT_SECRET", "wrong-client-secret"),
    "avalara (tax)": ("REVSAGA_AVALARA_LICENSE_KEY", "WRONGLICENSE"),
    "netsuite (erp)": ("REVSAGA_NETSUITE_TOKEN_SECRET", "wrong-token-secret"),
    "salesforce (crm, cpq)": ("REVSAGA_SALESFORCE_CLIENT_ID", "wrong-client-id"),
}


async def test_one_credential_is_wrong(stack: Stack) -> None:
    variable, value = WRONG["stripe (payments)"]
    said, checks = await _doctor(stack, **{variable: value})
    assert said.code == 4
    assert checks["stripe (payments)"]["state"] == "down"
    assert "REVSAGA_STRIPE_" in checks["stripe (payments)"]["fix"]
    assert value not in said.out + said.err
    _others_are_well(checks, "stripe (payments)")


async def test_every_credential_is_wrong_and_each_is_named_with_its_fix(stack: Stack) -> None:
    said, checks = await _doctor(stack, **dict(WRONG.values()))
    assert said.code == 4
    for vendor, (variable, value) in WRONG.items():
        assert checks[vendor]["state"] == "down", vendor
        assert variable.split("_")[1] in checks[vendor]["fix"], vendor
        assert variable.endswith("CLIENT_ID") or value not in said.out + said.err
    _others_are_well(checks, *WRONG)


async def test_a_credential_is_missing(stack: Stack) -> None:
    said, checks = await _doctor(stack, REVSAGA_ZUORA_CLIENT_SECRET="", REVSAGA_ZUORA_CLIENT_ID="")
    assert said.code == 4
    assert checks["zuora (billing)"]["state"] == "down"
    _others_are_well(checks, "zuora (billing)")


async def test_a_migration_is_pending(stack: Stack, postgres: Postgres) -> None:
    name = await postgres.create(empty=True)
    said, checks = await _doctor(stack, REVSAGA_DATABASE_URL=postgres.server.uri(name))
    await postgres.drop(name)
    assert said.code == 4
    assert checks["migrations"]["state"] == "down"
    assert "0001" in checks["migrations"]["detail"]
    assert checks["migrations"]["fix"] == "revsaga db migrate"
    _others_are_well(checks, "migrations")


async def test_nobody_polls_a_queue(stack: Stack) -> None:
    said, checks = await _doctor(stack, REVSAGA_QUEUE="elsewhere-core")
    assert said.code == 4
    assert checks["queue elsewhere-erp"]["fix"] == "revsaga worker --queues erp"
    assert checks["queue elsewhere-erp"]["detail"] == "nobody polls it"


async def test_the_clock_of_the_settings_is_not_that_of_the_store(stack: Stack) -> None:
    said, checks = await _doctor(stack, REVSAGA_CLOCK="system")
    assert said.code == 4
    assert checks["clock"]["fix"] == "set REVSAGA_CLOCK=simulated for every worker"


async def test_for_people_it_prints_the_fix_below_what_is_wrong(stack: Stack) -> None:
    environment = {**stack.environment, "REVSAGA_STRIPE_API_KEY": "rk_test_wrong_but_long_enough"}
    said = await revsaga_later("doctor", environment=environment)
    assert said.code == 4
    lines = said.out.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("down") and "stripe" in line)
    assert lines[at + 1].strip().startswith("fix: ")


async def test_a_run_whose_version_no_worker_serves_is_named_with_the_command_that_moves_it(
    stack: Stack,
) -> None:
    client: Client = await stack.client()
    settings = Settings(temporal_address=stack.addresses["temporal"])
    version = deployed(settings)
    handle = await client.start_workflow(
        ActivateQuote.run,
        ActivationOrder(quote_id="no-such-quote", revision="0" * 12, actor="test"),
        id="activation/no-such-quote/r000000000000",
        task_queue=settings.queue,
    )
    name = f"pinned runs of {version.build_id}"
    checks = {c.name: c for c in await _versions(client, settings, served={"another-build"})}
    for _ in range(200):
        # The visibility store is told a moment after the run has got its version.
        if name in checks:
            break
        await asyncio.sleep(0.1)
        checks = {c.name: c for c in await _versions(client, settings, served={"another-build"})}
    await handle.terminate("test")
    assert checks[name].state == "warn"
    assert handle.id in checks[name].detail or "and more" in checks[name].detail
    assert "temporal workflow update-options" in checks[name].fix
    current = checks["worker version"]
    assert current.state == "down"
    assert version.build_id in current.detail


async def test_a_version_that_no_worker_has_registered_is_waited_for_and_then_refused(stack: Stack) -> None:
    client = await stack.client()
    before = await current_build(client, "revsaga")
    settings = Settings(build="never-built")
    with pytest.raises(Exception, match=r"(?i)not found|no pollers|does not exist"):
        await promote(client, deployed(settings), patience=0.3)
    assert await current_build(client, "revsaga") == before
