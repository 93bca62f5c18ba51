"""Drives the vendor's own `avalara` client against a sandbox: argv is its address and the credentials as JSON.

Runs in the judges' environment, where that client lives. Prints one JSON document.
"""

import json
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import requests
from avalara import AvataxClient

DOCUMENT = {
    "type": "SalesOrder",
    "companyCode": "US-INC",
    "date": "2026-11-01",
    "customerCode": "C-1",
    "currencyCode": "USD",
    "addresses": {
        "ShipFrom": {"line1": "100 Ravine Ln", "city": "Bainbridge Island", "region": "WA", "country": "US"}
        | {"postalCode": "98110"},
        "ShipTo": {"line1": "822 Reed St", "city": "Philadelphia", "region": "PA", "country": "USA"}
        | {"postalCode": "19147"},
    },
    "lines": [
        {"number": "1", "quantity": 10, "amount": "125.00", "taxCode": "SW054000", "itemCode": "SAAS-PRO"},
        {"number": "2", "quantity": 1, "amount": 100, "taxCode": "NT"},
    ],
}


class Judge:
    """Collects what was covered, checked and found wrong."""

    def __init__(self, base: str, credentials: dict[str, str]) -> None:
        self.base = base
        self.credentials = credentials
        self.client = self.connect(credentials["license_key"])
        self.covered: set[str] = set()
        self.checks: list[str] = []
        self.failed: list[str] = []

    def connect(self, key: str) -> AvataxClient:
        client = AvataxClient("revsaga-judge", "1.0", "judge", self.base)
        return client.add_credentials(self.credentials["account_id"], key)

    def check(self, name: str, passed: bool, seen: Any = "") -> None:
        self.checks.append(name)
        if not passed:
            self.failed.append(f"{name}: {seen!r}"[:400])

    def fault(self, **fault: Any) -> None:
        request = Request(f"{self.base}/_control/faults", json.dumps(fault).encode(), method="POST")
        with urlopen(request) as answer:
            answer.read()

    def ok(self, endpoint: str, answer: requests.Response, status: int = 200) -> Any:
        """The body of an answer that has to be a success."""
        self.covered.add(endpoint)
        self.check(f"{endpoint} answers {status}", answer.status_code == status, answer.text)
        return answer.json()

    def refused(self, name: str, answer: requests.Response, status: int, code: str) -> None:
        error = answer.json().get("error", {})
        self.check(name, (answer.status_code, error.get("code")) == (status, code), answer.text)
        self.check(f"{name}, with details", error["details"][0]["message"] != "", error)

    def ping(self) -> None:
        good = self.ok("GET /api/v2/utilities/ping", self.client.ping())
        self.check("ping is authenticated", good["authenticated"] is True, good)
        bad = self.ok("GET /api/v2/utilities/ping", self.connect("WRONG").ping())
        self.check("ping with a bad key is a 200", bad["authenticated"] is False, bad)

    def company(self) -> int:
        by_code = {"$filter": "companyCode eq 'US-INC'"}
        found = self.ok("GET /api/v2/companies", self.client.query_companies(by_code))
        self.check("one company by code", found["@recordsetCount"] == 1, found)
        self.refused(
            "companies with a bad filter",
            self.client.query_companies({"$filter": "x"}),
            400,
            "ValueRequiredError",
        )
        return int(found["value"][0]["id"])

    def paged(self, endpoint: str, fetch: Any, key: str) -> set[Any]:
        """All pages of two rows, by the link's offset."""
        found: list[Any] = []
        query: dict[str, Any] = {"$top": 2}
        for _ in range(100):
            page = self.ok(endpoint, fetch(query))
            found += [row[key] for row in page["value"]]
            link = page.get("@nextLink")
            if not link:
                complete = len(found) == page["@recordsetCount"] == len(set(found))
                self.check(f"{endpoint} pages", complete, (found, page["@recordsetCount"]))
                return set(found)
            query = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
        self.check(f"{endpoint} pages", False, "no end")
        return set(found)

    def lists(self, company: int) -> None:
        nexus = "GET /api/v2/companies/{companyId}/nexus"
        rows = self.paged(nexus, lambda query: self.client.list_nexus_by_company(company, query), "id")
        self.check("nexus rows", len(rows) > 2, rows)
        only = self.client.list_nexus_by_company(
            company, {"$filter": "region eq 'PA' and country eq 'US'"}
        ).json()
        self.check("nexus by filter", [r["region"] for r in only["value"]] == ["PA"], only)
        self.refused("nexus of nobody", self.client.list_nexus_by_company(1), 404, "EntityNotFoundError")
        codes = self.paged("GET /api/v2/definitions/taxcodes", self.client.list_tax_codes, "taxCode")
        self.check("known tax codes", {"SW054000", "NT"} <= codes, codes)
        bad = self.client.list_tax_codes({"$filter": "hasNothing eq 'x'"})
        self.refused("tax codes with a bad filter", bad, 400, "ValueRequiredError")

    def addresses(self) -> None:
        post, get = "POST /api/v2/addresses/resolve", "GET /api/v2/addresses/resolve"
        there = {
            "line1": "822 Reed St",
            "city": "Philadelphia",
            "region": "PA",
            "postalCode": "19147",
            "country": "US",
        }
        good = self.ok(post, self.client.resolve_address_post(there))
        self.check("resolved", good["validatedAddresses"][0]["city"] == "PHILADELPHIA", good)
        self.check("same by GET", self.ok(get, self.client.resolve_address(there)) == good, good)
        bad = self.ok(post, self.client.resolve_address_post({**there, "postalCode": "20500"}))
        self.check("a bad address is a 200 with messages", bad["messages"][0]["severity"] == "Error", bad)
        long = self.client.resolve_address_post({**there, "postalCode": "1" * 12})
        self.refused("a long postal code", long, 400, "StringLengthError")

    def documents(self) -> None:
        create = "POST /api/v2/transactions/create"
        found = self.ok(
            create, self.client.create_transaction(DOCUMENT, {"$include": "Summary,Details"}), 201
        )
        self.check("an estimate has no id", (found["id"], found["status"]) == (0, "Temporary"), found)
        self.check("tax", (found["totalTax"], found["totalAmount"]) == (10.0, 225.0), found)
        parts = [row["tax"] for line in found["lines"] for row in line["details"]]
        self.check("details sum", sum(parts) == found["totalTax"], parts)
        plain = self.ok(create, self.client.create_transaction(DOCUMENT), 201)
        self.check("details only when asked for", "details" not in plain["lines"][0], plain)
        for name, changes, code in (
            ("no lines", {"lines": []}, "MissingLine"),
            ("no customer", {"customerCode": None}, "ValueRequiredError"),
            ("unknown company", {"companyCode": "NOBODY"}, "CompanyInvalidException"),
            ("unknown type", {"type": "Gift"}, "InvalidDocumentType"),
            ("no address", {"addresses": None}, "MissingAddress"),
            (
                "zip of another state",
                {"addresses": {"SingleLocation": {"region": "PA", "postalCode": "20500"}}},
                "GetTaxError",
            ),
        ):
            self.refused(name, self.client.create_transaction({**DOCUMENT, **changes}), 400, code)

    def trouble(self, company: int) -> None:
        """A stale key and a rate limit on every endpoint that asks for a credential."""
        calls: dict[str, Callable[[Any], Any]] = {
            "companies": lambda client: client.query_companies(),
            "nexus": lambda client: client.list_nexus_by_company(company),
            "taxcodes": lambda client: client.list_tax_codes(),
            "resolve": lambda client: client.resolve_address_post({"postalCode": "19147"}),
            "create": lambda client: client.create_transaction(DOCUMENT),
        }
        limit = {"error": {"code": "RateLimitExceeded", "message": "slow", "details": [{"message": "slow"}]}}
        for name, call in calls.items():
            self.fault(kind="expired_token", match=name)
            self.refused(f"{name} with a stale key", call(self.client), 401, "AuthenticationException")
            self.refused(
                f"{name} with a wrong key", call(self.connect("WRONG")), 401, "AuthenticationException"
            )
            self.fault(kind="status", match=name, status=429, headers={"Retry-After": "2"}, body=limit)
            answer = call(self.client)
            self.refused(f"{name} over the limit", answer, 429, "RateLimitExceeded")
            self.check(f"{name} says when", answer.headers["Retry-After"] == "2", dict(answer.headers))
            self.check(f"{name} well again", call(self.client).ok)


def main() -> None:
    """Play everything and print the verdict."""
    judge = Judge(sys.argv[1], json.loads(sys.argv[2]))
    judge.ping()
    company = judge.company()
    judge.lists(company)
    judge.addresses()
    judge.documents()
    judge.trouble(company)
    print(json.dumps({"covered": sorted(judge.covered), "checks": judge.checks, "failed": judge.failed}))


if __name__ == "__main__":
    main()
