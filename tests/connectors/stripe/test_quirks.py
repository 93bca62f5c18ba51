"""The quirks of the fact sheet that the sandbox plays, each with its test."""

import asyncio
import sys
from typing import Any

import pytest

from connectors.kit.sandbox import Fault
from connectors.stripe.sandbox import SECRET_KEY, StripeSandbox, lock_timeout
from tests.connectors.stripe import data
from tests.connectors.stripe.data import Caller

QUIRKS = (
    ("brackets", "bodies are forms with brackets", "test_forms_nest_by_brackets"),
    ("request-id", "every answer has a Request-Id", "test_every_answer_has_a_request_id"),
    ("version", "the version header is pinned per call", "test_versions"),
    ("401", "wrong keys are 401, masked; a rolled one says api_key_expired", "test_wrong_keys"),
    ("basic", "Basic with the key as user works too", "test_basic_works_too"),
    ("403", "a restricted key names the missing permission", "test_restricted_keys"),
    ("404", "an unknown id is resource_missing with param", "test_unknown_ids"),
    ("replay", "the first result of a key is replayed, with a marker", "test_a_key_replays_its_first_result"),
    ("stored-decline", "declines are stored: the same key declines for ever", "test_a_decline_is_replayed"),
    ("stored-500", "500s are stored as well", "test_a_server_error_is_replayed"),
    ("not-stored", "validation failures are not stored", "test_a_validation_failure_is_not_stored"),
    ("other-params", "same key, other parameters: idempotency_error", "test_a_key_belongs_to_its_parameters"),
    ("in-use", "same key in flight: 409", "test_a_key_in_flight"),
    ("key-length", "keys have at most 255 characters", "test_long_keys"),
    ("rate", "429 rate_limit with a reason header and no Retry-After", "test_rate_limits"),
    ("lock", "429 lock_timeout has no reason header", "test_lock_timeout"),
    ("paging", "lists are newest first, 10 by default, 100 at most", "test_lists"),
    ("deleted", "a deleted customer is a 200 with deleted", "test_a_deleted_customer_is_still_answered"),
    ("detach", "a detached method cannot come back", "test_a_detached_method_cannot_come_back"),
    ("attach-decline", "some methods are declined while being attached", "test_attaching_may_be_declined"),
    ("metadata", "metadata is merged, an empty value deletes", "test_metadata_is_merged"),
    (
        "usage",
        "a set-up is for off-session use unless it says otherwise",
        "test_usage_defaults_to_off_session",
    ),
    ("decline", "a decline returns the intent to requires_payment_method", "test_a_declined_payment"),
    ("once", "an intent succeeds once", "test_an_intent_succeeds_once"),
    ("sca", "off session, authentication_required is a 402", "test_authentication_required"),
    ("debit", "debits stay in processing, with a pending charge", "test_debits_are_processing"),
    ("expand", "lists may expand what they refer to", "test_expanding"),
    ("unknown-param", "unknown parameters are refused by name", "test_parameters_are_checked"),
)


def test_every_quirk_has_its_test() -> None:
    module = sys.modules[__name__]
    assert len({q[0] for q in QUIRKS}) == len(QUIRKS)
    for _, _, name in QUIRKS:
        assert callable(getattr(module, name))


PAY = {
    "amount": "1099",
    "currency": "usd",
    "customer": "cus_acme",
    "payment_method": "pm_card",
    "confirm": "true",
}


async def failing_method(caller: Caller, name: str = "pm_card_chargeCustomerFail") -> str:
    return str((await caller.post(f"/v1/payment_methods/{name}/attach", customer="cus_acme")).json()["id"])


def error(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()["error"]
    return found


async def test_forms_nest_by_brackets() -> None:
    caller = Caller()
    body = (
        "name=A%26B&metadata[a]=1&metadata%5Bb%5D=2&address[city]=Berlin"
        "&invoice_settings[default_payment_method]=pm_card&preferred_locales[0]=de&preferred_locales[1]=en"
    )
    answer = await caller.http.post(
        "/v1/customers", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    found = answer.json()
    assert (found["name"], found["metadata"], found["address"]) == (
        "A&B",
        {"a": "1", "b": "2"},
        {"city": "Berlin"},
    )
    assert found["preferred_locales"] == ["de", "en"]
    assert found["invoice_settings"] == {"default_payment_method": "pm_card"}
    clash = await caller.http.post("/v1/customers", content="address=x&address[city]=y")
    assert clash.status_code == 400


async def test_every_answer_has_a_request_id() -> None:
    caller = Caller()
    answers = [await caller.get(p) for p in ("/v1/balance", "/v1/nowhere", "/v1/customers/cus_x")]
    answers.append(await Caller(key="sk_test_wrong").get("/v1/balance"))
    ids = [a.headers["request-id"] for a in answers]
    assert all(i.startswith("req_") for i in ids)
    assert len(set(ids[:3])) == 3


async def test_versions() -> None:
    assert (await Caller().get("/v1/balance")).headers["stripe-version"] == "2026-10-28.endive"
    old = await Caller(Stripe_Version="2026-08-26.dahlia").get("/v1/balance")
    assert old.headers["stripe-version"] == "2026-08-26.dahlia"
    assert (await Caller(Stripe_Version="latest").get("/v1/balance")).status_code == 400


@pytest.mark.parametrize(
    ("key", "code", "text"),
    [
        ("sk_test_wrong_key_000001", None, "Invalid API Key provided: sk_test_************0001"),
        ("pk_test_public", "secret_key_required", "publishable API key"),
    ],
)
async def test_wrong_keys(key: str, code: str | None, text: str) -> None:
    answer = await Caller(key=key).get("/v1/balance")
    assert (answer.status_code, error(answer).get("code")) == (401, code)
    assert text in error(answer)["message"]
    assert key not in answer.text
    bare = await Caller().http.get("/v1/balance", headers={"Authorization": ""})
    assert "did not provide an API key" in error(bare)["message"]
    rolled = Caller()
    rolled.sandbox.faults.add(Fault(kind="expired_token"))
    assert error(await rolled.get("/v1/balance"))["code"] == "api_key_expired"


async def test_basic_works_too() -> None:
    caller = Caller()
    del caller.http.headers["Authorization"]
    assert (await caller.http.get("/v1/balance", auth=(SECRET_KEY, ""))).status_code == 200
    assert (await caller.http.get("/v1/balance", headers={"Authorization": "Basic ?"})).status_code == 401


async def test_restricted_keys() -> None:
    sandbox = data.gateway()
    sandbox.keys["rk_test_reader"] = frozenset({"customers_read"})
    caller = Caller(sandbox, key="rk_test_reader")
    assert (await caller.get("/v1/customers/cus_acme")).status_code == 200
    refused = await caller.post("/v1/customers", name="x")
    assert refused.status_code == 403
    assert "rak_customers_write" in error(refused)["message"]


async def test_unknown_ids() -> None:
    caller = Caller()
    for path, param in (
        ("/v1/customers/cus_x", "id"),
        ("/v1/payment_methods/pm_x", "payment_method"),
        ("/v1/setup_intents/seti_x", "intent"),
        ("/v1/mandates/mandate_x", "mandate"),
        ("/v1/payment_intents/pm_card", "intent"),
    ):
        answer = await caller.get(path)
        assert answer.status_code == 404
        assert (error(answer)["code"], error(answer)["param"]) == ("resource_missing", param)


async def test_a_key_replays_its_first_result() -> None:
    caller = Caller()
    first = await caller.post("/v1/customers", "key-1", name="A")
    second = await caller.post("/v1/customers", "key-1", name="A")
    assert first.json() == second.json()
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert caller.sandbox.effects_by_kind() == {"customer": {first.json()["id"]: 1}}
    without = [await caller.post("/v1/customers", name="A") for _ in range(2)]
    assert without[0].json()["id"] != without[1].json()["id"]


async def test_a_decline_is_replayed() -> None:
    caller = Caller()
    form = PAY | {"payment_method": await failing_method(caller)}
    first = await caller.post("/v1/payment_intents", "pay-1", **form)
    caller.sandbox.books.behaviour.clear()
    again = await caller.post("/v1/payment_intents", "pay-1", **form)
    fresh = await caller.post("/v1/payment_intents", "pay-2", **form)
    assert (first.status_code, again.status_code, fresh.status_code) == (402, 402, 200)
    assert again.headers["idempotent-replayed"] == "true"


async def test_a_server_error_is_replayed() -> None:
    caller = Caller()
    caller.sandbox.faults.add(Fault(match="POST /v1/customers", kind="error_after", stored=True))
    answers = [await caller.post("/v1/customers", "key-1", name="A") for _ in range(2)]
    assert [a.status_code for a in answers] == [500, 500]
    assert error(answers[1])["type"] == "api_error"
    assert (await caller.post("/v1/customers", "key-2", name="A")).status_code == 200


async def test_a_validation_failure_is_not_stored() -> None:
    caller = Caller()
    wrong = await caller.post("/v1/payment_intents", "key-1", currency="usd")
    assert (wrong.status_code, error(wrong)["code"]) == (400, "parameter_missing")
    missing = await caller.post("/v1/setup_intents", "key-2", customer="cus_new")
    assert missing.status_code == 404
    caller.sandbox.books.add("customer", "cus_new")
    assert (await caller.post("/v1/payment_intents", "key-1", **PAY)).status_code == 200
    assert (await caller.post("/v1/setup_intents", "key-2", customer="cus_new")).status_code == 200


async def test_a_key_belongs_to_its_parameters() -> None:
    caller = Caller()
    await caller.post("/v1/customers", "key-1", name="A")
    other = await caller.post("/v1/customers", "key-1", name="B")
    assert (other.status_code, error(other)["type"]) == (400, "idempotency_error")
    connected = Caller(caller.sandbox, Stripe_Account="acct_1")
    assert (await connected.post("/v1/customers", "key-1", name="B")).status_code == 200


async def test_a_key_in_flight() -> None:
    caller = Caller()
    caller.sandbox.faults.add(Fault(match="POST /v1/customers", kind="latency", seconds=0.05))
    first, second = await asyncio.gather(
        caller.post("/v1/customers", "key-1", name="A"), caller.post("/v1/customers", "key-1", name="A")
    )
    assert (first.status_code, second.status_code) == (200, 409)
    assert error(second)["code"] == "idempotency_key_in_use"
    assert (await caller.post("/v1/customers", "key-1", name="A")).json() == first.json()


async def test_long_keys() -> None:
    caller = Caller()
    assert (await caller.post("/v1/customers", "k" * 255, name="A")).status_code == 200
    assert (await caller.post("/v1/customers", "k" * 256, name="A")).status_code == 400


async def test_rate_limits() -> None:
    for options, reason in (
        ({"global_rate": 2}, "global-rate"),
        ({"endpoint_rate": 2}, "endpoint-rate"),
    ):
        caller = Caller(data.gateway(**options))
        answers = [await caller.get("/v1/balance") for _ in range(3)]
        assert [a.status_code for a in answers] == [200, 200, 429]
        assert answers[2].headers["stripe-rate-limited-reason"] == reason
        assert "retry-after" not in answers[2].headers
        assert error(answers[2])["code"] == "rate_limit"
    busy = Caller()
    busy.sandbox.concurrency.limit = 0
    assert (await busy.get("/v1/balance")).headers["stripe-rate-limited-reason"] == "global-concurrency"


async def test_lock_timeout() -> None:
    caller = Caller()
    body = lock_timeout().body.decode()
    caller.sandbox.faults.add(Fault(match="attach", kind="status", status=429, body=body))
    answer = await caller.post("/v1/payment_methods/pm_card/attach", customer="cus_acme")
    assert (answer.status_code, error(answer)["code"]) == (429, "lock_timeout")
    assert "stripe-rate-limited-reason" not in answer.headers


async def test_lists() -> None:
    sandbox = StripeSandbox()
    caller = Caller(sandbox)
    made = [sandbox.books.add("customer")["id"] for _ in range(25)]
    first = (await caller.get("/v1/customers")).json()
    assert (len(first["data"]), first["has_more"], first["url"]) == (10, True, "/v1/customers")
    assert first["data"][0]["id"] == made[-1]
    last = first["data"][-1]["id"]
    rest = (await caller.get("/v1/customers", limit=100, starting_after=last)).json()
    assert ([c["id"] for c in rest["data"]], rest["has_more"]) == (made[14::-1], False)
    newer = (await caller.get("/v1/customers", limit=3, ending_before=last)).json()
    assert ([c["id"] for c in newer["data"]], newer["has_more"]) == (made[18:15:-1], True)
    assert (await caller.get("/v1/customers", limit=101)).status_code == 400
    assert (await caller.get("/v1/customers", limit="many")).status_code == 400
    assert (await caller.get("/v1/customers", starting_after="cus_x")).status_code == 400


async def test_a_deleted_customer_is_still_answered() -> None:
    caller = Caller()
    await caller.http.delete("/v1/customers/cus_acme")
    answer = await caller.get("/v1/customers/cus_acme")
    assert (answer.status_code, answer.json()) == (
        200,
        {"id": "cus_acme", "object": "customer", "deleted": True},
    )
    assert (await caller.post("/v1/customers/cus_acme", name="B")).status_code == 404
    assert (await caller.get("/v1/payment_methods/pm_card")).json()["customer"] is None


async def test_a_detached_method_cannot_come_back() -> None:
    caller = Caller()
    assert (await caller.post("/v1/payment_methods/pm_card/detach")).json()["customer"] is None
    again = await caller.post("/v1/payment_methods/pm_card/attach", customer="cus_acme")
    assert again.status_code == 400
    assert "may not be used again" in error(again)["message"]
    assert (await caller.post("/v1/payment_methods/pm_card/detach")).status_code == 400
    assert (await caller.post("/v1/payment_intents", **PAY)).status_code == 400
    taken = await caller.post("/v1/payment_methods/pm_other/attach", customer="cus_acme")
    assert "already been attached" in error(taken)["message"]


async def test_attaching_may_be_declined() -> None:
    caller = Caller()
    name = "pm_card_visa_chargeDeclinedInsufficientFunds"
    answer = await caller.post(f"/v1/payment_methods/{name}/attach", customer="cus_acme")
    assert answer.status_code == 402
    found = error(answer)
    assert (found["type"], found["code"]) == ("card_error", "card_declined")
    assert (found["decline_code"], found["advice_code"]) == ("insufficient_funds", "try_again_later")
    visa = await caller.post("/v1/payment_methods/pm_card_visa/attach", customer="cus_acme")
    assert visa.json()["card"]["last4"] == "4242"


async def test_metadata_is_merged() -> None:
    caller = Caller()
    await caller.post("/v1/customers/cus_acme", **{"metadata[a]": "1", "metadata[b]": "2"})
    answer = await caller.post("/v1/customers/cus_acme", **{"metadata[a]": "", "metadata[c]": "3"})
    assert answer.json()["metadata"] == {"b": "2", "c": "3"}


async def test_usage_defaults_to_off_session() -> None:
    caller = Caller()
    made = (await caller.post("/v1/setup_intents", customer="cus_acme", payment_method="pm_fresh")).json()
    assert (made["usage"], made["status"], made["mandate"]) == ("off_session", "requires_confirmation", None)
    done = (await caller.post(f"/v1/setup_intents/{made['id']}/confirm")).json()
    assert done["status"] == "succeeded"
    twice = await caller.post(f"/v1/setup_intents/{made['id']}/confirm")
    assert error(twice)["code"] == "setup_intent_unexpected_state"
    debit = await caller.post(
        "/v1/setup_intents", customer="cus_acme", payment_method="pm_sepa", confirm="true"
    )
    mandate = (await caller.get(f"/v1/mandates/{debit.json()['mandate']}")).json()
    assert (mandate["status"], mandate["type"], mandate["payment_method"]) == (
        "active",
        "multi_use",
        "pm_sepa",
    )


async def test_a_declined_payment() -> None:
    caller = Caller()
    answer = await caller.post(
        "/v1/payment_intents",
        **(PAY | {"payment_method": await failing_method(caller), "off_session": "true"}),
    )
    found = error(answer)
    assert (answer.status_code, found["decline_code"]) == (402, "generic_decline")
    assert found["payment_intent"]["status"] == "requires_payment_method"
    kept = (await caller.get(f"/v1/payment_intents/{found['payment_intent']['id']}")).json()
    assert kept["last_payment_error"]["decline_code"] == "generic_decline"
    assert caller.sandbox.books.objects[kept["latest_charge"]]["status"] == "failed"
    again = await caller.post(f"/v1/payment_intents/{kept['id']}/confirm", payment_method="pm_card")
    assert again.json()["status"] == "succeeded"


async def test_an_intent_succeeds_once() -> None:
    caller = Caller()
    paid = (await caller.post("/v1/payment_intents", **PAY)).json()
    assert (paid["status"], paid["amount_received"]) == ("succeeded", 1099)
    again = await caller.post(f"/v1/payment_intents/{paid['id']}/confirm")
    assert (again.status_code, error(again)["code"]) == (400, "payment_intent_unexpected_state")
    assert caller.sandbox.effects["payment", paid["id"]] == 1


async def test_authentication_required() -> None:
    caller = Caller()
    form = PAY | {"payment_method": await failing_method(caller, "pm_card_authenticationRequired")}
    unattended = await caller.post("/v1/payment_intents", **form, off_session="true")
    assert (unattended.status_code, error(unattended)["code"]) == (402, "authentication_required")
    attended = await caller.post("/v1/payment_intents", **form)
    assert (attended.status_code, attended.json()["status"]) == (200, "requires_action")


async def test_debits_are_processing() -> None:
    caller = Caller()
    paid = (await caller.post("/v1/payment_intents", **(PAY | {"payment_method": "pm_sepa"}))).json()
    charge = caller.sandbox.books.objects[paid["latest_charge"]]
    assert (paid["status"], charge["status"]) == ("processing", "pending")
    assert charge["payment_method_details"]["sepa_debit"]["mandate"].startswith("mandate_")
    again = await caller.post(f"/v1/payment_intents/{paid['id']}/confirm")
    assert error(again)["code"] == "payment_intent_unexpected_state"


async def test_expanding() -> None:
    caller = Caller()
    await caller.post("/v1/payment_intents", **PAY)
    plain = (await caller.get("/v1/payment_intents", customer="cus_acme")).json()["data"][0]
    whole = (await caller.get("/v1/payment_intents", **{"expand[]": "data.latest_charge"})).json()["data"][0]
    assert isinstance(plain["latest_charge"], str)
    assert whole["latest_charge"]["id"] == plain["latest_charge"]


@pytest.mark.parametrize(
    ("path", "form", "code", "param"),
    [
        ("/v1/customers", {"nmae": "x"}, "parameter_unknown", "nmae"),
        ("/v1/payment_intents", {"currency": "usd"}, "parameter_missing", "amount"),
        ("/v1/payment_intents", PAY | {"amount": "10.99"}, "parameter_invalid_integer", "amount"),
        ("/v1/payment_intents", PAY | {"amount": "0"}, "parameter_invalid_integer", "amount"),
        ("/v1/payment_intents", PAY | {"currency": "USD"}, None, "currency"),
        ("/v1/payment_intents", PAY | {"confirm": "yes"}, None, "confirm"),
        ("/v1/payment_intents", PAY | {"payment_method": "pm_other"}, None, "payment_method"),
        (
            "/v1/payment_intents",
            PAY | {"confirm": "false", "off_session": "true"},
            "parameters_exclusive",
            "off_session",
        ),
        ("/v1/setup_intents", {"usage": "sometimes"}, None, "usage"),
        ("/v1/setup_intents", {"confirm": "true"}, "parameter_missing", "payment_method"),
        ("/v1/customers", {"name": "x" * 257}, "parameter_invalid_string", "name"),
    ],
)
async def test_parameters_are_checked(path: str, form: dict[str, str], code: str | None, param: str) -> None:
    caller = Caller()
    answer = await caller.post(path, **form)
    assert (answer.status_code, error(answer).get("code"), error(answer)["param"]) == (400, code, param)
    assert dict(caller.sandbox.effects) == {}


async def test_the_state_survives_a_snapshot() -> None:
    sandbox, other = data.gateway(), StripeSandbox()
    await Caller(sandbox).post("/v1/customers", "key-1", name="A")
    other.restore(sandbox.snapshot())
    replay = await Caller(other).post("/v1/customers", "key-1", name="A")
    assert replay.headers["idempotent-replayed"] == "true"
    assert (await data.payments(other).check_method("cus_acme", "pm_sepa")).usable
    sandbox.seed({"world": data.WORLD.model_dump(mode="json")})
    assert sandbox.snapshot() == other.snapshot()
