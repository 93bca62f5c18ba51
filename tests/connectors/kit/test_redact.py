"""Credentials and card numbers never reach evidence, cases or logs."""

import io
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.kit.redact import RedactingFilter, is_card, luhn, redact, redact_headers, register_secret


@pytest.mark.parametrize(
    ("text", "canary"),
    [
        ("Authorization: Bearer 6d151216ef504f65b8ff6e9e9e8356d3", "6d151216"),
        ("authorization: basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNz"),
        ('OAuth realm="1", oauth_token="tok1234567", oauth_signature="abc%3D"', "tok1234567"),
        ("key sk_live_4eC39HqLyjWDarjtT1zdp7dc leaked", "4eC39HqLyjW"),
        ("whsec_abcdefgh12345678", "abcdefgh1234"),
        ("jwt eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "eyJzdWIi"),
        ("session 00D5e000001AbCd!AQEAQHb.3xYz_12", "AQEAQHb"),
        ("a=1&client_secret=hunter22&b=2", "hunter22"),
        ('{"password": "hun\\"ter22", "a": 1}', "ter22"),
        ('{"access_token":"cut-off-before-the-quote', "cut-off"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----", "MIIEow"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEvQ and then the log line ends", "MIIEvQ"),
        ("card 4242424242424242 declined", "4242424242"),
        ("card 4242 4242 4242 4242", "4242 4242"),
        ("amex 3782-822463-10005", "822463"),
        ("mastercard 5555555555554444", "55555555"),
        ("visa debit 4000056655665556.", "400005665"),
    ],
)
def test_what_must_not_be_seen_is_not_seen(text: str, canary: str) -> None:
    assert canary in text
    assert canary not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "order O-00000123 for 1,099.00 USD on 2026-11-24",
        "invoice 4242424242424241 has no valid check digit",
        "20261124220000 is a time",
        "Basic plan, Bearer of news",
        "id 8ad09b7d81b2c1b90181c0b7d81b2c1b",
        "quantity 12345678901234567890123456789",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert redact(text) == text


@given(st.text(alphabet="0123456789", min_size=13, max_size=19))
def test_a_number_is_masked_exactly_when_it_looks_like_a_card(digits: str) -> None:
    assert (digits not in redact(f"no {digits}.")) == is_card(digits)
    assert not is_card(digits) or luhn(digits)


def test_a_registered_secret_inside_another_leaves_nothing_behind() -> None:
    register_secret("canary-1234")
    register_secret("canary-1234-and-longer")
    assert redact("x canary-1234-and-longer y") == "x [redacted] y"
    register_secret("USD")
    assert redact("10 USD") == "10 USD"


def test_headers_keep_their_names_only() -> None:
    shown = redact_headers({"Authorization": "x1", "Cookie": "y2", "X-Id": "7", "X-Note": "Bearer abcdefgh"})
    assert shown == {
        "Authorization": "[redacted]",
        "Cookie": "[redacted]",
        "X-Id": "7",
        "X-Note": "Bearer [redacted]",
    }


def test_logs_are_clean_arguments_and_traces_too() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactingFilter())
    log = logging.getLogger("revsaga.test.redact")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.info("calling with %s", "Bearer abcdefgh12345")
    try:
        raise ValueError("refused client_secret=hunter22")
    except ValueError:
        log.exception("it failed")
    assert "abcdefgh12345" not in stream.getvalue()
    assert "hunter22" not in stream.getvalue()
    assert "ValueError: refused" in stream.getvalue()
