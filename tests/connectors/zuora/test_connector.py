"""The Billing port on the sandbox, in process."""

from datetime import date
from decimal import Decimal

import pytest

from canonical.failures import Conflict, Misconfigured, OutcomeUnknown, Rejected
from canonical.money import Money
from canonical.period import Period
from connectors.kit.sandbox import SandboxTransport
from connectors.zuora.client import ZuoraClient
from connectors.zuora.connector import ZuoraBilling
from connectors.zuora.sandbox import Tenant
from tests.connectors.zuora import data


async def test_an_order_goes_from_preview_over_draft_to_an_active_subscription() -> None:
    t = await data.start()
    await t.account()
    plan = data.order(data.line(), data.discount(), data.rounding(), data.line("SETUP-FEE", "QL-2"))

    preview = await t.billing.preview_order(plan, t.refs)
    draft = await t.billing.create_draft(plan, t.refs, key="k1")
    assert await t.billing.find_subscription(plan.subscription_number, t.refs) is None
    active = await t.billing.activate_order(plan.order_number, data.START, t.refs)
    held = await t.billing.find_subscription(plan.subscription_number, t.refs)

    # 12 x (833.30 - 83.33) + 0.04 + 83.33
    assert preview.term_total == Money(minor=12 * (83330 - 8333) + 4 + 8333, currency="USD")
    assert (draft.status, active.status) == ("draft", "completed")
    assert draft.lines == active.lines == plan.lines
    assert draft.term == plan.term
    assert held is not None
    assert (held.status, held.version, held.term, held.currency) == ("active", 1, plan.term, "USD")
    assert [c.lineage_id for c in held.charges] == ["QL-1", "QL-1", "QL-1", "QL-2"]
    assert [(c.kind, c.product_code, c.period, c.unit_price, c.discount_percent) for c in held.charges] == [
        (x.kind, x.product_code, x.period, x.unit_price, x.discount_percent) for x in plan.lines
    ]
    assert t.sandbox.effects == {
        ("account", "A-ACME"): 1,
        ("order", "O-1"): 1,
        ("order-completed", "O-1"): 1,
        ("subscription", "S-O-1"): 1,
    }


async def test_every_preview_item_names_its_line() -> None:
    t = await data.start()
    await t.account()
    plan = data.order(data.line(), data.discount(), data.rounding())
    preview = await t.billing.preview_order(plan, t.refs)
    first = preview.invoices[0]
    assert first.target_date == data.START
    assert [(x.kind, x.lineage_id, x.amount.minor) for x in first.lines] == [
        ("charge", "QL-1", 83330),
        ("rounding", "QL-1", 4),
        ("discount", "QL-1", -8333),
    ]
    assert len(preview.invoices) == 12


async def test_an_order_in_another_currency_than_its_account_is_stopped_before_anybody_reads_the_figures() -> (
    None
):
    t = await data.start()
    await t.account(currency="USD")
    plan = data.order(currency="EUR")
    with pytest.raises(Conflict) as caught:
        await t.billing.preview_order(plan, t.refs)
    assert (caught.value.code, caught.value.field) == ("account-currency-differs", "order.currency")
    with pytest.raises(Conflict):
        await t.billing.create_draft(plan, t.refs, key="k1")


async def test_where_the_account_sets_the_billing_day_both_ends_are_partial_periods() -> None:
    t = await data.start(bill_cycle="DefaultFromCustomer")
    await t.account(bill_cycle_day=1)
    term = Period(start=date(2026, 12, 16), end=date(2027, 2, 16))
    line = data.line(period=term, unit_price=Decimal("31.00"), quantity=Decimal(1))
    preview = await t.billing.preview_order(data.order(line, term=term), t.refs)
    # 16 of 31 days of December, January, 15 of 28 days of February.
    items = [x for i in preview.invoices for x in i.lines]
    assert [(x.period.start, x.amount.minor) for x in items] == [
        (date(2026, 12, 16), 1600),
        (date(2027, 1, 1), 3100),
        (date(2027, 2, 1), 1661),
    ]


async def test_a_ramp_with_a_discount_in_each_segment_is_billed_segment_by_segment() -> None:
    t = await data.start()
    await t.account()
    middle = date(2027, 6, 1)
    first, second = Period(start=data.START, end=middle), Period(start=middle, end=data.YEAR.end)
    plan = data.order(
        data.line(lineage="QL-1", period=first, unit_price=Decimal(10)),
        data.discount("QL-1", "10", period=first),
        data.line(lineage="QL-2", period=second, unit_price=Decimal(20)),
        data.discount("QL-2", "50", period=second),
    )
    preview = await t.billing.preview_order(plan, t.refs)
    by_line = {
        key: sum(x.amount.minor for i in preview.invoices for x in i.lines if x.lineage_id == key)
        for key in ("QL-1", "QL-2")
    }
    assert by_line == {"QL-1": 6 * 9_000, "QL-2": 6 * 10_000}
    draft = await t.billing.create_draft(plan, t.refs, key="k1")
    assert draft.lines == plan.lines


async def test_an_account_is_read_back_as_it_was_sent() -> None:
    t = await data.start()
    await t.account("A-PARENT")
    made = await t.account("A-CHILD", parent_number="A-PARENT", payment_reference="cus_1/pm_1")
    wanted = data.account("A-CHILD", parent_number="A-PARENT", payment_reference="cus_1/pm_1")
    assert made.account_id
    assert made == wanted.model_copy(update={"account_id": made.account_id})
    assert await t.billing.find_account("A-NONE") is None


async def test_an_account_with_another_content_is_a_conflict_and_with_the_same_is_not() -> None:
    t = await data.start()
    first = await t.account()
    again = await t.billing.create_account(data.account(), key="another key")
    assert again == first
    with pytest.raises(Conflict) as caught:
        await t.billing.create_account(data.account(currency="EUR"), key="third key")
    assert caught.value.code == "account-number-taken"
    assert t.sandbox.effects["account", "A-ACME"] == 1


async def test_the_payment_reference_is_set_and_cleared() -> None:
    t = await data.start()
    await t.account()
    held = await t.billing.set_payment_reference("A-ACME", "cus_9/pm_9", key="k")
    assert (held.payment_reference, held.autopay) == ("cus_9/pm_9", False)
    assert (await t.billing.set_payment_reference("A-ACME", None, key="k")).payment_reference is None


async def test_an_account_is_the_same_whatever_was_stored_on_it_and_however_places_are_written() -> None:
    t = await data.start()
    await t.account()
    await t.billing.set_payment_reference("A-ACME", "cus_9/pm_9", key="k")
    t.sandbox.state["accounts"]["A-ACME"]["billToContact"]["country"] = "United States"
    again = await t.billing.create_account(data.account(), key="another key")
    assert again.payment_reference == "cus_9/pm_9"


async def test_activation_of_an_order_that_does_not_exist_is_refused() -> None:
    t = await data.start()
    with pytest.raises(Rejected) as caught:
        await t.billing.activate_order("O-NONE", data.START, t.refs)
    assert caught.value.code == "zuora-not-found"


async def test_a_draft_of_another_setting_is_activated_too() -> None:
    t = await data.start()
    await t.account()
    await t.billing.create_draft(data.order(), t.refs, key="k1")
    other = await data.start(sandbox=t.sandbox, activation="trigger_dates")
    assert (await other.billing.activate_order("O-1", data.START, t.refs)).status == "completed"


async def test_a_pending_order_of_another_setting_is_activated_too() -> None:
    t = await data.start(Tenant(require_service_activation=True), activation="trigger_dates")
    await t.account()
    await t.billing.create_draft(data.order(), t.refs, key="k1")
    other = await data.start(sandbox=t.sandbox)
    assert (await other.billing.activate_order("O-1", data.START, t.refs)).status == "completed"


async def test_use_of_an_account_counts_drafts_which_owner_lists_leave_out() -> None:
    t = await data.start()
    await t.account()
    assert (await t.billing.account_use("A-ACME")).unused
    await t.billing.create_draft(data.order(), t.refs, key="k1")
    assert (await t.billing.account_use("A-ACME")).orders == ("O-1",)
    with pytest.raises(Conflict) as caught:
        await t.billing.cancel_account("A-ACME")
    assert caught.value.code == "account-in-use"
    await t.billing.withdraw_order("O-1", t.refs)
    t.sandbox.add_document("A-ACME", "INV-1")
    assert (await t.billing.account_use("A-ACME")).documents == ("INV-1",)


async def test_an_unused_account_is_cancelled_and_reads_so() -> None:
    t = await data.start(Tenant(job_seconds=0.05))
    await t.account()
    left = await t.billing.cancel_account("A-ACME")
    assert left is not None
    assert left.status == "cancelled"
    assert await t.billing.cancel_account("A-ACME") == left
    assert await t.billing.cancel_account("A-NONE") is None
    assert t.sandbox.effects["account-cancelled", "A-ACME"] == 1


async def test_a_deletion_that_takes_too_long_has_an_unknown_outcome() -> None:
    t = await data.start(Tenant(job_seconds=60), job_polls=2)
    await t.account()
    with pytest.raises(OutcomeUnknown) as caught:
        await t.billing.cancel_account("A-ACME")
    assert caught.value.code == "account-deletion-running"


async def test_a_draft_is_withdrawn_by_cancelling_it() -> None:
    t = await data.start()
    await t.account()
    await t.billing.create_draft(data.order(), t.refs, key="k1")
    left = await t.billing.withdraw_order("O-1", t.refs)
    assert left is not None
    assert left.status == "cancelled"
    assert await t.billing.withdraw_order("O-1", t.refs) == left
    assert await t.billing.withdraw_order("O-9", t.refs) is None
    with pytest.raises(Conflict):
        await t.billing.activate_order("O-1", data.START, t.refs)


async def test_where_the_tenant_allows_it_a_withdrawn_draft_is_deleted() -> None:
    t = await data.start(Tenant(delete_cancelled_orders=True), delete_orders=True)
    await t.account()
    await t.billing.create_draft(data.order(), t.refs, key="k1")
    assert await t.billing.withdraw_order("O-1", t.refs) is None
    assert await t.billing.find_order("O-1", t.refs) is None


async def test_where_a_tenant_keeps_cancelled_orders_after_all_the_order_stays_cancelled() -> None:
    t = await data.start(delete_orders=True)
    await t.account()
    await t.billing.create_draft(data.order(), t.refs, key="k1")
    left = await t.billing.withdraw_order("O-1", t.refs)
    assert left is not None
    assert left.status == "cancelled"


async def test_an_active_order_is_not_withdrawn() -> None:
    t = await data.start()
    await t.account()
    await t.billing.create_draft(data.order(), t.refs, key="k1")
    await t.billing.activate_order("O-1", data.START, t.refs)
    again = await t.billing.activate_order("O-1", data.START, t.refs)
    assert again.status == "completed"
    with pytest.raises(Rejected) as caught:
        await t.billing.withdraw_order("O-1", t.refs)
    assert caught.value.code == "order-active"


async def test_with_trigger_dates_an_order_waits_until_its_dates_are_set() -> None:
    tenant = Tenant(require_service_activation=True, require_customer_acceptance=True)
    t = await data.start(tenant, activation="trigger_dates")
    await t.account()
    pending = await t.billing.create_draft(data.order(), t.refs, key="k1")
    held = await t.billing.find_subscription("S-O-1", t.refs)
    assert held is not None
    assert (pending.status, held.status) == ("pending", "pending-activation")
    done = await t.billing.activate_order("O-1", date(2026, 11, 25), t.refs)
    held = await t.billing.find_subscription("S-O-1", t.refs)
    assert held is not None
    assert (done.status, held.status) == ("completed", "active")
    assert done.lines == data.order().lines


async def test_with_trigger_dates_a_pending_order_is_withdrawn_by_deleting_it() -> None:
    t = await data.start(Tenant(require_service_activation=True), activation="trigger_dates")
    await t.account()
    await t.billing.create_draft(data.order(), t.refs, key="k1")
    assert await t.billing.withdraw_order("O-1", t.refs) is None
    assert await t.billing.find_subscription("S-O-1", t.refs) is None


async def test_with_trigger_dates_a_tenant_that_requires_none_is_found_out_and_nothing_is_left() -> None:
    t = await data.start(activation="trigger_dates")
    await t.account()
    with pytest.raises(Misconfigured) as caught:
        await t.billing.create_draft(data.order(), t.refs, key="k1")
    assert caught.value.code == "service-activation-not-required"
    assert await t.billing.find_order("O-1", t.refs) is None
    assert await t.billing.find_subscription("S-O-1", t.refs) is None


async def test_an_order_number_that_is_taken_by_another_order_is_a_conflict() -> None:
    t = await data.start()
    await t.account()
    first = await t.billing.create_draft(data.order(), t.refs, key="k1")
    assert await t.billing.create_draft(data.order(), t.refs, key="k2") == first
    with pytest.raises(Conflict) as caught:
        await t.billing.create_draft(data.order(subscription_number="S-OTHER"), t.refs, key="k3")
    assert caught.value.code == "order-number-taken"
    assert t.sandbox.effects["order", "O-1"] == 1


async def test_a_wrong_credential_is_told_with_its_fix() -> None:
    t = await data.start()
    wrong = await data.start(sandbox=t.sandbox)
    assert (await wrong.billing.check()).well
    stranger = ZuoraBilling(
        ZuoraClient(data.settings(client_secret="not-the-secret"), SandboxTransport(t.sandbox))
    )
    health = await stranger.check()
    assert not health.well
    assert "client id" in health.fix
