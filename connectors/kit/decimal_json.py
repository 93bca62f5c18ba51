"""JSON without floats: Decimals are written as JSON numbers digit by digit, and numbers are read as int or Decimal."""

import json
import re
import secrets
from datetime import date
from decimal import Decimal
from typing import Any

# The C encoder cannot write a Decimal, so it writes a marked string, and the marks are taken off afterwards.
# The mark is drawn per process: no text of a customer can hold it.
_MARK = secrets.token_hex(12)
_MARKED = re.compile(rf'(?<![^\[:,])"{_MARK}(-?[0-9][0-9.E+-]*)"')

_SURROGATE = re.compile("[\ud800-\udfff]")


def _check(value: Any) -> bool:
    """Refuse floats; tell whether a Decimal is inside."""
    kind = type(value)
    if kind is str or kind is int or value is None or kind is bool:
        return False
    if isinstance(value, dict):
        found = False
        for item in value.values():
            found |= _check(item)
        return found
    if isinstance(value, list | tuple):
        found = False
        for item in value:
            found |= _check(item)
        return found
    if isinstance(value, float):
        raise TypeError(f"a float may not be sent ({value!r}); use Decimal or int")
    return isinstance(value, Decimal)


def number(value: Decimal) -> str:
    """A finite Decimal as a JSON number: plain digits, or an exponent when plain digits would run very long."""
    if not value.is_finite():
        raise ValueError(f"{value} is not a JSON number")
    return f"{value:f}" if abs(value.adjusted()) < 64 else f"{value}"


def _other(value: Any) -> Any:
    if isinstance(value, Decimal):
        return _MARK + number(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON")


def dumps(value: Any) -> bytes:
    """`value` as compact UTF-8 JSON. Raises TypeError on a float or an unknown type, ValueError on NaN."""
    marked = _check(value)
    text = _encode(value, ascii_only=False)
    if not text.isascii() and _SURROGATE.search(text):
        text = _encode(value, ascii_only=True)  # half a character is legal in JSON as an escape only
    return (_MARKED.sub(r"\1", text) if marked else text).encode()


def _encode(value: Any, *, ascii_only: bool) -> str:
    return json.dumps(value, default=_other, ensure_ascii=ascii_only, separators=(",", ":"), allow_nan=False)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def loads(text: bytes | str) -> Any:
    """Parse JSON with exact numbers. Raises ValueError on anything else, however deep or odd it is."""
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
