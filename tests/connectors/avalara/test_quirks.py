"""The quirks of the fact sheet that the sandbox plays, each with its test."""

import sys
from typing import Any

import httpx
import pytest

from connectors.avalara.sandbox import ACCOUNT_ID, LICENSE_KEY, AvalaraSandbox
from connectors.kit.sandbox import Fault, SandboxTransport
from tests.connectors.avalara import data

QUIRKS = (
    ("ping", "ping answers 200 to a bad credential; only `authenticated` tells", "test_ping_never_fails"),
    ("auth-401", "401 has neither target nor number nor severity", "test_a_bad_licence_is_a_bare_401"),
    (
        "correlation",
        "every answer has x-correlation-id and ServerDuration",
        "test_every_answer_can_be_quoted",
    ),
    ("resolve-200", "a bad address is a 200 with messages", "test_a_bad_address_is_a_200"),
    ("resolve-too-little", "too little to look for is a 400", "test_too_little_address_is_a_400"),
    ("resolve-elsewhere", "addresses resolve in the US and Canada only", "test_only_two_countries_resolve"),
    (
        "order",
        "a document without type is an estimate: 201, id 0, Temporary",
        "test_a_document_is_an_estimate",
    ),
    ("invoice", "an invoice is recorded and has a Location", "test_an_invoice_would_be_recorded"),
    (
        "case",
        "names of members are matched in any case, and USA is US",
        "test_names_and_countries_are_lenient",
    ),
    ("strings", "amounts may be sent as texts", "test_amounts_may_be_texts"),
    ("decimals", "estimates print at least one decimal", "test_whole_amounts_have_a_decimal"),
    ("dollar", "`$include` may arrive percent-encoded", "test_the_dollar_sign_may_be_encoded"),
    (
        "long-spelling",
        "the summary spells jurisdiction types in full",
        "test_the_summary_spells_types_in_full",
    ),
    ("length", "the limit of a field is only in the description", "test_a_limit_is_told_in_words"),
    ("inner-code", "the outer code may differ from the inner one", "test_bad_json_has_two_codes"),
    ("wrapper", "GetTaxError wraps; message and refersTo tell", "test_a_wrong_zip_is_a_wrapped_error"),
    ("force-timeout", "`$include=ForceTimeout` is a 400 named TimeoutRequested", "test_a_requested_timeout"),
    ("no-nexus", "no nexus is a 201 with zero, with rows or without", "test_no_nexus_has_two_shapes"),
    ("bin", "the VAT id is not validated; without our own there is no B2B", "test_the_vat_id_is_believed"),
    ("paging", "lists link to the next page and count all", "test_lists_link_to_the_next_page"),
    ("filter", "filters know `eq`, quotes are doubled", "test_filters"),
    ("rate", "429 with a name, and Retry-After", "test_rates"),
    ("end-date", "end dates of nexus are inclusive", "test_end_dates_are_inclusive"),
)


def test_every_quirk_has_its_test() -> None:
    module = sys.modules[__name__]
    assert len({q[0] for q in QUIRKS}) == len(QUIRKS)
    for _, _, name in QUIRKS:
        assert callable(getattr(module, name))


class Caller:
    """Speaks to the sandbox in plain HTTP."""

    def __init__(self, sandbox: AvalaraSandbox | None = None, key: str = LICENSE_KEY) -> None:
        self.sandbox = sandbox or data.engine()
        self.http = httpx.AsyncClient(
            transport=SandboxTransport(self.sandbox), base_url=data.HOST, auth=(ACCOUNT_ID, key)
        )

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.http.get(
            f"/api/v2{path}", params={k.replace("_", "$", 1): v for k, v in params.items()}
        )

    async def post(self, path: str, body: Any) -> httpx.Response:
        return await self.http.post(f"/api/v2{path}", json=body)


def document(**changes: Any) -> dict[str, Any]:
    here = {
        "line1": "822 Reed St",
        "city": "Philadelphia",
        "region": "PA",
        "country": "US",
        "postalCode": "19147",
    }
    lines = [{"number": "1", "amount": 125, "quantity": 10, "taxCode": "SW054000"}]
    return {
        "companyCode": "US-INC",
        "date": "2026-11-01",
        "customerCode": "C-1",
        "addresses": {"singleLocation": here},
        "lines": lines,
        **changes,
    }


async def test_ping_never_fails() -> None:
    bad = await Caller(key="WRONG").get("/utilities/ping")
    assert (bad.status_code, bad.json()["authenticated"], bad.json()["authenticationType"]) == (
        200,
        False,
        "None",
    )
    assert (await Caller().get("/utilities/ping")).json()["authenticated"] is True
    assert not (await data.tax(data.engine(), license_key="WRONG").check()).well


async def test_a_bad_licence_is_a_bare_401() -> None:
    answer = await Caller(key="WRONG").get("/companies")
    detail = answer.json()["error"]["details"][0]
    assert (answer.status_code, detail["code"]) == (401, "AuthenticationException")
    assert not {"number", "severity", "refersTo"} & set(detail)
    assert "target" not in answer.json()["error"]


async def test_every_answer_can_be_quoted() -> None:
    caller = Caller()
    answers = [
        await caller.get("/utilities/ping"),
        await caller.get("/nowhere"),
        await Caller(key="WRONG").get("/companies"),
    ]
    for answer in answers:
        assert answer.headers["x-correlation-id"]
        assert answer.headers["serverduration"].startswith("00:00:00.")


async def test_a_bad_address_is_a_200() -> None:
    answer = await Caller().post(
        "/addresses/resolve", {"region": "PA", "postalCode": "20500", "country": "US"}
    )
    assert answer.status_code == 200
    assert answer.json()["resolutionQuality"] == "RegionCentroid"
    assert answer.json()["messages"][0]["severity"] == "Error"


async def test_too_little_address_is_a_400() -> None:
    answer = await Caller().post("/addresses/resolve", {"region": "PA", "country": "US"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidAddress")


async def test_only_two_countries_resolve() -> None:
    answer = await Caller().get("/addresses/resolve", postalCode="10115", country="DE")
    assert (answer.status_code, answer.json()["resolutionQuality"]) == (200, "NotCoded")
    canada = await Caller().get("/addresses/resolve", postalCode="m5j2j1", region="ON", country="CA")
    assert canada.json()["validatedAddresses"][0]["postalCode"] == "M5J 2J1"


async def test_a_document_is_an_estimate() -> None:
    caller = Caller()
    answer = await caller.post("/transactions/create", document())
    found = answer.json()
    assert (answer.status_code, found["type"], found["id"], found["status"]) == (
        201,
        "SalesOrder",
        0,
        "Temporary",
    )
    assert caller.sandbox.state["documents"] == {}


async def test_an_invoice_would_be_recorded() -> None:
    caller = Caller()
    answer = await caller.post("/transactions/create", document(type="SalesInvoice", code="INV-1"))
    assert answer.json()["status"] == "Saved"
    assert answer.headers["location"].endswith(f"/transactions/{answer.json()['id']}")
    assert caller.sandbox.effects_by_kind() == {"document": {"INV-1": 1}}


async def test_names_and_countries_are_lenient() -> None:
    there = {"Region": "PA", "COUNTRY": "USA", "PostalCode": "19147"}
    answer = await Caller().post(
        "/transactions/create", document(addresses={"ShipFrom": there, "ShipTo": there})
    )
    assert answer.json()["totalTax"] == 10


async def test_amounts_may_be_texts() -> None:
    answer = await Caller().post(
        "/transactions/create", document(lines=[{"amount": "125.00", "taxCode": "SW054000"}])
    )
    assert (answer.status_code, answer.json()["totalTax"]) == (201, 10)


async def test_whole_amounts_have_a_decimal() -> None:
    answer = await Caller().post("/transactions/create", document())
    assert '"totalAmount":125.0,' in answer.text


async def test_the_dollar_sign_may_be_encoded() -> None:
    caller = Caller()
    for query in ("$include=Details", "%24include=Details"):
        answer = await caller.post(f"/transactions/create?{query}", document())
        assert len(answer.json()["lines"][0]["details"]) == 2
    assert "details" not in (await caller.post("/transactions/create", document())).json()["lines"][0]


async def test_the_summary_spells_types_in_full() -> None:
    answer = await Caller().post("/transactions/create?$include=Summary,Details", document())
    assert [row["jurisType"] for row in answer.json()["summary"]] == ["State", "County"]
    assert [row["jurisType"] for row in answer.json()["lines"][0]["details"]] == ["STA", "CTY"]


async def test_a_limit_is_told_in_words() -> None:
    answer = await Caller().post("/addresses/resolve", {"postalCode": "1" * 12})
    detail = answer.json()["error"]["details"][0]
    assert (answer.status_code, detail["number"]) == (400, 13)
    assert detail["description"] == "Field 'postalCode' must be between 0 and 11 characters in length."


async def test_bad_json_has_two_codes() -> None:
    caller = Caller()
    answer = await caller.http.post("/api/v2/transactions/create", content=b"{broken")
    error = answer.json()["error"]
    assert (error["code"], error["details"][0]["code"]) == ("ModelStateInvalid", "JsonFormatError")
    amount = await caller.post("/transactions/create", document(lines=[{"amount": "much"}]))
    assert amount.json()["error"]["code"] == "ModelStateInvalid"


async def test_a_wrong_zip_is_a_wrapped_error() -> None:
    there = {"region": "PA", "postalCode": "20500", "country": "US"}
    answer = await Caller().post(
        "/transactions/create", document(addresses={"shipFrom": {}, "shipTo": there})
    )
    detail = answer.json()["error"]["details"][0]
    assert (answer.status_code, detail["code"], detail["number"]) == (400, "GetTaxError", 300)
    assert detail["refersTo"] == "Addresses[1]"
    assert detail["message"] == "Tax calculation cannot be determined. Zip is not valid for the state."


async def test_a_requested_timeout() -> None:
    answer = await Caller().post("/transactions/create?$include=ForceTimeout", document())
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "TimeoutRequested")


@pytest.mark.parametrize(("shape", "rows"), [("rows", 1), ("none", 0)])
async def test_no_nexus_has_two_shapes(shape: str, rows: int) -> None:
    there = {"region": "CO", "postalCode": "80202", "country": "US"}
    caller = Caller(data.engine(no_nexus_shape=shape))
    answer = await caller.post(
        "/transactions/create?$include=Details", document(addresses={"singleLocation": there})
    )
    found = answer.json()
    details = found["lines"][0]["details"]
    assert (answer.status_code, found["totalTax"], found["totalExempt"], len(details)) == (201, 0, 0, rows)
    assert all(row["nonTaxableType"] == "NexusRule" for row in details)


async def test_the_vat_id_is_believed() -> None:
    addresses = {"shipFrom": {"country": "DE"}, "shipTo": {"country": "NL"}}
    caller = Caller()
    for company, messages in (("DE-GMBH", 1), ("US-INC", 0)):
        body = document(
            companyCode=company, addresses=addresses, businessIdentificationNo="NL0", currencyCode="EUR"
        )
        answer = await caller.post("/transactions/create", body)
        assert (answer.json()["totalTax"], len(answer.json()["invoiceMessages"])) == (0, messages)


async def test_lists_link_to_the_next_page() -> None:
    caller = Caller()
    first = (await caller.get("/definitions/taxcodes", _top=5)).json()
    assert (first["@recordsetCount"], len(first["value"])) == (8, 5)
    second = (await caller.http.get(first["@nextLink"])).json()
    assert len(second["value"]) == 3
    assert "@nextLink" not in second


async def test_filters() -> None:
    caller = Caller()
    found = (await caller.get("/companies", _filter="companyCode eq 'us-inc'")).json()["value"]
    assert [c["companyCode"] for c in found] == ["US-INC"]
    assert (await caller.get("/companies", _filter="companyCode eq 'O''Neill'")).json()["value"] == []
    assert (await caller.get("/companies", _filter="nonsense")).status_code == 400
    both = "taxCode ne 'NT' and isActive eq true"
    assert len((await caller.get("/definitions/taxcodes", _filter=both)).json()["value"]) == 7


async def test_rates() -> None:
    caller = Caller(data.engine(rate=2))
    answers = [await caller.get("/companies") for _ in range(3)]
    assert [a.status_code for a in answers] == [200, 200, 429]
    assert answers[2].json()["error"]["details"][0]["number"] == 1715
    assert int(answers[2].headers["retry-after"]) >= 1
    busy = Caller(data.engine(concurrency=0))
    assert (await busy.get("/companies")).json()["error"]["code"] == "ConcurrentRequestLimitExceeded"


async def test_end_dates_are_inclusive() -> None:
    rows = data.engine().state["companies"]["US-INC"]["nexus"]
    (utah,) = [row for row in rows if row["region"] == "UT"]
    assert utah["endDate"] == "2026-05-31"


async def test_the_state_survives_a_snapshot() -> None:
    sandbox, other = data.engine(), AvalaraSandbox()
    other.restore(sandbox.snapshot())
    assert await data.tax(other).nexus("US-INC") == await data.tax(sandbox).nexus("US-INC")
    sandbox.seed({"world": data.WORLD.model_dump(mode="json")})
    assert sandbox.snapshot() == other.snapshot()


async def test_a_fault_leaves_the_headers_in_place() -> None:
    caller = Caller()
    caller.sandbox.faults.add(Fault(match="companies", kind="error_after"))
    answer = await caller.get("/companies")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "UnhandledException")
    assert answer.headers["x-correlation-id"]
