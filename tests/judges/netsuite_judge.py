"""Drives the `netsuite` client against a sandbox: argv is its address and the credentials as JSON.

Runs in the judges' environment, where that client and its old libraries live. Prints one JSON document.
"""

import asyncio
import json
import re
import sys
from collections.abc import Awaitable
from typing import Any, ClassVar
from urllib.request import Request, urlopen

from netsuite import Config, NetSuiteRestApi
from netsuite.exceptions import NetsuiteAPIRequestError

RECORD = "/record/v1"


class Api(NetSuiteRestApi):
    """The client as published; only its address, which it fixes to the vendor's host, is another."""

    base = ""
    covered: ClassVar[set[str]] = set()

    def _make_url(self, subpath: str) -> str:
        return f"{self.base}/services/rest{subpath}"

    async def _request_impl(self, method: str, subpath: str, **request_kw: Any) -> Any:
        path = re.sub(r"(/record/v1/(?!metadata)\w+)/[^/]+", r"\1/{id}", subpath)
        self.covered.add(f"{method} /services/rest{path}")
        return await super()._request_impl(method, subpath, **request_kw)


class Judge:
    """Collects what was checked."""

    def __init__(self, base: str, credentials: dict[str, str]) -> None:
        Api.base = base
        self.base = base
        self.credentials = credentials
        self.api = self.client()
        self.checks: list[str] = []
        self.failed: list[str] = []

    def client(self, **changes: str) -> Api:
        opened = {**self.credentials, **changes}
        names = ("consumer_key", "consumer_secret", "token_id", "token_secret")
        auth = {name: opened[name] for name in names}
        return Api(Config(account=opened["account"], auth=auth))

    def check(self, name: str, passed: bool, seen: Any = "") -> None:
        self.checks.append(name)
        if not passed:
            self.failed.append(f"{name}: {seen!r}")

    async def refused(self, name: str, call: Awaitable[Any], status: int, code: str) -> None:
        try:
            self.check(name, False, await call)
        except NetsuiteAPIRequestError as error:
            codes = [d["o:errorCode"] for d in json.loads(error.response_text)["o:errorDetails"]]
            self.check(name, (error.status_code, codes[0]) == (status, code), str(error))

    def fault(self, **fault: Any) -> None:
        request = Request(f"{self.base}/_control/faults", json.dumps(fault).encode(), method="POST")
        with urlopen(request) as answer:
            answer.read()

    async def ids(self, table: str, column: str) -> dict[str, str]:
        """All rows of a table, two to a page."""
        found: dict[str, str] = {}
        offset = 0
        while True:
            page = await self.api.suiteql(
                f"SELECT id, {column} FROM {table} ORDER BY id", limit=2, offset=offset
            )
            found |= {row[column]: row["id"] for row in page["items"]}
            offset += page["count"]
            if not page["hasMore"]:
                self.check(f"paging {table}", len(found) == page["totalResults"], page)
                return found

    async def queries(self) -> dict[str, dict[str, str]]:
        wanted = {"item": "itemid", "subsidiary": "externalid", "currency": "symbol", "term": "name"}
        found = {table: await self.ids(table, column) for table, column in wanted.items()}
        await self.refused("query error", self.api.suiteql("SELECT x FROM item"), 400, "INVALID_PARAMETER")
        return found

    async def records(self, found: dict[str, dict[str, str]]) -> None:
        body = {"companyName": "Judge & Söhne", "subsidiary": {"id": found["subsidiary"]["US-INC"]}}
        made = await self.api.request("PUT", f"{RECORD}/customer/eid:JUDGE-1", json=body)
        self.check(
            "customer 204 with a location",
            made.status_code == 204 and "/customer/" in made.headers["location"],
        )
        record = made.headers["location"].rsplit("/", 1)[1]
        read = await self.api.get(f"{RECORD}/customer/{record}")
        self.check(
            "customer reads back", read["companyName"] == "Judge & Söhne" and read["id"] == record, read
        )
        same = await self.api.get(f"{RECORD}/customer/eid:JUDGE-1", params={"expandSubResources": "true"})
        self.check("customer by external id", same["id"] == record, same)

        line = {"item": {"id": found["item"]["PLATFORM"]}, "quantity": 3, "rate": 33.335, "amount": 100}
        order = {
            "entity": {"id": record},
            "currency": {"id": found["currency"]["USD"]},
            "orderStatus": "B",
            "custbody_quote_id": "Q-JUDGE",
            "item": {"items": [line, {**line, "custcol_quote_line": "L2"}]},
        }
        place = f"{RECORD}/salesOrder/eid:JUDGE-SO-1"
        for _ in range(2):
            await self.api.put(place, json=order, params={"replace": "item"})
        read = await self.api.get(place, params={"expandSubResources": "true"})
        items = read["item"]["items"]
        self.check("lines are not added twice", len(items) == 2, items)
        self.check("amounts win over rates", [i["amount"] for i in items] == [100.0, 100.0], items)
        self.check("total", read["total"] == 200.0, read)
        self.check("state", read["status"]["id"] == "B", read["status"])
        plain = await self.api.get(place)
        self.check("sublists are links", list(plain["item"]) == ["links"], plain["item"])

    async def errors(self) -> None:
        api = self.api
        await self.refused(
            "unknown customer", api.get(f"{RECORD}/customer/eid:NOBODY"), 404, "NONEXISTENT_ID"
        )
        await self.refused("unknown order", api.get(f"{RECORD}/salesOrder/eid:NOBODY"), 404, "NONEXISTENT_ID")
        bad = {"companyName": "X", "subsidiary": {"id": "999999"}}
        await self.refused(
            "bad reference", api.put(f"{RECORD}/customer/eid:J-2", json=bad), 400, "INVALID_CONTENT"
        )
        misspelt = {"companyNmae": "X"}
        await self.refused(
            "misspelt field", api.put(f"{RECORD}/customer/eid:J-2", json=misspelt), 400, "INVALID_CONTENT"
        )
        empty = {"entity": {"externalId": "JUDGE-1"}}
        await self.refused("no lines", api.put(f"{RECORD}/salesOrder/eid:J-3", json=empty), 400, "USER_ERROR")
        await self.refused("no such type", api.openapi(["saleOrder"]), 404, "INVALID_RECORD_TYPE")

    async def metadata(self) -> None:
        whole = await self.api.openapi(["salesOrder"])
        line = whole["components"]["schemas"]["salesOrder-itemElement"]["properties"]
        self.check("columns are described", "custcol_pob_ref" in line, line)
        schema = await self.api.jsonschema("customer")
        self.check("schema", "companyName" in schema["properties"], schema)

    async def access(self) -> None:
        call = f"{RECORD}/customer/eid:JUDGE-1"
        for name in ("consumer_key", "consumer_secret", "token_id", "token_secret"):
            wrong = self.client(**{name: "wrong"})
            await self.refused(f"wrong {name}", wrong.get(call), 401, "INVALID_LOGIN")
        host_form = self.credentials["account"].lower().replace("_", "-")
        await self.refused(
            "realm as in the host", self.client(account=host_form).get(call), 401, "INVALID_LOGIN"
        )
        self.fault(kind="expired_token", match="GET .*customer")
        await self.refused("token that ended", self.api.get(call), 401, "INVALID_LOGIN")
        self.check("and a new signature", (await self.api.get(call))["externalId"] == "JUDGE-1")

    async def limits(self) -> None:
        self.fault(kind="latency", seconds=0.3, times=8)
        calls = [self.api.get(f"{RECORD}/customer/eid:JUDGE-1") for _ in range(8)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        busy = [o for o in outcomes if isinstance(o, NetsuiteAPIRequestError)]
        self.check("three of eight are too many", len(busy) == 3, outcomes)
        self.check("429", {e.status_code for e in busy} == {429}, outcomes)
        self.check("its code", all("CONCURRENCY_LIMIT_EXCEEDED" in e.response_text for e in busy), outcomes)

    async def run(self) -> None:
        await self.records(await self.queries())
        await self.errors()
        await self.metadata()
        await self.access()
        await self.limits()


def main() -> None:
    judge = Judge(sys.argv[1], json.loads(sys.argv[2]))
    asyncio.run(judge.run())
    print(json.dumps({"covered": sorted(Api.covered), "checks": judge.checks, "failed": judge.failed}))


if __name__ == "__main__":
    main()
