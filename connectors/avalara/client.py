"""AvaTax over HTTP: one method per endpoint. Nothing here records a document, so no call has an effect."""

from collections.abc import AsyncIterator
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit

import httpx
from pydantic import ValidationError

from connectors.avalara.errors import failure
from connectors.avalara.schema import (
    Company,
    Item,
    NexusRow,
    Page,
    Ping,
    Resolution,
    TaxCode,
    Transaction,
    Wire,
)
from connectors.avalara.settings import AvalaraSettings
from connectors.kit import paging
from connectors.kit.answer import Answer
from connectors.kit.auth import BasicAuth
from connectors.kit.http import Http

Shape = TypeVar("Shape", bound=Wire)


def _read(answer: Answer, shape: type[Shape]) -> Shape:
    if not answer.ok:
        raise failure(answer)
    try:
        return shape.model_validate(answer.json())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise answer.unreadable("answer-unexpected", f"{where}: {first['msg']}") from error


def _quoted(text: str) -> str:
    """A value inside a `$filter`: quotes are doubled."""
    return "'" + text.replace("'", "''") + "'"


class AvalaraClient:
    """The endpoints that this adapter uses."""

    def __init__(self, settings: AvalaraSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.settings = settings
        client_id = f"{settings.app_name}; {settings.app_version}; revsaga; {settings.app_version}; {settings.machine};"
        self._http = Http(
            settings,
            BasicAuth(settings.account_id, settings.license_key),
            transport=transport,
            headers={"X-Avalara-Client": client_id, "Accept": "application/json"},
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def ping(self) -> Ping:
        """`GET /api/v2/utilities/ping`. Answers 200 to anybody: look at `authenticated`."""
        return _read(await self._http.send("GET", "/api/v2/utilities/ping", effect=False), Ping)

    async def companies(self, company_code: str) -> tuple[Company, ...]:
        """`GET /api/v2/companies`: the companies with that code."""
        query = {"$filter": f"companyCode eq {_quoted(company_code)}"}
        return tuple([c async for c in self._list("/api/v2/companies", Page[Company], query)])

    async def nexus(self, company_id: int) -> tuple[NexusRow, ...]:
        """`GET /api/v2/companies/{companyId}/nexus`: every row, all pages."""
        return tuple(
            [r async for r in self._list(f"/api/v2/companies/{company_id}/nexus", Page[NexusRow], {})]
        )

    async def tax_codes(self) -> tuple[TaxCode, ...]:
        """`GET /api/v2/definitions/taxcodes`: every code, all pages."""
        return tuple([c async for c in self._list("/api/v2/definitions/taxcodes", Page[TaxCode], {})])

    async def resolve(self, address: dict[str, str]) -> Resolution:
        """`POST /api/v2/addresses/resolve`. Answers 200 to a bad address: look at `messages` and the quality."""
        body = {**address, "textCase": "Mixed"}
        answer = await self._http.send("POST", "/api/v2/addresses/resolve", json=body, effect=False)
        return _read(answer, Resolution)

    async def create_transaction(self, body: dict[str, object]) -> tuple[Transaction, bytes]:
        """`POST /api/v2/transactions/create`: tax a document, with its details, and the answer as it came.

        Only for documents of type SalesOrder: they are never recorded, so a lost answer may be asked for again.
        """
        answer = await self._http.send(
            "POST",
            "/api/v2/transactions/create",
            params={"$include": "Summary,Details"},
            json=body,
            effect=False,
        )
        return _read(answer, Transaction), answer.body

    async def _list(self, path: str, shape: type[Page[Item]], query: dict[str, str]) -> AsyncIterator[Item]:
        top = self.settings.page_size

        async def fetch(skip: int | None) -> paging.Page[Item, int]:
            params = {**query, "$top": str(top), "$skip": str(skip or 0)}
            page = _read(await self._http.send("GET", path, params=params, effect=False), shape)
            return paging.Page(page.value, _next(page, skip or 0))

        async for item in paging.pages(fetch):
            yield item


def _next(page: Page[Item], skip: int) -> int | None:
    """Where the next page begins. Only the offset is taken from the link: its host is none of our business."""
    after = skip + len(page.value)
    if page.next_link:
        found = parse_qs(urlsplit(page.next_link).query).get("$skip", [])
        return int(found[0]) if found and found[0].isdigit() else after
    if page.value and page.recordset_count is not None and page.recordset_count > after:
        return after
    return None
