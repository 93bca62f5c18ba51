"""Money is exact: nothing is lost in a sum, a split or a round trip, and a float never gets in."""

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from canonical.failures import Rejected
from canonical.money import EXPONENTS, Exact, Money, exponent, extend, half_away, price, total
from tests.builders.quotes import currencies, moneys

exact = TypeAdapter[Decimal](Exact)
decimals = st.decimals(-(10**12), 10**12, allow_nan=False, allow_infinity=False, places=12)


@given(moneys)
def test_the_amount_and_the_minor_units_say_the_same(money: Money) -> None:
    assert Money.exactly(money.amount, money.currency) == money
    assert Money.exactly(str(money.amount), money.currency) == money
    assert -money.amount.as_tuple().exponent == exponent(money.currency)  # type: ignore[operator]


@given(st.integers(), currencies)
def test_amounts_of_any_size_stay_exact(minor: int, currency: str) -> None:
    money = Money(minor=minor * 10**40 + 1, currency=currency)
    assert Fraction(money.amount) * 10 ** exponent(currency) == money.minor


@given(st.lists(st.integers(-(10**12), 10**12)))
def test_sums_are_sums_of_minor_units(minors: list[int]) -> None:
    amounts = [Money(minor=m, currency="USD") for m in minors]
    assert total(amounts, "USD").minor == sum(minors)
    assert total(reversed(amounts), "USD") == total(amounts, "USD")


@given(moneys, moneys)
def test_plus_and_minus_undo_each_other_and_two_currencies_never_mix(a: Money, b: Money) -> None:
    if a.currency == b.currency:
        assert a + b - b == a
        assert (a < b) == (a.minor < b.minor)
        assert (a <= b) == (a.minor <= b.minor)
        assert a + -a == Money.zero(a.currency)
        return
    for mix in (lambda: a + b, lambda: a - b, lambda: a < b, lambda: a <= b):
        with pytest.raises(Rejected) as refused:
            mix()
        assert refused.value.code == "currency-mismatch"


@pytest.mark.parametrize(
    ("value", "rounded"),
    [
        ("2.5", 3),
        ("-2.5", -3),
        ("0.5", 1),
        ("-0.5", -1),
        ("2.4999999", 2),
        ("1.5", 2),
        ("-1.4", -1),
        ("0", 0),
    ],
)
def test_halves_go_away_from_zero(value: str, rounded: int) -> None:
    assert half_away(Fraction(value)) == rounded
    assert Money.rounded(Decimal(value), "JPY").minor == rounded


@given(st.fractions(-(10**6), 10**6))
def test_rounding_is_symmetric_and_off_by_half_at_most(value: Fraction) -> None:
    assert half_away(-value) == -half_away(value)
    assert abs(half_away(value) - value) <= Fraction(1, 2)


@given(decimals, decimals)
def test_a_price_becomes_money_in_one_rounding(unit: Decimal, quantity: Decimal) -> None:
    assert extend(unit, quantity, "KWD").minor == half_away(Fraction(unit) * Fraction(quantity) * 1000)


@given(st.fractions(-(10**9), 10**9))
def test_a_unit_price_keeps_twelve_decimals(value: Fraction) -> None:
    found = price(value)
    assert abs(Fraction(found) - value) <= Fraction(1, 2 * 10**12)
    assert price(found) == found
    assert int(found.as_tuple().exponent) >= -12


@given(moneys, st.lists(st.integers(0, 10**6), min_size=1, max_size=30).filter(any))
def test_a_split_sums_back_and_is_fair(money: Money, weights: list[int]) -> None:
    parts = money.split(weights)
    assert total(parts, money.currency) == money
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part.minor - Fraction(money.minor) * weight / sum(weights)) < 1
        assert weight or not part
    assert money.split([w * 7 for w in weights]) == parts


@given(moneys, st.lists(st.integers(1, 50), min_size=2, max_size=12))
def test_a_larger_weight_never_gets_less_and_ties_go_to_the_earlier(money: Money, weights: list[int]) -> None:
    parts = money.split(weights)
    for i, w in enumerate(weights):
        for j in range(i + 1, len(weights)):
            if w >= weights[j]:
                assert abs(parts[i].minor) >= abs(parts[j].minor)


def test_split_examples() -> None:
    thirds = Money(minor=100, currency="USD").split([1, 1, 1])
    assert [m.minor for m in thirds] == [34, 33, 33]
    assert [m.minor for m in Money(minor=-100, currency="USD").split([1, 1, 1])] == [-34, -33, -33]
    assert [m.minor for m in Money(minor=5, currency="JPY").split([Decimal("0.1"), Fraction(3, 10)])] == [
        1,
        4,
    ]


@pytest.mark.parametrize("weights", [[], [0, 0], [1, -1]])
def test_a_split_that_means_nothing_is_refused(weights: list[int]) -> None:
    with pytest.raises(Rejected) as refused:
        Money(minor=1, currency="USD").split(weights)
    assert refused.value.code == "weights-invalid"


@pytest.mark.parametrize(
    "amount", ["0.001", "1e-9", "NaN", "Infinity", "-Infinity", "sNaN", "abc", "", "1E+999999"]
)
def test_an_amount_that_is_not_whole_minor_units_is_refused(amount: str) -> None:
    with pytest.raises(Rejected) as refused:
        Money.exactly(amount, "USD")
    assert (refused.value.code, refused.value.field) == ("amount-not-exact", "amount")
    assert "2 decimals" in (refused.value.fix or "")


@pytest.mark.parametrize("currency", ["XTS", "usd", "", "BTC"])
def test_a_currency_without_minor_units_is_refused_by_name(currency: str) -> None:
    with pytest.raises(Rejected) as refused:
        Money.exactly(1, currency)
    assert refused.value.code == "currency-unknown"
    assert repr(currency) in refused.value.message
    with pytest.raises(ValidationError, match="minor-unit data"):
        Money(minor=1, currency=currency)


def test_the_table_of_currencies() -> None:
    assert {EXPONENTS[c] for c in ("JPY", "KRW", "ISK", "VND")} == {0}
    assert {EXPONENTS[c] for c in ("USD", "EUR", "GBP", "CAD", "CHF")} == {2}
    assert {EXPONENTS[c] for c in ("KWD", "BHD", "TND")} == {3}
    assert str(Money(minor=-123456, currency="USD")) == "-1,234.56 USD"
    assert str(Money(minor=1234, currency="JPY")) == "1,234 JPY"
    assert str(Money(minor=5, currency="KWD")) == "0.005 KWD"


@given(st.floats())
def test_no_float_gets_in(value: float) -> None:
    as_any: Any = value
    for attempt in (
        lambda: Money(minor=as_any, currency="USD"),
        lambda: exact.validate_python(as_any),
    ):
        with pytest.raises(ValidationError):
            attempt()
    with pytest.raises(Rejected):
        Money.exactly(as_any, "USD")
    money = Money(minor=1, currency="USD")
    for wrong in (
        lambda: Money.rounded(as_any, "USD"),
        lambda: price(as_any),
        lambda: extend(as_any, Decimal(1), "USD"),
        lambda: extend(Decimal(1), as_any, "USD"),
        lambda: money.split([as_any]),
    ):
        with pytest.raises(TypeError, match="float"):
            wrong()


@pytest.mark.parametrize("text", ["1.5", "true", '"12"', "1e2"])
def test_minor_units_in_json_are_whole_numbers(text: str) -> None:
    with pytest.raises(ValidationError):
        Money.model_validate_json(f'{{"minor": {text}, "currency": "USD"}}')


@pytest.mark.parametrize("value", [True, "NaN", "Infinity", "1E+41", "1E-41", "x"])
def test_an_exact_number_is_a_number(value: object) -> None:
    with pytest.raises(ValidationError):
        exact.validate_python(value)


@given(decimals, st.integers(0, 6))
def test_equal_numbers_travel_as_equal_text(value: Decimal, zeros: int) -> None:
    padded = Decimal(f"{value:f}" + "0" * zeros) if "." in f"{value:f}" else value
    assert padded == value
    text = exact.dump_json(padded)
    assert text == exact.dump_json(value)
    assert exact.validate_python(json.loads(text)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [("-0", "0"), ("0E+5", "0"), ("1E+2", "100"), ("1.500", "1.5"), ("0.00", "0"), ("-1.0", "-1")],
)
def test_plain_text_examples(value: str, text: str) -> None:
    assert exact.dump_json(Decimal(value)) == f'"{text}"'.encode()
