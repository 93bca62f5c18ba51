"""The only place that speaks HTTP to the org: one method for each address."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx

from canonical.failures import Misconfigured
from connectors.kit.answer import Answer
from connectors.kit.auth import ClientCredentials, JwtBearer, TokenAuth
from connectors.kit.http import Http
from connectors.kit.paging import Page, pages
from connectors.salesforce.errors import HALTED, of_answer, of_part
from connectors.salesforce.settings import SalesforceSettings

TOKEN_PATH = "/services/oauth2/token"  # noqa: S105 -- an address
MAX_URI = 16_000


class SalesforceClient:
    """Calls of the data API. Every method raises the failure types and nothing else."""

    def __init__(
        self, settings: SalesforceSettings, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.settings = settings
        self.usage = ""
        bare = Http(
            settings, transport=transport, headers={"Sforce-Call-Options": f"client={settings.client_name}"}
        )
        self._auth = self._sign_in(bare)
        self._http = bare.with_auth(self._auth)
        self.root = f"/services/data/v{settings.api_version}"

    def _sign_in(self, bare: Http) -> TokenAuth:
        """`POST /services/oauth2/token`: JWT bearer or client credentials. The answer names no end of the token."""
        settings = self.settings
        if settings.auth == "jwt":
            return JwtBearer(
                bare,
                url=TOKEN_PATH,
                issuer=settings.client_id,
                subject=settings.username,
                audience=settings.audience or settings.base_url,
                key=settings.private_key,
            )
        return ClientCredentials(
            bare,
            url=TOKEN_PATH,
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            style="basic",
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _send(
        self,
        method: str,
        path: str,
        *,
        effect: bool,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        # Data lives where the token answer says, which may be another host than the one that issued the token.
        token = await self._auth.token()
        base = str(token.extra.get("instance_url") or self.settings.base_url).rstrip("/")
        answer = await self._http.send(
            method, base + path, params=params, json=json, headers=headers, effect=effect
        )
        self.usage = answer.headers.get("sforce-limit-info", self.usage)
        if not answer.ok:
            raise of_answer(answer, self.settings.quota_wait)
        return answer

    async def limits(self) -> dict[str, Any]:
        """`GET /services/data/v{version}/limits/`: what is left of the day's calls."""
        return _object(await self._send("GET", f"{self.root}/limits/", effect=False))

    async def describe(self, name: str) -> dict[str, Any]:
        """`GET /services/data/v{version}/sobjects/{object}/describe`: the fields that the user can see."""
        return _object(
            await self._send("GET", f"{self.root}/sobjects/{quote(name, safe='')}/describe", effect=False)
        )

    async def query(self, soql: str) -> dict[str, Any]:
        """`GET /services/data/v{version}/query/?q=`: the first page."""
        if len(quote(soql)) > MAX_URI:
            raise Misconfigured(
                "the query is too long for an address", code="query-refused", field="settings"
            )
        return _object(await self._send("GET", f"{self.root}/query/", params={"q": soql}, effect=False))

    async def query_more(self, next_url: str) -> dict[str, Any]:
        """`GET /services/data/v{version}/query/{locator}`: a further page, of a query or of a nested list."""
        if not next_url.startswith("/services/data/"):
            raise Misconfigured(
                "a page cursor points outside the data API",
                code="answer-not-understood",
                field="nextRecordsUrl",
            )
        return _object(await self._send("GET", next_url, effect=False))

    async def read(self, name: str, record_id: str, fields: Sequence[str]) -> dict[str, Any]:
        """`GET /services/data/v{version}/sobjects/{object}/{id}?fields=`: one record."""
        path = f"{self.root}/sobjects/{quote(name, safe='')}/{quote(record_id, safe='')}"
        return _object(await self._send("GET", path, params={"fields": ",".join(fields)}, effect=False))

    async def update(
        self, name: str, record_id: str, values: Mapping[str, Any], unmodified_since: str
    ) -> None:
        """`PATCH /services/data/v{version}/sobjects/{object}/{id}` with If-Unmodified-Since; 412 is a Conflict."""
        path = f"{self.root}/sobjects/{quote(name, safe='')}/{quote(record_id, safe='')}"
        headers = {"If-Unmodified-Since": unmodified_since}
        await self._send("PATCH", path, json=dict(values), headers=headers, effect=True)

    async def composite(self, requests: Sequence[Mapping[str, Any]]) -> None:
        """`POST /services/data/v{version}/composite`, all or none. HTTP 200 proves nothing: each part is looked at."""
        body = {"allOrNone": True, "collateSubrequests": False, "compositeRequest": list(requests)}
        answer = await self._send("POST", f"{self.root}/composite", json=body, effect=True)
        parts = _object(answer).get("compositeResponse")
        if not isinstance(parts, list) or len(parts) != len(requests):
            raise answer.unreadable("answer-not-understood", "a composite answer without all its parts")
        failed = [p for p in parts if not 200 <= int(p.get("httpStatusCode", 0)) < 300]
        if failed:
            # The culprit keeps its own error; the others only say that they were halted.
            culprit = next((p for p in failed if HALTED not in str(p.get("body"))), failed[0])
            raise of_part(int(culprit.get("httpStatusCode", 0)), culprit.get("body"))

    # Lists

    async def records(self, soql: str) -> AsyncIterator[dict[str, Any]]:
        """All rows of a query, over all pages."""
        first = await self.query(soql)
        async for row in self.rest_of(first):
            yield row

    async def rest_of(self, first: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """The rows of a first page, and of all that follow; a nested list is paged like any other."""

        async def fetch(cursor: str | None) -> Page[dict[str, Any], str]:
            page = first if cursor is None else await self.query_more(cursor)
            rows = page.get("records")
            following = None if page.get("done", True) else page.get("nextRecordsUrl")
            return Page(rows if isinstance(rows, list) else [], following)

        async for row in pages(fetch):
            yield row


def _object(answer: Answer) -> dict[str, Any]:
    found = answer.json()
    if not isinstance(found, dict):
        raise answer.unreadable("answer-not-understood", "JSON that is not an object")
    return found
