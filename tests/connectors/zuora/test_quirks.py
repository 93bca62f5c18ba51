"""The quirks of the fact sheet that the sandbox plays, each with its test."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from canonical.failures import OutcomeUnknown, Transient
from connectors.kit import decimal_json
from connectors.kit.sandbox import Fault, SandboxTransport
from connectors.zuora import mapping
from connectors.zuora.sandbox import CLIENT_ID, CLIENT_SECRET, Tenant
from tests.connectors.zuora import data

QUIRKS = (
    ("token-form", "the token endpoint takes form fields and answers a bearer of an hour", "test_the_token"),
    ("token-rate", "the token endpoint answers 429 when it is asked too often", "test_too_many_tokens"),
    ("token-bad", "a bad client is a 401 in OAuth words", "test_a_bad_client"),
    ("401-reasons", "an expired token is a 401 with code 90000011", "test_an_expired_token_has_reasons"),
    ("401-message", "or a 401 with nothing but a message", "test_an_expired_token_has_a_message"),
    ("version", "Zuora-Version decides the shape, so it is always sent", "test_the_version_must_be_sent"),
    ("track-id", "Zuora-Track-Id is echoed, Zuora-Request-Id is given", "test_requests_can_be_quoted"),
    ("200-false", "HTTP 200 does not mean success", "test_200_may_be_a_failure"),
    ("code", "codes have six digits of resource and two of category", "test_codes_end_with_their_category"),
    ("not-found", "an unknown record is category 40", "test_not_found_is_category_40"),
    ("malformed", "malformed JSON is category 90", "test_malformed_json"),
    ("nulls", "unknown fields and nulls are ignored", "test_nulls_and_unknown_fields_are_ignored"),
    (
        "key-replay",
        "the first result is played again, a 200 failure too",
        "test_stored_failures_are_replayed",
    ),
    ("key-409", "the same key still in progress is a 409", "test_a_key_in_flight_is_a_409"),
    ("key-422", "the same key with another payload is a 422", "test_a_key_with_another_payload_is_a_422"),
    ("key-put", "no key on PUT", "test_a_put_takes_no_key"),
    ("rate", "429 with ratelimit headers and a reset", "test_the_rate_limit"),
    ("concurrency", "too many at once is category 70 with Retry-After", "test_the_concurrency_limit"),
    ("lock", "two writers on one account: category 50", "test_two_writers_on_one_account"),
    ("page", "lists have ten rows, forty at most, and nextPage", "test_lists_come_in_pages"),
    (
        "autopay",
        "an account that does not refuse it pays automatically",
        "test_automatic_payment_is_the_default",
    ),
    (
        "autopay-card",
        "autoPay true needs a card, autoPay false refuses one",
        "test_cards_and_automatic_payment",
    ),
    ("bill-day", "billCycleDay is required without a subscription", "test_the_billing_day_is_required"),
    (
        "account-job",
        "an account is deleted by a job that leaves it Canceled",
        "test_an_account_is_deleted_by_a_job",
    ),
    (
        "draft-options",
        "a draft takes no processing options at all",
        "test_a_draft_refuses_processing_options",
    ),
    ("draft-nothing", "a draft makes no subscription", "test_a_draft_makes_no_subscription"),
    ("draft-hidden", "lists of an account leave out drafts", "test_lists_of_an_account_leave_out_drafts"),
    ("states", "each verb fits the states of the table", "test_verbs_and_states"),
    ("activate-bare", "activation has no body", "test_activation_has_no_body"),
    ("pending", "a required date that is blank makes an order pending", "test_a_blank_date_makes_it_pending"),
    ("pending-order", "activation is filled before acceptance", "test_activation_comes_before_acceptance"),
    ("dates-order", "contract <= activation <= acceptance", "test_dates_stand_in_order"),
    ("contract-date", "triggerDates cannot set the contract date", "test_the_contract_date_cannot_be_set"),
    ("delete-order", "DELETE makes a created subscription disappear", "test_a_deleted_order_rolls_back"),
    ("delete-billed", "not once it is invoiced", "test_an_invoiced_order_stays"),
    ("delete-cancelled", "a cancelled order stays, by tenant", "test_a_cancelled_order_stays"),
    ("duplicate", "numbers of ours are natural keys", "test_numbers_are_unique"),
    ("slash", "an order number has no slash", "test_an_order_number_has_no_slash"),
    ("spelling", "answers write productRateplanChargeId", "test_answers_spell_the_charge_id_otherwise"),
    ("preview-pure", "a preview creates nothing", "test_a_preview_creates_nothing"),
    (
        "preview-fields",
        "a preview has neither status nor options",
        "test_a_preview_refuses_status_and_options",
    ),
    ("preview-date", "documentDate goes with BillingDocs only", "test_document_date_needs_billing_docs"),
    ("inclusive", "service ends are last days, charge ends are not", "test_ends_of_items_and_charges_differ"),
    ("subset", "without the subset flag a plan brings all its charges", "test_a_plan_brings_all_its_charges"),
    ("memo", "a document below zero is a credit memo", "test_a_document_below_zero_is_a_credit_memo"),
    ("collect", "collectPayment needs runBilling", "test_collecting_needs_billing"),
    ("limits", "at most fifty actions in an order", "test_fifty_actions_at_most"),
)


def test_every_quirk_has_its_test() -> None:
    module = sys.modules[__name__]
    assert len({q[0] for q in QUIRKS}) == len(QUIRKS)
    for _, _, name in QUIRKS:
        assert callable(getattr(module, name))


class Raw:
    """The wire itself, without our client."""

    def __init__(self, tested: data.Tested, http: httpx.AsyncClient) -> None:
        self.tested = tested
        self.sandbox = tested.sandbox
        self.http = http

    async def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        content = None if body is None else decimal_json.dumps(body)
        named = {k.replace("_", "-"): v for k, v in headers.items()}
        return await self.http.request(method, path, content=content, headers=named)

    def order(self, **changes: Any) -> dict[str, Any]:
        return mapping.draft_body(data.order(**changes), self.tested.refs, data.settings())

    async def category(self, method: str, path: str, body: Any = None) -> int:
        answer = await self(method, path, body)
        found = answer.json()
        assert found["success"] is False
        return int(found["reasons"][0]["code"]) % 100


@asynccontextmanager
async def raw(**tenant: Any) -> AsyncIterator[Raw]:
    tested = await data.start(Tenant(**tenant))
    await tested.account()
    token = tested.sandbox.tokens.issue()
    headers = {"Authorization": f"Bearer {token}", "Zuora-Version": "2025-08-12"}
    transport = SandboxTransport(tested.sandbox)
    async with httpx.AsyncClient(base_url=data.BASE, transport=transport, headers=headers) as http:
        yield Raw(tested, http)


async def _token(z: Raw, secret: str = CLIENT_SECRET) -> httpx.Response:
    form = {"client_id": CLIENT_ID, "client_secret": secret, "grant_type": "client_credentials"}
    return await z.http.post("/oauth/token", data=form)


async def test_the_token() -> None:
    async with raw() as z:
        found = (await _token(z)).json()
    assert (found["token_type"], found["expires_in"], len(CLIENT_ID)) == ("bearer", 3598, 36)


async def test_too_many_tokens() -> None:
    async with raw(tokens_per_minute=2) as z:
        statuses = [(await _token(z)).status_code for _ in range(3)]
    assert statuses[-1] == 429


async def test_a_bad_client() -> None:
    async with raw() as z:
        answer = await _token(z, "wrong")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_an_expired_token_has_reasons() -> None:
    async with raw() as z:
        z.sandbox.tokens.revoke()
        answer = await z("GET", "/v1/orders/O-1")
        assert answer.status_code == 401
        assert answer.json()["reasons"][0]["code"] == 90000011
        assert (await z.tested.billing.check()).well


async def test_an_expired_token_has_a_message() -> None:
    async with raw(unauthorised_shape="message") as z:
        z.sandbox.tokens.revoke()
        answer = await z("GET", "/v1/orders/O-1")
        assert (answer.status_code, answer.json()) == (401, {"message": "Authentication error"})
        assert (await z.tested.billing.check()).well


async def test_the_version_must_be_sent() -> None:
    async with raw() as z:
        answer = await z("GET", "/v1/catalog/products", Zuora_Version="")
    assert answer.status_code == 400


async def test_requests_can_be_quoted() -> None:
    async with raw() as z:
        answer = await z("GET", "/v1/catalog/products", Zuora_Track_Id="mine")
    assert answer.headers["zuora-track-id"] == "mine"
    assert answer.headers["zuora-request-id"]
    assert answer.headers["concurrency-limit-limit"] == "40"


async def test_200_may_be_a_failure() -> None:
    async with raw() as z:
        answer = await z("POST", "/v1/orders", z.order() | {"existingAccountNumber": "A-NONE"})
    assert (answer.status_code, answer.json()["success"]) == (200, False)


async def test_codes_end_with_their_category() -> None:
    async with raw() as z:
        body = z.order()
        terms = body["subscriptions"][0]["orderActions"][0]["createSubscription"]["terms"]
        terms["initialTerm"]["termType"] = "ETERNAL"
        answer = (await z("POST", "/v1/orders", body)).json()
    reason = answer["reasons"][0]
    assert isinstance(reason["code"], int)
    assert (len(str(reason["code"])), reason["code"] % 100) == (8, 20)
    assert reason["message"] == "'termType' value should be one of: TERMED, EVERGREEN"


async def test_not_found_is_category_40() -> None:
    async with raw() as z:
        for path in ("/v1/orders/X", "/v1/accounts/X", "/v1/subscriptions/X", "/v1/operations/jobs/X"):
            assert await z.category("GET", path) == 40


async def test_malformed_json() -> None:
    async with raw() as z:
        answer = await z.http.post("/v1/orders", content=b'{"orderDate":')
        listed = await z.http.post("/v1/orders", content=b"[]")
    assert answer.status_code == listed.status_code == 400
    assert answer.json()["reasons"][0]["code"] % 100 == 90


async def test_nulls_and_unknown_fields_are_ignored() -> None:
    async with raw() as z:
        body = z.order() | {"category": "NewSales", "zzz": {"a": None}, "schedulingOptions": None}
        plan = body["subscriptions"][0]["orderActions"][0]["createSubscription"]["subscribeToRatePlans"][0]
        plan["chargeOverrides"][0] |= {"isBillable": None, "priceChangeOption": "NoChange"}
        body["subscriptions"][0]["subscriptionNumber"] = None
        assert (await z("POST", "/v1/orders", body)).json()["success"]


async def test_stored_failures_are_replayed() -> None:
    async with raw() as z:
        body = z.order() | {"existingAccountNumber": "A-LATER"}
        first = await z("POST", "/v1/orders", body, Idempotency_Key="k1")
        await z.tested.account("A-LATER")
        again = await z("POST", "/v1/orders", body, Idempotency_Key="k1")
        fresh = await z("POST", "/v1/orders", body, Idempotency_Key="k2")
        replay = await z("POST", "/v1/orders", body, Idempotency_Key="k2")
    assert first.json()["success"] is again.json()["success"] is False
    assert first.content == again.content
    assert fresh.json()["success"] is True
    assert replay.content == fresh.content
    assert z.sandbox.effects["order", "O-1"] == 1


async def test_a_key_in_flight_is_a_409() -> None:
    async with raw(write_seconds=0.05) as z:
        both = await asyncio.gather(
            *(z("POST", "/v1/orders", z.order(), Idempotency_Key="k1") for _ in range(2))
        )
        assert sorted(a.status_code for a in both) == [200, 409]


async def test_the_adapter_takes_a_409_as_an_unknown_outcome() -> None:
    async with raw(write_seconds=0.05) as z:
        billing = z.tested.billing
        plan = data.order()
        both = await asyncio.gather(
            *(billing.create_draft(plan, z.tested.refs, key="k1") for _ in range(2)), return_exceptions=True
        )
        failed = [x for x in both if isinstance(x, BaseException)]
        assert [type(x) for x in failed] == [OutcomeUnknown]
        assert z.sandbox.effects["order", "O-1"] == 1


async def test_a_key_with_another_payload_is_a_422() -> None:
    async with raw() as z:
        await z("POST", "/v1/orders", z.order(), Idempotency_Key="k1")
        answer = await z("POST", "/v1/orders", z.order(number="O-2"), Idempotency_Key="k1")
    assert answer.status_code == 422


async def test_a_put_takes_no_key() -> None:
    async with raw() as z:
        await z("POST", "/v1/orders", z.order())
        first = await z("PUT", "/v1/orders/O-1/activate", Idempotency_Key="k1")
        again = await z("PUT", "/v1/orders/O-1/activate", Idempotency_Key="k1")
    assert first.json()["success"] is True
    assert again.json()["reasons"][0]["code"] % 100 == 30


async def test_the_rate_limit() -> None:
    async with raw(rate_per_minute=4) as z:
        answers = [await z("GET", "/v1/catalog/products") for _ in range(4)]
        with pytest.raises(Transient) as caught:
            await z.tested.billing.find_account("A-ACME")
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["ratelimit-reset"]) >= 1
    assert caught.value.retry_after is not None
    assert caught.value.retry_after >= 1


async def test_the_concurrency_limit() -> None:
    async with raw(concurrent=1, write_seconds=0.05) as z:
        bodies = [z.order(number=f"O-{n}") for n in range(2)]
        both = await asyncio.gather(*(z("POST", "/v1/orders", body) for body in bodies))
        busy = next(a for a in both if not a.json()["success"])
    assert busy.status_code == 200
    assert busy.json()["reasons"][0]["code"] % 100 == 70
    assert busy.headers["retry-after"] == "1"


async def test_two_writers_on_one_account() -> None:
    async with raw(write_seconds=0.05) as z:
        bodies = [z.order(number=f"O-{n}") for n in range(2)]
        both = await asyncio.gather(*(z("POST", "/v1/orders", body) for body in bodies))
        lost = next(a.json() for a in both if not a.json()["success"])
        refs = z.tested.refs
        tries = await asyncio.gather(
            *(z.tested.billing.preview_order(data.order(number=f"O-1{n}"), refs) for n in range(2)),
            return_exceptions=True,
        )
    assert lost["reasons"][0]["code"] == 53500050
    assert [t.code for t in tries if isinstance(t, Transient)] == ["zuora-lock-competition"]


async def test_lists_come_in_pages() -> None:
    async with raw() as z:
        first = (await z("GET", "/v1/catalog/products")).json()
        second = (await z("GET", first["nextPage"])).json()
        refused = await z("GET", "/v1/catalog/products?pageSize=41")
    assert (len(first["products"]), len(second["products"])) == (10, 1)
    assert "nextPage" not in second
    assert refused.status_code == 400


ACCOUNT = {
    "name": "X",
    "currency": "USD",
    "billCycleDay": 1,
    "billToContact": {"firstName": "A", "lastName": "B"},
}


async def test_automatic_payment_is_the_default() -> None:
    async with raw() as z:
        made = (await z("POST", "/v1/accounts", ACCOUNT)).json()
        read = (await z("GET", f"/v1/accounts/{made['accountId']}")).json()
    assert made["accountNumber"] == "A00000001"
    assert read["billingAndPayment"]["autoPay"] is True
    assert read["basicInfo"]["status"] == "Active"


async def test_cards_and_automatic_payment() -> None:
    async with raw() as z:
        card = {"creditCard": {"cardNumber": "4"}}
        assert await z.category("POST", "/v1/accounts", ACCOUNT | {"autoPay": True}) == 30
        assert await z.category("POST", "/v1/accounts", ACCOUNT | {"autoPay": False} | card) == 30


async def test_the_billing_day_is_required() -> None:
    async with raw() as z:
        body = {k: v for k, v in ACCOUNT.items() if k != "billCycleDay"}
        assert await z.category("POST", "/v1/accounts", body) == 22


async def test_an_account_is_deleted_by_a_job() -> None:
    async with raw(job_seconds=0.05) as z:
        started = (await z("DELETE", "/v1/accounts/A-ACME")).json()
        early = (await z("GET", f"/v1/operations/jobs/{started['jobId']}")).json()
        await asyncio.sleep(0.06)
        late = (await z("GET", f"/v1/operations/jobs/{started['jobId']}")).json()
        read = (await z("GET", "/v1/accounts/A-ACME")).json()
        assert await z.category("POST", "/v1/orders", z.order()) == 30
    assert (started["jobStatus"], early["status"], late["status"]) == ("Pending", "Processing", "Completed")
    assert read["basicInfo"]["status"] == "Canceled"


async def test_a_draft_refuses_processing_options() -> None:
    async with raw() as z:
        options = {"processingOptions": {"runBilling": False, "collectPayment": False}}
        assert await z.category("POST", "/v1/orders", z.order() | options) == 30


async def test_a_draft_makes_no_subscription() -> None:
    async with raw() as z:
        made = (await z("POST", "/v1/orders", z.order())).json()
        assert made["subscriptions"][0]["status"] == "Draft"
        assert await z.category("GET", "/v1/subscriptions/S-O-1") == 40


async def test_lists_of_an_account_leave_out_drafts() -> None:
    async with raw() as z:
        await z("POST", "/v1/orders", z.order())
        await z(
            "POST", "/v1/orders", z.order(number="O-2", subscription_number="S-2") | {"status": "Completed"}
        )
        for owner in ("invoiceOwner", "subscriptionOwner"):
            found = (await z("GET", f"/v1/orders/{owner}/A-ACME")).json()["orders"]
            assert [o["orderNumber"] for o in found] == ["O-2"]
        drafts = (await z("GET", "/v1/orders?status=draft")).json()["orders"]
    assert [o["orderNumber"] for o in drafts] == ["O-1"]


TABLE = {
    "Draft": {"activate": True, "cancel": True, "triggerDates": False, "delete": True},
    "Pending": {"activate": False, "cancel": False, "triggerDates": True, "delete": True},
    "Completed": {"activate": False, "cancel": False, "triggerDates": False, "delete": True},
    "Cancelled": {"activate": False, "cancel": False, "triggerDates": False, "delete": False},
}


async def _in_state(z: Raw, state: str) -> None:
    body = z.order()
    if state in ("Pending", "Completed"):
        del body["status"]
    if state == "Pending":
        del body["subscriptions"][0]["orderActions"][0]["triggerDates"][1:]
    await z("POST", "/v1/orders", body)
    if state == "Cancelled":
        await z("PUT", "/v1/orders/O-1/cancel", {"cancelReason": "x"})


@pytest.mark.parametrize("state", list(TABLE))
@pytest.mark.parametrize("verb", ["activate", "cancel", "triggerDates", "delete"])
async def test_verbs_and_states(state: str, verb: str) -> None:
    async with raw(require_service_activation=True) as z:
        await _in_state(z, state)
        assert (await z("GET", "/v1/orders/O-1")).json()["order"]["status"] == state
        if verb == "delete":
            answer = await z("DELETE", "/v1/orders/O-1")
        else:
            body: dict[str, Any] | None = None if verb == "activate" else {"subscriptions": []}
            answer = await z("PUT", f"/v1/orders/O-1/{verb}", body)
    assert answer.json()["success"] is TABLE[state][verb]


async def test_activation_has_no_body() -> None:
    async with raw() as z:
        await z("POST", "/v1/orders", z.order())
        done = (await z("PUT", "/v1/orders/O-1/activate")).json()
    assert (done["status"], done["subscriptions"][0]["status"]) == ("Completed", "Active")
    assert z.sandbox.state["documents"] == []


def _dated(z: Raw, *dates: tuple[str, str]) -> dict[str, Any]:
    body = z.order()
    del body["status"]
    action = body["subscriptions"][0]["orderActions"][0]
    action["triggerDates"] = [{"name": n, "triggerDate": d} for n, d in dates]
    return body


async def test_a_blank_date_makes_it_pending() -> None:
    contract = ("ContractEffective", "2026-12-01")
    async with raw() as free, raw(require_service_activation=True) as strict:
        done = (await free("POST", "/v1/orders", _dated(free, contract))).json()
        waits = (await strict("POST", "/v1/orders", _dated(strict, contract))).json()
    assert (done["status"], done["subscriptions"][0]["status"]) == ("Completed", "Active")
    assert (waits["status"], waits["subscriptions"][0]["status"]) == ("Pending", "Pending Activation")


async def test_activation_comes_before_acceptance() -> None:
    async with raw(require_service_activation=True, require_customer_acceptance=True) as z:
        await z("POST", "/v1/orders", _dated(z, ("ContractEffective", "2026-12-01")))
        seen = []
        for name in ("ServiceActivation", "CustomerAcceptance"):
            dates = [{"name": name, "triggerDate": "2026-12-05"}]
            entry = {"subscriptionNumber": "S-O-1", "orderActions": [{"sequence": 0, "triggerDates": dates}]}
            answer = await z("PUT", "/v1/orders/O-1/triggerDates", {"subscriptions": [entry]})
            seen.append((answer.json()["status"], answer.json()["subscriptions"][0]["status"]))
    assert seen == [("Pending", "Pending Acceptance"), ("Completed", "Active")]


async def test_dates_stand_in_order() -> None:
    async with raw() as z:
        wrong = _dated(z, ("ContractEffective", "2026-12-02"), ("ServiceActivation", "2026-12-01"))
        assert await z.category("POST", "/v1/orders", wrong) == 30


async def test_the_contract_date_cannot_be_set() -> None:
    async with raw(require_service_activation=True) as z:
        await z("POST", "/v1/orders", _dated(z, ("ContractEffective", "2026-12-01")))
        dates = [{"name": "ContractEffective", "triggerDate": "2026-12-05"}]
        entry = {"subscriptionNumber": "S-O-1", "orderActions": [{"sequence": 0, "triggerDates": dates}]}
        assert await z.category("PUT", "/v1/orders/O-1/triggerDates", {"subscriptions": [entry]}) == 30


async def test_a_deleted_order_rolls_back() -> None:
    async with raw() as z:
        await z("POST", "/v1/orders", z.order() | {"status": "Completed"})
        assert (await z("GET", "/v1/subscriptions/S-O-1")).json()["status"] == "Active"
        assert (await z("DELETE", "/v1/orders/O-1")).json()["success"]
        assert await z.category("GET", "/v1/subscriptions/S-O-1") == 40
        assert (await z("POST", "/v1/orders", z.order())).json()["success"]


async def test_an_invoiced_order_stays() -> None:
    async with raw() as z:
        await z("POST", "/v1/orders", z.order() | {"status": "Completed"})
        z.sandbox.add_document("A-ACME", "INV-1")
        assert await z.category("DELETE", "/v1/orders/O-1") == 30


async def test_a_cancelled_order_stays() -> None:
    async with raw() as strict, raw(delete_cancelled_orders=True) as free:
        for z in (strict, free):
            await _in_state(z, "Cancelled")
        assert await strict.category("DELETE", "/v1/orders/O-1") == 30
        assert (await free("DELETE", "/v1/orders/O-1")).json()["success"]


async def test_numbers_are_unique() -> None:
    async with raw() as z:
        await z("POST", "/v1/orders", z.order() | {"status": "Completed"})
        assert await z.category("POST", "/v1/orders", z.order()) == 30
        taken = z.order(number="O-2", subscription_number="S-O-1")
        assert await z.category("POST", "/v1/orders", taken) == 30
        assert await z.category("POST", "/v1/accounts", ACCOUNT | {"accountNumber": "A-ACME"}) == 30


async def test_an_order_number_has_no_slash() -> None:
    async with raw() as z:
        assert await z.category("POST", "/v1/orders", z.order() | {"orderNumber": "O/1"}) == 20


async def test_answers_spell_the_charge_id_otherwise() -> None:
    async with raw() as z:
        await z("POST", "/v1/orders", z.order())
        order = (await z("GET", "/v1/orders/O-1")).json()["order"]
        create = order["subscriptions"][0]["orderActions"][0]["createSubscription"]
        override = create["subscribeToRatePlans"][0]["chargeOverrides"][0]
    assert "productRateplanChargeId" in override
    assert "productRatePlanChargeId" not in override
    assert override["pricing"]["recurringPerUnit"]["uom"] == "Seat"


def _preview(z: Raw, **changes: Any) -> dict[str, Any]:
    return mapping.preview_body(data.order(**changes), z.tested.refs, data.settings())


async def test_a_preview_creates_nothing() -> None:
    async with raw() as z:
        before = z.sandbox.snapshot()
        assert (await z("POST", "/v1/orders/preview", _preview(z))).json()["success"]
        assert z.sandbox.snapshot() == before


async def test_a_preview_refuses_status_and_options() -> None:
    async with raw() as z:
        for extra in ({"status": "Draft"}, {"processingOptions": {"runBilling": False}}):
            assert await z.category("POST", "/v1/orders/preview", _preview(z) | extra) == 21


async def test_document_date_needs_billing_docs() -> None:
    async with raw() as z:
        body = _preview(z)
        body["previewOptions"]["previewTypes"] = ["ChargeMetrics"]
        assert await z.category("POST", "/v1/orders/preview", body) == 30


async def test_ends_of_items_and_charges_differ() -> None:
    async with raw() as z:
        found = (await z("POST", "/v1/orders/preview", _preview(z))).json()["previewResult"]
        await z("POST", "/v1/orders", z.order() | {"status": "Completed"})
        held = (await z("GET", "/v1/subscriptions/S-O-1")).json()
    assert found["invoices"][-1]["invoiceItems"][0]["serviceEndDate"] == "2027-11-30"
    assert held["ratePlans"][0]["ratePlanCharges"][0]["effectiveEndDate"] == "2027-12-01"
    assert held["termEndDate"] == "2027-12-01"


async def test_a_plan_brings_all_its_charges() -> None:
    from connectors.zuora.sandbox.seed import charge, plan

    async with raw() as z:
        items = [charge(f"TWO-{n}", f"Two {n}", "Recurring", "FlatFee") for n in "AB"]
        z.sandbox.add_product("TWO", "Two", [plan("TWO-STD", "Two", items)])
        listed = z.sandbox.state["products"][-1]["productRatePlans"][0]
        body = z.order() | {"status": "Completed"}
        entry = body["subscriptions"][0]["orderActions"][0]["createSubscription"]["subscribeToRatePlans"][0]
        entry["productRatePlanId"] = listed["id"]
        entry["chargeOverrides"] = [
            {"productRatePlanChargeId": listed["productRatePlanCharges"][0]["id"], "chargeNumber": "C-A"}
        ]
        counts = []
        for number, flag in (("O-1", True), ("O-2", False)):
            entry["isAddingSubsetCharges"] = flag
            body["orderNumber"] = number
            entry["chargeOverrides"][0]["chargeNumber"] = f"C-{number}"
            create = body["subscriptions"][0]["orderActions"][0]["createSubscription"]
            create["subscriptionNumber"] = f"S-{number}"
            await z("POST", "/v1/orders", body)
            held = (await z("GET", f"/v1/subscriptions/S-{number}")).json()
            counts.append(len(held["ratePlans"][0]["ratePlanCharges"]))
    assert counts == [1, 2]


async def test_a_document_below_zero_is_a_credit_memo() -> None:
    async with raw() as z:
        plan = data.order(data.line("API-CALLS"), data.rounding("-0.04"))
        body = mapping.preview_body(plan, z.tested.refs, data.settings())
        found = (await z("POST", "/v1/orders/preview", body)).json()["previewResult"]
        preview = await z.tested.billing.preview_order(plan, z.tested.refs)
    assert found["creditMemos"][0]["creditMemoItems"][0]["amountWithoutTax"] == 0.04
    assert preview.term_total.minor == -4


async def test_collecting_needs_billing() -> None:
    async with raw() as z:
        body = z.order() | {"processingOptions": {"collectPayment": True}}
        del body["status"]
        assert await z.category("POST", "/v1/orders", body) == 30


async def test_fifty_actions_at_most() -> None:
    async with raw() as z:
        body = z.order()
        body["subscriptions"] = body["subscriptions"] * 51
        assert await z.category("POST", "/v1/orders", body) == 30


async def test_a_fault_of_the_vendor_is_answered_in_its_own_words() -> None:
    async with raw() as z:
        z.sandbox.faults.add(Fault(match="GET /v1/orders", kind="status"))
        answer = await z("GET", "/v1/orders/O-1")
    assert (answer.status_code, answer.json()["reasons"][0]["code"]) == (500, 50000060)
