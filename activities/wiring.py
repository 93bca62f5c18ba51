"""Builds everything from settings. Worker, command line and tests call it; nothing else knows how the parts fit."""

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.activation import ActivationActivities
from activities.billing import AccountActivities
from activities.clock import Clock, StoreClock, SystemClock
from activities.contracts.manners import Role
from activities.crm import CrmActivities
from activities.effects import Effects
from activities.erp import ErpActivities
from activities.kernel import KernelActivities
from activities.leases import Leases
from activities.orders import OrderActivities
from activities.payments import PaymentActivities
from activities.settings import Settings
from activities.store.effect_entry import KillPoint
from activities.store.store import Store
from activities.tax import TaxActivities
from activities.tools import Tools
from connectors import registry
from connectors.kit.manifest import Manifest
from connectors.ports import Health


@dataclass
class Wired:
    """The parts, joined. Give them back with `close()`."""

    settings: Settings
    store: Store
    clock: Clock
    tools: Tools
    adapters: Mapping[str, Any]
    activities: Mapping[Role, Sequence[Callable[..., Any]]]
    crm: CrmActivities
    activation: ActivationActivities
    _built: list[tuple[Manifest, Mapping[str, Any]]] = field(default_factory=list)
    _owns_store: bool = True

    async def health(self) -> list[tuple[str, str, Health]]:
        """(vendor, role, health) of every adapter."""
        return [
            (self.settings.roles()[role], role, await adapter.check())
            for role, adapter in self.adapters.items()
        ]

    async def close(self) -> None:
        """Close adapters and store."""
        for manifest, adapters in self._built:
            await manifest.close(adapters)
        if self._owns_store:
            await self.store.close()


def _adapters(
    settings: Settings, transports: Mapping[str, httpx.AsyncBaseTransport]
) -> tuple[dict[str, Any], list[tuple[Manifest, Mapping[str, Any]]]]:
    """One set of adapters for each vendor, however many roles it plays."""
    built: dict[str, Mapping[str, Any]] = {}
    manifests: list[tuple[Manifest, Mapping[str, Any]]] = []
    adapters: dict[str, Any] = {}
    for role, vendor in settings.roles().items():
        manifest = registry.find(role, vendor)
        if vendor not in built:
            built[vendor] = manifest.build(manifest.settings(), transports.get(vendor))
            manifests.append((manifest, built[vendor]))
        adapters[role] = built[vendor][role]
    return adapters, manifests


def _signaller(temporal: Client | None) -> Callable[[str, str], Any]:
    async def wake(workflow_id: str, signal: str) -> bool:
        """Send a signal without arguments; False when the workflow has ended."""
        if temporal is None:
            raise RuntimeError("this process has no connection to Temporal")
        try:
            await temporal.get_workflow_handle(workflow_id).signal(signal)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        return True

    return wake


async def build(
    settings: Settings,
    *,
    transports: Mapping[str, httpx.AsyncBaseTransport] | None = None,
    store: Store | None = None,
    temporal: Client | None = None,
    kill_point: KillPoint | None = None,
) -> Wired:
    """Connect the store (unless one is given), build the adapters, make the activities.

    Raises Misconfigured for missing settings and Transient `store-unavailable` when the database is down.
    """
    owned = store is None
    store = store or await Store.connect(settings.database_url, pool=settings.database_pool)
    clock: Clock = StoreClock(store) if settings.clock == "simulated" else SystemClock()
    adapters, built = _adapters(settings, transports or {})
    tools = Tools(
        store=store,
        effects=Effects(store, clock, kill_point=kill_point, send_limit=settings.lost_after_seconds),
        clock=clock,
        leases=Leases(store, f"{os.getpid()}@{platform.node()}"),
        settings=settings,
        capabilities={role: registry.capability(role, vendor) for role, vendor in settings.roles().items()},
        wake=_signaller(temporal),
    )
    crm = CrmActivities(adapters["crm"], adapters["cpq"], tools)
    activation = ActivationActivities(adapters["tax"], tools)
    accounts, orders = (
        AccountActivities(adapters["billing"], tools),
        OrderActivities(adapters["billing"], tools),
    )
    payments, tax = PaymentActivities(adapters["payments"], tools), TaxActivities(adapters["tax"], tools)
    erp, kernel = ErpActivities(adapters["erp"], tools), KernelActivities(tools)
    return Wired(
        settings=settings, store=store, clock=clock, tools=tools, adapters=adapters, crm=crm, activation=activation,
        activities={
            Role.CORE: [
                kernel.open_case, kernel.resolve_case, kernel.register_wait, kernel.end_wait,
                activation.open_activation, activation.release_claim, activation.take_turn, activation.leave_turn,
                activation.give_turn, activation.record_activation, orders.compare_order,
            ],
            Role.CRM: [
                crm.read_deal, crm.lock_quote, crm.unlock_quote, crm.write_back, crm.probe_write_back,
                crm.find_contract, crm.find_deals, crm.move_cursor,
            ],
            Role.BILLING: [
                accounts.open_account, accounts.close_account, accounts.attach_payment, accounts.restore_payment,
                orders.preview_order, orders.draft_order, orders.withdraw_order, orders.activate_order,
                orders.probe_activation, orders.read_subscription,
            ],
            Role.PAYMENTS: [payments.check_method],
            Role.TAX: [tax.estimate_tax, activation.validate_deal],
            Role.ERP: [erp.record_customer, erp.probe_customer, erp.record_contract, erp.probe_contract],
        },
        _built=built, _owns_store=owned,
    )  # fmt: skip
