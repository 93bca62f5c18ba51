"""The billing port: accounts, orders, subscriptions."""

from collections.abc import Awaitable
from datetime import date

import pytest

from canonical.comparison import compare_order, compare_subscription
from canonical.failures import Conflict, Failure, Misconfigured, Rejected
from canonical.mapping import MappingSet
from tests.connectors.conformance.agreed import NUMBERS, ON, Agreed, agreed
from tests.connectors.conformance.bench import LOST, Step, Subject, cases, losing_answers, subject

pytestmark = cases("billing")
HELD = ("draft", "pending")


async def account(at: Subject, what: Agreed) -> None:
    await at.adapter.create_account(what.account, key=f"rs-account-{what.account.number}")


async def draft(at: Subject, what: Agreed) -> None:
    await at.adapter.create_draft(what.plan, at.refs, key=f"rs-order-{what.plan.order_number}")


async def activate(at: Subject, what: Agreed) -> None:
    await account(at, what)
    await draft(at, what)
    await at.adapter.activate_order(what.plan.order_number, what.plan.term.start, at.refs)


async def test_absent_is_none(vendor: str) -> None:
    at = await subject("billing", vendor)
    assert await at.adapter.find_account("A-NOBODY") is None
    assert await at.adapter.find_order("O-NOTHING", at.refs) is None
    assert await at.adapter.find_subscription("S-NOTHING", at.refs) is None
    assert await at.adapter.cancel_account("A-NOBODY") is None
    assert await at.adapter.withdraw_order("O-NOTHING", at.refs) is None
    assert not at.effects


async def test_references_cover_the_price_list(vendor: str) -> None:
    at = await subject("billing", vendor)
    for number in NUMBERS:
        for line in agreed(number).plan.lines:
            assert at.refs.id("plan", line.plan_code)
            assert at.refs.id("charge", line.charge_code)


# Accounts


@pytest.mark.parametrize("number", [1, 2, 3, 5, 35])
async def test_an_account_reads_back_equal(vendor: str, number: int) -> None:
    at = await subject("billing", vendor)
    what = agreed(number)
    made = await at.adapter.create_account(what.account, key="rs-1")
    assert made.account_id
    assert (made.autopay, made.payment_reference) == (False, None)
    assert made.model_copy(update={"account_id": "", "status": "active"}) == what.account
    assert await at.adapter.find_account(what.account.number) == made
    assert (await at.adapter.account_use(what.account.number)).unused


async def test_the_same_key_makes_one_account(vendor: str) -> None:
    at = await subject("billing", vendor)
    what = agreed(1)
    first, second = [await at.adapter.create_account(what.account, key="rs-1") for _ in range(2)]
    assert first == second
    at.no_effect_twice()
    # A new generation of the key finds the account that an earlier one made.
    assert await at.adapter.create_account(what.account, key="rs-2") == first
    at.no_effect_twice()


async def test_a_taken_number_with_another_content_is_a_conflict(vendor: str) -> None:
    at = await subject("billing", vendor)
    what = agreed(1)
    await at.adapter.create_account(what.account, key="rs-1")
    other = what.account.model_copy(update={"name": "Somebody else"})
    with pytest.raises(Conflict):
        await at.adapter.create_account(other, key="rs-2")
    at.no_effect_twice()
    found = await at.adapter.find_account(what.account.number)
    assert found is not None
    assert found.name == what.account.name


async def test_a_payment_reference_is_set_and_cleared(vendor: str) -> None:
    at = await subject("billing", vendor)
    what = agreed(3)
    await account(at, what)
    reference = what.deal.quote.payment.payment_method or "pm_opaque"
    for value in (reference, reference, None, None, reference):
        made = await at.adapter.set_payment_reference(what.account.number, value, key=f"rs-{value}")
        assert (made.payment_reference, made.autopay) == (value, False)
        found = await at.adapter.find_account(what.account.number)
        assert found is not None
        assert found.payment_reference == value


async def test_an_unused_account_is_cancelled_once(vendor: str) -> None:
    at = await subject("billing", vendor)
    what = agreed(1)
    await account(at, what)
    for _ in range(2):
        left = await at.adapter.cancel_account(what.account.number)
        assert left is None or left.status == "cancelled"
    at.no_effect_twice()


# Orders


@pytest.mark.parametrize("number", NUMBERS)
async def test_a_preview_is_the_whole_term_and_creates_nothing(vendor: str, number: int) -> None:
    at = await subject("billing", vendor)
    what = agreed(number)
    await account(at, what)
    before = at.effects
    preview = await at.adapter.preview_order(what.plan, at.refs)
    assert preview.currency == what.plan.currency
    assert preview.term_total == what.deal.quote.net_total
    lineages = {line.lineage_id for line in what.plan.lines}
    assert all(line.lineage_id in lineages for invoice in preview.invoices for line in invoice.lines)
    assert at.effects == before
    assert await at.adapter.find_order(what.plan.order_number, at.refs) is None


@pytest.mark.parametrize("number", NUMBERS)
async def test_a_draft_is_held_and_reads_back_as_agreed(vendor: str, number: int) -> None:
    at = await subject("billing", vendor)
    what = agreed(number)
    await account(at, what)
    made = await at.adapter.create_draft(what.plan, at.refs, key="rs-order")
    assert made.status in HELD
    assert await at.adapter.find_order(what.plan.order_number, at.refs) == made
    preview = await at.adapter.preview_order(what.plan, at.refs)
    assert compare_order(what.deal.quote, what.plan, preview, made) == ()
    subscription = await at.adapter.find_subscription(what.plan.subscription_number, at.refs)
    assert subscription is None or subscription.status not in ("active", "unknown")
    assert not (await at.adapter.account_use(what.account.number)).unused


async def test_the_same_key_makes_one_order(vendor: str) -> None:
    at = await subject("billing", vendor)
    what = agreed(2)
    await account(at, what)
    first, second = [await at.adapter.create_draft(what.plan, at.refs, key="rs-1") for _ in range(2)]
    assert first == second
    assert await at.adapter.create_draft(what.plan, at.refs, key="rs-2") == first
    at.no_effect_twice()


async def test_a_taken_order_number_with_another_content_is_a_conflict(vendor: str) -> None:
    at = await subject("billing", vendor)
    what = agreed(2)
    await account(at, what)
    await draft(at, what)
    other = what.plan.model_copy(update={"lines": what.plan.lines[:1]})
    with pytest.raises(Conflict):
        await at.adapter.create_draft(other, at.refs, key="rs-other")
    at.no_effect_twice()


@pytest.mark.parametrize("number", [1, 2, 5])
async def test_a_draft_is_withdrawn_once(vendor: str, number: int) -> None:
    at = await subject("billing", vendor)
    what = agreed(number)
    await account(at, what)
    await draft(at, what)
    for _ in range(2):
        left = await at.adapter.withdraw_order(what.plan.order_number, at.refs)
        assert left is None or left.status == "cancelled"
    at.no_effect_twice()
    left = await at.adapter.cancel_account(what.account.number)
    assert left is None or left.status == "cancelled"


@pytest.mark.parametrize("number", NUMBERS)
async def test_an_activated_order_is_the_agreed_subscription(vendor: str, number: int) -> None:
    at = await subject("billing", vendor)
    what = agreed(number)
    await account(at, what)
    await draft(at, what)
    for _ in range(2):
        done = await at.adapter.activate_order(what.plan.order_number, what.plan.term.start, at.refs)
        assert done.status == "completed"
    at.no_effect_twice()
    held = await at.adapter.find_subscription(what.plan.subscription_number, at.refs)
    assert held is not None
    assert compare_subscription(what.plan, held) == ()


async def test_what_is_active_is_neither_withdrawn_nor_cancelled(vendor: str) -> None:
    at = await subject("billing", vendor)
    what = agreed(1)
    await activate(at, what)
    before = at.effects
    with pytest.raises(Rejected) as caught:
        await at.adapter.withdraw_order(what.plan.order_number, at.refs)
    assert caught.value.code == "order-active"
    use = await at.adapter.account_use(what.account.number)
    assert what.plan.subscription_number in use.subscriptions
    with pytest.raises((Conflict, Rejected)):
        await at.adapter.cancel_account(what.account.number)
    assert at.effects == before
    held = await at.adapter.find_subscription(what.plan.subscription_number, at.refs)
    assert held is not None
    assert held.status == "active"


async def test_a_withdrawn_order_is_not_activated(vendor: str) -> None:
    at = await subject("billing", vendor)
    what = agreed(1)
    await account(at, what)
    await draft(at, what)
    await at.adapter.withdraw_order(what.plan.order_number, at.refs)
    with pytest.raises(Failure):
        await at.adapter.activate_order(what.plan.order_number, date(2026, 2, 1), at.refs)
    assert await at.adapter.find_subscription(what.plan.subscription_number, at.refs) is None


async def test_a_code_without_mapping_is_named_and_nothing_is_written(vendor: str) -> None:
    at = await subject("billing", vendor)
    what = agreed(1)
    await account(at, what)
    before = at.effects
    nothing = MappingSet(vendor=vendor)
    with pytest.raises(Misconfigured) as caught:
        await at.adapter.create_draft(what.plan, nothing, key="rs-1")
    assert caught.value.code == "mapping-missing"
    with pytest.raises(Misconfigured):
        await at.adapter.preview_order(what.plan, nothing)
    assert at.effects == before


# What goes wrong on the way


def steps(what: Agreed, *undo: Step) -> tuple[Step, ...]:
    """Account and draft, and then what is given."""
    return (lambda at: account(at, what), lambda at: draft(at, what), *undo)


@pytest.mark.parametrize("kind", LOST)
async def test_a_lost_answer_on_the_way_to_active(vendor: str, kind: str) -> None:
    what = agreed(2)

    def finish(at: Subject) -> Awaitable[object]:
        done: Awaitable[object] = at.adapter.activate_order(what.plan.order_number, ON, at.refs)
        return done

    async for at in losing_answers("billing", vendor, kind, steps(what, finish)):
        held = await at.adapter.find_subscription(what.plan.subscription_number, at.refs)
        assert held is not None
        assert compare_subscription(what.plan, held) == ()


@pytest.mark.parametrize("kind", LOST)
async def test_a_lost_answer_on_the_way_back(vendor: str, kind: str) -> None:
    what = agreed(2)

    async def back(at: Subject) -> None:
        await at.adapter.withdraw_order(what.plan.order_number, at.refs)

    async def away(at: Subject) -> None:
        await at.adapter.cancel_account(what.account.number)

    async for at in losing_answers("billing", vendor, kind, steps(what, back, away)):
        left = await at.adapter.find_account(what.account.number)
        assert left is None or left.status == "cancelled"
        order = await at.adapter.find_order(what.plan.order_number, at.refs)
        assert order is None or order.status == "cancelled"


@pytest.mark.parametrize("kind", LOST)
async def test_a_lost_answer_to_a_payment_reference(vendor: str, kind: str) -> None:
    what = agreed(2)

    async def store(at: Subject) -> None:
        await at.adapter.set_payment_reference(what.account.number, "pm_opaque", key="rs-1")

    async for at in losing_answers("billing", vendor, kind, (lambda at: account(at, what), store)):
        found = await at.adapter.find_account(what.account.number)
        assert found is not None
        assert found.payment_reference == "pm_opaque"


async def test_a_stored_refusal_ends_with_the_next_generation(vendor: str) -> None:
    at = await subject("billing", vendor)
    what = agreed(1)
    await account(at, what)
    probe = await subject("billing", vendor)
    await account(probe, what)
    calls = len(probe.sandbox.log)
    await draft(probe, what)
    call = next(entry for entry in list(probe.sandbox.log)[calls:] if entry["key"] is not None)
    at.break_calls("status", f"^{call['method']} {call['path']}$", status=503, stored=True)
    for _ in range(2):
        # The vendor may have stored its refusal, and then plays it again to the same key.
        with pytest.raises(Failure):
            await at.adapter.create_draft(what.plan, at.refs, key="rs-1")
        if at.manifest.capabilities["billing"].stores_failures is False:
            break
    assert (await at.adapter.create_draft(what.plan, at.refs, key="rs-2")).status in HELD
    at.no_effect_twice()


@pytest.mark.parametrize("kind", ["html", "empty", "truncated", "huge", "timeout_before", "status"])
async def test_a_damaged_answer_never_means_absent(vendor: str, kind: str) -> None:
    at = await subject("billing", vendor)
    what = agreed(2)
    await account(at, what)
    await draft(at, what)
    at.break_calls(kind, times=-1)
    with pytest.raises(Failure):
        await at.adapter.find_account(what.account.number)
    with pytest.raises(Failure):
        await at.adapter.find_order(what.plan.order_number, at.refs)
    with pytest.raises(Failure):
        await at.adapter.find_subscription(what.plan.subscription_number, at.refs)
    with pytest.raises(Failure):
        await at.adapter.account_use(what.account.number)
    with pytest.raises(Failure):
        await at.adapter.preview_order(what.plan, at.refs)


async def test_fields_of_a_later_release_change_nothing(vendor: str) -> None:
    at = await subject("billing", vendor)
    what = agreed(2)
    at.break_calls("unknown_fields", times=-1)
    await activate(at, what)
    held = await at.adapter.find_subscription(what.plan.subscription_number, at.refs)
    assert held is not None
    assert compare_subscription(what.plan, held) == ()
    assert (await at.adapter.preview_order(what.plan, at.refs)).term_total == what.deal.quote.net_total
