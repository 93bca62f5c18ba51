"""Putting maps and master data in force, and telling the activations that wait for them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, TypeAdapter
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.clock import clock_of
from activities.store.activations import ActivationState
from activities.store.mappings import MappingChange
from activities.store.store import Store
from activities.wiring import Wired
from canonical.base import Model
from canonical.catalog import Product
from canonical.entity import LegalEntity, RoutingRule
from canonical.event import emit
from canonical.event_types import MappingActivated
from canonical.ids import number
from commands._shared import USAGE, Stop

KINDS: Mapping[str, tuple[type[Model], str]] = {
    "catalog": (Product, "code"),
    "entities": (LegalEntity, "code"),
    "routing": (RoutingRule, "rule_id"),
}
"""Our own master data: what an item is, and the field that names it."""


class Published(Model):
    """What came into force."""

    what: str = Field(description="a vendor, or catalog, entities or routing")
    version: int
    changes: tuple[MappingChange, ...]
    told: int = Field(description="live activations that were told to look again")


def vendor_role(wired: Wired, vendor: str) -> str:
    """A role that the vendor plays here. Stop when it is not connected."""
    for role, name in wired.settings.roles().items():
        if name == vendor:
            return role
    connected = ", ".join(dict.fromkeys(wired.settings.roles().values()))
    raise Stop(
        f"{vendor!r} is not connected here", fix=f"use one of: {connected}, {', '.join(KINDS)}", code=USAGE
    )


async def differences(wired: Wired, vendor: str) -> tuple[MappingChange, ...]:
    """What activating the vendor's present records would change."""
    adapter = wired.adapters[vendor_role(wired, vendor)]
    return await wired.store.mappings.diff(vendor, await adapter.references())


async def activate_vendor(wired: Wired, client: Client, vendor: str, *, actor: str, reason: str) -> Published:
    """Put what the vendor lists now in force, write the event, wake those who wait."""
    references = await wired.adapters[vendor_role(wired, vendor)].references()
    changes = await wired.store.mappings.diff(vendor, references)
    active = await wired.store.mappings.activate(vendor, references, actor=actor, reason=reason)
    return await _published(wired.store, client, vendor, active.version, changes, actor, reason)


def items_in(kind: str, file: Path) -> tuple[Model, ...]:
    """Products, entities or rules out of a JSON file: a list of them. Raises ValidationError, or Stop for no JSON."""
    model, _ = KINDS[kind]
    try:
        raw = json.loads(file.read_text(encoding="utf-8"), parse_float=str)
    except ValueError as error:
        raise Stop(f"{file.name} is not JSON: {error}", fix="write a list of items", code=USAGE) from error
    adapter: TypeAdapter[tuple[Model, ...]] = TypeAdapter(tuple[model, ...])  # type: ignore[valid-type]
    return adapter.validate_python(raw, strict=False)


async def items_now(store: Store, kind: str) -> tuple[Model, ...]:
    """What is in force."""
    master = await store.master.load()
    found: Mapping[str, tuple[Any, ...]] = {
        "catalog": master.catalog.products, "entities": master.entities, "routing": master.rules,
    }  # fmt: skip
    return tuple(found[kind])


def compare(kind: str, before: Sequence[Model], after: Sequence[Model]) -> tuple[MappingChange, ...]:
    """What differs, by the field that names an item (and its version, where it has one)."""
    old, new = _by_name(kind, before), _by_name(kind, after)
    changes = [
        MappingChange(kind=kind, code=code, before=old.get(code), after=new.get(code))
        for code in sorted({*old, *new})
    ]
    return tuple(change for change in changes if change.before != change.after)


def _by_name(kind: str, items: Sequence[Model]) -> dict[str, str]:
    field = KINDS[kind][1]
    named: dict[str, str] = {}
    for item in items:
        version = getattr(item, "version", None)
        name = f"{getattr(item, field)}" + (f" v{version}" if version else "")
        if name in named:
            raise Stop(f"{kind}: {name} occurs twice", fix="each item has a name of its own", code=USAGE)
        # Sorted, since the store keeps it so, and an order of keys is no difference.
        named[name] = json.dumps(item.model_dump(mode="json"), sort_keys=True)
    return named


async def activate_items(
    store: Store, client: Client, kind: str, items: Sequence[Model], *, actor: str, reason: str
) -> Published:
    """Put our own master data in force, write the event, wake those who wait."""
    changes = compare(kind, await items_now(store, kind), items)
    version = await store.master.publish(kind, items, actor=actor, reason=reason)
    return await _published(store, client, kind, version, changes, actor, reason)


async def _published(
    store: Store,
    client: Client,
    what: str,
    version: int,
    changes: tuple[MappingChange, ...],
    actor: str,
    reason: str,
) -> Published:
    if changes:
        counts = {name: sum(c.what == name for c in changes) for name in ("added", "changed", "removed")}
        payload = MappingActivated(vendor=what, mapping_version=version, reason=reason, **counts)
        key = f"mapping/{what}/{version}"
        event = emit(
            payload, key=key, subject=f"mapping/{what}", time=await (await clock_of(store)).now(),
            correlation_id=number("MAP", what, key), actor=actor, causation_id=key,
        )  # fmt: skip
        await store.events.append([event])
    return Published(what=what, version=version, changes=changes, told=await tell(store, client))


async def tell(store: Store, client: Client) -> int:
    """Let every live activation look again; one that does not wait is not disturbed. How many were told."""
    told = 0
    for row in await store.activations.list(state=ActivationState.LIVE, limit=10_000):
        try:
            await client.get_workflow_handle(row.workflow_id).signal("catalog_published")
        except RPCError as error:
            # It ended between the two questions.
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            continue
        told += 1
    return told
