"""The adapter against the gateway on loopback."""

from datetime import date
from typing import Any

import pytest

from canonical.failures import Misconfigured
from connectors.kit.sandbox import SandboxTransport, serve
from connectors.stripe.client import StripeClient
from connectors.stripe.connector import StripePayments
from connectors.stripe.manifest import MANIFEST
from tests.connectors.stripe import data
from tests.connectors.stripe.data import Caller


async def test_check() -> None:
    sandbox = data.gateway()
    health = await data.payments(sandbox).check()
    assert (health.well, health.detail) == (True, "key accepted, sandbox mode")
    bad = await data.payments(sandbox, api_key="sk_test_wrong_key_of_somebody").check()
    assert not bad.well
    assert "wrong_key" not in bad.detail
    assert "restricted key" in bad.fix


async def test_check_never_raises() -> None:
    dead = StripePayments(StripeClient(data.settings(data.gateway(), "http://127.0.0.1:9")))
    assert not (await dead.check()).well
    await dead.aclose()


async def test_there_are_no_references() -> None:
    assert await data.payments(data.gateway()).references() == ()


@pytest.mark.parametrize(
    ("customer", "method", "why"),
    [
        ("cus_acme", "pm_card", ""),
        ("cus_acme", "pm_sepa", ""),
        ("cus_acme", "pm_fresh", "was never set up for automatic payment"),
        ("cus_acme", "pm_gone", "not attached to any customer"),
        ("cus_acme", "pm_other", "belongs to another customer"),
        ("cus_acme", "pm_nobody", "does not know payment method pm_nobody"),
        ("cus_nobody", "pm_card", "does not know customer cus_nobody"),
        ("pm_card", "cus_acme", "does not know customer pm_card"),
        ("cus_acme", "", "does not know payment method"),
        ("", "pm_card", "does not know customer"),
        ("cus_acme", "../customers/cus_acme", "does not know payment method"),
        ("cus_acme", 'pm\r\n, "🚀"\'', "does not know payment method"),
    ],
)
async def test_stored_methods(customer: str, method: str, why: str) -> None:
    check = await data.payments(data.gateway()).check_method(customer, method)
    assert check.usable is (why == "")
    assert why in check.why


async def test_a_deleted_customer_cannot_be_charged() -> None:
    sandbox = data.gateway()
    await Caller(sandbox).http.delete("/v1/customers/cus_acme")
    check = await data.payments(sandbox).check_method("cus_acme", "pm_card")
    assert (check.usable, "was deleted" in check.why) == (False, True)


async def test_an_expired_card_is_a_warning() -> None:
    check = await data.payments(data.gateway(), today=date(2040, 1, 1)).check_method("cus_acme", "pm_card")
    assert check.usable
    assert "expired" in check.warnings[0]


async def test_kind_and_last_digits_are_told() -> None:
    payments = data.payments(data.gateway())
    card, debit = (
        await payments.check_method("cus_acme", "pm_card"),
        await payments.check_method("cus_acme", "pm_sepa"),
    )
    assert [(c.kind, c.last4) for c in (card, debit)] == [("card", "4242"), ("sepa_debit", "6789")]


@pytest.mark.parametrize(
    ("form", "usable"),
    [
        ({"usage": "off_session"}, True),
        ({}, True),
        ({"usage": "on_session"}, False),
    ],
)
async def test_a_set_up_allows_what_it_was_made_for(form: dict[str, str], usable: bool) -> None:
    sandbox = data.gateway()
    made = await Caller(sandbox).post(
        "/v1/setup_intents", customer="cus_acme", payment_method="pm_fresh", confirm="true", **form
    )
    assert made.json()["status"] == "succeeded"
    assert (await data.payments(sandbox).check_method("cus_acme", "pm_fresh")).usable is usable


@pytest.mark.parametrize(
    ("form", "usable"),
    [
        ({"setup_future_usage": "off_session", "confirm": "true"}, True),
        ({"setup_future_usage": "on_session", "confirm": "true"}, False),
        ({"confirm": "true"}, False),
        ({"setup_future_usage": "off_session"}, False),
    ],
)
async def test_an_earlier_payment_may_have_prepared_the_method(form: dict[str, str], usable: bool) -> None:
    sandbox = data.gateway()
    await Caller(sandbox).post(
        "/v1/payment_intents",
        amount="1099",
        currency="usd",
        customer="cus_acme",
        payment_method="pm_fresh",
        **form,
    )
    assert (await data.payments(sandbox).check_method("cus_acme", "pm_fresh")).usable is usable


async def test_the_preparing_payment_may_lie_pages_back() -> None:
    sandbox = data.gateway(endpoint_rate=None, global_rate=None)
    caller = Caller(sandbox)
    form = {"amount": "100", "currency": "usd", "customer": "cus_acme", "payment_method": "pm_fresh"}
    await caller.post("/v1/payment_intents", confirm="true", setup_future_usage="off_session", **form)
    for _ in range(205):
        await caller.post("/v1/payment_intents", **form)
    sandbox.log.clear()
    assert (await data.payments(sandbox).check_method("cus_acme", "pm_fresh")).usable
    assert sum(entry["path"] == "/v1/payment_intents" for entry in sandbox.log) == 3


async def test_the_search_for_a_preparing_payment_ends() -> None:
    sandbox = data.gateway(endpoint_rate=None, global_rate=None)
    caller = Caller(sandbox)
    form = {"amount": "100", "currency": "usd", "customer": "cus_acme", "payment_method": "pm_fresh"}
    await caller.post("/v1/payment_intents", confirm="true", setup_future_usage="off_session", **form)
    await caller.post("/v1/payment_intents", **form)
    check = await data.payments(sandbox, payments_searched=1).check_method("cus_acme", "pm_fresh")
    assert (check.usable, "before the latest 1 were not searched" in check.why) == (False, True)
    assert (await data.payments(sandbox, payments_searched=2).check_method("cus_acme", "pm_fresh")).usable


async def test_an_unfinished_set_up_is_told() -> None:
    sandbox = data.gateway()
    caller = Caller(sandbox)
    method = (
        await caller.post("/v1/payment_methods/pm_card_authenticationRequired/attach", customer="cus_acme")
    ).json()
    await caller.post("/v1/setup_intents", customer="cus_acme", payment_method=method["id"], confirm="true")
    check = await data.payments(sandbox).check_method("cus_acme", method["id"])
    assert (check.usable, "is not finished" in check.why) == (False, True)


async def test_debits_need_their_mandate() -> None:
    sandbox = data.gateway()
    payments = data.payments(sandbox)
    (intent,) = sandbox.books.newest("setup_intent", payment_method="pm_sepa")
    mandate = sandbox.books.objects[intent["mandate"]]
    for change, text in (
        ({"status": "inactive"}, "is inactive"),
        ({"status": "pending"}, "not confirmed by the bank"),
        ({"type": "single_use"}, "for one payment only"),
        ({"payment_method": "pm_card"}, "belongs to another payment method"),
    ):
        before = dict(mandate)
        mandate.update(change)
        check = await payments.check_method("cus_acme", "pm_sepa")
        assert (check.usable, text in check.why) == (False, True), check
        mandate.update(before)
    assert (await payments.check_method("cus_acme", "pm_sepa")).usable
    intent["mandate"] = "mandate_nowhere"
    assert "does not exist any more" in (await payments.check_method("cus_acme", "pm_sepa")).why
    intent["mandate"] = None
    assert "without a mandate" in (await payments.check_method("cus_acme", "pm_sepa")).why


async def test_one_good_permission_is_enough() -> None:
    sandbox = data.gateway()
    (old,) = sandbox.books.newest("setup_intent", payment_method="pm_sepa")
    sandbox.books.objects[old["mandate"]]["status"] = "inactive"
    assert not (await data.payments(sandbox).check_method("cus_acme", "pm_sepa")).usable
    await Caller(sandbox).post(
        "/v1/setup_intents", customer="cus_acme", payment_method="pm_sepa", confirm="true"
    )
    assert (await data.payments(sandbox).check_method("cus_acme", "pm_sepa")).usable


async def test_a_debit_paid_earlier_brings_its_mandate_from_the_charge() -> None:
    sandbox = data.gateway()
    caller = Caller(sandbox)
    made = await caller.post(
        "/v1/payment_intents",
        amount="1099",
        currency="eur",
        customer="cus_acme",
        payment_method="pm_sepa",
        setup_future_usage="off_session",
        confirm="true",
    )
    assert made.json()["status"] == "processing"
    for intent in sandbox.books.newest("setup_intent", payment_method="pm_sepa"):
        intent["status"] = "canceled"
    payments = data.payments(sandbox)
    assert not (await payments.check_method("cus_acme", "pm_sepa")).usable
    sandbox.books.objects[made.json()["id"]]["status"] = "succeeded"
    assert (await payments.check_method("cus_acme", "pm_sepa")).usable
    sandbox.books.newest("mandate", payment_method="pm_sepa")[0]["status"] = "inactive"
    assert "is inactive" in (await payments.check_method("cus_acme", "pm_sepa")).why


async def test_a_revoked_mandate_of_a_card_forbids_it_although_cards_need_none() -> None:
    sandbox = data.gateway()
    (intent,) = sandbox.books.newest("setup_intent", payment_method="pm_card")
    intent["mandate"] = sandbox.books.sign_mandate("pm_card", status="inactive")["id"]
    assert not (await data.payments(sandbox).check_method("cus_acme", "pm_card")).usable


async def test_checking_changes_nothing() -> None:
    sandbox = data.gateway()
    before = sandbox.snapshot()
    payments = data.payments(sandbox)
    for stored in data.METHODS:
        await payments.check_method(stored.gateway_customer, stored.payment_method)
    assert sandbox.snapshot() == before
    assert {entry["method"] for entry in sandbox.log} == {"GET"}


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        ({"api_key": "sk_test_unknown_key"}, "credential-refused", "Invalid API Key"),
        ({"api_key": "pk_test_public_key"}, "credential-refused", "publishable"),
        ({"api_key": "rk_test_blind"}, "permission-missing", "rak_customers_read"),
        ({"api_version": "yesterday"}, "api-version-refused", "Invalid Stripe API version"),
    ],
)
async def test_a_wrong_set_up_is_misconfigured(options: dict[str, Any], code: str, text: str) -> None:
    sandbox = data.gateway()
    sandbox.keys["rk_test_blind"] = frozenset({"balance_read"})
    with pytest.raises(Misconfigured) as failed:
        await data.payments(sandbox, **options).check_method("cus_acme", "pm_card")
    assert failed.value.code == code
    assert text in failed.value.message
    assert failed.value.fix


async def test_a_restricted_key_with_reading_rights_is_enough() -> None:
    sandbox = data.gateway()
    rights = ("customers", "payment_methods", "setup_intents", "payment_intents")
    sandbox.keys["rk_test_reader"] = frozenset(f"{right}_read" for right in rights)
    payments = data.payments(sandbox, api_key="rk_test_reader")
    assert (await payments.check_method("cus_acme", "pm_sepa")).usable


async def test_the_version_and_the_account_are_sent() -> None:
    sandbox = data.gateway()
    seen: list[tuple[str | None, str | None]] = []
    plain = sandbox.guard

    async def guard(call: Any) -> Any:
        seen.append((call.headers.get("stripe-version"), call.headers.get("stripe-account")))
        return await plain(call)

    sandbox.guard = guard  # type: ignore[method-assign]
    await data.payments(sandbox).check()
    await data.payments(sandbox, account="acct_1").check()
    assert seen == [("2026-10-28.endive", None), ("2026-10-28.endive", "acct_1")]


async def test_over_real_http() -> None:
    sandbox = data.gateway()
    async with serve(sandbox) as url:
        payments = MANIFEST.build(data.settings(sandbox, url), None)["payments"]
        assert (await payments.check()).well
        assert (await payments.check_method("cus_acme", "pm_sepa")).usable
        assert not (await payments.check_method("cus_acme", "pm_fresh")).usable
        await MANIFEST.close({"payments": payments})


def test_the_manifest_names_its_sandbox() -> None:
    assert MANIFEST.roles == ("payments",)
    assert type(data.gateway()) is MANIFEST.sandbox_type()
    transport = SandboxTransport(data.gateway())
    assert isinstance(MANIFEST.build(data.settings(data.gateway()), transport)["payments"], StripePayments)
