"""Customers with stored methods, and an adapter on a sandbox in process."""

from datetime import date
from pathlib import Path
from typing import Any

import httpx

from canonical.catalog import Catalog
from connectors.kit.sandbox import SandboxTransport
from connectors.kit.world import StoredMethod, World
from connectors.stripe.client import StripeClient
from connectors.stripe.connector import StripePayments
from connectors.stripe.sandbox import SECRET_KEY, StripeSandbox
from connectors.stripe.settings import StripeSettings

GOLDEN = Path(__file__).parent / "golden"
HOST = "https://api.stripe.com"
TODAY = date(2026, 11, 24)


def stored(method: str, customer: str = "cus_acme", **more: Any) -> StoredMethod:
    return StoredMethod.model_validate({"gateway_customer": customer, "payment_method": method, **more})


METHODS = (
    stored("pm_card"),
    stored("pm_sepa", kind="sepa_debit"),
    stored("pm_fresh", off_session=False),
    stored("pm_gone", attached=False),
    stored("pm_other", customer="cus_other"),
)
WORLD = World(
    on=TODAY, catalog=Catalog(products=()), entities=(), rules=(), terms=(), nexus={}, methods=METHODS
)


def gateway(**options: Any) -> StripeSandbox:
    """A sandbox that knows the customers."""
    sandbox = StripeSandbox(**options)
    sandbox.seed(WORLD)
    return sandbox


def settings(sandbox: StripeSandbox, base_url: str = HOST, **more: Any) -> StripeSettings:
    """Settings that get into the sandbox."""
    return StripeSettings.model_validate({"base_url": base_url, **sandbox.credentials(), **more})


def payments(sandbox: StripeSandbox, today: date = TODAY, **more: Any) -> StripePayments:
    """An adapter in process."""
    client = StripeClient(settings(sandbox, **more), SandboxTransport(sandbox))
    return StripePayments(client, today=lambda: today)


class Caller:
    """Speaks to the sandbox in plain HTTP."""

    def __init__(self, sandbox: StripeSandbox | None = None, key: str = SECRET_KEY, **headers: str) -> None:
        self.sandbox = sandbox or gateway()
        self.http = httpx.AsyncClient(
            transport=SandboxTransport(self.sandbox),
            base_url=HOST,
            headers={
                "Authorization": f"Bearer {key}",
                **{k.replace("_", "-"): v for k, v in headers.items()},
            },
        )

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.http.get(path, params=params)

    async def post(self, path: str, key: str | None = None, **form: Any) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return await self.http.post(path, data=form, headers=headers)
