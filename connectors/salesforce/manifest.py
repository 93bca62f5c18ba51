"""How the house finds this adapter."""

from collections.abc import Mapping
from typing import Any

import httpx

from connectors.kit.capability import Capability
from connectors.kit.manifest import Manifest
from connectors.salesforce.client import SalesforceClient
from connectors.salesforce.connector import Salesforce
from connectors.salesforce.settings import SalesforceSettings


def _capability(role: str) -> Capability:
    return Capability(
        vendor="salesforce",
        role=role,
        idempotency="natural-key",
        batch_sizes={"query": 2000, "composite": 25, "collection": 200},
        upsert_key="quote id with the operation id on it",
        id_lengths={"operation": 255, "content-hash": 64, "subscription": 80, "erp-document": 80},
        ordering="deals by system time stamp, with overlap",
        event_retention_hours=72,
        asynchronous=True,
        contract_document="Contract with subscriptions, made by the quoting package",
    )


def build(settings: SalesforceSettings, transport: httpx.AsyncBaseTransport | None) -> Mapping[str, Any]:
    """Both roles on one connection."""
    adapter = Salesforce(SalesforceClient(settings, transport))
    return {"crm": adapter, "cpq": adapter}


MANIFEST = Manifest(
    vendor="salesforce",
    title="Salesforce with CPQ",
    settings=SalesforceSettings,
    build=build,
    capabilities={"crm": _capability("crm"), "cpq": _capability("cpq")},
    sandbox="connectors.salesforce.sandbox:SalesforceSandbox",
)
