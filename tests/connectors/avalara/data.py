"""Companies, addresses and documents as the sagas send them, and an adapter on a sandbox in process."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from canonical.catalog import Catalog
from canonical.entity import LegalEntity
from canonical.money import Money
from canonical.party import Address
from canonical.tax import Nexus, TaxLine, TaxRequest
from connectors.avalara.client import AvalaraClient
from connectors.avalara.connector import AvalaraTax
from connectors.avalara.sandbox import AvalaraSandbox
from connectors.avalara.settings import AvalaraSettings
from connectors.kit.sandbox import Fault, SandboxTransport
from connectors.kit.world import World

GOLDEN = Path(__file__).parent / "golden"
HOST = "https://sandbox-rest.avatax.com"
SINCE, ON = date(2020, 1, 1), date(2026, 11, 1)


def address(
    country: str, region: str = "", postal_code: str = "", city: str = "", line1: str = ""
) -> Address:
    return Address(line1=line1, city=city, region=region, postal_code=postal_code, country=country)


WA = address("US", "WA", "98110", "Bainbridge Island", "100 Ravine Ln")
PHILADELPHIA = address("US", "PA", "19147", "Philadelphia", "822 Reed St")
BERLIN = address("DE", "", "10115", "Berlin", "Chausseestr. 1")


def entity(code: str, home: Address, currency: str, vat_id: str | None = None) -> LegalEntity:
    return LegalEntity(
        code=code,
        name=f"Northwind {code}",
        country=home.country,
        currencies=(currency,),
        vat_id=vat_id,
        tax_company=code,
        ship_from=home,
        payment_terms=("Net 30",),
    )


ENTITIES = (
    entity("US-INC", WA, "USD"),
    entity("CA-LTD", address("CA", "ON", "M5J 2J1", "Toronto", "200 Bay St"), "CAD"),
    entity("UK-LTD", address("GB", "", "EC2R 8EJ", "London", "1 Poultry"), "GBP", "GB123456789"),
    entity("DE-GMBH", BERLIN, "EUR", "DE123456789"),
)


def nexus(country: str, region: str = "", tax: str = "vat", **more: Any) -> Nexus:
    return Nexus.model_validate(
        {"country": country, "region": region, "tax": tax, "effective_from": SINCE, **more}
    )


NEXUS = {
    "US-INC": (
        *(nexus("US", r, "sales") for r in ("CA", "MA", "OR", "PA", "TX", "WA")),
        nexus("US", "NY", "sales", effective_from=date(2026, 12, 1)),
        nexus("US", "UT", "sales", effective_to=date(2026, 6, 1)),
        nexus("JP"),
    ),
    "CA-LTD": (nexus("CA", "ON"), nexus("CA", "BC"), nexus("CA", "QC")),
    "UK-LTD": (nexus("GB"), nexus("IE")),
    "DE-GMBH": (nexus("DE"), nexus("FR")),
}
WORLD = World(on=ON, catalog=Catalog(products=()), entities=ENTITIES, rules=(), terms=(), nexus=NEXUS)


def engine(**options: Any) -> AvalaraSandbox:
    """A sandbox that knows the companies."""
    sandbox = AvalaraSandbox(**options)
    sandbox.seed(WORLD)
    return sandbox


def settings(sandbox: AvalaraSandbox, base_url: str = HOST, **more: Any) -> AvalaraSettings:
    """Settings that get into the sandbox."""
    return AvalaraSettings.model_validate({"base_url": base_url, **sandbox.credentials(), **more})


def tax(sandbox: AvalaraSandbox, **more: Any) -> AvalaraTax:
    """An adapter in process."""
    return AvalaraTax(AvalaraClient(settings(sandbox, **more), SandboxTransport(sandbox)))


def line(
    amount: str = "125.00", tax_code: str = "SW054000", lineage: str = "QL-1", currency: str = "USD"
) -> TaxLine:
    return TaxLine(
        lineage_id=lineage,
        amount=Money.exactly(amount, currency),
        quantity=Decimal(10),
        item_code="PLATFORM",
        tax_code=tax_code,
        description="Platform subscription",
    )


def request(
    to: Address = PHILADELPHIA,
    company: str = "US-INC",
    *lines: TaxLine,
    currency: str = "USD",
    on: date = ON,
    vat_id: str | None = None,
    exemption: str | None = None,
) -> TaxRequest:
    """A document of one line unless lines are given."""
    seller = next(e for e in ENTITIES if e.tax_company == company)
    return TaxRequest(
        document_code="EST-1001",
        company=company,
        entity=company,
        customer_code="C-1",
        on=on,
        currency=currency,
        ship_from=seller.ship_from,
        ship_to=to,
        vat_id=vat_id,
        exemption_number=exemption,
        lines=lines or (line(currency=currency),),
    )


def fixed_answer(body: bytes) -> Fault:
    """The next document is answered with this."""
    return Fault(match="transactions/create", kind="status", status=201, body=body.decode())
