"""JSON keeps every digit, and no float comes in or goes out."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.kit import decimal_json

finite = st.decimals(allow_nan=False, allow_infinity=False)
leaves = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text() | finite
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=25,
)


@given(trees)
def test_what_is_written_is_read_back_exactly(tree: Any) -> None:
    assert decimal_json.loads(decimal_json.dumps(tree)) == tree


@given(trees)
def test_what_is_written_is_json_for_everybody(tree: Any) -> None:
    json.loads(decimal_json.dumps(tree).decode())


@given(st.integers(-(10**12), 10**12), st.integers(1, 12))
def test_trailing_zeros_survive(digits: int, places: int) -> None:
    value = Decimal(digits).scaleb(-places)
    assert decimal_json.loads(decimal_json.dumps([value]))[0].as_tuple() == value.as_tuple()


def test_decimals_are_numbers_without_detour() -> None:
    body = {"price": Decimal("19.90"), "tiny": Decimal("1E-12"), "big": Decimal("1E+3"), "n": 3}
    assert decimal_json.dumps(body) == b'{"price":19.90,"tiny":0.000000000001,"big":1000,"n":3}'
    assert decimal_json.dumps([Decimal("0.1") + Decimal("0.2")]) == b"[0.3]"


def test_dates_are_written_in_iso_form() -> None:
    moment = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
    assert decimal_json.dumps([date(2026, 1, 2), moment]) == b'["2026-01-02","2026-11-24T09:30:00+00:00"]'


@pytest.mark.parametrize("wrong", [0.1, {"a": [0.1]}, [({"b": 1.0},)], object(), {1, 2}])
def test_floats_and_strangers_are_refused(wrong: Any) -> None:
    with pytest.raises(TypeError):
        decimal_json.dumps(wrong)


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), Decimal("-Infinity")])
def test_what_is_no_number_is_refused(value: Decimal) -> None:
    with pytest.raises(ValueError, match="not a JSON number"):
        decimal_json.dumps([value])


@pytest.mark.parametrize(
    "text", [b"", b"{", b'{"a":', b"NaN", b"[Infinity]", b"<html>", b"[" * 100_000, b"\xff\xfe", b"1" * 5000]
)
def test_what_is_not_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- the kind is the promise
        decimal_json.loads(text)


def test_text_that_looks_like_a_marked_number_stays_text() -> None:
    for hostile in (f'{decimal_json._MARK}"', f"{decimal_json._MARK}x", f'"{decimal_json._MARK}1'):
        assert decimal_json.loads(decimal_json.dumps({"a": hostile, "b": Decimal("1.5")}))["a"] == hostile


def test_half_a_character_is_escaped() -> None:
    assert decimal_json.dumps(["\ud83d", "é"]) == b'["\\ud83d","\\u00e9"]'
    assert decimal_json.dumps(["😀"]) == '["😀"]'.encode()
