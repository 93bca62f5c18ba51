"""How the house finds this adapter."""

from collections.abc import Mapping
from typing import Any

import httpx

from connectors.kit.capability import Capability
from connectors.kit.manifest import Manifest
from connectors.netsuite.client import NetsuiteClient
from connectors.netsuite.connector import NetsuiteErp
from connectors.netsuite.settings import NetsuiteSettings

ERP = Capability(
    vendor="netsuite",
    role="erp",
    idempotency="external-id",
    concurrency=5,
    upsert_key="externalId",
    batch_sizes={"query-page": 1000},
    id_lengths={"external_id": 100},
    contract_document="sales-order",
    recognises="erp",
)


def build(settings: NetsuiteSettings, transport: httpx.AsyncBaseTransport | None) -> Mapping[str, Any]:
    """The adapter in its one role."""
    return {"erp": NetsuiteErp(NetsuiteClient(settings, transport))}


MANIFEST = Manifest(
    vendor="netsuite",
    title="Oracle NetSuite",
    settings=NetsuiteSettings,
    build=build,
    capabilities={"erp": ERP},
    sandbox="connectors.netsuite.sandbox:NetsuiteSandbox",
)
