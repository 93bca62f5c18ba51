"""The payments port: may this stored method be charged off session?"""

from collections.abc import Awaitable, Callable

import pytest

from canonical.failures import Failure
from canonical.payment import MethodCheck
from connectors.kit.world import StoredMethod
from tests.connectors.conformance.bench import Subject, cases, subject, world

pytestmark = cases("payments")


def stored(*, attached: bool = True) -> StoredMethod:
    return next(m for m in world().methods if m.attached is attached)


def ask(at: Subject, method: StoredMethod) -> Callable[[], Awaitable[MethodCheck]]:
    return lambda: at.adapter.check_method(method.gateway_customer, method.payment_method)


async def test_every_method_of_the_book_is_judged_as_it_is(vendor: str) -> None:
    at = await subject("payments", vendor)
    for method in world().methods:
        found = await ask(at, method)()
        assert found.usable is (method.attached and method.off_session), method
        assert bool(found.why) is not found.usable
        assert not found.usable or found.kind == method.kind


async def test_a_stranger_is_an_answer_and_no_exception(vendor: str) -> None:
    at = await subject("payments", vendor)
    method = stored()
    for customer, payment_method in [
        ("cus_nobody", method.payment_method),
        (method.gateway_customer, "pm_nothing"),
        ("cus_nobody", "pm_nothing"),
        ("", ""),
    ]:
        found = await at.adapter.check_method(customer, payment_method)
        assert not found.usable
        assert found.why


async def test_the_method_of_another_customer_is_not_usable(vendor: str) -> None:
    at = await subject("payments", vendor)
    mine, other = [m for m in world().methods if m.attached][:2]
    found = await at.adapter.check_method(mine.gateway_customer, other.payment_method)
    assert not found.usable
    assert found.why


async def test_a_detached_method_is_not_usable(vendor: str) -> None:
    at = await subject("payments", vendor)
    found = await ask(at, stored(attached=False))()
    assert not found.usable
    assert found.why


async def test_a_method_without_consent_is_not_usable(vendor: str) -> None:
    at = await subject("payments", vendor)
    silent = StoredMethod(gateway_customer="cus_present", payment_method="pm_present", off_session=False)
    at.sandbox.seed(world().model_copy(update={"methods": (silent,)}).model_dump(mode="json"))
    found = await ask(at, silent)()
    assert not found.usable
    assert found.why


async def test_asking_changes_nothing(vendor: str) -> None:
    at = await subject("payments", vendor)
    before = at.sandbox.snapshot()["state"]
    for _ in range(2):
        await ask(at, stored())()
    assert not at.effects
    assert at.sandbox.snapshot()["state"] == before


@pytest.mark.parametrize("kind", ["html", "empty", "truncated", "huge", "timeout_before", "status"])
async def test_a_damaged_answer_is_a_failure_and_never_a_verdict(vendor: str, kind: str) -> None:
    at = await subject("payments", vendor)
    at.break_calls(kind, times=-1)
    with pytest.raises(Failure):
        await ask(at, stored())()


async def test_fields_of_a_later_release_change_nothing(vendor: str) -> None:
    at = await subject("payments", vendor)
    before = await ask(at, stored())()
    at.break_calls("unknown_fields", times=-1)
    assert await ask(at, stored())() == before
