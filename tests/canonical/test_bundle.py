"""A package becomes lines that can be billed, and its price arrives on them to the last minor unit."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.bundle import explode
from canonical.failures import Rejected
from canonical.money import Money, total
from canonical.quote import QuoteLine
from tests.builders.quotes import a_bundle, a_line


def _sum(lines: tuple[QuoteLine, ...]) -> Money:
    return total((line.net_total for line in lines), lines[0].net_total.currency)


@st.composite
def trees(draw: st.DrawFn) -> tuple[QuoteLine, ...]:
    """Lines in packages that nest; every package has something that can carry its price."""
    lines: list[QuoteLine] = []
    packages: list[str] = []
    for i in range(draw(st.integers(1, 25))):
        parent = draw(st.sampled_from([None, *packages])) if packages else None
        line_id, net = f"L{i}", Money(minor=draw(st.integers(0, 10**6)), currency="USD")
        listed = Decimal(draw(st.integers(0, 500)))
        if draw(st.booleans()):
            packages.append(line_id)
            package = a_bundle(line_id, parent_line_id=parent, net_total=net, list_unit_price=listed)
            part = a_line(f"{line_id}0000", "TRAINING", 0, parent_line_id=line_id, list_unit_price=listed)
            lines += [package, part]
        else:
            code = draw(st.sampled_from(["SEATS", "TRAINING", "CALLS"]))
            amount = Money.zero("USD") if code == "CALLS" else net
            lines.append(
                a_line(line_id, code, parent_line_id=parent, net_total=amount, list_unit_price=listed)
            )
    return tuple(lines)


@given(trees(), st.randoms(use_true_random=False))
def test_sums_are_exact_and_the_order_of_lines_means_nothing(
    lines: tuple[QuoteLine, ...], dice: object
) -> None:
    found = explode(lines)
    assert _sum(found) == _sum(lines)
    assert {line.line_id for line in found} == {line.line_id for line in lines if not line.bundle}
    assert all(line.net_total.minor >= 0 for line in found)
    assert [line.number for line in found] == sorted(line.number for line in found)
    turned = list(lines)
    dice.shuffle(turned)  # type: ignore[attr-defined]
    assert _sum(explode(turned)) == _sum(found)


@given(trees())
def test_usage_takes_no_share(lines: tuple[QuoteLine, ...]) -> None:
    assert not any(line.net_total for line in explode(lines) if line.product_code == "CALLS")


@given(st.integers(0, 10**9), st.lists(st.integers(1, 10**5), min_size=3, max_size=3))
def test_a_bundle_of_three_yields_three_lines_by_largest_remainder(minor: int, listed: list[int]) -> None:
    price = Money(minor=minor, currency="USD")
    parts = [
        a_line(f"L{i}", net=0, parent_line_id="B0", list_unit_price=Decimal(weight))
        for i, weight in enumerate(listed, 1)
    ]
    found = explode([a_bundle("B0", net_total=price), *parts])
    assert len(found) == 3
    assert _sum(found) == price
    for line, weight in zip(found, listed, strict=True):
        assert abs(line.net_total.minor - Fraction(minor * weight, sum(listed))) < 1


def test_shares_follow_list_value_and_the_unit_price_follows_the_share() -> None:
    parts = (
        a_line("L1", net=0, parent_line_id="B0", quantity=Decimal(2), list_unit_price=Decimal(300)),
        a_line("L2", "TRAINING", 0, parent_line_id="B0", list_unit_price=Decimal(400)),
        a_line("L3", "CALLS", parent_line_id="B0", list_unit_price=Decimal(999)),
    )
    found = explode((a_bundle("B0", 500), *parts))
    assert [(str(x.net_total), x.net_unit_price) for x in found[:2]] == [
        ("300.00 USD", Decimal(150)),
        ("200.00 USD", Decimal(200)),
    ]
    assert found[2] == parts[2]


def test_without_list_values_components_share_equally() -> None:
    parts = [a_line(f"L{i}", net=0, parent_line_id="B0") for i in (1, 2, 3)]
    assert [line.net_total.minor for line in explode([a_bundle("B0", 1), *parts])] == [34, 33, 33]


def test_components_with_prices_of_their_own_keep_them() -> None:
    parts = [a_line(f"L{i}", net=10 * i, parent_line_id="B0") for i in (1, 2)]
    assert [line.net_total.minor for line in explode([a_bundle("B0"), *parts])] == [1000, 2000]


def test_a_nested_package_weighs_what_its_components_weigh() -> None:
    lines = (
        a_bundle("B0", 900),
        a_bundle("B1", parent_line_id="B0"),
        a_line("L2", net=0, parent_line_id="B1", list_unit_price=Decimal(200)),
        a_line("L3", net=0, parent_line_id="B0", list_unit_price=Decimal(100)),
    )
    assert {x.line_id: x.net_total.minor for x in explode(lines)} == {"L2": 60000, "L3": 30000}


def test_a_nested_package_with_a_list_price_of_its_own_weighs_that() -> None:
    lines = (
        a_bundle("B0", 900),
        a_bundle("B1", parent_line_id="B0", list_unit_price=Decimal(50)),
        a_line("L2", net=0, parent_line_id="B1", list_unit_price=Decimal(200)),
        a_line("L3", net=0, parent_line_id="B0", list_unit_price=Decimal(100)),
    )
    assert {x.line_id: x.net_total.minor for x in explode(lines)} == {"L2": 30000, "L3": 60000}


def test_a_nested_package_of_usage_leaves_the_price_to_the_others() -> None:
    lines = (
        a_bundle("B0", 900),
        a_bundle("B1", parent_line_id="B0", list_unit_price=Decimal(50)),
        a_line("L2", "CALLS", parent_line_id="B1"),
        a_line("L3", net=0, parent_line_id="B0"),
    )
    assert {x.line_id: x.net_total.minor for x in explode(lines)} == {"L2": 0, "L3": 90000}


def test_lines_below_a_line_that_is_no_package_keep_to_themselves() -> None:
    lines = (a_line("L1", net=100), a_line("L2", net=7, parent_line_id="L1"))
    assert [line.net_total.minor for line in explode(lines)] == [10000, 700]


def test_packages_may_nest_deeper_than_a_program_may_call() -> None:
    deep = 4000
    lines = [a_bundle("B0", 1234)]
    lines += [a_bundle(f"B{i}", parent_line_id=f"B{i - 1}") for i in range(1, deep)]
    lines.append(a_line("L9999", net=0, parent_line_id=f"B{deep - 1}"))
    assert [line.net_total.minor for line in explode(lines)] == [123400]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ((a_bundle("B0", 100),), "bundle-empty"),
        ((a_bundle("B0", 100), a_line("L1", "CALLS", parent_line_id="B0")), "bundle-empty"),
        ((a_bundle("B0", 1, parent_line_id="B1"), a_bundle("B1", 1, parent_line_id="B0")), "bundle-cycle"),
        ((a_line("L1", parent_line_id="L1"),), "bundle-cycle"),
        ((a_line("L1"), a_bundle("B2", 5, parent_line_id="B2")), "bundle-cycle"),
        ((a_line("L1"), a_line("L1")), "line-repeated"),
    ],
)
def test_what_cannot_be_shared_out_is_refused_by_name(lines: tuple[QuoteLine, ...], code: str) -> None:
    with pytest.raises(Rejected) as refused:
        explode(lines)
    assert refused.value.code == code
    assert refused.value.field
    assert refused.value.fix


def test_an_empty_package_without_a_price_is_nothing() -> None:
    assert explode([a_bundle("B0"), a_line("L1")]) == (a_line("L1"),)
    assert explode([]) == ()
