"""Keys and numbers. Each is derived from business identity, never from dice, a clock, a run or an attempt."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping

MAX_NUMBER = 40
_SAFE = re.compile(r"[^A-Za-z0-9]+")


def digest(value: object) -> str:
    """SHA-256 (hex) of `value` as canonical JSON: sorted keys, no spaces. Equal values give equal digests."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _base32(text: str, length: int) -> str:
    raw = hashlib.sha256(text.encode()).digest()
    return base64.b32encode(raw).decode().rstrip("=")[:length]


def effect_key(workflow_id: str, activity_id: str) -> str:
    """The ledger key of an effect: `{workflow_id}/{step}/{do|undo}[/e{n}]`. The activity id carries the latter part."""
    return f"{workflow_id}/{activity_id}"


def idempotency_header(key: str, generation: int) -> str:
    """What a vendor sees as idempotency key: a hash of the ledger key and its generation (at most 40 characters)."""
    return f"rs-{hashlib.sha256(f'{key}#{generation}'.encode()).hexdigest()[:37]}"


def number(prefix: str, readable: str, key: str) -> str:
    """A number that vendors see: `{PREFIX}-{readable}-{base32 of key}`, `[A-Za-z0-9-]`, at most 40 characters.

    `readable` is shortened to fit, but uniqueness rests on the hash of `key` alone (80 bits), so nothing is lost by it.
    """
    if not re.fullmatch(r"[A-Z]{1,4}", prefix):
        raise ValueError(f"a prefix has one to four capital letters, not {prefix!r}")
    tail = _base32(key, 16)
    room = MAX_NUMBER - len(prefix) - len(tail) - 2
    middle = _SAFE.sub("-", readable).strip("-")[:room].strip("-")
    return f"{prefix}-{middle}-{tail}" if middle else f"{prefix}-{tail}"


def fingerprint(content: Mapping[str, object]) -> str:
    """What the effect ledger compares to tell a repeated request from another one under the same key."""
    return digest(content)
