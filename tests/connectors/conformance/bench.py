"""What the suites of all ports share: a vendor found by role, its sandbox with the common world, and an adapter on it.

A suite knows no vendor. It may use the port, the world, and of the sandbox only what every sandbox has: faults,
effects, the log, `seed`, and settings that get in (`credentials()`, or `connection(url)` where the address matters).
"""

import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from canonical.failures import Failure, OutcomeUnknown
from canonical.mapping import MappingSet
from canonical.quote import Deal
from commands.demo import book
from commands.demo.book import Item, Order, build, ident
from connectors import registry
from connectors.kit.manifest import Manifest
from connectors.kit.sandbox import Fault, Sandbox, SandboxTransport
from connectors.kit.settings import VendorSettings
from connectors.kit.world import World

# Some sandboxes hand out their own address, so it must be one that settings allow.
URL = "http://127.0.0.1:9"
CYCLE, LONG = 41, 42
LOST = ("timeout_after", "reset_after", "error_after")


def vendors(role: str) -> list[str]:
    """The vendors that serve a role."""
    return [name for name, manifest in registry.vendors().items() if role in manifest.capabilities]


def _cycle() -> Deal:
    """A deal whose account is its own grandparent."""
    deal = build(Order(CYCLE, "Ouroboros Ltd", "WA", "USD", (Item("PLATFORM"),), parent=91))
    own, above = deal.parties.customer.customer_id, ident("account", 91)
    return deal.model_copy(update={"parents": {own: above, above: own}})


@cache
def world() -> World:
    """The book of deals, a cyclic hierarchy, and a quote that no answer holds in one page."""
    long = build(Order(LONG, "Long Quote Inc", "TX", "USD", tuple(Item("SEATS") for _ in range(450))))
    plain = book.world()
    return plain.model_copy(update={"deals": (*plain.deals, _cycle(), long)})


@cache
def _world_json() -> dict[str, Any]:
    return world().model_dump(mode="json")


@dataclass(frozen=True)
class Subject:
    """A vendor in one role, ready to be judged."""

    vendor: str
    role: str
    manifest: Manifest
    sandbox: Sandbox
    settings: VendorSettings
    adapter: Any
    refs: MappingSet

    @property
    def effects(self) -> Counter[tuple[str, str]]:
        """Real changes in the vendor's books, counted by business key, so far."""
        return Counter(self.sandbox.effects)

    def with_settings(self, **changes: Any) -> "Subject":
        """The same vendor, reached with other settings."""
        settings = self.settings.model_copy(update=changes)
        adapters = self.manifest.build(settings, SandboxTransport(self.sandbox))
        return replace(self, settings=settings, adapter=adapters[self.role])

    def break_calls(self, kind: str, match: str = ".", **more: Any) -> Fault:
        """Arm a fault."""
        fault = Fault.model_validate({"kind": kind, "match": match, **more})
        self.sandbox.faults.add(fault)
        return fault

    def no_effect_twice(self) -> None:
        """The invariant behind every retry: a business key is changed once, whatever happened on the way."""
        twice = {key: count for key, count in self.sandbox.effects.items() if count > 1}
        assert not twice, twice


async def subject(role: str, vendor: str) -> Subject:
    """A vendor with the world in its books and the mapping that a synchronisation would make."""
    manifest = registry.find(role, vendor)
    sandbox: Sandbox = manifest.sandbox_type()()
    sandbox.seed(_world_json())
    settings = manifest.settings.model_validate(_connection(sandbox))
    adapter = manifest.build(settings, SandboxTransport(sandbox))[role]
    refs = MappingSet.of(vendor, await adapter.references())
    return Subject(vendor, role, manifest, sandbox, settings, adapter, refs)


def _connection(sandbox: Any) -> dict[str, Any]:
    if hasattr(sandbox, "connection"):
        return dict(sandbox.connection(URL))
    return {"base_url": URL, **sandbox.credentials()}


def wrong_secrets(settings: VendorSettings) -> dict[str, Any]:
    """Every secret of the settings, replaced by one that nobody knows."""
    changed: dict[str, Any] = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr) and value.get_secret_value():
            text = value.get_secret_value()
            changed[name] = SecretStr(_stranger() if "PRIVATE KEY" in text else f"{text[:-4]}nope")
    return changed


@cache
def _stranger() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


Step = Callable[["Subject"], Awaitable[Any]]


@dataclass(frozen=True)
class _Target:
    """A call in which an answer may be lost: which one of its kind, and in which step."""

    step: int
    method: str
    path: str
    earlier: int


async def losing_answers(
    role: str, vendor: str, kind: str, steps: Sequence[Step]
) -> AsyncIterator["Subject"]:
    """Play `steps` once for each call that changes the books or follows such a call in its step, its answer lost.

    The step must then end as OutcomeUnknown: the effect has happened, even where only the reading back was lost. It is
    repeated, as a saga would. Nothing may have happened twice. The caller looks at the books afterwards.
    """
    targets = await _targets(role, vendor, steps)
    assert targets, "no step changes anything"
    for target in targets:
        at = await subject(role, vendor)
        fault = at.break_calls(kind, f"^{target.method} {re.escape(target.path)}$", skip=target.earlier)
        for number, step in enumerate(steps):
            if number == target.step:
                await _loses(at, step, target)
            await step(at)
        assert fault.struck == 1
        at.no_effect_twice()
        yield at


async def _loses(at: "Subject", step: Step, target: _Target) -> None:
    try:
        await step(at)
    except OutcomeUnknown:
        return
    except Failure as failure:
        raise AssertionError(f"{target}: told as {failure.kind}, though the effect had happened") from failure
    raise AssertionError(f"{target}: a lost answer was taken for a good one")


async def _targets(role: str, vendor: str, steps: Sequence[Step]) -> list[_Target]:
    """The calls to lose, seen on a twin."""
    twin = await subject(role, vendor)
    writing: set[int] = set()
    count = twin.sandbox.effect

    def watch(kind: str, key: str) -> None:
        count(kind, key)
        writing.add(twin.sandbox.log[-1]["n"])

    twin.sandbox.effect = watch  # type: ignore[method-assign]
    seen: Counter[tuple[str, str]] = Counter()
    found: list[_Target] = []
    for number, step in enumerate(steps):
        before = twin.sandbox.served
        await step(twin)
        wrote = False
        for call in (entry for entry in twin.sandbox.log if entry["n"] > before):
            wrote = wrote or call["n"] in writing
            address = (call["method"], call["path"])
            if wrote:
                found.append(_Target(number, *address, seen[address]))
            seen[address] += 1
    return found


def deals() -> dict[str, Deal]:
    """The deals of the world by quote id."""
    return {deal.quote.quote_id: deal for deal in world().deals}


def deal(number: int) -> Deal:
    """One deal of the book."""
    return deals()[ident("quote", number)]


def cases(role: str) -> Any:
    """Run a test once for each vendor of a role."""
    return pytest.mark.parametrize("vendor", vendors(role))


ROLES = ("crm", "cpq", "billing", "payments", "tax", "erp")
EVERYWHERE = [(role, vendor) for role in ROLES for vendor in vendors(role)]
