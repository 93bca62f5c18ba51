"""`revsaga connector`: the adapters, whether they work, and how a new one begins."""

from pathlib import Path
from typing import Any

import click

from commands import _shared
from commands.connect import connected, house

FAMILIES = ("crm", "cpq", "billing", "payments", "tax", "erp")
LATER = ("metering", "warehouse")
"""Roles whose ports come with later issues of the product."""
_COLUMNS = [
    ("role", "Role"), ("vendor", "Vendor"), ("state", "State"), ("idempotency", "Repeats are caught by"),
    ("concurrency", "At once"), ("contract_document", "Contract document"), ("reason", "Why stopped"),
    ("health", "Health"),
]  # fmt: skip


@click.group()
def group() -> None:
    """Connectors: which vendor plays which role, and whether work for it goes on."""


@group.command("list")
@click.option("--check", is_flag=True, help="Ask each system whether it answers and accepts our credential.")
@_shared.json_option
@_shared.asynchronous
async def list_(check: bool, as_json: bool) -> None:
    """Every role with its vendor and state. Exit 4 when --check finds one that does not work.

    \b
    revsaga connector list
    revsaga connector list --check --json
    """
    health: dict[str, Any] = {}
    if check:
        async with house(temporal=False) as wired:
            health = {role: found for _, role, found in await wired.health()}
            roles, states = wired.settings.roles(), await wired.store.connectors.list()
    else:
        async with connected(temporal=False) as c:
            roles, states = c.settings.roles(), await c.store.connectors.list()
    rows = [_row(role, roles[role], states, health.get(role)) for role in FAMILIES]
    rows += [{"role": role, "vendor": "", "state": "not connected"} for role in LATER]
    _shared.show(rows, _COLUMNS, as_json=as_json)
    if any(not found.well for found in health.values()):
        raise _shared.Exit(_shared.UNAVAILABLE)


def _row(role: str, vendor: str, states: Any, health: Any) -> dict[str, Any]:
    from connectors import registry

    sheet = registry.capability(role, vendor)
    stopped = next((s for s in states if s.vendor == vendor), None)
    reason = f"{stopped.actor}: {stopped.reason}" if stopped and stopped.state != "running" else ""
    well = (
        ""
        if health is None
        else f"well: {health.detail}"
        if health.well
        else f"{health.detail}; {health.fix}"
    )
    return {
        "role": role, "vendor": vendor, "title": registry.vendor(vendor).title,
        "state": stopped.state.value if stopped else "running", "reason": reason, "health": well,
        **sheet.model_dump(mode="json", exclude={"vendor", "role"}),
    }  # fmt: skip


async def _set(vendor: str, state: str, reason: str, as_json: bool) -> None:
    from activities.store.turns import ConnectorMode
    from connectors import registry

    registry.vendor(vendor)
    async with connected(temporal=False) as c:
        found = await c.store.connectors.set(
            vendor, ConnectorMode(state), actor=_shared.actor(), reason=reason
        )
    if as_json:
        _shared.print_json(found)
        return
    meaning = {
        "paused": "no step calls it until it is resumed; sagas wait and go on by themselves",
        "draining": "what runs goes on; no new activation is started by hand until it is resumed",
        "running": "work for it goes on",
    }[state]
    _shared.say(f"{vendor} is {state}: {meaning}", "green")


@group.command()
@click.argument("vendor")
@_shared.reason_option
@_shared.json_option
@_shared.asynchronous
async def pause(vendor: str, reason: str, as_json: bool) -> None:
    """Stop all calls to a vendor. Every worker obeys within seconds.

    \b
    revsaga connector pause VENDOR --reason "month end close"
    """
    await _set(vendor, "paused", reason, as_json)


@group.command()
@click.argument("vendor")
@_shared.reason_option
@_shared.json_option
@_shared.asynchronous
async def drain(vendor: str, reason: str, as_json: bool) -> None:
    """Let what runs come to its end, and start nothing new for a vendor.

    \b
    revsaga connector drain VENDOR --reason "tenant migration tonight"
    """
    await _set(vendor, "draining", reason, as_json)


@group.command()
@click.argument("vendor")
@_shared.reason_option
@_shared.json_option
@_shared.asynchronous
async def resume(vendor: str, reason: str, as_json: bool) -> None:
    """Let work for a vendor go on.

    \b
    revsaga connector resume VENDOR --reason "the books are closed"
    """
    await _set(vendor, "running", reason, as_json)


@group.command()
@click.argument("name")
@click.argument("role", type=click.Choice(FAMILIES))
@click.option(
    "--root",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(),
    help="The checkout.",
)
def new(name: str, role: str, root: Path) -> None:
    """Write the folder of a new adapter: it works against its own sandbox and passes the conformance suite at once.

    What it speaks is an invented interface that follows our port closely. Replace it with the vendor's own, file by
    file, and keep the suite green.

    \b
    revsaga connector new vega billing
    make test ARGS="tests/connectors/test_conformance.py tests/connectors/conformance -k vega"
    """
    from commands.scaffold import writing

    made = writing.write(root, name, role)
    for path in made:
        _shared.say(f"  {path}")
    _shared.say(f"connectors/{name} plays {role}. Next:", "green")
    _shared.say(
        f"  its tests: pytest tests/connectors/test_conformance.py tests/connectors/conformance -k {name}"
    )
    _shared.say(
        f"  to use it: REVSAGA_{role.upper()}={name}, REVSAGA_{name.upper()}_BASE_URL and its credential"
    )
