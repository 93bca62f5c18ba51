"""What the tests of this vendor share: an org in process, an adapter on it, and the raw view of its records."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx

from canonical.party import Parties
from canonical.quote import Deal, QuoteMark
from connectors.kit.sandbox import SandboxTransport
from connectors.salesforce.client import SalesforceClient
from connectors.salesforce.connector import Salesforce
from connectors.salesforce.sandbox import SalesforceSandbox
from connectors.salesforce.sandbox.seed import load_deal
from connectors.salesforce.settings import SalesforceSettings

URL = "http://127.0.0.1:9"
NOW = datetime(2026, 1, 5, 9, 30, 0, tzinfo=UTC)


def an_org(*deals: Deal, clock: Callable[[], datetime] | None = None, **options: Any) -> SalesforceSandbox:
    """An org that holds these deals."""
    org = SalesforceSandbox(clock=clock or (lambda: NOW), **options)
    for deal in deals:
        load_deal(org.org, deal)
    return org


def adapter(org: SalesforceSandbox, **settings: Any) -> Salesforce:
    """An adapter that speaks to the org in process."""
    known = SalesforceSettings(**(org.connection(URL) | settings))
    return Salesforce(SalesforceClient(known, SandboxTransport(org)))


async def read_deal(crm: Salesforce, deal: Deal) -> Deal:
    """The deal as activation reads it."""
    opportunity = await crm.read_opportunity(deal.opportunity.opportunity_id)
    quote, parties = await crm.read_quote(deal.quote.quote_id)
    customer, parents = await crm.read_customer(opportunity.customer_id)
    return Deal(
        opportunity=opportunity,
        quote=quote,
        parties=Parties(customer=customer, sold_to=parties.sold_to, bill_to=parties.bill_to),
        parents=parents,
    )


def a_mark(operation: str = "activation/q/r1", state: str = "activating", **more: str) -> QuoteMark:
    """What the product writes on a quote."""
    return QuoteMark(operation_id=operation, content_hash="c" * 64, state=state, **more)


def calls(org: SalesforceSandbox, method: str) -> list[str]:
    """The paths that were called with a method, sign-in left out."""
    return [e["path"] for e in org.log if e["method"] == method and "oauth2" not in e["path"]]


def once(org: SalesforceSandbox) -> None:
    """No effect happened twice."""
    assert all(count == 1 for count in org.effects.values()), org.effects


def run(coroutine: Any) -> Any:
    """Run to the end, for properties, which are not async themselves."""
    return asyncio.run(coroutine)


class Interfering(httpx.AsyncBaseTransport):
    """A wire on which something else happens before or after the next calls of a method."""

    def __init__(self, org: SalesforceSandbox) -> None:
        self.inner = SandboxTransport(org)
        self.before: dict[str, list[Callable[[], Any]]] = {}
        self.after: dict[str, list[Callable[[], Any]]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._strike(self.before, request.method)
        response = await self.inner.handle_async_request(request)
        await self._strike(self.after, request.method)
        return response

    async def _strike(self, waiting: dict[str, list[Callable[[], Any]]], method: str) -> None:
        if waiting.get(method):
            outcome = waiting[method].pop(0)()
            if outcome is not None:
                await outcome
