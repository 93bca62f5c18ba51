"""What goes wrong on the way or at the vendor: the right kind of failure, and never a second effect."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from canonical.failures import Conflict, Failure, Kind, Misconfigured, OutcomeUnknown, Rejected, Transient
from connectors.kit.sandbox import Fault, FaultKind
from connectors.zuora.errors import TABLE
from connectors.zuora.sandbox import Tenant
from tests.connectors.zuora import data

Call = Callable[[data.Tested], Awaitable[Any]]

PLAN = data.order()
READS: dict[str, Call] = {
    "GET /v1/accounts/": lambda t: t.billing.find_account("A-ACME"),
    "GET /v1/orders/O-1": lambda t: t.billing.find_order("O-1", t.refs),
    "GET /v1/subscriptions/": lambda t: t.billing.find_subscription("S-O-1", t.refs),
    "POST /v1/orders/preview": lambda t: t.billing.preview_order(PLAN, t.refs),
    "GET /v1/catalog/products": lambda t: t.billing.references(),
    "GET /v1/billing-documents": lambda t: t.billing.account_use("A-ACME"),
}
# Each with what was there before and what may be there after, however often it is tried.
WRITES: dict[str, tuple[str, Call]] = {
    "POST /v1/accounts": ("nothing", lambda t: t.account()),
    "PUT /v1/accounts/": ("account", lambda t: t.billing.set_payment_reference("A-ACME", "c/m", key="k")),
    "DELETE /v1/accounts/": ("account", lambda t: t.billing.cancel_account("A-ACME")),
    "POST /v1/orders$": ("account", lambda t: t.billing.create_draft(PLAN, t.refs, key="k1")),
    "PUT /v1/orders/O-1/activate": ("draft", lambda t: t.billing.activate_order("O-1", data.START, t.refs)),
    "PUT /v1/orders/O-1/cancel": ("draft", lambda t: t.billing.withdraw_order("O-1", t.refs)),
}
DAMAGED: tuple[FaultKind, ...] = ("html", "empty", "truncated")
LOST: tuple[FaultKind, ...] = ("timeout_after", "reset_after", "error_after", *DAMAGED)


async def prepared(before: str) -> data.Tested:
    t = await data.start(max_answer_bytes=2_000_000)
    if before != "nothing":
        await t.account()
    if before in ("draft", "active"):
        await t.billing.create_draft(PLAN, t.refs, key="k0")
    if before == "active":
        await t.billing.activate_order("O-1", data.START, t.refs)
    return t


@pytest.mark.parametrize("kind", [*DAMAGED, "timeout_before", "reset_before", "status"])
@pytest.mark.parametrize("match", list(READS))
async def test_a_read_that_fails_is_transient_and_never_absent(match: str, kind: FaultKind) -> None:
    t = await prepared("active")
    if "preview" in match:
        t.sandbox.state["subscriptions"].clear()
    t.sandbox.faults.add(Fault(match=match, kind=kind))
    with pytest.raises(Transient):
        await READS[match](t)
    t.sandbox.faults.clear()
    assert await READS[match](t)


async def test_twenty_megabytes_are_not_swallowed() -> None:
    t = await prepared("account")
    t.sandbox.faults.add(
        Fault(match="GET /v1/accounts", kind="huge"), Fault(match="POST /v1/orders$", kind="huge")
    )
    with pytest.raises(Transient) as read:
        await t.billing.find_account("A-ACME")
    with pytest.raises(OutcomeUnknown) as written:
        await t.billing.create_draft(PLAN, t.refs, key="k1")
    assert read.value.code == written.value.code == "answer-too-large"


@pytest.mark.parametrize("match", list(READS))
async def test_unknown_fields_everywhere_change_nothing(match: str) -> None:
    t = await prepared("active")
    clean = await READS[match](t)
    t.sandbox.faults.add(Fault(match=".", kind="unknown_fields", times=-1))
    assert await READS[match](t) == clean


@pytest.mark.parametrize("kind", LOST)
@pytest.mark.parametrize("match", list(WRITES))
async def test_a_lost_answer_to_a_write_is_unknown_and_the_next_try_finds_it_done(
    match: str, kind: FaultKind
) -> None:
    before, call = WRITES[match]
    t = await prepared(before)
    t.sandbox.faults.add(Fault(match=match, kind=kind))
    with pytest.raises(OutcomeUnknown):
        await call(t)
    t.sandbox.faults.clear()
    assert await call(t)
    assert set(t.sandbox.effects.values()) == {1}


@pytest.mark.parametrize("kind", ["timeout_before", "reset_before", "status"])
@pytest.mark.parametrize("match", list(WRITES))
async def test_a_write_that_never_arrived_is_unknown_too_and_is_then_done_once(
    match: str, kind: FaultKind
) -> None:
    before, call = WRITES[match]
    t = await prepared(before)
    t.sandbox.faults.add(Fault(match=match, kind=kind))
    with pytest.raises(OutcomeUnknown):
        await call(t)
    assert await call(t)
    assert set(t.sandbox.effects.values()) == {1}


@pytest.mark.parametrize("match", list(WRITES))
async def test_an_expired_token_is_renewed_and_the_call_played_once_more(match: str) -> None:
    before, call = WRITES[match]
    t = await prepared(before)
    issued = t.sandbox.tokens.issued
    t.sandbox.faults.add(Fault(match=match, kind="expired_token"))
    assert await call(t)
    assert t.sandbox.tokens.issued == issued + 1
    assert set(t.sandbox.effects.values()) == {1}


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "7"}, 7),
        ({"ratelimit-reset": "12"}, 12),
        ({}, 60),
        ({"ratelimit-reset": "soon"}, None),
    ],
)
async def test_a_rate_limit_tells_how_long_to_wait(headers: dict[str, str], wait: float | None) -> None:
    t = await prepared("account")
    t.sandbox.faults.add(
        Fault(
            match="POST /v1/orders$",
            kind="status",
            status=429,
            headers=headers,
            body={"message": "slow down"},
        )
    )
    with pytest.raises(Transient) as caught:
        await t.billing.create_draft(PLAN, t.refs, key="k1")
    assert (caught.value.code, caught.value.retry_after) == ("rate-limited", wait)
    assert t.sandbox.effects["order", "O-1"] == 0


CATEGORIES = {
    10: Misconfigured,
    11: Misconfigured,
    20: Rejected,
    21: Rejected,
    22: Rejected,
    23: Rejected,
    27: Rejected,
    30: Rejected,
    40: Rejected,
    45: Misconfigured,
    50: Transient,
    60: OutcomeUnknown,
    61: Transient,
    70: Transient,
    77: OutcomeUnknown,
    90: Misconfigured,
    99: OutcomeUnknown,
}


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("category", list(CATEGORIES))
async def test_the_category_decides_whatever_the_status(category: int, status: int) -> None:
    t = await prepared("account")
    body = {"success": False, "reasons": [{"code": 53500000 + category, "message": "no"}]}
    t.sandbox.faults.add(
        Fault(match="POST /v1/orders$", kind="status", status=status, body=body, headers={"Retry-After": "3"})
    )
    with pytest.raises(Failure) as caught:
        await t.billing.create_draft(PLAN, t.refs, key="k1")
    unknown = category == 77 and status == 400
    assert type(caught.value) is (Rejected if unknown else CATEGORIES[category])
    assert caught.value.evidence["zuora-request-id"].startswith("rq-")
    assert t.sandbox.effects["order", "O-1"] == 0


def test_the_same_categories_are_never_unknown_after_a_read() -> None:
    for category in CATEGORIES:
        code = 50000000 + category
        failure = TABLE.failure(status=200, code=code, message="", effect=False)
        assert failure.kind is not Kind.OUTCOME_UNKNOWN


@pytest.mark.parametrize(
    "body",
    [
        {"code": 404, "message": "HTTP 404 Not Found"},
        "<html>not here</html>",
        {"success": False, "reasons": [{"code": 50000030, "message": "no"}]},
    ],
)
async def test_only_category_40_means_absent(body: Any) -> None:
    t = await prepared("draft")
    t.sandbox.faults.add(Fault(match="GET /v1/", kind="status", status=404, body=body, times=-1))
    for call in (
        t.billing.find_account("A-ACME"),
        t.billing.find_order("O-1", t.refs),
        t.billing.find_subscription("S-O-1", t.refs),
        t.billing.withdraw_order("O-1", t.refs),
    ):
        with pytest.raises(Failure):
            await call


async def test_a_withdrawal_that_loses_the_race_does_not_claim_to_have_won() -> None:
    t = await prepared("draft")
    said = {"success": False, "reasons": [{"code": 53500030, "message": "not Draft"}]}
    t.sandbox.faults.add(Fault(match="/cancel", kind="status", status=200, body=said))
    with pytest.raises(Rejected):
        await t.billing.withdraw_order("O-1", t.refs)
    assert (await t.billing.activate_order("O-1", data.START, t.refs)).status == "completed"


async def test_an_unknown_status_is_neither_active_nor_failed() -> None:
    t = await prepared("draft")
    t.sandbox.state["orders"]["O-1"]["status"] = "Executing"
    with pytest.raises(Transient) as caught:
        await t.billing.activate_order("O-1", data.START, t.refs)
    assert caught.value.code == "order-not-completed"
    with pytest.raises(OutcomeUnknown):
        await t.billing.withdraw_order("O-1", t.refs)


async def test_an_account_that_reads_automatic_payment_is_misconfigured() -> None:
    t = await data.start()
    await t.account()
    t.sandbox.state["accounts"]["A-ACME"]["autoPay"] = True
    with pytest.raises(Misconfigured) as caught:
        await t.billing.create_account(data.account(), key="k2")
    assert caught.value.code == "autopay-on"


async def test_a_tenant_without_the_custom_field_is_found_out() -> None:
    t = await prepared("account")
    answer = {"success": True}
    t.sandbox.faults.add(Fault(match="PUT /v1/accounts", kind="status", status=200, body=answer))
    with pytest.raises(Misconfigured) as caught:
        await t.billing.set_payment_reference("A-ACME", "c/m", key="k")
    assert caught.value.code == "custom-field-missing"


async def test_a_failed_deletion_is_told() -> None:
    t = await prepared("account")
    job = {"success": True, "status": "Failed"}
    t.sandbox.faults.add(Fault(match="GET /v1/operations/jobs", kind="status", status=200, body=job))
    with pytest.raises(Rejected) as caught:
        await t.billing.cancel_account("A-ACME")
    assert caught.value.code == "account-deletion-failed"


async def test_a_list_that_turns_in_a_circle_is_left() -> None:
    t = await prepared("account")
    page = {"success": True, "products": [], "nextPage": f"{data.BASE}/v1/catalog/products?page=2"}
    t.sandbox.faults.add(Fault(match="GET /v1/catalog", kind="status", status=200, body=page, times=-1))
    with pytest.raises(Transient) as caught:
        await t.billing.references()
    assert caught.value.code == "paging-loop"


async def test_a_next_page_on_another_host_is_not_followed() -> None:
    t = await prepared("account")
    page = {"success": True, "products": [], "nextPage": "https://elsewhere.example/v1/catalog/products"}
    t.sandbox.faults.add(Fault(match="GET /v1/catalog", kind="status", status=200, body=page))
    with pytest.raises(Misconfigured) as caught:
        await t.billing.references()
    assert caught.value.code == "host-refused"


async def test_a_cancelled_order_number_is_not_used_again() -> None:
    t = await prepared("draft")
    await t.billing.withdraw_order("O-1", t.refs)
    with pytest.raises(Conflict) as caught:
        await t.billing.create_draft(PLAN, t.refs, key="k9")
    assert caught.value.code == "order-number-taken"


async def test_where_numbers_are_not_told_in_previews_lines_are_found_by_their_charge() -> None:
    t = await data.start(Tenant(charge_numbers_in_preview=False))
    await t.account()
    preview = await t.billing.preview_order(data.order(data.line(), data.discount()), t.refs)
    assert {(x.kind, x.lineage_id) for i in preview.invoices for x in i.lines} == {
        ("charge", "QL-1"),
        ("discount", "QL-1"),
    }


async def test_an_activation_that_was_accepted_and_does_not_read_active_may_have_happened() -> None:
    t = await prepared("draft")
    said = {"success": True, "orderNumber": "O-1", "status": "Executing"}
    t.sandbox.state["orders"]["O-1"]["status"] = "Executing"
    t.sandbox.faults.add(Fault(match="/activate", kind="status", status=200, body=said))
    with pytest.raises(OutcomeUnknown) as caught:
        await t.billing.activate_order("O-1", data.START, t.refs)
    assert caught.value.code == "order-not-completed"
