"""A subscription moves only along declared transitions, and a change adds a version."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from canonical.catalog import ChargeType, Frequency
from canonical.failures import Conflict
from canonical.money import Money
from canonical.states import Machine
from canonical.subscription import (
    MACHINE,
    Subscription,
    SubscriptionItem,
    SubscriptionState,
    SubscriptionVersion,
)
from tests.builders.quotes import YEAR

names = st.sampled_from("abcdef")
machines = st.dictionaries(names, st.frozensets(names)).map(lambda moves: Machine("thing", moves))


def a_version(number: int = 1, effective: date = YEAR.start) -> SubscriptionVersion:
    item = SubscriptionItem(
        lineage_id="L1", charge_number="C1", product_code="SEATS", type=ChargeType.RECURRING,
        frequency=Frequency.MONTHLY, quantity=Decimal(5), unit_price=Decimal(10),
        term_total=Money.exactly(600, "USD"), period=YEAR, obligation="SEATS:L1",
    )  # fmt: skip
    return SubscriptionVersion(
        number=number, effective=effective, cause="activation/Q1/r1", term=YEAR, items=(item,)
    )


def a_subscription(state: SubscriptionState = SubscriptionState.PENDING) -> Subscription:
    return Subscription(
        subscription_number="S1", customer_id="C1", entity="US-INC", currency="USD", correlation_id="c",
        quote_id="Q1", state=state, versions=(a_version(),),
    )  # fmt: skip


@given(machines, st.lists(names, max_size=30))
def test_random_orders_never_take_an_illegal_move(machine: Machine, wanted: list[str]) -> None:
    state = "a"
    for target in wanted:
        legal = target == state or target in machine.moves.get(state, frozenset())
        assert machine.allows(state, target) == legal
        if legal:
            state = machine.move(state, target)
            assert state == target
            continue
        with pytest.raises(Conflict) as refused:
            machine.move(state, target)
        assert refused.value.code == "thing-transition-illegal"
        assert f"from {state} to {target}" in refused.value.message
        assert all(name in (refused.value.fix or "") for name in machine.moves.get(state, ()))


@given(st.lists(st.sampled_from(SubscriptionState), max_size=30))
def test_a_subscription_refuses_what_its_machine_refuses(wanted: list[SubscriptionState]) -> None:
    held = a_subscription()
    for state in wanted:
        if MACHINE.allows(held.state, state):
            held = held.to(state)
            assert held.state is state
        else:
            before = held
            with pytest.raises(Conflict) as refused:
                held.to(state)
            assert refused.value.code == "subscription-transition-illegal"
            assert held == before


def test_the_declared_moves_and_no_others() -> None:
    assert MACHINE.states == frozenset(SubscriptionState)
    moves = {(a, b) for a in SubscriptionState for b in SubscriptionState if a != b and MACHINE.allows(a, b)}
    assert {f"{a}>{b}" for a, b in moves} == {
        "pending>active", "pending>cancelled", "active>suspended", "active>cancelled", "active>expired",
        "suspended>active", "suspended>cancelled", "suspended>expired",
    }  # fmt: skip


@pytest.mark.parametrize("state", [SubscriptionState.CANCELLED, SubscriptionState.EXPIRED])
def test_what_is_over_stays_over(state: SubscriptionState) -> None:
    assert a_subscription(state).to(state).state is state
    with pytest.raises(Conflict) as refused:
        a_subscription(state).to(SubscriptionState.ACTIVE)
    assert "it is final" in (refused.value.fix or "")


def test_a_change_adds_a_version_and_the_old_one_stays() -> None:
    before = a_subscription()
    after = before.with_version(a_version(2, date(2026, 7, 1)))
    assert before.versions == after.versions[:1]
    assert after.at(date(2025, 12, 31)) is None
    assert [after.at(day).number for day in (YEAR.start, date(2026, 6, 30), date(2026, 7, 1))] == [1, 1, 2]  # type: ignore[union-attr]


@pytest.mark.parametrize("number", [1, 3])
def test_versions_are_numbered_without_a_gap(number: int) -> None:
    with pytest.raises(ValidationError, match="without a gap"):
        a_subscription().with_version(a_version(number))
