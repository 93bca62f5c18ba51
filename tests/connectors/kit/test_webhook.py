"""Signatures are checked over raw bytes, in constant time and in a window on both sides."""

import pytest

from canonical.failures import Rejected
from connectors.kit import webhook

BODY = b'{"id":"evt_1"}'


def test_any_current_secret_may_have_signed() -> None:
    signature = webhook.sign(b"old", BODY)
    webhook.verify(BODY, [b"wrong", signature], [b"new", b"old"], timestamp=1000, now=1300)


@pytest.mark.parametrize("payload", [BODY + b" ", BODY[:-1], b"", BODY.replace(b"1", b"2")])
def test_one_byte_more_or_less_is_refused(payload: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        webhook.verify(payload, [webhook.sign(b"key", BODY)], [b"key"])
    assert caught.value.code == "signature-wrong"


@pytest.mark.parametrize(
    ("now", "code"), [(1301.0, "signature-too-old"), (699.0, "signature-from-the-future")]
)
def test_time_counts_in_both_directions(now: float, code: str) -> None:
    with pytest.raises(Rejected) as caught:
        webhook.verify(BODY, [webhook.sign(b"key", BODY)], [b"key"], timestamp=1000, now=now)
    assert caught.value.code == code


def test_no_signature_and_no_secret_fit_nothing() -> None:
    for signatures, secrets in [([], [b"key"]), ([webhook.sign(b"key", BODY)], [])]:
        with pytest.raises(Rejected):
            webhook.verify(BODY, signatures, secrets)
