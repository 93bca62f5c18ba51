"""Keys and numbers: the same business identity always has the same, two never share one, vendors accept them."""

import re
import subprocess
import sys
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.ids import digest, effect_key, fingerprint, idempotency_header, number

texts = st.text(max_size=120)
prefixes = st.from_regex(r"\A[A-Z]{1,4}\Z")


@given(prefixes, texts, texts)
def test_a_number_is_short_plain_and_repeatable(prefix: str, readable: str, key: str) -> None:
    found = number(prefix, readable, key)
    assert re.fullmatch(r"[A-Za-z0-9-]{1,40}", found)
    assert found.startswith(f"{prefix}-")
    assert "--" not in found
    assert not found.endswith("-")
    assert number(prefix, readable, key) == found


@given(st.sets(texts, min_size=2, max_size=60), texts)
def test_two_keys_never_share_a_number_however_alike_the_readable_part(keys: set[str], readable: str) -> None:
    assert len({number("S", readable, key) for key in keys}) == len(keys)


def test_a_hundred_thousand_keys_have_a_hundred_thousand_numbers() -> None:
    keys = [
        f"activation/a0Q5g{i:05d}/r{rev}/n{again}" for i, rev, again in product(range(25_000), "ab", "12")
    ]
    found = {number("ORD", key[:24], key) for key in keys}
    assert len({n.upper() for n in found}) == len(keys) == 100_000


@pytest.mark.parametrize("prefix", ["", "s", "TOOLONG", "A1", "A-"])
def test_a_prefix_is_a_few_capital_letters(prefix: str) -> None:
    with pytest.raises(ValueError, match="capital letters"):
        number(prefix, "x", "key")


def test_the_readable_part_survives_where_it_fits() -> None:
    assert number("SUB", "Q-00017", "k").startswith("SUB-Q-00017-")
    assert number("SUB", "", "k").count("-") == 1
    assert number("SUB", "🚀 \n", "k") == number("SUB", "", "k")
    assert number("SUB", "x" * 200, "k")[-16:] == number("SUB", "", "k")[-16:]


@given(texts, st.integers(0, 10**6))
def test_a_header_changes_with_the_generation_and_with_nothing_else(key: str, generation: int) -> None:
    found = idempotency_header(key, generation)
    assert re.fullmatch(r"rs-[0-9a-f]{37}", found)
    assert found == idempotency_header(key, generation)
    assert found != idempotency_header(key, generation + 1)
    assert found != idempotency_header(f"{key}x", generation)


def test_keys_do_not_depend_on_the_process() -> None:
    here = (number("S", "r", "k"), idempotency_header("k", 1), digest({"b": [1, "ü"], "a": None}))
    code = (
        "from canonical.ids import *\n"
        "print((number('S','r','k'), idempotency_header('k',1), digest({'a': None, 'b': [1, 'ü']})))"
    )
    there = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"}
    )
    assert there.stdout.strip() == str(here)


@given(st.dictionaries(texts, st.one_of(st.none(), st.booleans(), st.integers(), texts), max_size=6))
def test_a_digest_ignores_the_order_of_keys_and_nothing_else(content: dict[str, object]) -> None:
    turned = dict(reversed(content.items()))
    assert digest(turned) == digest(content) == fingerprint(content)
    assert digest({**content, "\0new": 1}) != digest(content)


def test_an_effect_key_names_saga_step_and_direction() -> None:
    assert effect_key("activation/Q1/rabc", "lock-quote/do") == "activation/Q1/rabc/lock-quote/do"
