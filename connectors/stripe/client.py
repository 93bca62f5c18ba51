"""The gateway over HTTP: one method per endpoint, reads only."""

from collections.abc import AsyncIterator, Sequence
from typing import TypeVar
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from connectors.kit import paging
from connectors.kit.answer import Answer
from connectors.kit.auth import BearerKey
from connectors.kit.http import Http
from connectors.stripe.errors import failure
from connectors.stripe.schema import (
    Balance,
    Customer,
    Item,
    ListPage,
    Mandate,
    PaymentIntent,
    PaymentMethod,
    SetupIntent,
    Wire,
)
from connectors.stripe.settings import StripeSettings

Shape = TypeVar("Shape", bound=Wire)
PAGE = 100


def _read(answer: Answer, shape: type[Shape]) -> Shape:
    if not answer.ok:
        raise failure(answer)
    found = answer.json()
    if isinstance(found, dict) and isinstance(found.get("error"), dict):
        raise answer.unreadable("answer-unexpected", "a success that holds an error object")
    try:
        return shape.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise answer.unreadable("answer-unexpected", f"{where}: {first['msg']}") from error


class StripeClient:
    """The endpoints that this adapter uses."""

    def __init__(self, settings: StripeSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.settings = settings
        headers = {"Stripe-Version": settings.api_version, "Accept": "application/json"}
        if settings.account:
            headers["Stripe-Account"] = settings.account
        self._http = Http(settings, BearerKey(settings.api_key), transport=transport, headers=headers)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def balance(self) -> Balance:
        """`GET /v1/balance`: proves that the key is accepted, and tells its mode."""
        return await self._get("/v1/balance", Balance)

    async def customer(self, customer_id: str) -> Customer:
        """`GET /v1/customers/{id}`. A deleted customer is answered with 200 and `deleted`."""
        return await self._get(f"/v1/customers/{_part(customer_id)}", Customer)

    async def payment_method(self, method_id: str) -> PaymentMethod:
        """`GET /v1/payment_methods/{id}`."""
        return await self._get(f"/v1/payment_methods/{_part(method_id)}", PaymentMethod)

    async def mandate(self, mandate_id: str) -> Mandate:
        """`GET /v1/mandates/{id}`. There is no list of mandates."""
        return await self._get(f"/v1/mandates/{_part(mandate_id)}", Mandate)

    async def setup_intents(self, customer_id: str, method_id: str) -> tuple[SetupIntent, ...]:
        """`GET /v1/setup_intents`: all of that customer and method, newest first."""
        query = [("customer", customer_id), ("payment_method", method_id)]
        return tuple([i async for i in self._list("/v1/setup_intents", ListPage[SetupIntent], query)])

    def payment_intents(self, customer_id: str) -> AsyncIterator[PaymentIntent]:
        """`GET /v1/payment_intents`: those of that customer with their charges, newest first, page by page."""
        query = [("customer", customer_id), ("expand[]", "data.latest_charge")]
        return self._list("/v1/payment_intents", ListPage[PaymentIntent], query)

    async def _get(self, path: str, shape: type[Shape]) -> Shape:
        return _read(await self._http.send("GET", path, effect=False), shape)

    async def _list(
        self, path: str, shape: type[ListPage[Item]], query: Sequence[tuple[str, str]]
    ) -> AsyncIterator[Item]:
        async def fetch(after: str | None) -> paging.Page[Item, str]:
            params = [*query, ("limit", str(PAGE))] + ([("starting_after", after)] if after else [])
            page = _read(await self._http.send("GET", path, params=params, effect=False), shape)
            last = getattr(page.data[-1], "id", None) if page.data else None
            return paging.Page(page.data, last if page.has_more else None)

        async for item in paging.pages(fetch):
            yield item


def _part(identifier: str) -> str:
    return quote(identifier, safe="")
