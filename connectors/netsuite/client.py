"""SuiteTalk REST: the only place that speaks HTTP to the account. Each method is one endpoint."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from canonical.failures import Misconfigured, OutcomeUnknown
from connectors.kit.answer import Answer
from connectors.kit.auth import Auth, ClientAssertion, OAuth1
from connectors.kit.http import Http
from connectors.kit.paging import Page, pages
from connectors.netsuite.errors import absent, failure
from connectors.netsuite.schema import CustomerRecord, OrderRecord, QueryPage, Record, read
from connectors.netsuite.settings import NetsuiteSettings

_RECORDS = "/services/rest/record/v1"
_QUERY = "/services/rest/query/v1/suiteql"
TOKEN_PATH = "/services/rest/auth/oauth2/v1/token"  # noqa: S105 - an address
# A misspelt or undeployed field is refused by name; by default it would be dropped with a warning.
_STRICT = {"X-NetSuite-PropertyNameValidation": "Error", "X-NetSuite-PropertyValueValidation": "Error"}


def by_external_id(value: str) -> str:
    """How a record is addressed by its external id, wherever an id may stand."""
    return f"eid:{value}"


class NetsuiteClient:
    """One account. Safe to share between tasks of one event loop."""

    def __init__(self, settings: NetsuiteSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.settings = settings
        bare = Http(settings, transport=transport)
        self._http = bare.with_auth(_credential(settings, bare))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def customer(self, record: str) -> CustomerRecord | None:
        """GET /services/rest/record/v1/customer/{id}, with its address book; None when it does not exist."""
        return await self._get(CustomerRecord, f"{_RECORDS}/customer/{record}")

    async def put_customer(self, external_id: str, body: Mapping[str, Any]) -> str:
        """PUT /services/rest/record/v1/customer/{id}: create or update by external id. Returns the id of the record."""
        return await self._put("customer", external_id, body, replace=["addressBook"])

    async def sales_order(self, record: str) -> OrderRecord | None:
        """GET /services/rest/record/v1/salesOrder/{id}, with its lines; None when it does not exist."""
        return await self._get(OrderRecord, f"{_RECORDS}/salesOrder/{record}")

    async def put_sales_order(self, external_id: str, body: Mapping[str, Any]) -> str:
        """PUT /services/rest/record/v1/salesOrder/{id}: create or update by external id, with all its lines."""
        return await self._put("salesOrder", external_id, body, replace=["item"])

    async def query(self, statement: str, limit: int | None = None) -> list[dict[str, Any]]:
        """POST /services/rest/query/v1/suiteql: all rows of all pages, or the first page of `limit` rows."""

        async def fetch(cursor: int | None) -> Page[dict[str, Any], int]:
            page = await self._query_page(statement, limit or self.settings.page_size, cursor or 0)
            follows = page.more and limit is None
            return Page(page.items, (cursor or 0) + len(page.items) if follows else None)

        return [row async for row in pages(fetch, start=None)]

    async def properties(self, record_type: str) -> frozenset[str]:
        """GET /services/rest/record/v1/metadata-catalog: every name that the description of a record type defines."""
        answer = await self._http.send(
            "GET",
            f"{_RECORDS}/metadata-catalog",
            params={"select": record_type},
            # Only this form of the description contains the lines of sublists.
            headers={"Accept": "application/swagger+json"},
            effect=False,
        )
        return frozenset(_names(_accepted(answer).json()))

    async def _query_page(self, statement: str, limit: int, offset: int) -> QueryPage:
        answer = await self._http.send(
            "POST",
            _QUERY,
            params={"limit": limit, "offset": offset},
            json={"q": statement},
            headers={"Prefer": "transient"},
            effect=False,
        )
        return read(QueryPage, _accepted(answer).json())

    async def _get(self, kind: type[Record], path: str) -> Record | None:
        answer = await self._http.send("GET", path, params={"expandSubResources": "true"}, effect=False)
        if absent(answer):
            return None
        return read(kind, _accepted(answer).json())

    async def _put(
        self, record_type: str, external_id: str, body: Mapping[str, Any], *, replace: Sequence[str]
    ) -> str:
        answer = await self._http.send(
            "PUT",
            f"{_RECORDS}/{record_type}/{by_external_id(external_id)}",
            params={"replace": ",".join(replace)},
            json=dict(body),
            headers=_STRICT,
            effect=True,
        )
        location: str = _accepted(answer).headers.get("location", "")
        _, found, record = location.rpartition(f"/{record_type}/")
        # Anything but a location (a log-in page answers 200) does not prove that something was written.
        if not found or not record:
            raise OutcomeUnknown(
                f"PUT {record_type}: the answer names no record",
                code="location-missing",
                evidence=answer.evidence(),
            )
        return record


def _accepted(answer: Answer) -> Answer:
    if not answer.ok:
        raise failure(answer)
    return answer


def _names(value: Any) -> set[str]:
    found: set[str] = set()
    stack = [value]
    while stack:
        current = stack.pop()
        if isinstance(current, dict):
            found |= current.keys()
            stack.extend(current.values())
        elif isinstance(current, list):
            stack.extend(current)
    return found


class _Signature(OAuth1):
    """A signature that was refused is worth one more try with a new nonce and time; the answer never says why."""

    def expired(self, answer: Answer) -> bool:
        return answer.status == 401


def _credential(settings: NetsuiteSettings, bare: Http) -> Auth:
    """Token-based authentication or OAuth 2.0 with a certificate. Raises Misconfigured, naming what is not set."""
    needed = {
        "tba": ("account", "consumer_key", "consumer_secret", "token_id", "token_secret"),
        "oauth2": ("client_id", "certificate_id", "private_key"),
    }[settings.auth]
    unset = [name for name in needed if not _filled(getattr(settings, name))]
    if unset:
        raise Misconfigured(
            f"netsuite: {', '.join(unset)} not set for {settings.auth}",
            code="credential-missing",
            field=unset[0],
            fix=f"set REVSAGA_NETSUITE_{unset[0].upper()}, or choose another way with REVSAGA_NETSUITE_AUTH",
        )
    if settings.auth == "tba":
        return _Signature(
            consumer_key=settings.consumer_key,
            consumer_secret=settings.consumer_secret,
            token=settings.token_id,
            token_secret=settings.token_secret,
            realm=settings.account,
        )
    return ClientAssertion(
        bare,
        url=TOKEN_PATH,
        client_id=settings.client_id,
        key=settings.private_key,
        key_id=settings.certificate_id,
        scope=settings.scope,
        algorithm=settings.algorithm,
    )


def _filled(value: Any) -> bool:
    return bool(value.get_secret_value() if hasattr(value, "get_secret_value") else value)
