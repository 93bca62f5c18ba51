"""How the house finds this adapter."""

from collections.abc import Mapping
from typing import Any

import httpx

from connectors.kit.capability import Capability
from connectors.kit.manifest import Manifest
from connectors.stripe.client import StripeClient
from connectors.stripe.connector import StripePayments
from connectors.stripe.settings import StripeSettings

PAYMENTS = Capability(
    vendor="stripe",
    role="payments",
    idempotency="header",
    idempotency_window_hours=24,
    stores_failures=True,
    rate_per_second=25,
    batch_sizes={"page": 100},
    id_lengths={"idempotency_key": 255, "metadata_value": 500},
    event_retention_hours=720,
)


def build(settings: StripeSettings, transport: httpx.AsyncBaseTransport | None) -> Mapping[str, Any]:
    """The adapters by role."""
    return {"payments": StripePayments(StripeClient(settings, transport))}


MANIFEST = Manifest(
    vendor="stripe",
    title="Stripe",
    settings=StripeSettings,
    build=build,
    capabilities={"payments": PAYMENTS},
    sandbox="connectors.stripe.sandbox:StripeSandbox",
)
