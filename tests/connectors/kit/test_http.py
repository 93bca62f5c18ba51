"""The transport never guesses: every way in which a call can end has a type, over real sockets where one can be had."""

import asyncio
import inspect
import socket
import struct
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from canonical.failures import Failure, Misconfigured, OutcomeUnknown, Transient
from connectors.kit.answer import Answer, retry_after
from connectors.kit.auth import BasicAuth, BearerKey
from connectors.kit.http import Http, failure_of
from connectors.kit.sandbox import Call, Reply, Sandbox, SandboxTransport, route, serve
from tests.connectors.kit.acme import AcmeSettings
from tests.connectors.kit.raw import answering, raw_server, read_request

# How each exception of the library is judged, for a call without and with an effect. A new one turns the walk red.
T, U, M = Transient, OutcomeUnknown, Misconfigured
JUDGED: dict[type[Exception], tuple[type[Failure], type[Failure]]] = {
    httpx.HTTPError: (T, U),
    httpx.RequestError: (T, U),
    httpx.TransportError: (T, U),
    httpx.TimeoutException: (T, U),
    httpx.ConnectTimeout: (T, T),
    httpx.ReadTimeout: (T, U),
    httpx.WriteTimeout: (T, U),
    httpx.PoolTimeout: (T, T),
    httpx.NetworkError: (T, U),
    httpx.ReadError: (T, U),
    httpx.WriteError: (T, U),
    httpx.ConnectError: (T, T),
    httpx.CloseError: (T, U),
    httpx.ProxyError: (T, T),
    httpx.UnsupportedProtocol: (M, M),
    httpx.ProtocolError: (T, U),
    httpx.LocalProtocolError: (M, M),
    httpx.RemoteProtocolError: (T, U),
    httpx.DecodingError: (T, U),
    httpx.TooManyRedirects: (T, U),
    httpx.HTTPStatusError: (T, U),
    httpx.InvalidURL: (M, M),
    httpx.CookieConflict: (T, U),
    httpx.StreamError: (T, U),
    httpx.StreamConsumed: (T, U),
    httpx.StreamClosed: (T, U),
    httpx.ResponseNotRead: (T, U),
    httpx.RequestNotRead: (T, U),
}


def walk(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for sub in kind.__subclasses__():
        if sub.__module__.startswith("httpx"):
            yield from walk(sub)


def all_httpx_exceptions() -> set[type[Exception]]:
    public = {e for _, e in inspect.getmembers(httpx, inspect.isclass) if issubclass(e, Exception)}
    return {sub for kind in public for sub in walk(kind)}


def make(kind: type[Exception]) -> Exception:
    if kind is httpx.HTTPStatusError:
        request = httpx.Request("GET", "https://rest.acme.example")
        return httpx.HTTPStatusError("x", request=request, response=httpx.Response(500, request=request))
    return kind("x") if "message" in inspect.signature(kind.__init__).parameters else kind()


def test_no_exception_of_the_library_goes_unmapped() -> None:
    assert all_httpx_exceptions() == set(JUDGED)


class Raising(httpx.AsyncBaseTransport):
    def __init__(self, error: Exception) -> None:
        self.error = error

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise self.error


@pytest.mark.parametrize("kind", JUDGED, ids=lambda k: k.__name__)
@pytest.mark.parametrize("effect", [False, True])
async def test_every_exception_becomes_its_failure_on_the_way_out(
    kind: type[Exception], effect: bool
) -> None:
    expected = JUDGED[kind][effect]
    async with Http(AcmeSettings(), transport=Raising(make(kind))) as http:
        with pytest.raises(Failure) as caught:
            await http.send("POST", "/v1/orders", effect=effect)
    assert type(caught.value) is expected
    assert caught.value.evidence["call"] == "POST /v1/orders"


# Real sockets


def settings(url: str, **options: Any) -> AcmeSettings:
    return AcmeSettings(base_url=url, **options)


def unused_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@pytest.mark.parametrize("effect", [False, True])
async def test_nobody_listening_is_transient(effect: bool) -> None:
    async with Http(settings(f"http://127.0.0.1:{unused_port()}")) as http:
        with pytest.raises(Transient) as caught:
            await http.send("POST", "/x", effect=effect)
    assert caught.value.code == "not-reached"


@pytest.mark.parametrize(("effect", "kind"), [(False, Transient), (True, OutcomeUnknown)])
async def test_silence_after_the_request_depends_on_the_effect(effect: bool, kind: type[Failure]) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await asyncio.sleep(30)

    async with raw_server(silent) as url, Http(settings(url, read_timeout=0.2)) as http:
        with pytest.raises(kind) as caught:
            await http.send("POST", "/x", json={"a": 1}, effect=effect)
    assert caught.value.code == "answer-lost"
    assert "ReadTimeout" in caught.value.evidence["error"]


async def test_a_dripping_answer_ends_at_the_total_time_limit() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(100):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.1)

    started = time.monotonic()
    async with raw_server(drip) as url, Http(settings(url, read_timeout=1, total_timeout=0.4)) as http:
        with pytest.raises(OutcomeUnknown, match="answer was lost"):
            await http.send("POST", "/x", effect=True)
    assert time.monotonic() - started < 3


def reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def test_a_reset_after_the_request_is_unknown() -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        reset(writer)

    async with raw_server(cut) as url, Http(settings(url)) as http:
        with pytest.raises(OutcomeUnknown):
            await http.send("POST", "/x", effect=True)


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
    ],
    ids=["closed", "short", "half-a-chunk", "not-http", "not-gzip"],
)
@pytest.mark.parametrize(("effect", "kind"), [(False, Transient), (True, OutcomeUnknown)])
async def test_a_broken_answer_is_lost(wire: bytes, effect: bool, kind: type[Failure]) -> None:
    async with raw_server(answering(wire)) as url, Http(settings(url)) as http:
        with pytest.raises(kind) as caught:
            await http.send("GET", "/x", effect=effect)
    assert caught.value.code == "answer-lost"


async def test_a_full_pool_is_transient_even_with_an_effect() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await asyncio.sleep(30)

    limits = {"pool_size": 1, "pool_timeout": 0.1, "read_timeout": 0.6}
    async with raw_server(silent) as url, Http(settings(url, **limits)) as http:
        first = asyncio.create_task(http.send("POST", "/x", effect=True))
        await asyncio.sleep(0.1)
        with pytest.raises(Transient) as caught:
            await http.send("POST", "/x", effect=True)
        assert "PoolTimeout" in caught.value.evidence["error"]
        with pytest.raises(OutcomeUnknown):
            await first


def http_answer(body: bytes, headers: str = "", status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


@pytest.mark.parametrize(("effect", "kind"), [(False, Transient), (True, OutcomeUnknown)])
async def test_an_answer_over_the_cap_is_not_read_to_its_end(effect: bool, kind: type[Failure]) -> None:
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n")
        for _ in range(200):
            writer.write(b"x" * 100_000)
            await writer.drain()
            sent += 100_000

    async with raw_server(flood) as url, Http(settings(url, max_answer_bytes=1_000_000)) as http:
        with pytest.raises(kind) as caught:
            await http.send("GET", "/x", effect=effect)
    assert caught.value.code == "answer-too-large"
    assert "max_answer_bytes" in str(caught.value.fix)
    assert sent < 20_000_000


async def test_the_cap_counts_what_unpacks() -> None:
    packer = zlib.compressobj(wbits=31)
    body = packer.compress(b"0" * 5_000_000) + packer.flush()
    wire = http_answer(body, "Content-Encoding: gzip\r\n")
    async with raw_server(answering(wire)) as url, Http(settings(url, max_answer_bytes=1_000_000)) as http:
        with pytest.raises(Transient) as caught:
            await http.send("GET", "/x", effect=False)
    assert caught.value.code == "answer-too-large"


async def test_an_answer_at_the_cap_is_read() -> None:
    wire = http_answer(b"x" * 1000)
    async with raw_server(answering(wire)) as url, Http(settings(url, max_answer_bytes=1000)) as http:
        assert len((await http.send("GET", "/x", effect=False)).body) == 1000


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_refused_and_their_target_sees_nothing(status: int) -> None:
    visits = 0

    async def target(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal visits
        visits += 1

    async with raw_server(target) as elsewhere:
        wire = http_answer(b"", f"Location: {elsewhere}/stolen\r\n", f"{status} Moved")
        async with raw_server(answering(wire)) as url, Http(settings(url), BearerKey("secret-key-1")) as http:
            with pytest.raises(Misconfigured) as caught:
                await http.send("GET", "/x", effect=False)
            assert caught.value.code == "redirect-refused"
            assert caught.value.evidence["location"].startswith(elsewhere)
            kind = OutcomeUnknown if status == 303 else Misconfigured
            with pytest.raises(kind):
                await http.send("POST", "/x", effect=True)
    assert visits == 0


async def test_several_choices_are_an_answer_and_not_a_redirect() -> None:
    async with (
        raw_server(answering(http_answer(b"[]", status="300 Many"))) as url,
        Http(settings(url)) as http,
    ):
        assert (await http.send("GET", "/x", effect=False)).status == 300


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/x",
        "http://rest.acme.example/x",
        "https://rest.acme.example.evil.example/x",
        "https://169.254.169.254/latest/meta-data",
        "https://user:pw@rest.acme.example/x",
        "https://acme.example/x",
        "ftp://rest.acme.example/x",
    ],
)
async def test_a_host_off_the_list_is_refused_before_anything_is_sent(address: str) -> None:
    transport = Raising(AssertionError("it was sent"))
    async with Http(AcmeSettings(), BearerKey("secret-key-1"), transport=transport) as http:
        with pytest.raises(Misconfigured) as caught:
            await http.send("GET", address, effect=False)
    assert caught.value.code in {"host-refused", "request-invalid"}


async def test_wildcards_allow_subdomains_only() -> None:
    allow = ("*.my.acme.example", "rest.acme.example:8443")
    echo = SandboxTransport(EchoSandbox())
    async with Http(AcmeSettings(allow_hosts=allow), transport=echo) as http:
        for good in ("https://eu.my.acme.example/echo", "https://rest.acme.example:8443/echo"):
            assert (await http.send("GET", good, effect=False)).status == 200
        for bad in (
            "https://my.acme.example/echo",
            "https://rest.acme.example/echo",
            "https://xmy.acme.example/echo",
        ):
            with pytest.raises(Misconfigured):
                await http.send("GET", bad, effect=False)


@pytest.mark.parametrize("header", ["a\r\nX-Evil: 1", "caf\u00e9 \u20ac"])
async def test_a_header_that_cannot_be_sent_is_named_and_not_shown(header: str) -> None:
    async with serve(EchoSandbox()) as url, Http(settings(url), BearerKey(f"topsecret-{header}")) as http:
        with pytest.raises(Misconfigured) as caught:
            await http.send("POST", "/echo", effect=True)
    assert caught.value.code == "request-invalid"
    assert "topsecret" not in str(caught.value.evidence)
    assert caught.value.__cause__ is None


class EchoSandbox(Sandbox):
    vendor = "echo"

    @route("GET", "/echo")
    @route("POST", "/echo")
    def echo(self, call: Call) -> Reply:
        shown = {
            "query": call.query_string,
            "body": call.body.decode(),
            "type": call.headers.get("content-type", ""),
            "auth": call.headers.get("authorization", ""),
            "cookie": call.headers.get("cookie", ""),
            "extra": call.headers.get("x-extra", ""),
        }
        return Reply.json(shown, headers={"Set-Cookie": "session=1; Path=/"})


@pytest.fixture
async def echo() -> AsyncIterator[Http]:
    async with serve(EchoSandbox()) as url, Http(settings(url), headers={"X-Extra": "yes"}) as http:
        yield http


async def test_bodies_and_parameters_arrive_as_written(echo: Http) -> None:
    got = (await echo.send("POST", "/echo", json={"p": Decimal("10.10")}, effect=True)).json()
    assert (got["body"], got["type"], got["extra"]) == ('{"p":10.10}', "application/json", "yes")
    got = (await echo.send("POST", "/echo", form=[("a[]", "1 2"), ("a[]", "&")], effect=True)).json()
    assert (got["body"], got["type"]) == ("a%5B%5D=1+2&a%5B%5D=%26", "application/x-www-form-urlencoded")
    got = (
        await echo.send("POST", "/echo", content=b"a,b\n", headers={"Content-Type": "text/csv"}, effect=True)
    ).json()
    assert (got["body"], got["type"]) == ("a,b\n", "text/csv")
    got = (await echo.send("GET", "/echo", params={"q": "SELECT 'a b'", "n": 5}, effect=False)).json()
    assert parse_qs(got["query"]) == {"q": ["SELECT 'a b'"], "n": ["5"]}
    got = (await echo.send("GET", "/echo", params=[("x", "1"), ("x", "2")], effect=False)).json()
    assert got["query"] == "x=1&x=2"
    files = {"file": ("usage.csv", b"A,B\n", "text/csv")}
    got = (await echo.send("POST", "/echo", files=files, form={"note": "n"}, effect=True)).json()
    assert got["type"].startswith("multipart/form-data; boundary=")
    assert 'filename="usage.csv"' in got["body"]
    assert 'name="note"' in got["body"]


async def test_cookies_are_not_kept(echo: Http) -> None:
    await echo.send("GET", "/echo", effect=False)
    assert (await echo.send("GET", "/echo", effect=False)).json()["cookie"] == ""


async def test_a_float_in_a_body_is_a_bug_and_never_sent(echo: Http) -> None:
    with pytest.raises(TypeError, match="float"):
        await echo.send("POST", "/echo", json={"amount": 0.1}, effect=True)


async def test_basic_credentials_are_sent_as_the_standard_says(echo: Http) -> None:
    signed = echo.with_auth(BasicAuth("Aladdin", "open sesame"))
    assert (await signed.send("GET", "/echo", effect=False)).json()[
        "auth"
    ] == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


# Answers


def answer(
    body: bytes = b"", headers: dict[str, str] | None = None, *, status: int = 200, effect: bool = True
) -> Answer:
    return Answer(
        status=status, headers=httpx.Headers(headers), body=body, method="POST", path="/v1/x", effect=effect
    )


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (b"", "application/json", "answer-empty"),
        (b"  \n", "application/json", "answer-empty"),
        (b"<!DOCTYPE html><html></html>", "text/html", "answer-not-json"),
        (b"<html>", "application/json", "answer-not-json"),
        (b'{"a":1}', "text/html; charset=utf-8", "answer-not-json"),
        (b'{"a":', "application/json", "answer-not-json"),
        (b'{"a":1}{', "application/json", "answer-not-json"),
        (b"\xff\xfe\x00", "application/json", "answer-not-json"),
        (b"[" * 50_000, "application/json", "answer-not-json"),
    ],
)
@pytest.mark.parametrize(("effect", "kind"), [(False, Transient), (True, OutcomeUnknown)])
def test_what_is_not_whole_json_is_typed(
    body: bytes, content_type: str, code: str, effect: bool, kind: type[Failure]
) -> None:
    with pytest.raises(kind) as caught:
        answer(body, {"Content-Type": content_type}, effect=effect).json()
    assert caught.value.code == code
    assert caught.value.evidence["status"] == "200"
    assert caught.value.evidence["content-type"] == content_type
    assert len(caught.value.evidence["body"]) <= 200


def test_evidence_is_redacted_before_it_is_cut() -> None:
    body = b"<html>" + b"x" * 180 + b' "access_token":"canary-canary-canary"'
    assert "canary" not in answer(body).evidence()["body"]


def test_numbers_in_answers_are_exact() -> None:
    assert answer(b'{"a":0.10,"b":12345678901234567890.123456789}').json() == {
        "a": Decimal("0.10"),
        "b": Decimal("12345678901234567890.123456789"),
    }
    assert answer(b"<html>").try_json() is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "120"}, 120.0),
        ({"Retry-After": " 0 "}, 0.0),
        ({"Retry-After": "-5"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "1.5"}, None),
        (
            {"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"},
            30.0,
        ),
        (
            {"Retry-After": "Wed, 21 Oct 2026 07:27:30 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"},
            0.0,
        ),
    ],
)
def test_the_waiting_time_is_read_in_both_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(answer(b"", headers, status=429)) == seconds


def test_a_date_without_a_date_header_is_measured_from_now() -> None:
    found = retry_after(answer(b"", {"Retry-After": formatdate(time.time() + 60, usegmt=True)}))
    assert found == pytest.approx(60, abs=5)


def test_a_failure_of_an_unknown_library_error_is_careful() -> None:
    class Later(httpx.TransportError):
        """An exception that a later release might add."""

    assert isinstance(failure_of(Later("x"), call="POST /x", effect=True), OutcomeUnknown)
    assert isinstance(failure_of(Later("x"), call="POST /x", effect=False), Transient)
