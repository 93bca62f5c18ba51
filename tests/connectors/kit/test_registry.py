"""Vendors are found by their folders, and a wrong name is answered with the right ones."""

from collections.abc import Mapping
from typing import Any

import pytest

from canonical.failures import Misconfigured
from connectors import registry
from connectors.kit.capability import Capability
from connectors.kit.manifest import Manifest, close_adapters
from connectors.kit.sandbox import SandboxTransport
from tests.connectors.kit.acme import AcmeSandbox, AcmeSettings


class Adapter:
    closed = 0

    async def aclose(self) -> None:
        self.closed += 1


def build(settings: AcmeSettings, transport: Any) -> Mapping[str, Any]:
    both = Adapter()
    return {"billing": both, "metering": both, "tax": object()}


SHEET = Capability(vendor="acme", role="billing", idempotency="header", idempotency_window_hours=24)
MANIFEST = Manifest(
    vendor="acme",
    title="Acme",
    settings=AcmeSettings,
    build=build,
    capabilities={"billing": SHEET},
    sandbox="tests.connectors.kit.acme:AcmeSandbox",
)


def test_every_folder_with_a_manifest_is_a_vendor() -> None:
    for name, manifest in registry.vendors().items():
        assert manifest.vendor == name
        assert manifest.roles
        for role, sheet in manifest.capabilities.items():
            assert (sheet.vendor, sheet.role) == (name, role)
    assert "kit" not in registry.vendors()


@pytest.fixture
def only_acme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "vendors", lambda: {"acme": MANIFEST})


@pytest.mark.usefixtures("only_acme")
def test_a_vendor_is_found_by_role_and_name() -> None:
    assert registry.find("billing", "acme") is MANIFEST
    assert registry.capability("billing", "acme") is SHEET


@pytest.mark.usefixtures("only_acme")
def test_an_unknown_vendor_is_answered_with_the_known_ones() -> None:
    with pytest.raises(Misconfigured) as caught:
        registry.find("billing", "amce")
    assert (caught.value.code, "acme" in str(caught.value.fix)) == ("vendor-unknown", True)


@pytest.mark.usefixtures("only_acme")
def test_a_role_that_a_vendor_does_not_play_is_named() -> None:
    with pytest.raises(Misconfigured) as caught:
        registry.find("erp", "acme")
    assert (caught.value.code, caught.value.field) == ("role-not-offered", "erp.vendor")
    assert "billing" in caught.value.message


async def test_adapters_are_closed_once_each() -> None:
    adapters = MANIFEST.build(AcmeSettings(), SandboxTransport(AcmeSandbox()))
    await MANIFEST.close(adapters)
    assert MANIFEST.close is close_adapters
    assert adapters["billing"].closed == 1


def test_the_sandbox_is_imported_when_asked_for() -> None:
    assert MANIFEST.sandbox_type() is AcmeSandbox
