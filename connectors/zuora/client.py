"""The only HTTP to Zuora. One method per endpoint; each returns what was read, or raises the typed failure.

HTTP 200 does not mean success here: every answer is looked into before anything of it is believed.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from connectors.kit.auth import ClientCredentials
from connectors.kit.http import Answer, Http
from connectors.kit.paging import Page, pages
from connectors.zuora import schema
from connectors.zuora.errors import failure_in
from connectors.zuora.settings import ZuoraSettings

W = TypeVar("W", bound=schema.Wire)


def _segment(text: str) -> str:
    return quote(text, safe="")


_ITEM_BYTES = 1024  # more than one item of a previewed invoice takes


class ZuoraClient:
    """One tenant. Safe to share between tasks."""

    def __init__(self, settings: ZuoraSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.settings = settings
        bare = Http(settings, transport=transport, headers={"Zuora-Version": settings.version})
        # POST /oauth/token: form fields, no credential header.
        self._http = bare.with_auth(
            ClientCredentials(
                bare,
                url="/oauth/token",
                client_id=settings.client_id,
                client_secret=settings.client_secret,
            )
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _call(
        self,
        method: str,
        path: str,
        *,
        effect: bool,
        body: Any = None,
        params: Mapping[str, str | int] | None = None,
        key: str | None = None,
        at_most: int | None = None,
    ) -> tuple[Answer, dict[str, Any]]:
        headers = {"Idempotency-Key": key} if key else None
        answer = await self._http.send(
            method, path, effect=effect, json=body, params=params, headers=headers, at_most=at_most
        )
        found = answer.json() if answer.ok else answer.try_json()
        failure = failure_in(answer, found)
        if failure is not None:
            raise failure
        if not isinstance(found, dict):
            raise answer.unreadable("answer-not-object", "an answer that is not an object")
        return answer, found

    def _parse(self, answer: Answer, model: type[W], part: Any) -> W:
        try:
            return model.model_validate(part)
        except ValidationError as error:
            where = ".".join(str(p) for p in error.errors()[0]["loc"])
            raise answer.unreadable("answer-shape", f"an answer of another shape (at {where})") from error

    async def _rows(
        self, path: str, name: str, model: type[W], params: Mapping[str, str | int] | None = None
    ) -> AsyncIterator[W]:
        """All pages of a list; `nextPage` is followed as the vendor wrote it."""
        first = {"pageSize": self.settings.page_size, **(params or {})}

        async def fetch(cursor: str | None) -> Page[W, str]:
            answer, found = await self._call(
                "GET", cursor or path, effect=False, params=None if cursor else first
            )
            rows = found.get(name)
            if not isinstance(rows, list):
                raise answer.unreadable("answer-shape", f"a list without '{name}'")
            return Page([self._parse(answer, model, row) for row in rows], found.get("nextPage") or None)

        async for row in pages(fetch):
            yield row

    # Accounts

    async def create_account(self, body: dict[str, Any], *, key: str) -> None:
        """POST /v1/accounts"""
        await self._call("POST", "/v1/accounts", effect=True, body=body, key=key)

    async def read_account(self, key: str) -> schema.Account:
        """GET /v1/accounts/{key}"""
        answer, found = await self._call("GET", f"/v1/accounts/{_segment(key)}", effect=False)
        return self._parse(answer, schema.Account, found)

    async def update_account(self, key: str, body: dict[str, Any]) -> None:
        """PUT /v1/accounts/{key}"""
        await self._call("PUT", f"/v1/accounts/{_segment(key)}", effect=True, body=body)

    async def delete_account(self, key: str) -> str | None:
        """DELETE /v1/accounts/{key}. Starts a job and returns its id."""
        _, found = await self._call("DELETE", f"/v1/accounts/{_segment(key)}", effect=True)
        job = found.get("jobId")
        return None if job is None else str(job)

    async def job_status(self, job: str) -> str:
        """GET /v1/operations/jobs/{jobId}"""
        _, found = await self._call("GET", f"/v1/operations/jobs/{_segment(job)}", effect=False)
        return str(found.get("status", ""))

    def documents(self, account: str) -> AsyncIterator[schema.Document]:
        """GET /v1/billing-documents"""
        return self._rows("/v1/billing-documents", "documents", schema.Document, {"accountNumber": account})

    # Orders

    async def create_order(self, body: dict[str, Any], *, key: str) -> None:
        """POST /v1/orders"""
        await self._call("POST", "/v1/orders", effect=True, body=body, key=key)

    async def preview_order(self, body: dict[str, Any], items: int = 0) -> schema.PreviewResult:
        """POST /v1/orders/preview. Creates nothing, so no idempotency key is spent on it.

        There are no pages: the answer grows with every invoice item, of which about `items` are expected.
        """
        at_most = self.settings.max_answer_bytes + items * _ITEM_BYTES
        answer, found = await self._call(
            "POST", "/v1/orders/preview", effect=False, body=body, at_most=at_most
        )
        return self._parse(answer, schema.PreviewResult, found.get("previewResult"))

    async def read_order(self, number: str) -> schema.Order:
        """GET /v1/orders/{number}"""
        answer, found = await self._call("GET", f"/v1/orders/{_segment(number)}", effect=False)
        return self._parse(answer, schema.Order, found.get("order"))

    def orders(self, status: str) -> AsyncIterator[schema.Order]:
        """GET /v1/orders. Statuses are spelled in lower case here."""
        return self._rows("/v1/orders", "orders", schema.Order, {"status": status})

    def orders_of(self, account: str) -> AsyncIterator[schema.Order]:
        """GET /v1/orders/invoiceOwner/{account}. Leaves out drafts and scheduled orders."""
        return self._rows(f"/v1/orders/invoiceOwner/{_segment(account)}", "orders", schema.Order)

    async def activate_order(self, number: str) -> None:
        """PUT /v1/orders/{number}/activate. No body: activation itself never bills or collects."""
        await self._call("PUT", f"/v1/orders/{_segment(number)}/activate", effect=True)

    async def cancel_order(self, number: str, reason: str) -> None:
        """PUT /v1/orders/{number}/cancel"""
        body = {"cancelReason": reason}
        await self._call("PUT", f"/v1/orders/{_segment(number)}/cancel", effect=True, body=body)

    async def trigger_dates(self, number: str, body: dict[str, Any]) -> None:
        """PUT /v1/orders/{number}/triggerDates"""
        await self._call("PUT", f"/v1/orders/{_segment(number)}/triggerDates", effect=True, body=body)

    async def delete_order(self, number: str) -> None:
        """DELETE /v1/orders/{number}"""
        await self._call("DELETE", f"/v1/orders/{_segment(number)}", effect=True)

    # Subscriptions and price list

    async def read_subscription(self, number: str) -> schema.Subscription:
        """GET /v1/subscriptions/{number}. A number answers with the newest version."""
        answer, found = await self._call("GET", f"/v1/subscriptions/{_segment(number)}", effect=False)
        return self._parse(answer, schema.Subscription, found)

    def subscriptions_of(self, account: str) -> AsyncIterator[schema.Subscription]:
        """GET /v1/subscriptions/accounts/{account}"""
        return self._rows(
            f"/v1/subscriptions/accounts/{_segment(account)}", "subscriptions", schema.Subscription
        )

    def products(self) -> AsyncIterator[schema.CatalogProduct]:
        """GET /v1/catalog/products"""
        return self._rows("/v1/catalog/products", "products", schema.CatalogProduct)

    async def ping(self) -> None:
        """GET /v1/catalog/products, one row: proves that the tenant answers and takes our credential."""
        await self._call("GET", "/v1/catalog/products", effect=False, params={"pageSize": 1})
