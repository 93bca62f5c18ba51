"""Finds the vendor folders: every `connectors/<vendor>/manifest.py` is one adapter, and no list has to be kept."""

import importlib
from functools import cache
from pathlib import Path

from canonical.failures import Misconfigured
from connectors.kit.capability import Capability
from connectors.kit.manifest import Manifest


@cache
def vendors() -> dict[str, Manifest]:
    """Every adapter by vendor name, sorted."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*/manifest.py")):
        if path.parent.name == "kit":
            continue
        manifest = importlib.import_module(f"connectors.{path.parent.name}.manifest").MANIFEST
        found[path.parent.name] = manifest
    return found


def vendor(name: str) -> Manifest:
    """The adapter of that name. Raises Misconfigured `vendor-unknown`."""
    known = vendors()
    if name not in known:
        raise Misconfigured(
            f"there is no adapter named {name!r}",
            code="vendor-unknown",
            field="vendor",
            fix=f"use one of: {', '.join(known) or 'none installed'}; or make one with `revsaga connector new`",
        )
    return known[name]


def find(role: str, name: str) -> Manifest:
    """The adapter `name` if it can play `role`. Raises Misconfigured `vendor-unknown` or `role-not-offered`."""
    manifest = vendor(name)
    if role not in manifest.capabilities:
        able = [v for v, m in vendors().items() if role in m.capabilities]
        raise Misconfigured(
            f"{name} does not offer the role {role!r}; it offers {', '.join(manifest.roles) or 'none'}",
            code="role-not-offered",
            field=f"{role}.vendor",
            fix=f"choose one of: {', '.join(able)}" if able else f"no adapter offers {role!r} yet",
        )
    return manifest


def capability(role: str, name: str) -> Capability:
    """The capability sheet of a vendor in a role."""
    return find(role, name).capabilities[role]
