"""How the house finds this adapter, and what it can do."""

from collections.abc import Mapping
from typing import Any

import httpx

from connectors.kit.capability import Capability
from connectors.kit.manifest import Manifest
from connectors.zuora.client import ZuoraClient
from connectors.zuora.connector import ZuoraBilling
from connectors.zuora.settings import ZuoraSettings

BILLING = Capability(
    vendor="zuora",
    role="billing",
    idempotency="header",
    idempotency_window_hours=24,
    stores_failures=True,
    concurrency=40,
    batch_sizes={"order actions": 50, "subscriptions of an order": 50, "page": 40},
    upsert_key="orderNumber, subscriptionNumber, accountNumber",
    id_lengths={"account": 50, "order": 100, "subscription": 100, "charge": 50, "idempotency key": 255},
    ordering="orders of one account must take turns: parallel ones compete for its lock",
    asynchronous=True,
)


def build(settings: ZuoraSettings, transport: httpx.AsyncBaseTransport | None) -> Mapping[str, Any]:
    """The adapters by role."""
    return {"billing": ZuoraBilling(ZuoraClient(settings, transport))}


MANIFEST = Manifest(
    vendor="zuora",
    title="Zuora Billing",
    settings=ZuoraSettings,
    build=build,
    capabilities={"billing": BILLING},
    sandbox="connectors.zuora.sandbox:ZuoraSandbox",
)
