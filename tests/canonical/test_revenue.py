"""The transaction price reaches the obligations by relative stand-alone selling price, exactly."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from canonical.failures import Rejected
from canonical.money import Money, total
from canonical.revenue import Promise, RevenueContract, allocate


def _promise(n: int, stated: int, ssp: int | None, currency: str = "USD") -> Promise:
    return Promise(
        lineage_id=f"L{n}",
        obligation=f"P:L{n}",
        pattern="straight-line",
        stated=Money(minor=stated, currency=currency),
        ssp=None if ssp is None else Money(minor=ssp, currency=currency),
    )


def _allocated(contract: RevenueContract) -> list[int]:
    return [e.allocated.minor for e in contract.elements]


rows = st.lists(st.tuples(st.integers(-(10**6), 10**9), st.none() | st.integers(0, 10**9)), max_size=20)


@given(rows)
def test_allocated_amounts_sum_to_the_price(found: list[tuple[int, int | None]]) -> None:
    promises = [_promise(i, stated, ssp) for i, (stated, ssp) in enumerate(found)]
    contract = allocate("C1", promises, "USD")
    assert total((e.allocated for e in contract.elements), "USD") == contract.price
    assert contract.price.minor == sum(stated for stated, _ in found)
    assert [e.lineage_id for e in contract.elements] == [p.lineage_id for p in promises]
    assert [e.ssp_observed for e in contract.elements] == [ssp is not None for _, ssp in found]
    assert RevenueContract.model_validate_json(contract.model_dump_json()) == contract


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(1, 10**9)), min_size=1, max_size=20))
def test_each_share_is_its_relative_price_to_the_unit(found: list[tuple[int, int]]) -> None:
    contract = allocate("C1", [_promise(i, s, p) for i, (s, p) in enumerate(found)], "USD")
    price, ssps = sum(s for s, _ in found), sum(p for _, p in found)
    for (_, ssp), minor in zip(found, _allocated(contract), strict=True):
        assert abs(minor - Fraction(price * ssp, ssps)) < 1


@pytest.mark.parametrize(
    ("found", "allocated"),
    [
        ([(9000, 10000), (1000, 10000)], [5000, 5000]),  # the discount belongs to both
        ([(100, 1), (0, 1), (0, 1)], [34, 33, 33]),  # a tie goes to the earlier line
        ([(500, None), (500, 1500)], [250, 750]),  # the stated price stands for a missing one
        ([(100, 0), (100, 0)], [100, 100]),  # nothing to weigh by: the stated prices stay
        ([(0, None), (700, None)], [0, 700]),
        ([(0, 300), (0, 100)], [0, 0]),
        ([], []),
    ],
)
def test_allocation_examples(found: list[tuple[int, int | None]], allocated: list[int]) -> None:
    assert _allocated(allocate("C", [_promise(i, *f) for i, f in enumerate(found)], "USD")) == allocated


def test_a_contract_that_does_not_sum_cannot_exist() -> None:
    contract = allocate("C1", [_promise(1, 100, 100)], "USD")
    with pytest.raises(ValidationError, match="do not sum"):
        RevenueContract.model_validate({**contract.model_dump(), "price": Money(minor=99, currency="USD")})
    with pytest.raises(ValidationError, match="do not sum"):
        RevenueContract(contract_id="C", currency="USD", price=Money(minor=1, currency="USD"), elements=())


def test_two_currencies_in_one_contract_are_refused() -> None:
    with pytest.raises(Rejected) as refused:
        allocate("C1", [_promise(1, 100, 100), _promise(2, 100, 100, "EUR")], "USD")
    assert refused.value.code == "currency-mismatch"
