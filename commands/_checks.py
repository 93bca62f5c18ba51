"""What `doctor` looks at outside Temporal: the store, the clock, the business systems, the six control functions."""

import asyncio
import time
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from pydantic import ValidationError

from activities.settings import Settings
from activities.store.migrate import status
from activities.store.store import Store
from canonical.base import Model
from canonical.failures import Failure
from connectors import registry

LIMIT = 8.0
"""Seconds that one system may take to answer."""
_SKEW = 5.0


class State(StrEnum):
    """How a thing is."""

    OK = "ok"
    WARN = "warn"
    DOWN = "down"


class Check(Model):
    """One thing that was looked at. `fix` says what to do when it is not well."""

    area: str
    name: str
    state: State
    detail: str
    fix: str = ""

    @classmethod
    def ok(cls, name: str, detail: str, *, area: str) -> Self:
        """All is well."""
        return cls(area=area, name=name, state=State.OK, detail=detail)

    @classmethod
    def warn(cls, name: str, detail: str, fix: str, *, area: str) -> Self:
        """Work goes on, and somebody should look."""
        return cls(area=area, name=name, state=State.WARN, detail=detail, fix=fix)

    @classmethod
    def down(cls, name: str, detail: str, fix: str, *, area: str) -> Self:
        """Work does not go on."""
        return cls(area=area, name=name, state=State.DOWN, detail=detail, fix=fix)

    @classmethod
    def failed(cls, name: str, failure: Failure, *, area: str) -> Self:
        """Down, for the reason that the failure gives."""
        return cls.down(name, failure.message, failure.fix or "see the message", area=area)


async def store_checks(store: Store, settings: Settings) -> list[Check]:
    """The tables and the clock; when the tables are there, the control functions too."""
    version = await store.fetchval("SHOW server_version")
    checks = [Check.ok("postgresql", f"version {version}", area="system")]
    found = await status(settings.database_url)
    if found.unknown:
        fix = "install the newer version of this program"
        detail = f"the database is at {found.current}, which this program does not know"
        return [*checks, Check.down("migrations", detail, fix, area="store")]
    if found.pending:
        detail = f"pending: {', '.join(found.pending)}"
        return [*checks, Check.down("migrations", detail, "revsaga db migrate", area="store")]
    checks.append(Check.ok("migrations", f"up to date ({found.newest})", area="store"))
    checks.append(await _clock(store, settings))
    checks += await control_functions(store, settings)
    return checks


async def _clock(store: Store, settings: Settings) -> Check:
    row = await store.fetchrow(
        "SELECT (SELECT now FROM clock WHERE id = 1) AS business, clock_timestamp() AS real"
    )
    if row is None:
        raise RuntimeError("a SELECT without FROM has a row")
    simulated = row["business"] is not None
    if simulated != (settings.clock == "simulated"):
        store_says = "simulated" if simulated else "system"
        detail = f"the store says {store_says}, the settings say {settings.clock}"
        return Check.down("clock", detail, f"set REVSAGA_CLOCK={store_says} for every worker", area="store")
    if simulated:
        return Check.ok("clock", f"simulated: {row['business']:%Y-%m-%d %H:%M} UTC", area="store")
    skew = abs((datetime.now(UTC) - row["real"]).total_seconds())
    if skew > _SKEW:
        fix = "synchronise the clocks of both machines (NTP)"
        return Check.warn("clock", f"this machine and the database differ by {skew:.0f} s", fix, area="store")
    return Check.ok("clock", f"system; {skew:.1f} s from the database's", area="store")


async def vendor_checks(settings: Settings) -> list[Check]:
    """Every business system: is it reachable, is the credential accepted, are our fields deployed."""
    roles: dict[str, list[str]] = {}
    for role, vendor in settings.roles().items():
        roles.setdefault(vendor, []).append(role)
    found = await asyncio.gather(*(_vendor(vendor, played) for vendor, played in roles.items()))
    return list(found)


async def _vendor(vendor: str, roles: list[str]) -> Check:
    name = f"{vendor} ({', '.join(roles)})"
    try:
        manifest = registry.find(roles[0], vendor)
        adapters = manifest.build(manifest.settings(), None)
    except ValidationError as error:
        wrong = [
            f"REVSAGA_{vendor}_{'_'.join(map(str, e['loc']))}".upper() for e in error.errors() if e["loc"]
        ]
        what = ", ".join(wrong) or "; ".join(e["msg"] for e in error.errors())
        return Check.down(name, f"settings are missing or wrong: {what}", f"set {what}", area="system")
    except Failure as failure:
        return Check.failed(name, failure, area="system")
    try:
        started = time.monotonic()
        health = await asyncio.wait_for(adapters[roles[0]].check(), LIMIT)
    except TimeoutError:
        fix = f"see whether REVSAGA_{vendor.upper()}_BASE_URL is right and reachable"
        return Check.down(name, f"no answer in {LIMIT:.0f} s", fix, area="system")
    finally:
        await manifest.close(adapters)
    if not health.well:
        fix = health.fix or "see the message"
        prefix = f"REVSAGA_{vendor.upper()}_"
        return Check.down(name, health.detail, fix if prefix in fix else f"{fix} ({prefix}*)", area="system")
    return Check.ok(name, f"{health.detail} ({(time.monotonic() - started) * 1000:.0f} ms)", area="system")


async def control_functions(store: Store, settings: Settings) -> list[Check]:
    """The six functions of the control plane, each with the one place that does it and its figures."""
    return [
        await _transformation(store, settings),
        await _routing(store),
        await _retries(store),
        await _idempotency(store),
        _schemas(),
        _observability(settings),
    ]


async def _transformation(store: Store, settings: Settings) -> Check:
    """Maps in force, by vendor. The gateway has none to map."""
    counts: dict[str, Any] = {}
    for vendor in dict.fromkeys(settings.roles().values()):
        counts[vendor] = (await store.mappings.active(vendor)).version
    missing = [vendor for vendor, version in counts.items() if not version]
    if missing:
        return Check.warn(
            "transformation",
            f"no map in force for {', '.join(missing)}",
            "; ".join(f"revsaga mapping activate {vendor} --reason ..." for vendor in missing),
            area="control",
        )
    shown = ", ".join(f"{vendor} v{version}" for vendor, version in counts.items())
    return Check.ok("transformation", f"connectors/*/mapping; maps in force: {shown}", area="control")


async def _routing(store: Store) -> Check:
    master = await store.master.load()
    if not master.entities or not master.rules:
        fix = (
            "publish legal entities and routing rules (an embedded stack does it unless started with --empty)"
        )
        return Check.warn("routing", "no legal entity or no routing rule is published", fix, area="control")
    detail = f"canonical/entity.py; {len(master.rules)} rules to {len(master.entities)} legal entities"
    return Check.ok("routing", detail, area="control")


async def _retries(store: Store) -> Check:
    waiting: int = await store.fetchval(
        "SELECT count(*) FROM exception_case WHERE state IN ('open', 'in-progress')"
    )
    place = "activities/contracts/manners.py"
    if waiting:
        detail = f"{place}; {waiting} steps have used up their retries and wait for a person"
        return Check.warn("retries", detail, "revsaga case list", area="control")
    return Check.ok("retries", f"{place}; no step waits for a person", area="control")


async def _idempotency(store: Store) -> Check:
    rows = await store.fetch("SELECT state, count(*)::int AS n FROM effect GROUP BY state ORDER BY state")
    counts = {row["state"]: row["n"] for row in rows}
    shown = ", ".join(f"{n} {state}" for state, n in counts.items()) or "no effect yet"
    return Check.ok("idempotency", f"activities/effects.py; {shown}", area="control")


def _schemas() -> Check:
    from canonical import event, event_types

    types = list(event.registry())
    steps = sum(len(event.upcast_versions(payload)) for payload in types)
    detail = (
        f"{event_types.__name__.replace('.', '/')}.py; {len(types)} event types, {steps} old versions read"
    )
    return Check.ok("schema mediation", detail, area="control")


def _observability(settings: Settings) -> Check:
    wanted = {"health": settings.health_address, "engine metrics": settings.metrics_address}
    missing = [name for name, address in wanted.items() if not address]
    if missing:
        return Check.warn(
            "observability",
            f"no address for {' and '.join(missing)} of the worker",
            "set REVSAGA_HEALTH_ADDRESS and REVSAGA_METRICS_ADDRESS",
            area="control",
        )
    shown = ", ".join(f"{name} at {address}" for name, address in wanted.items())
    return Check.ok("observability", f"activities/telemetry.py; {shown}", area="control")
