"""Token-based authentication as the receiving side checks it: OAuth 1.0a (RFC 5849) with HMAC-SHA256.

Written from the RFC and sharing nothing with the code that signs, so that a request that passes was really signed well.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

SKEW_SECONDS = 300
MAX_REMEMBERED = 10_000
_PAIR = re.compile(r'\s*([A-Za-z_]+)\s*=\s*"([^"]*)"\s*(?:,|$)')
_REQUIRED = (
    "oauth_consumer_key",
    "oauth_token",
    "oauth_signature_method",
    "oauth_timestamp",
    "oauth_nonce",
    "oauth_signature",
)


@dataclass(frozen=True)
class Passport:
    """One integration with one token, as the account knows them."""

    account: str
    consumer_key: str
    consumer_secret: str
    token: str
    token_secret: str


@dataclass(frozen=True)
class Received:
    """The signed parts of a request: `url` has scheme, host, port unless default, and path; `query` is decoded."""

    method: str
    url: str
    query: Sequence[tuple[str, str]]
    body: bytes
    authorization: str


@dataclass
class Gate:
    """Checks passports and remembers each nonce, so that a request can be signed for one sending only."""

    passports: list[Passport] = field(default_factory=list)
    used: set[tuple[str, str, str]] = field(default_factory=set)

    def reason(self, request: Received, now: float) -> str | None:
        """Why the request is not let in, in the words of the login audit trail; None when it is."""
        sent = parse(request.authorization)
        if any(not sent.get(name) for name in _REQUIRED):
            return "MissingTokenPassportRequiredFields"
        known = next((p for p in self.passports if p.consumer_key == sent["oauth_consumer_key"]), None)
        if known is None:
            return "consumer_key_unknown"
        once = (sent["oauth_token"], sent["oauth_timestamp"], sent["oauth_nonce"])
        body_hash = sent.get("oauth_body_hash")
        # The account's name is compared in the form that the user interface shows, never in that of the host name.
        checks: tuple[tuple[str, bool], ...] = (
            ("account_unknown", sent.get("realm") == known.account),
            ("token_rejected", sent["oauth_token"] == known.token),
            ("signature_method_rejected", sent["oauth_signature_method"] == "HMAC-SHA256"),
            ("version_rejected", sent.get("oauth_version", "1.0") == "1.0"),
            ("timestamp_refused", _near(sent["oauth_timestamp"], now)),
            ("nonce_rejected", len(sent["oauth_nonce"]) >= 6),
            ("nonce_used", once not in self.used),
            ("body_hash_rejected", body_hash is None or body_hash == _body_hash(request.body)),
            ("InvalidSignature", hmac.compare_digest(sign(request, sent, known), sent["oauth_signature"])),
        )
        wrong = next((reason for reason, fine in checks if not fine), None)
        if wrong is None:
            self._remember(once, now)
        return wrong

    def _remember(self, once: tuple[str, str, str], now: float) -> None:
        self.used.add(once)
        if len(self.used) > MAX_REMEMBERED:
            # What is older than the skew is refused for its time stamp anyway.
            self.used = {known for known in self.used if _near(known[1], now)}


def _near(timestamp: str, now: float) -> bool:
    return timestamp.isdigit() and abs(now - int(timestamp)) <= SKEW_SECONDS


def parse(authorization: str) -> dict[str, str]:
    """The parameters of an `Authorization: OAuth ...` header, decoded; empty for any other header."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() != "oauth":
        return {}
    return {name: unquote(value) for name, value in _PAIR.findall(rest)}


def encode(text: str) -> str:
    """Percent-encoding of RFC 3986: only letters, digits and `-._~` stay as they are."""
    return quote(text, safe="-._~")


def base_string(request: Received, sent: dict[str, str]) -> str:
    """What is signed. The realm and the signature itself are not part of it; the body never is."""
    own = [(name, value) for name, value in sent.items() if name not in {"realm", "oauth_signature"}]
    pairs = sorted((encode(name), encode(value)) for name, value in [*own, *request.query])
    joined = "&".join(f"{name}={value}" for name, value in pairs)
    return "&".join((request.method.upper(), encode(request.url), encode(joined)))


def sign(request: Received, sent: dict[str, str], passport: Passport) -> str:
    """The only signature that fits."""
    key = f"{encode(passport.consumer_secret)}&{encode(passport.token_secret)}".encode()
    digest = hmac.new(key, base_string(request, sent).encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def _body_hash(body: bytes) -> str:
    # The algorithm is the client library's choice (an expired draft); it protects nothing here.
    return base64.b64encode(hashlib.sha1(body, usedforsecurity=False).digest()).decode()
