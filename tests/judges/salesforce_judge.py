"""Drives `simple-salesforce` against a sandbox: argv is its address and the credentials as JSON.

Runs in the judges' environment, where that client and its libraries live. Prints one JSON document. The sandbox must
serve pages of 200 rows.
"""

import json
import re
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.request import Request, urlopen

import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceError,
    SalesforceGeneralError,
    SalesforceMalformedRequest,
    SalesforceResourceNotFound,
)

QUOTE = "SBQQ__Quote__c"


class Loop(HTTPAdapter):
    """Sends every call to the sandbox, since this client fixes the vendor's host; notes what was called."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self.base = base
        self.calls: list[tuple[str, str, int]] = []

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        path = request.url.split("/", 3)[3]
        request.url = f"{self.base}/{path}"
        answer = super().send(request, *args, **kwargs)
        self.calls.append((request.method, self.pattern("/" + path.partition("?")[0]), answer.status_code))
        return answer

    @staticmethod
    def pattern(path: str) -> str:
        """The address with its variable parts named."""
        path = re.sub(r"/data/v\d+\.0/", "/data/v{version}/", path)
        path = re.sub(r"/query/[^/]+$", "/query/{locator}", path)
        path = re.sub(r"/sobjects/\w+/describe$", "/sobjects/{object}/describe", path)
        return re.sub(r"/sobjects/\w+/(?!describe$)\w+$", "/sobjects/{object}/{id}", path)


class Judge:
    """Collects what was checked."""

    def __init__(self, base: str, credentials: dict[str, str]) -> None:
        self.base = base
        self.credentials = credentials
        self.loop = Loop(base)
        self.checks: list[str] = []
        self.failed: list[str] = []

    def sign_in(self, **changes: Any) -> Salesforce:
        """The client as published; only its session sends elsewhere."""
        session = requests.Session()
        session.mount("https://", self.loop)
        known = {"session": session, "version": "62.0", "parse_float": Decimal}
        return Salesforce(**(known | changes))

    def with_jwt(self, **changes: Any) -> Salesforce:
        c = self.credentials
        known = {"username": c["username"], "consumer_key": c["client_id"], "privatekey": c["private_key"]}
        return self.sign_in(**(known | changes))

    def check(self, name: str, passed: bool, seen: Any = "") -> None:
        self.checks.append(name)
        if not passed:
            self.failed.append(f"{name}: {seen!r}")

    def refused(
        self, name: str, call: Callable[[], Any], kind: type[SalesforceError], status: int, code: str
    ) -> None:
        try:
            self.check(name, False, call())
        except kind as error:
            self.check(
                name, error.status == status and code in str(error.content), (error.status, error.content)
            )

    def control(self, method: str, what: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(f"{self.base}/_control/{what}", data, method=method)) as answer:
            return json.load(answer)

    # What is judged

    def signing_in(self) -> Salesforce:
        sf = self.with_jwt()
        self.check(
            "jwt: the instance comes from the token answer", sf.sf_instance in self.base, sf.sf_instance
        )
        c = self.credentials
        by_secret = {
            "consumer_key": c["client_id"],
            "consumer_secret": c["client_secret"],
            "domain": "acme.my",
        }
        other = self.sign_in(**by_secret)
        self.check("client credentials", bool(other.session_id))
        for name, change in (
            ("jwt: another user", {"username": "nobody"}),
            ("jwt: another domain", {"domain": "acme.my"}),
        ):
            try:
                self.check(name, False, self.with_jwt(**change))
            except SalesforceAuthenticationFailed as error:
                self.check(name, "invalid_grant" in str(error.code), error)
        try:
            self.check("wrong secret", False, self.sign_in(**(by_secret | {"consumer_secret": "wrong"})))
        except SalesforceAuthenticationFailed as error:
            self.check("wrong secret", "invalid_client" in str(error.code), error)
        return sf

    def resources(self, sf: Salesforce) -> None:
        limits = sf.limits()["DailyApiRequests"]
        self.check("limits", 0 < limits["Remaining"] < limits["Max"], limits)
        usage = sf.api_usage.get("api-usage")
        self.check(
            "usage of every answer is understood", usage is not None and usage.total == limits["Max"], usage
        )
        fields = {f["name"]: f for f in getattr(sf, QUOTE).describe()["fields"]}
        self.check("describe", fields["Otc_State__c"]["type"] == "string", fields.get("Otc_State__c"))
        self.check(
            "describe: formulas cannot be written", fields["SBQQ__NetAmount__c"]["updateable"] is False
        )
        self.refused(
            "describe: unknown object",
            sf.Nothing__c.describe,
            SalesforceResourceNotFound,
            404,
            "NOT_FOUND",
        )

    def queries(self, sf: Salesforce) -> None:
        soql = (
            "SELECT Id, Name, SBQQ__NetAmount__c, SBQQ__Opportunity2__r.Name, SBQQ__PrimaryContact__r.Name FROM "
            + QUOTE
        )
        page = sf.query(f"{soql} ORDER BY Id LIMIT 3")
        first = page["records"][0]
        self.check("query", page["totalSize"] == 3 and page["done"] is True, page)
        self.check("query: attributes", first["attributes"]["type"] == QUOTE, first)
        self.check("query: numbers", isinstance(first["SBQQ__NetAmount__c"], (Decimal, int)), first)
        self.check("query: relationship", first["SBQQ__Opportunity2__r"]["Name"].startswith("Deal"), first)
        self.check("query: empty relationship", first["SBQQ__PrimaryContact__r"] is None, first)
        everything = sf.query_all(f"{soql} ORDER BY Name, Id")
        self.check(
            "query_all follows the pages",
            len(everything["records"]) == everything["totalSize"] == 450,
            everything["totalSize"],
        )
        half = sf.query(soql)
        self.check(
            "first of several pages", half["done"] is False and len(half["records"]) == 200, half["totalSize"]
        )
        more = sf.query_more(half["nextRecordsUrl"], identifier_is_url=True)
        self.check(
            "query_more by address", len(more["records"]) == 200 and not more["done"], more["totalSize"]
        )
        last = sf.query_more(more["nextRecordsUrl"].rsplit("/", 1)[1])
        self.check("query_more by id", len(last["records"]) == 50 and last["done"], last["totalSize"])
        self.refused(
            "query_more: unknown",
            lambda: sf.query_more("01gNone-200"),
            SalesforceMalformedRequest,
            400,
            "INVALID_QUERY_LOCATOR",
        )
        self.refused(
            "query: malformed",
            lambda: sf.query("SELECT FROM"),
            SalesforceMalformedRequest,
            400,
            "MALFORMED_QUERY",
        )
        self.refused(
            "query: hidden field",
            lambda: sf.query("SELECT Otc_No__c FROM Account"),
            SalesforceMalformedRequest,
            400,
            "INVALID_FIELD",
        )
        nested = sf.query(
            f"SELECT Id, (SELECT SBQQ__NetTotal__c FROM SBQQ__LineItems__r) FROM {QUOTE} LIMIT 1"
        )
        lines = nested["records"][0]["SBQQ__LineItems__r"]
        self.check("nested list", lines["totalSize"] == len(lines["records"]) == 1, lines)

    def rows(self, sf: Salesforce, quote: str) -> None:
        api = getattr(sf, QUOTE)
        row = api.get(quote)
        self.check("get", row["Id"] == quote and row["SBQQ__Status__c"] == "Approved", row)
        self.check("get by short id", api.get(quote[:15])["Id"] == quote)
        self.refused(
            "get: unknown", lambda: api.get("a0qNothing"), SalesforceResourceNotFound, 404, "NOT_FOUND"
        )
        stamp = row["LastModifiedDate"]
        self.check("stamp without colon", stamp.endswith(".000+0000"), stamp)
        self.check("update answers 204", api.update(quote, {"SBQQ__PaymentTerms__c": "Net 60"}) == 204)
        self.check("update is read back", api.get(quote)["SBQQ__PaymentTerms__c"] == "Net 60")
        past = {"If-Unmodified-Since": "Mon, 30 Nov 2020 08:34:54 GMT"}
        self.refused(
            "update: precondition",
            lambda: api.update(quote, {"SBQQ__PaymentTerms__c": "Net 15"}, headers=past),
            SalesforceGeneralError,
            412,
            "",
        )
        self.check("a refused update changes nothing", api.get(quote)["SBQQ__PaymentTerms__c"] == "Net 60")
        self.refused(
            "update: formula",
            lambda: api.update(quote, {"SBQQ__NetAmount__c": 1}),
            SalesforceMalformedRequest,
            400,
            "INVALID_FIELD_FOR_INSERT_UPDATE",
        )
        self.refused(
            "update: unknown field",
            lambda: api.update(quote, {"Nope__c": 1}),
            SalesforceMalformedRequest,
            400,
            "INVALID_FIELD",
        )

    def composite(self, sf: Salesforce, quote: str) -> None:
        def part(reference: str, url: str, body: Any) -> dict[str, Any]:
            return {
                "method": "PATCH",
                "url": f"/services/data/v62.0/sobjects/{url}",
                "referenceId": reference,
                "body": body,
            }

        good = part("quote", f"{QUOTE}/{quote}", {"SBQQ__PaymentTerms__c": "Net 90"})
        bad = part("deal", "Opportunity/006Nothing", {"StageName": "x"})
        for name, parts, codes in (
            ("all done", [good], [204]),
            ("rolled back", [good | {"body": {"SBQQ__PaymentTerms__c": "Net 1"}}, bad], [400, 404]),
        ):
            answer = sf.restful(
                "composite", method="POST", json={"allOrNone": True, "compositeRequest": parts}
            )
            seen = [p["httpStatusCode"] for p in answer["compositeResponse"]]
            self.check(f"composite: {name}", seen == codes, answer)
        self.check(
            "composite: nothing of a rollback stays",
            getattr(sf, QUOTE).get(quote)["SBQQ__PaymentTerms__c"] == "Net 90",
        )
        self.refused(
            "composite: envelope",
            lambda: sf.restful("composite", method="POST", json={}),
            SalesforceMalformedRequest,
            400,
            "JSON_PARSER_ERROR",
        )

    def ends_and_limits(self, sf: Salesforce, quote: str) -> None:
        self.control("POST", "expire", {})
        before = len(self.loop.calls)
        row = getattr(sf, QUOTE).get(quote)
        played = [(method, status) for method, _, status in self.loop.calls[before:]]
        self.check(
            "an ended session is renewed and the call played again",
            row["Id"] == quote and played == [("GET", 401), ("POST", 200), ("GET", 200)],
            played,
        )
        self.control(
            "POST",
            "faults",
            {
                "kind": "status",
                "match": "GET .*/limits/",
                "status": 429,
                "headers": {"retry-after": "3"},
                "body": [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "slow down"}],
            },
        )
        self.refused("429", sf.limits, SalesforceGeneralError, 429, "REQUEST_LIMIT_EXCEEDED")
        lock = [
            {
                "message": f"unable to obtain exclusive access to this record or 1 records: {quote}",
                "errorCode": "UNABLE_TO_LOCK_ROW",
                "fields": [],
            }
        ]
        self.control("POST", "hold", {"id": quote, "times": 1, "status": 400})
        try:
            self.check("row lock", False, getattr(sf, QUOTE).update(quote, {"SBQQ__PaymentTerms__c": "x"}))
        except SalesforceMalformedRequest as error:
            self.check("row lock", error.content == lock, error.content)


def main() -> None:
    """Judge, and print the verdict."""
    base, credentials = sys.argv[1], json.loads(sys.argv[2])
    judge = Judge(base, credentials)
    sf = judge.signing_in()
    judge.resources(sf)
    judge.queries(sf)
    quote = sf.query(f"SELECT Id FROM {QUOTE} ORDER BY Id LIMIT 1")["records"][0]["Id"]
    judge.rows(sf, quote)
    judge.composite(sf, quote)
    judge.ends_and_limits(sf, quote)
    covered = sorted({f"{method} {path}" for method, path, status in judge.loop.calls if status < 300})
    print(json.dumps({"covered": covered, "checks": judge.checks, "failed": judge.failed}))


main()
