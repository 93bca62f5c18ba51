"""Certificates are checked in both directions, on a real TLS connection over loopback."""

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from canonical.failures import Misconfigured, OutcomeUnknown
from connectors.kit.http import Http, tls_context
from connectors.kit.sandbox import Call, Reply, Sandbox, route, serve
from tests.connectors.kit.acme import AcmeSettings
from tests.connectors.kit.certs import Authority, server_context


class Plain(Sandbox):
    vendor = "plain"

    @route("POST", "/x")
    def x(self, call: Call) -> Reply:
        self.effect("x", "1")
        return Reply.json({"ok": True})


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"), "acme-root")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("other"), "other-root")


async def post(sandbox: Sandbox, context: ssl.SSLContext, **settings: Any) -> int:
    async with serve(sandbox, ssl_context=context) as url:
        assert url.startswith("https://")
        async with Http(AcmeSettings(base_url=url, **settings)) as http:
            return (await http.send("POST", "/x", json={}, effect=True)).status


async def test_a_client_certificate_opens_the_door(authority: Authority) -> None:
    context = server_context(*authority.issue("server"), clients_of=authority.root)
    chain, key = authority.issue("client")
    sandbox = Plain()
    status = await post(sandbox, context, ca_bundle=authority.root, client_certificate=chain, client_key=key)
    assert (status, sandbox.effects_by_kind()) == (200, {"x": {"1": 1}})


async def test_an_encrypted_key_needs_its_password(authority: Authority) -> None:
    context = server_context(*authority.issue("server"), clients_of=authority.root)
    chain, key = authority.issue("locked", password=b"open-the-key")
    files = {"ca_bundle": authority.root, "client_certificate": chain, "client_key": key}
    assert await post(Plain(), context, client_key_password=SecretStr("open-the-key"), **files) == 200
    with pytest.raises(Misconfigured) as caught:
        await post(Plain(), context, client_key_password=SecretStr("wrong-password"), **files)
    assert caught.value.code == "client-certificate-unusable"


class AlertingServer:
    """Accepts one connection, and when the handshake fails lets the client read why before it hangs up."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(5)
        self.url = f"https://127.0.0.1:{self.listener.getsockname()[1]}"
        self.refused = ""

    def run(self) -> None:
        connection, _ = self.listener.accept()
        connection.settimeout(5)
        with connection.dup() as raw:
            secured = self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            with secured:
                try:
                    secured.do_handshake()
                except ssl.SSLError as error:
                    self.refused = str(error.reason)
                while raw.recv(65536):
                    continue


@pytest.mark.parametrize("whose", ["nobody", "stranger"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_refused_client_certificate_is_misconfigured(
    authority: Authority, stranger: Authority, whose: str, version: ssl.TLSVersion
) -> None:
    context = server_context(*authority.issue("server"), clients_of=authority.root)
    context.maximum_version = version
    server = AlertingServer(context)
    files: dict[str, Any] = {"ca_bundle": authority.root}
    if whose == "stranger":
        files["client_certificate"], files["client_key"] = stranger.issue("stranger")
    with server.listener:
        running = asyncio.create_task(asyncio.to_thread(server.run))
        async with Http(AcmeSettings(base_url=server.url, **files)) as http:
            with pytest.raises(Misconfigured) as caught:
                await http.send("POST", "/x", json={}, effect=True)
        await running
    assert server.refused
    assert (caught.value.code, caught.value.field) == ("certificate-refused", "client_certificate")


async def test_a_server_that_hangs_up_without_a_reason_has_done_nothing_and_we_cannot_know(
    authority: Authority,
) -> None:
    context = server_context(*authority.issue("server"), clients_of=authority.root)
    sandbox = Plain()
    with pytest.raises((Misconfigured, OutcomeUnknown)):
        await post(sandbox, context, ca_bundle=authority.root)
    assert not sandbox.effects
    assert not sandbox.log


@pytest.mark.parametrize(
    ("options", "words"),
    [({"days": -1}, "expired"), ({"address": None}, "mismatch"), ({"address": "127.0.0.2"}, "mismatch")],
)
async def test_an_expired_or_misnamed_server_is_refused(
    authority: Authority, options: dict[str, Any], words: str
) -> None:
    sandbox = Plain()
    with pytest.raises(Misconfigured) as caught:
        await post(sandbox, server_context(*authority.issue("bad", **options)), ca_bundle=authority.root)
    assert (caught.value.code, caught.value.field) == ("certificate-refused", "ca_bundle")
    assert words in caught.value.message
    assert not sandbox.effects


async def test_a_server_signed_by_a_stranger_is_refused(authority: Authority, stranger: Authority) -> None:
    with pytest.raises(Misconfigured) as caught:
        await post(Plain(), server_context(*stranger.issue("server")), ca_bundle=authority.root)
    assert caught.value.code == "certificate-refused"


async def test_old_tls_is_refused(authority: Authority) -> None:
    client = tls_context(AcmeSettings(ca_bundle=authority.root))
    assert client.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert client.verify_mode is ssl.CERT_REQUIRED
    assert client.check_hostname


def test_missing_certificate_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        tls_context(AcmeSettings(client_certificate=tmp_path / "none.crt"))
    assert caught.value.field == "client_certificate"


def test_nobody_turns_the_checks_off() -> None:
    kit = Path(__file__).parents[3] / "connectors"
    found = [p for p in kit.rglob("*.py") if "verify=False" in p.read_text() or "CERT_NONE" in p.read_text()]
    assert found == []
