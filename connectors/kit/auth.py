"""Credentials: who we are to a vendor, and how a stale credential is renewed once for everybody who waits.

    BasicAuth(user, password)
    BearerKey(key, scheme="Bearer", header="Authorization")
    TokenAuth(fetch, is_expired, margin=60.0)                    any token: `fetch` is called once for all waiters
    ClientCredentials(http, url, client_id, client_secret, ...)  OAuth2, form or Basic
    JwtBearer(http, url, issuer, subject, audience, key, ...)    OAuth2 JWT bearer grant, RS256
    ClientAssertion(http, url, client_id, key, key_id, scope)    OAuth2 client credentials proven by a signed JWT
    OAuth1(consumer_key, consumer_secret, token, token_secret, realm)   HMAC-SHA256, every try signed afresh

The token kinds take a bare Http (no credential) for the token endpoint:

    bare = Http(settings, transport=transport)
    http = bare.with_auth(ClientCredentials(bare, url="/oauth/token", client_id=..., client_secret=...))

A refused credential is Misconfigured, a busy or absent token endpoint is Transient. All use real time.
"""

import asyncio
import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from authlib.oauth1.rfc5849.signature import construct_base_string
from authlib.oauth1.rfc5849.util import escape
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from pydantic import SecretStr

from canonical.failures import Misconfigured, Transient
from connectors.kit.answer import Answer, retry_after
from connectors.kit.redact import redact, register_secret

if TYPE_CHECKING:
    from connectors.kit.http import Http

Secret = SecretStr | str


def reveal(secret: Secret) -> str:
    """The text of a secret, remembered so that it is never written down."""
    value = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
    register_secret(value)
    return value


class Auth(Protocol):
    """What the transport asks of a credential."""

    async def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:
        """Headers that authenticate this one try."""

    def expired(self, answer: Answer) -> bool:
        """Whether the answer says that the credential is too old, so that renewing it may help."""

    async def renew(self, stale: Mapping[str, str]) -> None:
        """Replace the credential behind the headers `stale`, unless somebody already did."""


class _Fixed:
    """A credential that cannot be renewed by us."""

    def expired(self, answer: Answer) -> bool:
        del answer
        return False

    async def renew(self, stale: Mapping[str, str]) -> None:
        del stale


class BasicAuth(_Fixed):
    """User and password (or account and licence key) in every request."""

    def __init__(self, user: str, password: Secret) -> None:
        pair = base64.b64encode(f"{user}:{reveal(password)}".encode()).decode()
        register_secret(pair)
        self._headers = {"Authorization": f"Basic {pair}"}

    async def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:
        del method, url, body
        return self._headers


class BearerKey(_Fixed):
    """A long-lived key in every request."""

    def __init__(self, key: Secret, *, scheme: str = "Bearer", header: str = "Authorization") -> None:
        self._headers = {header: f"{scheme} {reveal(key)}".strip()}

    async def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:
        del method, url, body
        return self._headers


@dataclass(frozen=True, slots=True)
class Token:
    """A token as the vendor gave it. `expires_in` is seconds from now, None when the vendor does not say."""

    value: str
    expires_in: float | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Token(expires_in={self.expires_in})"


def is_unauthorised(answer: Answer) -> bool:
    """The usual sign of a stale token."""
    return answer.status == 401


class TokenAuth:
    """A cached token, refreshed before it expires and renewed on the vendor's word; one fetch for all waiters."""

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Token]],
        is_expired: Callable[[Answer], bool] = is_unauthorised,
        *,
        margin: float = 60.0,
    ) -> None:
        self._fetch = fetch
        self._is_expired = is_expired
        self._margin = margin
        self._token: Token | None = None
        self._refresh_at = float("inf")
        self._pending: asyncio.Task[Token] | None = None

    async def token(self) -> Token:
        """A token that is valid for a while, fetched if needed. Raises Misconfigured or Transient."""
        if self._token is not None and time.monotonic() < self._refresh_at:
            return self._token
        if self._pending is None:
            self._pending = asyncio.create_task(self._refresh())
            self._pending.add_done_callback(self._settled)
        # A waiter that is cancelled must not take the token away from the others.
        return await asyncio.shield(self._pending)

    async def _refresh(self) -> Token:
        asked = time.monotonic()
        token = await self._fetch()
        register_secret(token.value)
        self._token = token
        life = token.expires_in
        # A short life gets a short margin, otherwise every call would fetch a token.
        self._refresh_at = float("inf") if life is None else asked + life - min(self._margin, life * 0.1)
        return token

    def _settled(self, task: asyncio.Task[Token]) -> None:
        self._pending = None
        if not task.cancelled():
            task.exception()  # looked at here, so that an error nobody waits for is not reported as forgotten

    async def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:
        del method, url, body
        return self._with(await self.token())

    def _with(self, token: Token) -> dict[str, str]:
        return {"Authorization": f"Bearer {token.value}"}

    def expired(self, answer: Answer) -> bool:
        return self._is_expired(answer)

    async def renew(self, stale: Mapping[str, str]) -> None:
        if self._token is not None and self._with(self._token) == dict(stale):
            self._token = None
        await self.token()


async def request_token(
    http: "Http", url: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None
) -> Token:
    """Ask an OAuth2 token endpoint. Refusals are Misconfigured, 429 and 5xx Transient."""
    answer = await http.send("POST", url, form=form, headers=headers, effect=False)
    if answer.status == 429 or answer.status >= 500:
        raise Transient(
            f"the token endpoint answered {answer.status}",
            code="token-endpoint-busy",
            retry_after=retry_after(answer),
            evidence=answer.evidence(),
        )
    found = answer.json() if answer.ok else answer.try_json()
    value = found.get("access_token") if isinstance(found, dict) else None
    if answer.ok and isinstance(found, dict) and isinstance(value, str) and value:
        return Token(value, _seconds(found.get("expires_in")), found)
    reason = ""
    if isinstance(found, dict):
        reason = ": ".join(str(found[k]) for k in ("error", "error_description") if found.get(k))
    raise Misconfigured(
        f"the vendor refused our credential ({redact(reason)[:200] or answer.status})",
        code="credential-refused",
        field="credential",
        fix="check client id, secret or key of this vendor, and that the application is still authorised",
        evidence={
            "call": f"POST {answer.path}",
            "status": str(answer.status),
            "reason": redact(reason)[:200],
        },
    )


def _seconds(raw: Any) -> float | None:
    """`expires_in` as some vendors send it (a number) and as others do (a string)."""
    try:
        return float(raw)
    except (TypeError, ValueError):
        return None


class ClientCredentials(TokenAuth):
    """OAuth2 client credentials. `style`: `form` sends id and secret in the body, `basic` in a header."""

    def __init__(
        self,
        http: "Http",
        *,
        url: str,
        client_id: str,
        client_secret: Secret,
        scope: str | None = None,
        style: str = "form",
        is_expired: Callable[[Answer], bool] = is_unauthorised,
        margin: float = 60.0,
    ) -> None:
        form = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
        headers: dict[str, str] = {}
        if style == "basic":
            pair = base64.b64encode(f"{client_id}:{reveal(client_secret)}".encode()).decode()
            register_secret(pair)
            headers["Authorization"] = f"Basic {pair}"
        else:
            form |= {"client_id": client_id, "client_secret": reveal(client_secret)}

        async def fetch() -> Token:
            return await request_token(http, url, form, headers)

        super().__init__(fetch, is_expired, margin=margin)


def signed_jwt(claims: Mapping[str, Any], key: Secret, *, algorithm: str, key_id: str | None = None) -> str:
    """A signed JWT. `key` is a PEM private key: RSA for RS*/PS*, EC for ES*. Raises Misconfigured on a bad key."""
    header = {"alg": algorithm, "typ": "JWT"} | ({"kid": key_id} if key_id else {})
    try:
        kind: type[ECKey] | type[RSAKey] = ECKey if algorithm.startswith("ES") else RSAKey
        return jwt.encode(header, dict(claims), kind.import_key(reveal(key)), algorithms=[algorithm])
    except (JoseError, ValueError, TypeError) as error:
        raise Misconfigured(
            f"the private key cannot sign with {algorithm} ({type(error).__name__})",
            code="private-key-unusable",
            field="private_key",
            fix=f"give an unencrypted PEM private key that fits {algorithm}",
        ) from error


class JwtBearer(TokenAuth):
    """OAuth2 JWT bearer grant: a JWT signed by our key is exchanged for a token, for a user who approved us."""

    def __init__(
        self,
        http: "Http",
        *,
        url: str,
        issuer: str,
        subject: str,
        audience: str,
        key: Secret,
        algorithm: str = "RS256",
        lifetime: int = 180,
        is_expired: Callable[[Answer], bool] = is_unauthorised,
        margin: float = 60.0,
    ) -> None:
        async def fetch() -> Token:
            claims = {"iss": issuer, "sub": subject, "aud": audience, "exp": int(time.time()) + lifetime}
            form = {
                "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
                "assertion": signed_jwt(claims, key, algorithm=algorithm),
            }
            return await request_token(http, url, form)

        super().__init__(fetch, is_expired, margin=margin)


class ClientAssertion(TokenAuth):
    """OAuth2 client credentials whose proof is a signed JWT (PS256 or ES256) of a registered certificate."""

    def __init__(
        self,
        http: "Http",
        *,
        url: str,
        client_id: str,
        key: Secret,
        key_id: str,
        scope: str | list[str],
        audience: str | None = None,
        algorithm: str = "PS256",
        lifetime: int = 300,
        is_expired: Callable[[Answer], bool] = is_unauthorised,
        margin: float = 60.0,
    ) -> None:
        whole = url if "://" in url else http.settings.base_url.rstrip("/") + url

        async def fetch() -> Token:
            now = int(time.time())
            claims = {
                "iss": client_id,
                "scope": scope,
                "aud": audience or whole,
                "iat": now,
                "exp": now + lifetime,
            }
            form = {
                "grant_type": "client_credentials",
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "client_assertion": signed_jwt(claims, key, algorithm=algorithm, key_id=key_id),
            }
            return await request_token(http, url, form)

        super().__init__(fetch, is_expired, margin=margin)


class OAuth1(_Fixed):
    """OAuth 1.0a with HMAC-SHA256 (token based authentication). Every try gets its own nonce and signature.

    Query parameters and a non-default port are signed, a JSON body is not. `realm` is sent and not signed.
    """

    def __init__(
        self,
        *,
        consumer_key: str,
        consumer_secret: Secret,
        token: str,
        token_secret: Secret,
        realm: str | None = None,
    ) -> None:
        self._public = {"oauth_consumer_key": consumer_key, "oauth_token": token}
        self._key = f"{escape(reveal(consumer_secret))}&{escape(reveal(token_secret))}".encode()
        self._realm = realm

    async def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:
        del body
        sent = self._public | {
            "oauth_nonce": secrets.token_hex(16),
            "oauth_signature_method": "HMAC-SHA256",
            "oauth_timestamp": str(int(time.time())),
            "oauth_version": "1.0",
        }
        query = parse_qsl(urlsplit(url).query, keep_blank_values=True)
        base: str = construct_base_string(method, url, [*query, *sent.items()])
        digest = hmac.new(self._key, base.encode(), hashlib.sha256).digest()
        sent["oauth_signature"] = base64.b64encode(digest).decode()
        pairs = ", ".join(f'{name}="{escape(value)}"' for name, value in sent.items())
        realm = f'realm="{self._realm}", ' if self._realm else ""
        return {"Authorization": f"OAuth {realm}{pairs}"}
