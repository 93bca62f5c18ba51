"""The endpoints: ping, companies, nexus, tax codes, addresses and documents."""

import base64
import binascii
import re
import uuid
import zlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from connectors.avalara.sandbox import documents
from connectors.avalara.sandbox.engine import Company, Json
from connectors.avalara.sandbox.errors import error, refuse, unauthenticated
from connectors.avalara.sandbox.places import Problem, country_code, full_postal_code, problem, state_of
from connectors.avalara.sandbox.rates import TAX_CODES
from connectors.kit.sandbox import Call, RateWindow, Reply, Sandbox, route

VERSION = "26.10.0"
ACCOUNT_ID = "2000000000"
LICENSE_KEY = "SANDBOXLICENSE"
_MAX_PAGE = 1000
_FILTER = re.compile(r"\s*(\w+)\s+(eq|ne)\s+(?:'((?:[^']|'')*)'|(\w+))\s*$", re.IGNORECASE)


class Service(Sandbox):
    """AvaTax for one account. `no_nexus_shape`: whether a zero for lack of nexus has detail rows (`rows`, `none`)."""

    vendor = "avalara"

    def __init__(
        self,
        *,
        clock: Callable[[], datetime] | None = None,
        seed: int = 1,
        data: Path | None = None,
        control: bool = True,
        no_nexus_shape: str = "rows",
        page_size: int = _MAX_PAGE,
        concurrency: int | None = None,
        rate: int | None = None,
    ) -> None:
        super().__init__(clock=clock, seed=seed, data=data, control=control)
        self.accounts = {ACCOUNT_ID: LICENSE_KEY}
        self.no_nexus_shape = no_nexus_shape
        self.page_size = page_size
        self.concurrency.limit = concurrency
        self.rate = RateWindow(rate, 1.0) if rate else None

    def initial_state(self) -> dict[str, Any]:
        return {"companies": {}, "documents": {}}

    def credentials(self) -> dict[str, str]:
        """Settings with which an adapter gets in, by name."""
        return {"account_id": ACCOUNT_ID, "license_key": LICENSE_KEY}

    # Frame

    def _who(self, call: Call) -> str | None:
        scheme, _, value = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic" or call.notes.get("expired"):
            return None
        try:
            account, _, key = base64.b64decode(value.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return account if self.accounts.get(account) == key else None

    async def guard(self, call: Call) -> Reply | None:
        if self._who(call) is None:
            return unauthenticated()
        if self.rate is not None and (wait := self.rate.hit()) is not None:
            headers = {"retry-after": str(int(wait) + 1)}
            return error(429, "RequestLimitExceeded", "Request limit exceeded.", headers=headers)
        return None

    def expire(self, call: Call) -> None:
        """Licence keys do not expire by a clock; a replaced one is refused once here, so that a test can go on."""
        call.notes["expired"] = True

    def too_busy(self, call: Call) -> Reply:
        del call
        return error(429, "ConcurrentRequestLimitExceeded", "Too many concurrent requests.")

    def not_found(self, call: Call) -> Reply:
        return error(
            404, "EntityNotFoundError", f"No endpoint {call.method} {call.path}.", target="HttpRequest"
        )

    def server_error(self, call: Call) -> Reply:
        del call
        text = "An unexpected server error occurred."
        return error(500, "UnhandledException", text, target="Unknown")

    def finish(self, call: Call, reply: Reply) -> Reply:
        del call
        reply.headers["x-correlation-id"] = str(uuid.uuid5(uuid.NAMESPACE_OID, f"avalara-{self.served}"))
        reply.headers["serverduration"] = "00:00:00.0012345"
        return reply

    # Reads

    @route("GET", "/api/v2/utilities/ping", open=True)
    async def ping(self, call: Call) -> Reply:
        account = self._who(call)
        if account is None:
            return Reply.json({"version": VERSION, "authenticated": False, "authenticationType": "None"})
        return Reply.json(
            {
                "version": VERSION,
                "authenticated": True,
                "authenticationType": "AccountIdLicenseKey",
                "authenticatedUserName": account,
                "authenticatedUserId": 356147,
                "authenticatedAccountId": int(account),
                "crmid": f"CRM{account}",
            }
        )

    @route("GET", "/api/v2/companies")
    async def companies(self, call: Call) -> Reply:
        rows = [
            {
                "id": c["id"],
                "accountId": int(ACCOUNT_ID),
                "companyCode": c["code"],
                "name": c["name"],
                "isActive": True,
            }
            for c in self.state["companies"].values()
        ]
        return self._page(call, rows)

    @route("GET", "/api/v2/companies/{id}/nexus")
    async def nexus(self, call: Call) -> Reply:
        wanted = call.path_params["id"]
        for company in self.state["companies"].values():
            if str(company["id"]) == wanted:
                return self._page(call, company["nexus"])
        return error(404, "EntityNotFoundError", "Company not found.", refers=wanted)

    @route("GET", "/api/v2/definitions/taxcodes")
    async def tax_codes(self, call: Call) -> Reply:
        rows = [
            {"id": 8000 + i, "taxCode": code, "taxCodeTypeId": code[0], "description": text, "isActive": True}
            for i, (code, text) in enumerate(TAX_CODES.items())
        ]
        return self._page(call, rows)

    def _page(self, call: Call, rows: list[Json]) -> Reply:
        rows = [row for row in rows if _matches(row, call.query.get("$filter", ""))]
        top = int(call.query.get("$top", "0") or 0) or _MAX_PAGE
        size, skip = min(top, self.page_size, _MAX_PAGE), int(call.query.get("$skip", "0") or 0)
        body: Json = {"@recordsetCount": len(rows), "value": rows[skip : skip + size]}
        if skip + size < len(rows):
            kept = {name: value for name, value in call.query.items() if name not in {"$skip", "$top"}}
            query = urlencode({**kept, "$top": size, "$skip": skip + size}, safe="$")
            body["@nextLink"] = f"{call.origin}{call.path}?{query}"
        return Reply.json(body)

    # Addresses

    @route("GET", "/api/v2/addresses/resolve")
    async def resolve_get(self, call: Call) -> Reply:
        return self._resolve({name.lower(): value for name, value in call.query.items()})

    @route("POST", "/api/v2/addresses/resolve")
    async def resolve_post(self, call: Call) -> Reply:
        return self._resolve(documents.lowered(self._body(call)))

    def _resolve(self, asked: Json) -> Reply:
        country, line1 = country_code(asked.get("country") or "US"), asked.get("line1", "")
        region, code = asked.get("region", "").upper(), asked.get("postalcode", "")
        documents.short(asked, {"postalcode": 11})
        if not code and not (line1 and asked.get("city") and region):
            text = "The address is not deliverable."
            refuse(
                400, "InvalidAddress", text, description="Provide a postal code, or line1, city and region."
            )
        shown = {
            k: asked.get(k.lower(), "") for k in ("line1", "line2", "line3", "city", "region", "postalCode")
        }
        body: Json = {"address": {**shown, "country": country}}
        found = problem(country, region, code)
        if country not in {"US", "CA"}:
            text = f"Addresses in {country} cannot be validated."
            found = Problem("Country not supported.", text, "Address.Country", "NotCoded")
        elif found is None and line1.strip().lower().startswith(("0 ", "99999 ")):
            text = "The address number is out of range for this street."
            found = Problem("Address cannot be geocoded.", text, "Address.Line0", "PostalCentroidGood")
        if found is not None:
            return Reply.json(body | _bad(found))
        region = region or (state_of(code) if country == "US" else region)
        upper = asked.get("textcase", "Upper").lower() == "upper"
        good = {"addressType": "StreetOrResidentialAddress" if line1 else "PostOfficeBoxAddress"}
        good |= {k: str(v).upper() if upper else v for k, v in shown.items()}
        good |= {"region": region, "country": country}
        if code:
            good["postalCode"] = full_postal_code(country, code, line1)
        quality = "Rooftop" if line1 else "PostalCentroidBest" if code else "PartialCentroid"
        authority = {"avalaraId": str(zlib.crc32(region.encode()) % 90), "jurisdictionName": region}
        body |= {
            "validatedAddresses": [good],
            "resolutionQuality": quality,
            "taxAuthorities": [authority | {"jurisdictionType": "State", "signatureCode": "BKTQ"}],
        }
        return Reply.json(body)

    # Documents

    @route("POST", "/api/v2/transactions/create")
    async def create(self, call: Call) -> Reply:
        document = documents.lowered(self._body(call))
        include = call.query.get("$include", "Summary,Addresses,Lines")
        documents.validate(document)
        if "forcetimeout" in include.lower():
            refuse(400, "TimeoutRequested", "The request timed out as requested.", target="HttpRequest")
        company = self._company(document.get("companycode"))
        recorded = not str(document["type"]).endswith("Order")
        identifier = 6_880_000_000 + self.next_number("document") if recorded else 0
        answer = documents.compute(
            document, company, include=include, shape=self.no_nexus_shape, identifier=identifier
        )
        headers: dict[str, str] = {}
        if recorded:
            self.state["documents"][f"{company.code}/{answer['type']}/{answer['code']}"] = answer
            self.effect("document", answer["code"])
            headers["location"] = f"/api/v2/companies/{company.id}/transactions/{identifier}"
        return Reply.json(answer, 201, headers)

    def _company(self, code: str | None) -> Company:
        known = [
            c for c in self.state["companies"].values() if code is None or c["code"].lower() == code.lower()
        ]
        if not known:
            text = "Company not found. Verify the CompanyCode."
            refuse(400, "CompanyInvalidException", text, refers="CompanyCode")
        return Company(**known[0])

    def _body(self, call: Call) -> Any:
        try:
            found = call.json()
        except ValueError as problem_:
            refuse(
                400,
                "JsonFormatError",
                "The JSON in your request could not be parsed.",
                description=str(problem_),
                outer="ModelStateInvalid",
                target="HttpRequest",
            )
        if not isinstance(found, dict):
            refuse(400, "ValueRequiredError", "Field model is required.", refers="model")
        return found


def _bad(found: Problem) -> Json:
    """A bad address is no error on this wire: 200, with a message and how far it could be placed."""
    message = {
        "summary": found.summary,
        "details": found.details,
        "refersTo": found.field,
        "severity": "Error",
        "source": "Avalara.AvaTax.Services.Address",
    }
    return {"validatedAddresses": [], "resolutionQuality": found.quality, "messages": [message]}


def _matches(row: Json, text: str) -> bool:
    """The part of the filter language that is spoken here: `name eq 'value'` joined by `and`."""
    if not text.strip():
        return True
    for clause in re.split(r"\s+and\s+", text.strip(), flags=re.IGNORECASE):
        found = _FILTER.match(clause)
        if found is None:
            refuse(400, "ValueRequiredError", f"The filter could not be parsed: {clause}", refers="$filter")
        name, verb, quoted, bare = found.groups()
        value = quoted.replace("''", "'") if quoted is not None else bare
        members = {k.lower(): str(v).lower() for k, v in row.items()}
        if name.lower() not in members:
            refuse(400, "ValueRequiredError", f"The filter names an unknown field: {name}", refers="$filter")
        if (members[name.lower()] == value.lower()) != (verb.lower() == "eq"):
            return False
    return True
