"""How the house finds an adapter: every vendor folder has a `manifest.py` with `MANIFEST = Manifest(...)`.

def build(settings: AcmeSettings, transport: httpx.AsyncBaseTransport | None) -> Mapping[str, Any]:
    client = AcmeClient(settings, transport)
    return {"billing": AcmeBilling(client)}

MANIFEST = Manifest(vendor="acme", title="Acme Billing", settings=AcmeSettings, build=build,
                    capabilities={"billing": BILLING}, sandbox="connectors.acme.sandbox:AcmeSandbox")
"""

import importlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from connectors.kit.capability import Capability
from connectors.kit.settings import VendorSettings

Adapters = Mapping[str, Any]


async def close_adapters(adapters: Adapters) -> None:
    """Close what `build` opened: every distinct adapter that has an `aclose`."""
    for adapter in {id(a): a for a in adapters.values()}.values():
        close = getattr(adapter, "aclose", None)
        if close is not None:
            await close()


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """One vendor. `build(settings, transport)` returns its adapters by role; `transport` None means the network."""

    vendor: str
    title: str
    settings: type[VendorSettings]
    build: Callable[[Any, httpx.AsyncBaseTransport | None], Adapters]
    capabilities: Mapping[str, Capability]
    sandbox: str
    close: Callable[[Adapters], Awaitable[None]] = close_adapters

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that this vendor can play."""
        return tuple(self.capabilities)

    def sandbox_type(self) -> type[Any]:
        """The class of its sandbox, imported only when somebody runs one."""
        module, _, name = self.sandbox.partition(":")
        found: type[Any] = getattr(importlib.import_module(module), name)
        return found
