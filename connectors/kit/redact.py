"""Takes credentials and card numbers out of text before it reaches evidence, a case or a log.

redact(text) -> str                 patterns, plus every secret that was registered
redact_headers(headers) -> dict     credential headers masked, the rest redacted
register_secret(value)              this exact text never appears again (settings do it for every SecretStr)
RedactingFilter                     the same for `logging`
"""

import logging
import re
from collections.abc import Mapping

MASK = "[redacted]"
_SECRET_HEADERS = frozenset(
    "authorization proxy-authorization cookie set-cookie x-api-key apikey apisecretaccesskey apiaccesskeyid".split()
)
_NAMES = (
    r"access_token|refresh_token|id_token|client_secret|client_assertion|assertion|password|passwd|secret|api[_-]?key"
    r"|licen[cs]e[_-]?key|token_secret|consumer_secret|private_key|session_?id|oauth_signature|oauth_token|signature"
)
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
        ),
        MASK,
    ),
    (re.compile(r"(?i)\b(bearer|basic|oauth)\s+(?!realm)[A-Za-z0-9._~+/=!-]{6,}"), rf"\1 {MASK}"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)?"), MASK),
    (re.compile(r"\b(?:sk|rk|pk|whsec)_(?:live_|test_)?[A-Za-z0-9]{8,}"), MASK),
    (re.compile(r"\b00D[A-Za-z0-9]{6,15}![A-Za-z0-9._]+"), MASK),
    (re.compile(rf'(?i)("(?:{_NAMES})"\s*:\s*)"(?:[^"\\]|\\.)*"?'), rf'\1"{MASK}"'),
    (re.compile(rf"""(?i)\b({_NAMES})=("[^"]*"|'[^']*'|[^&\s,;"']+)"""), rf"\1={MASK}"),
)
# Card numbers: 13-19 digits, optionally grouped, beginning as the card brands do.
_CARD = re.compile(r"(?<![\d.])(?:[2-6]\d{3})(?:[ -]?\d){9,15}(?![\d])")
_known: set[str] = set()
_ordered: list[str] = []


def register_secret(value: str) -> None:
    """Never show `value` again. Texts shorter than six characters are ignored: they would blacken ordinary words."""
    if len(value) >= 6 and value not in _known:
        _known.add(value)
        # Longest first, so that a secret inside another one does not leave the rest of it readable.
        _ordered[:] = sorted(_known, key=len, reverse=True)


def luhn(digits: str) -> bool:
    """Whether the check digit of a card number fits."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


_BRANDS = (
    ((13, 16, 19), re.compile("4")),
    ((16,), re.compile("5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720|35(?:2[89]|[3-8])")),
    ((15,), re.compile("3[47]")),
    ((14, 16, 19), re.compile("3(?:0[0-5]|095|[689])")),
    ((16, 17, 18, 19), re.compile("6(?:011|4[4-9]|5|2)")),
    ((13, 14, 15, 16, 17, 18, 19), re.compile("5[06-9]|6[0137]")),
)


def is_card(digits: str) -> bool:
    """Whether digits look like a card number: length and beginning of a brand, and a fitting check digit."""
    return luhn(digits) and any(len(digits) in lengths and start.match(digits) for lengths, start in _BRANDS)


def _card(match: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", match.group())
    return f"[card ...{digits[-4:]}]" if is_card(digits) else match.group()


def redact(text: str) -> str:
    """`text` without credentials and card numbers."""
    for secret in _ordered:
        if secret in text:
            text = text.replace(secret, MASK)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return _CARD.sub(_card, text)


def redact_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers that may be written down."""
    return {k: MASK if k.lower() in _SECRET_HEADERS else redact(v) for k, v in headers.items()}


_plain = logging.Formatter()


class RedactingFilter(logging.Filter):
    """Redacts the finished message and the trace of every record, so that arguments are covered too."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        clean = redact(message)
        if clean != message:
            record.msg, record.args = clean, None
        if record.exc_info and not record.exc_text:
            record.exc_text = redact(_plain.formatException(record.exc_info))
        elif record.exc_text:
            record.exc_text = redact(record.exc_text)
        return True
