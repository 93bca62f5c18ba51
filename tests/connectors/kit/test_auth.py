"""Credentials are renewed once for all who wait, and a refused one is somebody's task and not a retry."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import time
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256
from pydantic import SecretStr

from canonical.failures import Failure, Misconfigured, Transient
from connectors.kit.auth import (
    ClientAssertion,
    ClientCredentials,
    JwtBearer,
    OAuth1,
    Token,
    TokenAuth,
)
from connectors.kit.http import Http
from connectors.kit.sandbox import Call, Fault, Reply, Sandbox, SandboxTransport, Tokens, route, serve
from tests.connectors.kit.acme import ID, SECRET, AcmeSandbox, AcmeSettings, client


async def read(http: Http) -> int:
    return (await http.send("GET", "/v1/orders/preview", effect=False)).status


def token_calls(sandbox: Sandbox) -> int:
    return sum(entry["path"] == "/oauth/token" for entry in sandbox.log)


async def test_two_hundred_waiters_at_the_start_and_at_expiry_cost_one_token_each() -> None:
    sandbox = AcmeSandbox()
    sandbox.faults.add(Fault(match="/oauth/token", kind="latency", seconds=0.05, times=-1))
    async with serve(sandbox) as url, Http(AcmeSettings(base_url=url, pool_timeout=30)) as bare:
        http = client(bare)
        assert set(await asyncio.gather(*[read(http) for _ in range(200)])) == {200}
        assert token_calls(sandbox) == 1
        sandbox.tokens.revoke()
        assert set(await asyncio.gather(*[read(http) for _ in range(200)])) == {200}
        assert token_calls(sandbox) == 2


async def test_a_token_that_is_about_to_expire_is_replaced_before_the_vendor_notices() -> None:
    sandbox = AcmeSandbox()
    sandbox.tokens = Tokens(1)
    async with Http(AcmeSettings(), transport=SandboxTransport(sandbox)) as bare:
        http = client(bare)
        until = time.monotonic() + 2.3
        while time.monotonic() < until:
            assert await read(http) == 200
            await asyncio.sleep(0.01)
    assert 3 <= token_calls(sandbox) <= 4
    assert all(entry["status"] == 200 for entry in sandbox.log)


async def test_the_call_is_played_once_more_and_only_once() -> None:
    sandbox = AcmeSandbox()
    async with Http(AcmeSettings(), transport=SandboxTransport(sandbox)) as bare:
        http = client(bare)
        sandbox.faults.add(Fault(match="/v1/", kind="expired_token", times=-1))
        assert await read(http) == 401
    assert [(e["path"], e["status"]) for e in sandbox.log] == [
        ("/oauth/token", 200),
        ("/v1/orders/preview", 401),
        ("/oauth/token", 200),
        ("/v1/orders/preview", 401),
    ]


async def test_an_expired_token_during_a_write_makes_one_effect() -> None:
    sandbox = AcmeSandbox()
    async with Http(AcmeSettings(), transport=SandboxTransport(sandbox)) as bare:
        http = client(bare)
        await read(http)
        sandbox.faults.add(Fault(match="POST /v1/orders", kind="expired_token"))
        answer = await http.send("POST", "/v1/orders", json={"number": "A1"}, effect=True)
    assert answer.status == 200
    assert sandbox.effects_by_kind() == {"order": {"A1": 1}}


async def test_a_waiter_that_gives_up_does_not_take_the_token_from_the_others() -> None:
    fetched = 0

    async def fetch() -> Token:
        nonlocal fetched
        fetched += 1
        await asyncio.sleep(0.05)
        return Token("token-value-1")

    auth = TokenAuth(fetch)
    first, second = (asyncio.create_task(auth.token()) for _ in range(2))
    await asyncio.sleep(0.01)
    first.cancel()
    assert (await second).value == "token-value-1"
    with pytest.raises(asyncio.CancelledError):
        await first
    assert fetched == 1


async def test_a_failed_fetch_is_told_to_all_waiters_and_tried_again_later() -> None:
    answers: list[Token | Failure] = [Transient("busy", code="busy"), Token("token-value-2")]

    async def fetch() -> Token:
        await asyncio.sleep(0.01)
        found = answers.pop(0)
        if isinstance(found, Failure):
            raise found
        return found

    auth = TokenAuth(fetch)
    told = await asyncio.gather(*[auth.token() for _ in range(20)], return_exceptions=True)
    assert [type(t) for t in told] == [Transient] * 20
    assert (await auth.token()).value == "token-value-2"


async def test_a_late_complaint_about_an_old_token_does_not_fetch_again() -> None:
    count = 0

    async def fetch() -> Token:
        nonlocal count
        count += 1
        return Token(f"token-value-{count}")

    auth = TokenAuth(fetch)
    old = await auth.headers("GET", "https://x", b"")
    await auth.renew(old)
    await auth.renew(old)
    assert count == 2
    assert (await auth.token()).value == "token-value-2"
    assert "token-value" not in repr(await auth.token())


@pytest.mark.parametrize("style", ["form", "basic"])
async def test_a_refused_credential_is_misconfigured_and_says_why(style: str) -> None:
    sandbox = AcmeSandbox()
    async with Http(AcmeSettings(), transport=SandboxTransport(sandbox)) as bare:
        bad = ClientCredentials(
            bare, url="/oauth/token", client_id=ID, client_secret="wrong-secret", style=style
        )
        with pytest.raises(Misconfigured) as caught:
            await read(bare.with_auth(bad))
    assert caught.value.code == "credential-refused"
    assert "invalid_client: unknown client" in caught.value.message
    assert caught.value.fix
    assert "wrong-secret" not in f"{caught.value.message} {caught.value.evidence}"


@pytest.mark.parametrize(
    ("fault", "kind", "wait"),
    [
        (Fault(kind="status", status=429, headers={"Retry-After": "11"}, body={}), Transient, 11),
        (Fault(kind="status", status=500, body="oops"), Transient, None),
        (Fault(kind="status", status=503, body="oops"), Transient, None),
        (Fault(kind="timeout_after"), Transient, None),
        (Fault(kind="html"), Transient, None),
        (Fault(kind="empty"), Transient, None),
        (Fault(kind="status", status=200, body={"token": "x"}), Misconfigured, None),
        (Fault(kind="status", status=400, body="<html>"), Misconfigured, None),
    ],
    ids=lambda v: v.kind if isinstance(v, Fault) else "",
)
async def test_trouble_at_the_token_endpoint_is_typed(
    fault: Fault, kind: type[Failure], wait: float | None
) -> None:
    sandbox = AcmeSandbox()
    sandbox.faults.add(fault)
    async with Http(AcmeSettings(), transport=SandboxTransport(sandbox)) as bare:
        with pytest.raises(Failure) as caught:
            await read(client(bare))
        assert type(caught.value) is kind
        assert caught.value.retry_after == wait
        assert await read(client(bare)) == 200


# Signed assertions, checked with the primitives of another library


class AssertionSandbox(Sandbox):
    """Keeps what was posted; answers with a token whose `expires_in` is a string, as some vendors do."""

    vendor = "assertion"

    def __init__(self) -> None:
        super().__init__()
        self.posted: list[dict[str, str]] = []

    @route("POST", "/token")
    def token(self, call: Call) -> Reply:
        self.posted.append(dict(call.form()))
        return Reply.json(
            {"access_token": "granted-token", "expires_in": "3600", "instance_url": "https://eu"}
        )


def b64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> SecretStr:
    raw = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return SecretStr(raw.decode())


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def parts(assertion: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    head, claims, signature = assertion.split(".")
    return json.loads(b64(head)), json.loads(b64(claims)), f"{head}.{claims}".encode(), b64(signature)


async def test_a_jwt_bearer_grant_is_signed_and_dated(rsa_key: rsa.RSAPrivateKey) -> None:
    sandbox = AssertionSandbox()
    async with Http(AcmeSettings(), transport=SandboxTransport(sandbox)) as bare:
        auth = JwtBearer(
            bare,
            url="/token",
            issuer="consumer",
            subject="user@acme",
            audience="https://login",
            key=pem(rsa_key),
        )
        token = await auth.token()
    assert (token.value, token.expires_in, token.extra["instance_url"]) == (
        "granted-token",
        3600,
        "https://eu",
    )
    form = sandbox.posted[0]
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    head, claims, signed, signature = parts(form["assertion"])
    assert head == {"alg": "RS256", "typ": "JWT"}
    assert claims["exp"] == pytest.approx(time.time() + 180, abs=5)
    assert {k: claims[k] for k in ("iss", "sub", "aud")} == {
        "iss": "consumer",
        "sub": "user@acme",
        "aud": "https://login",
    }
    rsa_key.public_key().verify(signature, signed, padding.PKCS1v15(), SHA256())


async def test_a_client_assertion_is_signed_with_pss(rsa_key: rsa.RSAPrivateKey) -> None:
    sandbox = AssertionSandbox()
    async with Http(AcmeSettings(), transport=SandboxTransport(sandbox)) as bare:
        auth = ClientAssertion(
            bare, url="/token", client_id="cid", key=pem(rsa_key), key_id="cert-1", scope=["rest"]
        )
        await auth.token()
    form = sandbox.posted[0]
    assert form["grant_type"] == "client_credentials"
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    head, claims, signed, signature = parts(form["client_assertion"])
    assert head == {"alg": "PS256", "typ": "JWT", "kid": "cert-1"}
    assert (claims["aud"], claims["iss"], claims["scope"]) == (
        "https://rest.acme.example/token",
        "cid",
        ["rest"],
    )
    assert claims["exp"] - claims["iat"] == 300
    pss = padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)
    rsa_key.public_key().verify(signature, signed, pss, SHA256())


async def test_a_client_assertion_is_signed_with_an_elliptic_curve() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    sandbox = AssertionSandbox()
    async with Http(AcmeSettings(), transport=SandboxTransport(sandbox)) as bare:
        auth = ClientAssertion(
            bare, url="/token", client_id="c", key=pem(key), key_id="k", scope="rest", algorithm="ES256"
        )
        await auth.token()
    _, _, signed, signature = parts(sandbox.posted[0]["client_assertion"])
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    key.public_key().verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))


@pytest.mark.parametrize("bad", ["not a key", "", "ec"])
async def test_a_key_that_cannot_sign_is_misconfigured(bad: str) -> None:
    key = pem(ec.generate_private_key(ec.SECP256R1())) if bad == "ec" else SecretStr(bad)
    async with Http(AcmeSettings(), transport=SandboxTransport(AssertionSandbox())) as bare:
        auth = JwtBearer(bare, url="/token", issuer="c", subject="u", audience="a", key=key)
        with pytest.raises(Misconfigured) as caught:
            await auth.token()
    assert caught.value.code == "private-key-unusable"


# OAuth 1.0a, checked against RFC 5849 by hand


def enc(text: str) -> str:
    return quote(text, safe="-._~")


def expected_signature(method: str, url: str, oauth: dict[str, str], key: bytes) -> str:
    address = urlsplit(url)
    pairs = parse_qsl(address.query, keep_blank_values=True)
    pairs += [(k, v) for k, v in oauth.items() if k not in {"oauth_signature", "realm"}]
    normal = "&".join(f"{k}={v}" for k, v in sorted((enc(k), enc(v)) for k, v in pairs))
    base = "&".join([method, enc(f"{address.scheme}://{address.netloc.lower()}{address.path}"), enc(normal)])
    return base64.b64encode(hmac.new(key, base.encode(), hashlib.sha256).digest()).decode()


def header_values(header: str) -> dict[str, str]:
    assert header.startswith("OAuth ")
    return {k: unquote(v) for k, v in re.findall(r'(\w+)="([^"]*)"', header)}


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8123/services/rest/record/v1/customer/eid:C-1?replace=item",
        "https://123456-sb1.suite.example/query/v1/suiteql?limit=5&offset=0&q=",
        "https://acme.example/a%20b/c?x=1&x=0&name=O%27Neil%20%26%20Co&plus=a%2Bb&$e=%E2%82%AC",
        "https://acme.example:443/x",
    ],
)
async def test_oauth1_signs_as_the_standard_says(url: str) -> None:
    auth = OAuth1(
        consumer_key="ck-1",
        consumer_secret="consumer&secret",
        token="tk-1",
        token_secret="token secret",
        realm="12_SB1",
    )
    sent = header_values((await auth.headers("PUT", url, b'{"a":1}'))["Authorization"])
    key = b"consumer%26secret&token%20secret"
    assert sent["oauth_signature"] == expected_signature("PUT", url.replace(":443", ""), sent, key)
    assert (sent["realm"], sent["oauth_signature_method"], sent["oauth_version"]) == (
        "12_SB1",
        "HMAC-SHA256",
        "1.0",
    )
    assert abs(int(sent["oauth_timestamp"]) - time.time()) < 5
    assert "oauth_body_hash" not in sent


class OAuth1Sandbox(Sandbox):
    """Verifies signatures over what arrived on the wire, and refuses a nonce that it saw before."""

    vendor = "oauth1"

    def __init__(self) -> None:
        super().__init__()
        self.nonces: set[str] = set()

    async def guard(self, call: Call) -> Reply | None:
        sent = header_values(call.headers["authorization"])
        if sent["oauth_signature"] != expected_signature(call.method, call.url, sent, b"cs-secret&ts-secret"):
            return Reply.json({"code": "SIGNATURE"}, 401)
        if sent["oauth_nonce"] in self.nonces:
            return Reply.json({"code": "NONCE_USED"}, 401)
        self.nonces.add(sent["oauth_nonce"])
        return None

    @route("GET", "/record/{ref}")
    def record(self, call: Call) -> Reply:
        return Reply.json({"ref": call.path_params["ref"]})


async def test_every_try_is_signed_afresh_over_the_wire_and_the_port_counts() -> None:
    sandbox = OAuth1Sandbox()
    async with serve(sandbox) as url, Http(AcmeSettings(base_url=url)) as bare:
        http = bare.with_auth(
            OAuth1(consumer_key="ck", consumer_secret="cs-secret", token="tk", token_secret="ts-secret")
        )
        for _ in range(3):
            answer = await http.send(
                "GET", "/record/eid:C%201", params={"q": "a b'&$", "limit": 5}, effect=False
            )
            assert answer.json() == {"ref": "eid:C 1"}
    assert len(sandbox.nonces) == 3


def test_secrets_are_not_shown_by_credentials() -> None:
    shown = repr(OAuth1(consumer_key="ck", consumer_secret=SECRET, token="t", token_secret=SECRET))
    assert SECRET not in shown
