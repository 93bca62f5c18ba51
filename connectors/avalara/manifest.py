"""How the house finds this adapter."""

from collections.abc import Mapping
from typing import Any

import httpx

from connectors.avalara.client import AvalaraClient
from connectors.avalara.connector import AvalaraTax
from connectors.avalara.settings import AvalaraSettings
from connectors.kit.capability import Capability
from connectors.kit.manifest import Manifest

TAX = Capability(
    vendor="avalara",
    role="tax",
    idempotency="natural-key",
    concurrency=8,
    batch_sizes={"lines": 15000, "page": 1000},
    id_lengths={"code": 50, "customerCode": 50, "itemCode": 50, "taxCode": 25},
)


def build(settings: AvalaraSettings, transport: httpx.AsyncBaseTransport | None) -> Mapping[str, Any]:
    """The adapters by role."""
    return {"tax": AvalaraTax(AvalaraClient(settings, transport))}


MANIFEST = Manifest(
    vendor="avalara",
    title="Avalara AvaTax",
    settings=AvalaraSettings,
    build=build,
    capabilities={"tax": TAX},
    sandbox="connectors.avalara.sandbox:AvalaraSandbox",
)
