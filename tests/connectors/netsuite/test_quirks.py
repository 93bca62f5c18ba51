"""What the fact sheet warns of, one named test each: the sandbox behaves so, and the adapter survives it."""

import asyncio
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from canonical.failures import Conflict, Misconfigured, Rejected, Transient
from canonical.money import Money
from connectors.kit.answer import Answer
from connectors.kit.auth import ClientAssertion, OAuth1, signed_jwt
from connectors.kit.http import Http
from connectors.kit.sandbox import Call, Fault, Reply, SandboxTransport, serve
from connectors.netsuite.client import TOKEN_PATH
from connectors.netsuite.errors import failure
from connectors.netsuite.sandbox import Certificate, NetsuiteSandbox, signing
from connectors.netsuite.settings import NetsuiteSettings
from tests.connectors.netsuite.data import (
    CONTRACT_ID,
    CUSTOMER_ID,
    HOST,
    account,
    contract,
    customer,
    erp,
    line,
    mapped,
    settings,
)

# id, fact, test
QUIRKS: tuple[tuple[str, str, str], ...] = (
    (
        "realm",
        "the realm is the account id as the UI shows it; the host form is refused",
        "test_realm_in_host_form",
    ),
    ("port", "a non-default port is part of the signature", "test_the_port_is_signed"),
    ("query", "query parameters are signed, bodies are not", "test_query_is_signed_and_body_is_not"),
    ("nonce", "a signed request may be sent once", "test_a_signed_request_is_good_for_one_sending"),
    ("skew", "an old time stamp is refused", "test_an_old_time_stamp_is_refused"),
    ("login", "every refused credential looks alike; the audit trail knows why", "test_refusals_look_alike"),
    ("m2m-alg", "only PS* and ES* assertions; RS256 is refused", "test_assertion_algorithms"),
    ("m2m-claims", "aud is the token address, exp within 60 minutes", "test_assertion_claims"),
    ("m2m-expiry", "expires_in is a text; an expired token is renewed once", "test_token_lifetime_as_text"),
    ("upsert", "only PUT with eid: upserts", "test_put_needs_an_external_id"),
    ("pipe", "| in an external id is a separator", "test_pipe_in_an_external_id"),
    (
        "dup",
        "POST with a known external id is a 400 under one of two codes",
        "test_second_record_with_an_external_id",
    ),
    (
        "idempotency",
        "keys count for asynchronous requests only, and a repeat is a 400",
        "test_idempotency_keys",
    ),
    ("append", "a line without its key is added again", "test_lines_without_keys_are_added"),
    ("replace", "replace=item makes the body the whole sublist", "test_replace_makes_the_list_whole"),
    ("expand", "GET shows sublists as links", "test_sublists_are_links_unless_expanded"),
    ("location", "a write answers 204 and the id is in Location", "test_writes_answer_with_a_location_only"),
    ("dropped", "unknown property names are dropped by default", "test_unknown_names_by_header"),
    ("custom", "a custom field must be deployed", "test_a_custom_field_that_is_not_deployed"),
    (
        "concurrency",
        "five requests at a time over everything, without Retry-After",
        "test_concurrency_of_the_account",
    ),
    ("restlet-limit", "a limit may come as 400 SSS_REQUEST_LIMIT_EXCEEDED", "test_limit_as_a_bad_request"),
    ("transient", "queries need Prefer: transient", "test_queries_must_be_transient"),
    ("rows", "query values are texts and empty columns are left out", "test_query_values_are_texts"),
    ("pages", "pages have at most 1000 rows", "test_pages_of_queries"),
    ("rounding", "rate times quantity is rounded unless the amount is sent", "test_rate_and_amount"),
    ("status", "orderStatus takes A or B, by default A", "test_order_status"),
    ("posting", "a sales order has no posting period", "test_no_posting_period"),
    ("details", "one answer may carry several problems", "test_several_problems_in_one_answer"),
    ("period", "a closed period is a USER_ERROR that only its text tells", "test_a_closed_period"),
    ("changed", "parallel updates collide", "test_a_collision_is_settled_by_looking_again"),
    ("absent", "an unknown record is 404 NONEXISTENT_ID", "test_an_unknown_record"),
    ("case", "record types in addresses ignore case", "test_record_types_ignore_case"),
    ("doubles", "numbers are doubles: 1200 comes back as 1200.0", "test_numbers_come_back_as_doubles"),
)


def test_every_quirk_has_its_test() -> None:
    assert len({quirk for quirk, _, _ in QUIRKS}) == len(QUIRKS)
    assert {name for _, _, name in QUIRKS} <= set(globals())


def raw(sandbox: NetsuiteSandbox, **changes: str) -> Http:
    """Signed calls that the adapter would not make."""
    opened = {**sandbox.credentials(), **changes}
    auth = OAuth1(
        consumer_key=opened["consumer_key"],
        consumer_secret=opened["consumer_secret"],
        token=opened["token_id"],
        token_secret=opened["token_secret"],
        realm=opened["account"],
    )
    return Http(settings(sandbox), auth, transport=SandboxTransport(sandbox))


async def send(
    http: Http, call: str, body: Any = None, headers: Mapping[str, str] | None = None, **params: str
) -> Answer:
    method, _, path = call.partition(" ")
    root = (
        "/services/rest" if path.startswith(("/query", "/async", "/system")) else "/services/rest/record/v1"
    )
    return await http.send(method, root + path, json=body, headers=headers, params=params, effect=False)


def codes(answer: Answer) -> list[str]:
    return [detail["o:errorCode"] for detail in answer.json()["o:errorDetails"]]


async def prepared() -> tuple[NetsuiteSandbox, Http, dict[str, Any]]:
    """An account with a customer, and the body of a small order."""
    sandbox = account()
    adapter = erp(sandbox)
    refs = await mapped(adapter)
    ref = await adapter.upsert_customer(customer(), refs)
    items = [{"item": {"id": refs.id("item", "PLATFORM")}, "quantity": 2, "rate": 5}]
    return sandbox, raw(sandbox), {"entity": {"id": ref.erp_id}, "item": {"items": items}}


def orders(sandbox: NetsuiteSandbox) -> list[dict[str, Any]]:
    return list(sandbox.state["tables"]["transaction"].values())


# Signatures


async def test_realm_in_host_form() -> None:
    sandbox = account()
    with pytest.raises(ValueError, match="upper case"):
        settings(sandbox, account="100001-sb1")
    answer = await send(raw(sandbox, account="100001-sb1"), "GET /customer")
    assert answer.status == 401
    assert sandbox.login_audit == ["account_unknown"]


async def test_the_port_is_signed() -> None:
    sandbox = account()
    async with serve(sandbox) as url:
        adapter_settings = settings(sandbox, url)
        auth = raw(sandbox)._auth
        async with Http(adapter_settings, auth) as http:
            assert (await send(http, "GET /customer", limit="1")).status == 200
            # The same request, signed as if the port were the default one.
            without_port = f"http://127.0.0.1{'/services/rest/record/v1/customer'}"
            assert auth is not None
            headers = await auth.headers("GET", without_port, b"")
            bare = Http(adapter_settings)
            answer = await send(bare, "GET /customer", headers=headers)
            await bare.aclose()
    assert answer.status == 401
    assert sandbox.login_audit == ["InvalidSignature"]


async def test_query_is_signed_and_body_is_not() -> None:
    sandbox = account()
    auth = raw(sandbox)._auth
    bare = Http(settings(sandbox), transport=SandboxTransport(sandbox))
    assert auth is not None
    place = f"{HOST}/services/rest/record/v1/customer"
    headers = await auth.headers("GET", f"{place}?limit=1", b"")
    assert (await send(bare, "GET /customer", headers=headers, limit="2")).status == 401
    assert sandbox.login_audit == ["InvalidSignature"]
    headers = await auth.headers("POST", place, b"another body")
    assert (await send(bare, "POST /customer", {}, headers)).status == 400


async def test_a_signed_request_is_good_for_one_sending() -> None:
    sandbox = account()
    auth = raw(sandbox)._auth
    assert auth is not None
    headers = await auth.headers("GET", f"{HOST}/services/rest/record/v1/customer", b"")
    bare = Http(settings(sandbox), transport=SandboxTransport(sandbox))
    assert [(await send(bare, "GET /customer", headers=headers)).status for _ in range(2)] == [200, 401]
    assert sandbox.login_audit == ["nonce_used"]


async def test_an_old_time_stamp_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = account()
    http = raw(sandbox)
    assert http._auth is not None
    real = time.time()
    monkeypatch.setattr(time, "time", lambda: real - 3600)
    headers = await http._auth.headers("GET", f"{HOST}/services/rest/record/v1/customer", b"")
    monkeypatch.undo()
    bare = Http(settings(sandbox), transport=SandboxTransport(sandbox))
    assert (await send(bare, "GET /customer", headers=headers)).status == 401
    assert sandbox.login_audit == ["timestamp_refused"]


async def test_only_nonces_that_could_be_used_again_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "MAX_REMEMBERED", 3)
    sandbox = account()
    sandbox.gate.used = {("sandbox-token-id", "1000", f"nonce-{n}") for n in range(3)}
    assert (await send(raw(sandbox), "GET /customer")).status == 200
    assert len(sandbox.gate.used) == 1
    sandbox.reset()
    assert not sandbox.gate.used
    assert (await send(raw(sandbox), "GET /customer")).json()["items"] == []


async def test_refusals_look_alike() -> None:
    sandbox = account()
    wrong = ({"consumer_key": "x"}, {"token_id": "x"}, {"token_secret": "x"}, {"account": "2"})
    answers = [await send(raw(sandbox, **change), "GET /customer") for change in wrong]
    bearer = {"Authorization": "Bearer stale"}
    bare = Http(settings(sandbox), transport=SandboxTransport(sandbox))
    answers += [await send(bare, "GET /customer"), await send(bare, "GET /customer", headers=bearer)]
    assert {answer.status for answer in answers} == {401}
    assert len({answer.body for answer in answers}) == 1
    assert codes(answers[0]) == ["INVALID_LOGIN"]
    assert len(set(sandbox.login_audit)) == 6


# OAuth 2.0 with a certificate


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> tuple[str, str]:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


RSA_PRIVATE, RSA_PUBLIC = _pem(rsa.generate_private_key(public_exponent=65537, key_size=3072))
EC_PRIVATE, EC_PUBLIC = _pem(ec.generate_private_key(ec.SECP256R1()))
CERTIFICATES = (
    Certificate("cert-rsa", "client-1", RSA_PUBLIC),
    Certificate("cert-ec", "client-1", EC_PUBLIC),
)


def m2m(algorithm: str = "PS256", **changes: Any) -> dict[str, Any]:
    """Settings of the certificate way."""
    rsa_kind = algorithm.startswith(("PS", "RS"))
    chosen = {
        "auth": "oauth2",
        "client_id": "client-1",
        "algorithm": algorithm,
        "certificate_id": "cert-rsa" if rsa_kind else "cert-ec",
        "private_key": RSA_PRIVATE if rsa_kind else EC_PRIVATE,
    }
    return {**chosen, **changes}


@pytest.mark.parametrize("algorithm", ["PS256", "ES256"])
async def test_the_certificate_way_serves_the_whole_port(algorithm: str) -> None:
    sandbox = account(certificates=CERTIFICATES)
    adapter = erp(sandbox, **m2m(algorithm))
    refs = await mapped(adapter)
    await adapter.upsert_customer(customer(), refs)
    await adapter.upsert_contract(contract(), refs)
    assert await adapter.find_contract(CONTRACT_ID, refs) == contract()
    assert sandbox.tokens.issued == 1


async def test_assertion_algorithms() -> None:
    sandbox = account(certificates=CERTIFICATES)
    bare = Http(settings(sandbox), transport=SandboxTransport(sandbox))
    common: dict[str, Any] = {"url": TOKEN_PATH, "client_id": "client-1", "scope": "rest_webservices"}
    refused = ClientAssertion(bare, key=RSA_PRIVATE, key_id="cert-rsa", algorithm="RS256", **common)
    with pytest.raises(Misconfigured, match="invalid_client"):
        await refused.token()
    other, _ = _pem(rsa.generate_private_key(public_exponent=65537, key_size=3072))
    foreign = ClientAssertion(bare, key=other, key_id="cert-rsa", **common)
    with pytest.raises(Misconfigured, match="invalid_client"):
        await foreign.token()
    with pytest.raises(ValueError, match="algorithm"):
        NetsuiteSettings.model_validate({"base_url": HOST, **m2m("RS256")})


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"aud": "https://elsewhere.example/token"}, "invalid_grant"),
        ({"exp": 3700}, "invalid_grant"),
        ({"exp": -10}, "invalid_grant"),
        ({"iss": "somebody"}, "invalid_client"),
        ({"scope": "everything"}, "invalid_scope"),
    ],
)
async def test_assertion_claims(changes: dict[str, Any], error: str) -> None:
    sandbox = account(certificates=CERTIFICATES)
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": "client-1",
        "scope": "rest_webservices",
        "aud": HOST + TOKEN_PATH,
        "iat": now,
    }
    claims |= {"exp": now + 300} | changes
    if "exp" in changes:
        claims["exp"] = now + changes["exp"]
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": signed_jwt(claims, RSA_PRIVATE, algorithm="PS256", key_id="cert-rsa"),
    }
    bare = Http(settings(sandbox), transport=SandboxTransport(sandbox))
    answer = await bare.send("POST", TOKEN_PATH, form=form, effect=False)
    assert (answer.status >= 400, answer.json()["error"]) == (True, error)


async def test_token_lifetime_as_text() -> None:
    sandbox = account(certificates=CERTIFICATES)
    adapter = erp(sandbox, **m2m())
    refs = await mapped(adapter)
    sandbox.tokens.revoke()
    results = await asyncio.gather(*(adapter.find_customer(CUSTOMER_ID) for _ in range(4)))
    assert results == [None] * 4
    # One renewal served all four.
    assert sandbox.tokens.issued == 2
    sandbox.faults.add(Fault(match="PUT", kind="expired_token"))
    await adapter.upsert_customer(customer(), refs)
    assert sandbox.effects == {("customer-created", CUSTOMER_ID): 1}


async def test_a_token_that_stays_refused_is_misconfigured() -> None:
    sandbox = account(certificates=CERTIFICATES)
    sandbox.faults.add(Fault(match="GET /services/rest/record", kind="expired_token", times=-1))
    with pytest.raises(Misconfigured) as caught:
        await erp(sandbox, **m2m()).find_customer(CUSTOMER_ID)
    assert caught.value.code == "credential-refused"
    assert sandbox.tokens.issued == 2


# Records


async def test_put_needs_an_external_id() -> None:
    sandbox, http, _ = await prepared()
    record = next(iter(sandbox.state["tables"]["customer"]))
    assert (await send(http, f"PUT /customer/{record}", {"email": "x@y.example"})).status == 405


async def test_pipe_in_an_external_id() -> None:
    _, http, order = await prepared()
    answer = await send(http, "PUT /salesOrder/eid:A%7CB", order)
    assert (answer.status, codes(answer)) == (400, ["INVALID_CONTENT"])
    with pytest.raises(Rejected):
        await erp(account()).contract_ref("A|B")


@pytest.mark.parametrize("code", ["USER_ERROR", "DUP_RCRD"])
async def test_second_record_with_an_external_id(code: str) -> None:
    sandbox, http, order = await prepared()
    sandbox.duplicate_code = code
    first = await send(http, "POST /salesOrder", {**order, "externalId": "SO-1"})
    second = await send(http, "POST /salesOrder", {**order, "externalId": "SO-1"})
    assert (first.status, second.status, codes(second)) == (204, 400, [code])
    assert len(orders(sandbox)) == 1
    # A racing writer makes the adapter look again, and find the record as it wants it.
    adapter = erp(sandbox)
    refs = await mapped(adapter)
    answer = {"kind": "status", "status": 400, "body": second.json()}
    sandbox.faults.add(Fault.model_validate({"match": "PUT", **answer}))
    assert (await adapter.upsert_contract(contract(), refs)).external_id == CONTRACT_ID
    sandbox.faults.add(Fault.model_validate({"match": "PUT", "times": 2, **answer}))
    with pytest.raises(Conflict) as caught:
        await adapter.upsert_contract(contract(purchase_order="another"), refs)
    assert caught.value.code == "record-exists"


async def test_idempotency_keys() -> None:
    sandbox, http, order = await prepared()
    key = {"X-NetSuite-Idempotency-Key": "6f1c0a52-0000-4000-8000-000000000001"}
    later = {**key, "Prefer": "respond-async"}
    for _ in range(2):
        assert (await send(http, "POST /salesOrder", order, key)).status == 204
    assert len(orders(sandbox)) == 2
    first = await send(http, "POST /salesOrder", {**order, "externalId": "SO-9"}, later)
    assert (first.status, first.headers["preference-applied"]) == (202, "respond-async")
    again = await send(http, "POST /salesOrder", {**order, "externalId": "SO-9"}, later)
    assert (again.status, again.json()["title"], codes(again)) == (400, "Conflict", ["IDEMPOTENCY_ERROR"])
    assert again.headers["location"] == first.headers["location"]
    assert len(orders(sandbox)) == 3
    job = await http.send("GET", first.headers["location"], effect=False)
    assert (job.json()["completed"], job.json()["progress"]) == (True, "succeeded")
    result = await http.send("GET", f"{first.headers['location']}/task/1/result", effect=False)
    assert "/salesOrder/" in result.headers["location"]


async def test_lines_without_keys_are_added() -> None:
    sandbox, http, order = await prepared()
    for _ in range(2):
        assert (await send(http, "PUT /salesOrder/eid:SO-1", order)).status == 204
    assert [row["line"] for row in orders(sandbox)[0]["item"]] == [1, 2]
    update = {"item": {"items": [{"line": 2, "quantity": 9}]}}
    assert (await send(http, "PATCH /salesOrder/eid:SO-1", update)).status == 204
    assert [(row["line"], row["quantity"]) for row in orders(sandbox)[0]["item"]] == [(1, 2), (2, 9)]
    wrong = {"item": {"items": [{"line": 7, "quantity": 9}]}}
    assert codes(await send(http, "PATCH /salesOrder/eid:SO-1", wrong)) == ["INVALID_KEY_OR_REF"]


async def test_replace_makes_the_list_whole() -> None:
    sandbox, http, order = await prepared()
    for _ in range(2):
        assert (await send(http, "PUT /salesOrder/eid:SO-1", order, replace="item")).status == 204
    assert len(orders(sandbox)[0]["item"]) == 1
    kept = {
        "item": {
            "items": [
                {"line": orders(sandbox)[0]["item"][0]["line"], "quantity": 4},
                order["item"]["items"][0],
            ]
        }
    }
    assert (await send(http, "PATCH /salesOrder/eid:SO-1", kept, replace="item")).status == 204
    assert [row["quantity"] for row in orders(sandbox)[0]["item"]] == [4, 2]
    assert (await send(http, "PATCH /salesOrder/eid:SO-1", kept, replace="lines")).status == 400


async def test_sublists_are_links_unless_expanded() -> None:
    _, http, order = await prepared()
    await send(http, "PUT /salesOrder/eid:SO-1", order)
    plain = (await send(http, "GET /salesOrder/eid:SO-1")).json()
    assert set(plain["item"]) == {"links"}
    whole = (await send(http, "GET /salesOrder/eid:SO-1", expandSubResources="true")).json()
    assert whole["item"]["totalResults"] == len(whole["item"]["items"]) == 1
    alone = await http.send("GET", plain["item"]["links"][0]["href"], effect=False)
    assert alone.json()["items"] == whole["item"]["items"]


async def test_writes_answer_with_a_location_only() -> None:
    sandbox, http, order = await prepared()
    made = await send(http, "PUT /salesOrder/eid:SO-1", order)
    assert (made.status, made.body) == (204, b"")
    assert made.headers["location"] == f"{HOST}/services/rest/record/v1/salesOrder/{orders(sandbox)[0]['id']}"
    assert (await send(http, "DELETE /salesOrder/eid:SO-1")).status == 204
    assert (await send(http, "GET /salesOrder/eid:SO-1")).status == 404
    assert sandbox.effects["salesOrder-deleted", "SO-1"] == 1


async def test_unknown_names_by_header() -> None:
    sandbox, http, order = await prepared()
    odd = {**order, "correlation": "x", "custbody_nowhere": "y"}
    strict = await send(http, "PUT /salesOrder/eid:SO-1", odd, {"X-NetSuite-PropertyNameValidation": "error"})
    assert (strict.status, codes(strict)) == (400, ["INVALID_CONTENT", "INVALID_CONTENT"])
    assert strict.json()["o:errorDetails"][0]["o:errorPath"] == "correlation"
    for mode in ("Ignore", "Warning"):
        headers = {"X-NetSuite-PropertyNameValidation": mode}
        assert (await send(http, f"PUT /salesOrder/eid:SO-{mode}", odd, headers)).status == 204
    assert (await send(http, "PUT /salesOrder/eid:SO-2", odd)).status == 204
    assert all("custbody_nowhere" not in order and "correlation" not in order for order in orders(sandbox))
    assert (await send(http, "GET /customer", headers=None)).status == 200
    nonsense = {"X-NetSuite-PropertyNameValidation": "perhaps"}
    assert codes(await send(http, "PUT /salesOrder/eid:SO-3", odd, nonsense)) == ["INVALID_HEADER"]


async def test_a_custom_field_that_is_not_deployed() -> None:
    sandbox = account()
    sandbox.state["deployed"].remove("custcol_allocated")
    adapter = erp(sandbox)
    refs = await mapped(adapter)
    await adapter.upsert_customer(customer(), refs)
    with pytest.raises(Misconfigured) as caught:
        await adapter.upsert_contract(contract(), refs)
    assert caught.value.code == "field-not-deployed"
    assert caught.value.field == "item.items[0].custcol_allocated"
    assert ("salesOrder-created", CONTRACT_ID) not in sandbox.effects
    sandbox.state["deployed"].append("custcol_alloc")
    assert (await erp(sandbox, column_allocated="custcol_alloc").upsert_contract(contract(), refs)).number


async def test_concurrency_of_the_account() -> None:
    sandbox, http, _ = await prepared()
    sandbox.faults.add(Fault(kind="latency", seconds=0.05, times=-1))
    adapter = erp(sandbox)
    calls = [send(http, "GET /customer") for _ in range(4)]
    outcomes = await asyncio.gather(
        *calls, *(adapter.find_customer("X") for _ in range(4)), return_exceptions=True
    )
    assert (sandbox.concurrency.max_seen, sandbox.concurrency.refused) == (5, 3)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Transient)]
    assert len(refused) == 3
    assert {(failure.code, failure.retry_after) for failure in refused} == {("concurrency-limit", None)}
    limits = (await send(http, "GET /system/v1/governanceLimits")).json()
    assert limits["accountConcurrencyLimit"] == 5


async def test_limit_as_a_bad_request() -> None:
    sandbox, _, _ = await prepared()
    adapter = erp(sandbox)
    refs = await mapped(adapter)
    for code, text in [
        ("SSS_REQUEST_LIMIT_EXCEEDED", "Request limit exceeded."),
        ("USER_ERROR", "The concurrent request limit exceeded for this account."),
    ]:
        body = {"status": 400, "o:errorDetails": [{"detail": text, "o:errorCode": code}]}
        sandbox.faults.add(Fault(match="PUT", kind="status", status=400, body=body))
        with pytest.raises(Transient) as caught:
            await adapter.upsert_contract(contract(), refs)
        assert caught.value.code == "concurrency-limit"


async def test_order_status() -> None:
    sandbox, http, order = await prepared()
    await send(http, "PUT /salesOrder/eid:SO-1", order)
    await send(http, "PUT /salesOrder/eid:SO-2", {**order, "orderStatus": "B"})
    await send(http, "PUT /salesOrder/eid:SO-3", {**order, "orderStatus": {"id": "B"}})
    assert [row["statusCode"] for row in orders(sandbox)] == ["A", "B", "B"]
    wrong = await send(http, "PUT /salesOrder/eid:SO-4", {**order, "orderStatus": "G"})
    assert wrong.json()["o:errorDetails"][0]["o:errorPath"] == "orderStatus"
    shown = (await send(http, "GET /salesOrder/eid:SO-2")).json()
    assert shown["status"] == {"id": "B", "refName": "Pending Fulfillment"}
    adapter = erp(sandbox, order_status="A")
    assert (await adapter.upsert_contract(contract(), await mapped(adapter))).status == "pending-approval"


async def test_no_posting_period() -> None:
    _, http, order = await prepared()
    strict = {"X-NetSuite-PropertyNameValidation": "Error"}
    answer = await send(http, "PUT /salesOrder/eid:SO-1", {**order, "postingPeriod": {"id": "1"}}, strict)
    assert answer.json()["o:errorDetails"][0]["o:errorPath"] == "postingPeriod"


async def test_rate_and_amount() -> None:
    sandbox, http, order = await prepared()
    item = order["item"]["items"][0]["item"]
    lines = [
        {"item": item, "quantity": 3, "rate": 33},
        {"item": item, "quantity": 7, "rate": 1, "amount": 10},
        {"item": item, "quantity": 0, "rate": 0, "amount": 0},
    ]
    body = {**order, "item": {"items": lines}}
    await send(http, "PUT /salesOrder/eid:SO-1", body)
    stored = orders(sandbox)[0]
    assert [str(row["amount"]) for row in stored["item"]] == ["99.00", "10.00", "0.00"]
    assert str(stored["total"]) == str(stored["subtotal"]) == "109.00"
    # A rate of 333.336666666667: only the amount beside it is exact.
    adapter = erp(sandbox)
    refs = await mapped(adapter)
    thirds = contract(line(quantity=Decimal(3), amount=Money(minor=100001, currency="USD")))
    await adapter.upsert_contract(thirds, refs)
    held = await adapter.find_contract(CONTRACT_ID, refs)
    assert held is not None
    assert held.lines[0].amount == Money(minor=100001, currency="USD")


async def test_several_problems_in_one_answer() -> None:
    sandbox, _, _ = await prepared()
    sandbox.state["deployed"] = ["custentity_vat_id"]
    adapter = erp(sandbox)
    refs = await mapped(adapter)
    with pytest.raises(Misconfigured) as caught:
        await adapter.upsert_contract(contract(), refs)
    assert "custbody_correlation_id" in caught.value.message
    assert "custbody_quote_id" in caught.value.message
    assert caught.value.field == "custbody_correlation_id"


async def test_a_closed_period() -> None:
    sandbox, _, _ = await prepared()
    adapter = erp(sandbox)
    refs = await mapped(adapter)
    for text in (
        "The posting period is closed for this transaction date.",
        "You cannot change a transaction in a locked accounting period.",
    ):
        body = {"status": 400, "o:errorDetails": [{"detail": text, "o:errorCode": "USER_ERROR"}]}
        sandbox.faults.add(Fault(match="PUT", kind="status", status=400, body=body))
        with pytest.raises(Misconfigured) as caught:
            await adapter.upsert_contract(contract(), refs)
        assert caught.value.code == "period-closed"
    workflow = {
        "status": 400,
        "o:errorDetails": [{"detail": "The record is locked.", "o:errorCode": "USER_ERROR"}],
    }
    sandbox.faults.add(Fault(match="PUT", kind="status", status=400, body=workflow))
    with pytest.raises(Rejected):
        await adapter.upsert_contract(contract(), refs)


async def test_a_collision_is_settled_by_looking_again() -> None:
    sandbox, _, _ = await prepared()
    adapter = erp(sandbox)
    refs = await mapped(adapter)
    text = "Record has been changed"
    body = {"status": 400, "o:errorDetails": [{"detail": text, "o:errorCode": "RCRD_HAS_BEEN_CHANGED"}]}
    sandbox.faults.add(Fault(match="PUT", kind="status", status=400, body=body))
    await adapter.upsert_contract(contract(), refs)
    assert sandbox.effects["salesOrder-created", CONTRACT_ID] == 1
    sandbox.faults.add(Fault(match="PUT", kind="status", status=400, body=body, times=2))
    with pytest.raises(Conflict) as caught:
        await adapter.upsert_contract(contract(purchase_order="PO-2"), refs)
    assert caught.value.code == "record-changed"


async def test_an_unknown_record() -> None:
    _, http, _ = await prepared()
    answer = await send(http, "GET /customer/eid:nobody")
    assert (answer.status, codes(answer)) == (404, ["NONEXISTENT_ID"])
    assert (await send(http, "GET /customer/99999")).status == 404
    assert (await send(http, "PATCH /customer/99999", {})).status == 404


async def test_record_types_ignore_case() -> None:
    _, http, order = await prepared()
    assert (await send(http, "PUT /SALESORDER/eid:SO-1", order)).status == 204
    assert (await send(http, "GET /salesorder/eid:SO-1")).status == 200
    assert codes(await send(http, "GET /saleorder/eid:SO-1")) == ["INVALID_RECORD_TYPE"]


async def test_numbers_come_back_as_doubles() -> None:
    _, http, order = await prepared()
    await send(http, "PUT /salesOrder/eid:SO-1", order)
    answer = await send(http, "GET /salesOrder/eid:SO-1", expandSubResources="true")
    assert b'"amount":10.0' in answer.body
    assert b'"quantity":2.0' in answer.body


async def test_periods_can_be_read_and_not_changed() -> None:
    http = raw(account())
    statement = (
        "SELECT id, periodname, closed, arlocked FROM accountingperiod WHERE startdate <= '2026-02-10'"
    )
    rows = (await ask(http, f"{statement} AND enddate >= '2026-02-10' ORDER BY id")).json()["items"]
    assert [(row["periodname"], row["closed"], row["arlocked"]) for row in rows] == [("Feb 2026", "F", "F")]
    place = f"/accountingPeriod/{rows[0]['id']}"
    period = (await send(http, f"GET {place}")).json()
    assert (period["startDate"], period["endDate"], period["closed"]) == ("2026-02-01", "2026-02-28", False)
    for call in (f"PATCH {place}", "POST /accountingPeriod"):
        answer = await send(http, call, {"closed": True})
        assert (answer.status, codes(answer)) == (403, ["INSUFFICIENT_PERMISSION"])
        told = failure(answer)
        assert (type(told), told.code) == (Misconfigured, "permission-missing")
    assert (await send(http, f"DELETE {place}")).status == 403


# Queries


async def ask(http: Http, statement: str, **params: str) -> Answer:
    return await send(http, "POST /query/v1/suiteql", {"q": statement}, {"Prefer": "transient"}, **params)


async def test_queries_must_be_transient() -> None:
    http = raw(account())
    answer = await send(http, "POST /query/v1/suiteql", {"q": "SELECT id FROM item ORDER BY id"})
    assert answer.json()["o:errorDetails"][0]["o:errorHeader"] == "Prefer"


async def test_query_values_are_texts() -> None:
    sandbox, http, order = await prepared()
    await send(http, "PUT /salesOrder/eid:SO-1", order)
    columns = "id, externalid, memo, foreigntotal, type, status"
    found = (
        await ask(http, f"select {columns} from transaction where externalid in ('SO-1', 'SO-2')")
    ).json()
    assert found["items"] == [
        {
            "links": [],
            "id": orders(sandbox)[0]["id"],
            "externalid": "SO-1",
            "foreigntotal": "10",
            "type": "SalesOrd",
            "status": "A",
        }
    ]
    flags = (await ask(http, "SELECT isinactive FROM customer WHERE id IS NOT NULL")).json()["items"]
    assert flags == [{"links": [], "isinactive": "F"}]


async def test_pages_of_queries() -> None:
    http = raw(account())
    statement = "SELECT id, itemid FROM item WHERE isinactive = 'F' ORDER BY itemid DESC"
    first = (await ask(http, statement, limit="3")).json()
    assert (first["count"], first["hasMore"], first["offset"]) == (3, True, 0)
    rest = (await ask(http, statement, limit="1000", offset="3")).json()
    names = [row["itemid"] for row in first["items"] + rest["items"]]
    assert names == sorted(names, reverse=True)
    assert len(names) == first["totalResults"]
    assert (await ask(http, statement, limit="1001")).status == 400


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT id FROM nowhere",
        "SELECT nothing FROM item",
        "SELECT id FROM item WHERE",
        "SELECT id FROM item; DROP TABLE item",
        "DELETE FROM item",
        "SELECT id FROM item WHERE id LIKE '1%'",
        "SELECT id FROM item ORDER BY",
        "SELECT id FROM item WHERE itemid = 'a",
    ],
)
async def test_statements_that_cannot_run(statement: str) -> None:
    answer = await ask(raw(account()), statement)
    assert (answer.status, codes(answer)) == (400, ["INVALID_PARAMETER"])


async def test_two_orders_with_one_external_id_are_a_conflict() -> None:
    sandbox, _, _ = await prepared()
    adapter = erp(sandbox)
    refs = await mapped(adapter)
    await adapter.upsert_contract(contract(), refs)
    table = sandbox.state["tables"]["transaction"]
    table["999999"] = {**orders(sandbox)[0], "id": "999999"}
    with pytest.raises(Conflict) as caught:
        await adapter.contract_ref(CONTRACT_ID)
    assert caught.value.code == "external-id-ambiguous"


async def test_a_workflow_that_changes_what_was_written_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox, _, _ = await prepared()
    adapter = erp(sandbox)
    refs = await mapped(adapter)
    answer = sandbox.upsert

    def meddle(call: Call) -> Reply:
        reply = answer(call)
        orders(sandbox)[0]["item"][0]["custcol_pob_ref"] = "cleared by a workflow"
        return reply

    monkeypatch.setattr(sandbox, "upsert", meddle)
    with pytest.raises(Misconfigured) as caught:
        await adapter.upsert_contract(contract(), refs)
    assert (caught.value.code, caught.value.field) == ("read-back-differs", "lines[0].obligation")
    assert sandbox.effects == {("customer-created", CUSTOMER_ID): 1, ("salesOrder-created", CONTRACT_ID): 1}
