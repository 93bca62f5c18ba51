"""Customers and contracts as the sagas send them, and an adapter on a sandbox in process."""

from datetime import date
from decimal import Decimal
from typing import Any

from canonical.contract import ContractDocument, ContractLine, ErpCustomer
from canonical.entity import Segments
from canonical.mapping import MappingSet
from canonical.money import Money
from canonical.party import Address
from canonical.period import Period
from commands.demo.world import CATALOG, ENTITIES, EPOCH, NEXUS, RULES, TERMS
from connectors.kit.sandbox import SandboxTransport
from connectors.kit.world import World
from connectors.netsuite.client import NetsuiteClient
from connectors.netsuite.connector import NetsuiteErp
from connectors.netsuite.sandbox import NetsuiteSandbox
from connectors.netsuite.sandbox.seed import seed
from connectors.netsuite.settings import NetsuiteSettings

HOST = "https://100001-sb1.suitetalk.api.netsuite.com"
WORLD = World(on=EPOCH, catalog=CATALOG, entities=ENTITIES, rules=RULES, terms=TERMS, nexus=NEXUS)
SEGMENTS = Segments(department="SALES-NA", location="SEATTLE", product_class="SUBSCRIPTION")
TERM = Period(start=date(2026, 2, 1), end=date(2027, 2, 1))
CUSTOMER_ID = "CUS-ACME-5XQ2"
CONTRACT_ID = "CON-Q1001-7KDM"


def account(**options: Any) -> NetsuiteSandbox:
    """A sandbox with the master data of the demonstration company."""
    sandbox = NetsuiteSandbox(**options)
    seed(sandbox, WORLD)
    return sandbox


def settings(sandbox: NetsuiteSandbox, base_url: str = HOST, **more: Any) -> NetsuiteSettings:
    """Settings that get into the sandbox."""
    return NetsuiteSettings.model_validate({"base_url": base_url, **sandbox.credentials(), **more})


def client(sandbox: NetsuiteSandbox, **more: Any) -> NetsuiteClient:
    """A client in process."""
    return NetsuiteClient(settings(sandbox, **more), SandboxTransport(sandbox))


def erp(sandbox: NetsuiteSandbox, **more: Any) -> NetsuiteErp:
    """An adapter in process."""
    return NetsuiteErp(client(sandbox, **more))


async def mapped(adapter: NetsuiteErp) -> MappingSet:
    """The active mapping, as the catalog synchronisation would make it."""
    return MappingSet.of("netsuite", await adapter.references())


def customer(**changes: object) -> ErpCustomer:
    """A customer of the American entity."""
    address = Address(line1="1 Main St", city="Austin", region="TX", postal_code="78701", country="US")
    whole = ErpCustomer(
        external_id=CUSTOMER_ID,
        name="Acme Rocket Works",
        entity="US-INC",
        currency="USD",
        payment_terms="Net 30",
        email="ap@acme.example",
        address=address,
        vat_id=None,
    )
    return whole.model_copy(update=changes)


def line(number: int = 1, **changes: object) -> ContractLine:
    """A platform line over the whole term."""
    whole = ContractLine(
        lineage_id=f"QL-{number:03}",
        line_no=number,
        product_code="PLATFORM",
        description="Platform, annual",
        quantity=Decimal(3),
        amount=Money(minor=100000, currency="USD"),
        period=TERM,
        charge_type="recurring",
        obligation=f"CON-Q1001/POB-{number}",
        pattern="straight-line",
        ssp=Money(minor=120000, currency="USD"),
        allocated=Money(minor=95000, currency="USD"),
        segments=SEGMENTS,
    )
    return whole.model_copy(update=changes)


def contract(*lines: ContractLine, **changes: object) -> ContractDocument:
    """A contract with a fee and usage, unless lines are given."""
    usage = line(
        2,
        product_code="API",
        description="API calls",
        quantity=Decimal("0.5"),
        amount=Money.zero("USD"),
        charge_type="usage",
        pattern="as-invoiced",
        ssp=None,
        allocated=Money.zero("USD"),
    )
    whole = ContractDocument(
        external_id=CONTRACT_ID,
        customer_external_id=CUSTOMER_ID,
        entity="US-INC",
        currency="USD",
        on=date(2026, 1, 20),
        term=TERM,
        payment_terms="Net 30",
        purchase_order="PO-77",
        correlation_id="activation/Q1001/r0a1b2c3d4e5f",
        subscription_number="SUB-Q1001-AAAA",
        quote_id="Q1001",
        lines=lines or (line(1), usage),
    )
    return whole.model_copy(update=changes)
