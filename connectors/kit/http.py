"""The one way to a vendor: `Http`, a client that refuses to guess.

    http = Http(settings, auth, transport=None, headers={"X-Client": "..."})
    answer = await http.send("POST", "/v1/orders", json=body, headers={...}, effect=True)

- `effect=True` means the request may change something at the vendor. An answer that is lost on the way is then
  OutcomeUnknown, otherwise Transient. A request that cannot have been sent is Transient either way.
- No redirects, no cookies, no proxies or netrc from the environment; only hosts on the allow-list; TLS 1.2 or newer.
- Answers are read as a stream up to `settings.max_answer_bytes`.
- When `auth.expired(answer)`, the credential is renewed once for all waiters and the call is played once more.
- `send` returns the Answer whatever its status (redirects excepted); the vendor's ErrorTable judges it.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Mapping, Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import httpx

from canonical.failures import Failure, Misconfigured, OutcomeUnknown, Transient
from connectors.kit import decimal_json
from connectors.kit.answer import Answer, retry_after
from connectors.kit.auth import Auth
from connectors.kit.redact import redact
from connectors.kit.settings import VendorSettings, is_forbidden, is_loopback

__all__ = ["Answer", "Http", "failure_of", "retry_after"]

log = logging.getLogger("revsaga.http")

Params = Mapping[str, str | int | Sequence[str]] | Sequence[tuple[str, str | int]]

# Nothing left this machine.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
# We built a request that cannot be sent: an illegal header value, a malformed address.
_CANNOT_SEND = (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL)
# What a server says about us before it reads a request; the last two also when a client certificate is missing.
_ALERTS = ("certificate", "unknown ca", "access denied", "handshake failure", "protocol version")
# A TLS alert that comes while an answer is read passes through the library as a bare ssl.SSLError, which is an OSError.
_LOST = (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, httpx.CookieConflict, OSError)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def failure_of(error: Exception, *, call: str, effect: bool) -> Failure:
    """The typed failure of a transport error. Whatever is not known to be harmless counts as 'may have happened'."""
    evidence = {"call": call, "error": f"{type(error).__name__}: {redact(str(error))[:200]}"}
    name = type(error).__name__
    if trust := _trust_problem(error):
        return Misconfigured(
            f"{call}: TLS failed ({trust})",
            code="certificate-refused",
            field="ca_bundle" if "verify" in trust else "client_certificate",
            fix="check base_url, ca_bundle and the client certificate, and that none has expired",
            evidence=evidence | {"tls": trust},
        )
    if isinstance(error, _NOT_SENT):
        return Transient(f"{call}: not reached ({name})", code="not-reached", evidence=evidence)
    if isinstance(error, _CANNOT_SEND):
        return Misconfigured(
            f"{call}: the request cannot be sent ({name})",
            code="request-invalid",
            fix="check the address and the credentials of this vendor for stray characters",
            evidence=evidence,
        )
    kind = OutcomeUnknown if effect else Transient
    return kind(f"{call}: the answer was lost ({name})", code="answer-lost", evidence=evidence)


def _trust_problem(error: BaseException) -> str | None:
    """Why TLS found one side not trustworthy, if that is what happened: no retry heals it, and nothing was done."""
    seen: BaseException | None = error
    for _ in range(10):
        if isinstance(seen, ssl.SSLCertVerificationError):
            return f"verify: {seen.verify_message}"
        if isinstance(seen, ssl.SSLError) and seen.reason and "ALERT" in seen.reason:
            reason = seen.reason.lower().replace("_", " ")
            return reason if any(words in reason for words in _ALERTS) else None
        if seen is None:
            return None
        seen = seen.__cause__ or seen.__context__
    return None


def _cannot_send(error: Exception, call: str) -> Failure:
    return failure_of(httpx.LocalProtocolError(str(error)), call=call, effect=False)


class Http:
    """A pooled client for one vendor, safe to share between tasks of one event loop."""

    def __init__(
        self,
        settings: VendorSettings,
        auth: Auth | None = None,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = settings
        self._auth = auth
        self._allowed = settings.allowed()
        self._client = httpx.AsyncClient(
            transport=transport or _transport(settings),
            headers=headers,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
            trust_env=False,
            timeout=httpx.Timeout(
                connect=settings.connect_timeout,
                read=settings.read_timeout,
                write=settings.write_timeout,
                pool=settings.pool_timeout,
            ),
        )

    def with_auth(self, auth: Auth) -> "Http":
        """The same connections with a credential: a token is fetched by the bare client, used by the other."""
        other = object.__new__(Http)
        other.__dict__.update(self.__dict__)
        other._auth = auth
        return other

    async def aclose(self) -> None:
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def send(
        self,
        method: str,
        path_or_url: str,
        *,
        effect: bool,
        params: Params | None = None,
        json: Any = None,
        form: Mapping[str, Any] | Sequence[tuple[str, str]] | None = None,
        content: bytes | None = None,
        files: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        at_most: int | None = None,
    ) -> Answer:
        """Send one request and read its whole answer, of `at_most` bytes where the setting is too small for it.

        `path_or_url`: a path below `base_url`, already percent-encoded where needed, or a whole URL on an allowed host.
        At most one of `json` (Decimals exact, floats refused), `form` (url-encoded), `content` and `files` (multipart).
        Raises Transient, OutcomeUnknown or Misconfigured.
        """
        url = path_or_url if "://" in path_or_url else self.settings.base_url.rstrip("/") + path_or_url
        call = f"{method} {path_or_url.partition('?')[0]}"
        request = await self._build(call, method, url, params, json, form, content, files, headers)
        self._check_host(call, request.url)
        used = await self._sign(request)
        answer = await self._exchange(call, request, effect, at_most)
        if self._auth is not None and self._auth.expired(answer):
            await self._auth.renew(used)
            await self._sign(request)
            answer = await self._exchange(call, request, effect, at_most)
        return self._refuse_redirect(answer)

    async def _build(
        self,
        call: str,
        method: str,
        url: str,
        params: Params | None,
        json: Any,
        form: Mapping[str, Any] | Sequence[tuple[str, str]] | None,
        content: bytes | None,
        files: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
    ) -> httpx.Request:
        sent = dict(headers or {})
        data = form if files is not None else None
        if files is not None:
            content = None
        elif json is not None:
            content = decimal_json.dumps(json)
            sent.setdefault("Content-Type", "application/json")
        elif form is not None:
            content = urlencode(form, doseq=True).encode()
            sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
        query: Any = list(params) if isinstance(params, Sequence) else params
        try:
            request = self._client.build_request(
                method, url, params=query, content=content, data=dict(data or {}), files=files, headers=sent
            )
        except (httpx.InvalidURL, UnicodeEncodeError) as error:
            raise _cannot_send(error, call) from None
        await request.aread()
        return request

    async def _sign(self, request: httpx.Request) -> Mapping[str, str]:
        if self._auth is None:
            return {}
        used = await self._auth.headers(request.method, str(request.url), request.content)
        try:
            request.headers.update(used)
        except UnicodeEncodeError as error:
            raise _cannot_send(error, f"{request.method} {request.url.path}") from None
        return used

    def _check_host(self, call: str, url: httpx.URL) -> None:
        host = url.host
        with_port = f"{host}:{url.port}" if url.port else host
        listed = any(
            host.endswith(entry[1:]) if entry.startswith("*.") else entry in (host, with_port)
            for entry in self._allowed
        )
        safe = url.scheme == "https" or (url.scheme == "http" and is_loopback(host))
        if not listed or not safe or is_forbidden(host) or url.userinfo:
            raise Misconfigured(
                f"{call}: {url.scheme}://{with_port} may not be called",
                code="host-refused",
                field="allow_hosts",
                fix="add the host to allow_hosts of this vendor if it is really one of theirs",
                evidence={"host": with_port, "allowed": ", ".join(self._allowed)},
            )

    async def _exchange(self, call: str, request: httpx.Request, effect: bool, at_most: int | None) -> Answer:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self.settings.total_timeout):
                response = await self._client.send(request, stream=True)
                try:
                    body = await self._read(call, response, effect, at_most)
                finally:
                    await response.aclose()
        except TimeoutError as error:
            late = httpx.ReadTimeout(f"no whole answer within {self.settings.total_timeout} s")
            raise failure_of(late, call=call, effect=effect) from error
        except _LOST as error:
            log.info("%s failed: %s", call, type(error).__name__)
            # The text of a refused header may hold the credential itself: it is not chained.
            cause = None if isinstance(error, _CANNOT_SEND) else error
            raise failure_of(error, call=call, effect=effect) from cause
        log.debug("%s -> %s in %.1f ms", call, response.status_code, (time.perf_counter() - started) * 1e3)
        return Answer(
            status=response.status_code,
            headers=response.headers,
            body=body,
            method=request.method,
            path=request.url.path,
            effect=effect,
        )

    async def _read(self, call: str, response: httpx.Response, effect: bool, at_most: int | None) -> bytes:
        limit = at_most or self.settings.max_answer_bytes
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.aiter_bytes():
            size += len(chunk)
            if size > limit:
                kind = OutcomeUnknown if effect else Transient
                raise kind(
                    f"{call}: the answer is larger than {limit} bytes",
                    code="answer-too-large",
                    fix="ask for smaller pages, or raise max_answer_bytes of this vendor",
                    evidence={"call": call, "status": str(response.status_code)},
                )
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _refuse_redirect(self, answer: Answer) -> Answer:
        if answer.status not in _REDIRECTS:
            return answer
        evidence = answer.evidence() | {"location": redact(answer.headers.get("location", ""))[:200]}
        message = f"{answer.method} {answer.path}: redirected, and redirects are not followed"
        # 303 says that the work was done and the result lies elsewhere.
        if answer.status == 303 and answer.effect:
            raise OutcomeUnknown(message, code="redirect-refused", evidence=evidence)
        raise Misconfigured(
            message,
            code="redirect-refused",
            field="base_url",
            fix="set base_url to the address that answers itself",
            evidence=evidence,
        )


def _transport(settings: VendorSettings) -> httpx.AsyncHTTPTransport:
    return httpx.AsyncHTTPTransport(
        verify=tls_context(settings),
        trust_env=False,
        retries=0,
        limits=httpx.Limits(
            max_connections=settings.pool_size,
            max_keepalive_connections=settings.pool_size,
            keepalive_expiry=30,
        ),
    )


def tls_context(settings: VendorSettings) -> ssl.SSLContext:
    """Certificates are always verified; with a client certificate, the vendor can verify us too."""
    if settings.base_url.startswith("http://"):
        # Loopback without TLS: a context that trusts nobody costs nothing and cannot be misused.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    else:
        context = ssl.create_default_context(cafile=str(settings.ca_bundle) if settings.ca_bundle else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.client_certificate is not None:
        password = settings.client_key_password
        try:
            context.load_cert_chain(
                settings.client_certificate,
                settings.client_key,
                password.get_secret_value() if password else None,
            )
        except (OSError, ssl.SSLError) as error:
            raise Misconfigured(
                f"the client certificate cannot be used ({type(error).__name__})",
                code="client-certificate-unusable",
                field="client_certificate",
                fix="check that the files exist, belong together and that the password fits",
            ) from error
    return context
