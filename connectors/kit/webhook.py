"""Signatures of webhooks: HMAC over the raw bytes, compared in constant time, within a time window on both sides."""

import hashlib
import hmac
from collections.abc import Iterable

from canonical.failures import Rejected


def sign(secret: bytes, payload: bytes, *, algorithm: str = "sha256") -> bytes:
    """The digest that proves who sent `payload`."""
    return hmac.new(secret, payload, getattr(hashlib, algorithm)).digest()


def verify(
    payload: bytes,
    signatures: Iterable[bytes],
    secrets: Iterable[bytes],
    *,
    algorithm: str = "sha256",
    timestamp: float | None = None,
    now: float | None = None,
    tolerance: float = 300.0,
) -> None:
    """Accept when any signature fits any secret (both rotate), and `timestamp` is within `tolerance` seconds of `now`.

    Raises Rejected `signature-too-old`, `signature-from-the-future` or `signature-wrong`.
    """
    if timestamp is not None and now is not None:
        if now - timestamp > tolerance:
            raise Rejected("the signature is too old", code="signature-too-old")
        if timestamp - now > tolerance:
            raise Rejected("the signature is from the future", code="signature-from-the-future")
    given = list(signatures)
    fits = False
    # Every pair is compared, so that the time taken tells nothing about which one fits.
    for secret in secrets:
        expected = sign(secret, payload, algorithm=algorithm)
        for signature in given:
            fits |= hmac.compare_digest(expected, signature)
    if not fits:
        raise Rejected("no signature fits", code="signature-wrong")
