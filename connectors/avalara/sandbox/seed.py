"""The engine's side of the common test data: a company per tax company of ours, with its nexus rows."""

import zlib
from datetime import timedelta
from typing import Any

from connectors.avalara.sandbox.rates import COUNTRIES, STATES
from connectors.kit.world import World

_FIRST_COMPANY = 848_107


def _nexus(world: World, company: str, members: tuple[str, ...]) -> list[Any]:
    found: list[Any] = []
    for key in (company, *members):
        found += [row for row in world.nexus.get(key, ()) if row not in found]
    return found


def seed(state: dict[str, Any], world: World) -> None:
    """Make the companies that entities name, with where they collect. Loading again replaces the rows.

    `World.nexus` is keyed by tax company or by entity. Our end dates are exclusive, the engine's inclusive.
    """
    for code in dict.fromkeys([entity.tax_company for entity in world.entities]):
        entities = [entity for entity in world.entities if entity.tax_company == code]
        known = state["companies"].get(code)
        number = known["id"] if known else _FIRST_COMPANY + len(state["companies"])
        homes = {entity.country for entity in entities}
        numbers = {entity.country: entity.vat_id for entity in entities if entity.vat_id}
        rows: list[dict[str, Any]] = []
        for row in _nexus(world, code, tuple(entity.code for entity in entities)):
            home = row.country in homes
            tax_id = numbers.get(row.country) or (next(iter(numbers.values()), None) if home else None)
            rows.append(nexus_row(row, number, home=home, tax_id=tax_id))
        state["companies"][code] = {
            "id": number,
            "code": code,
            "name": entities[0].name,
            "country": entities[0].country,
            "nexus": rows,
        }


def nexus_row(row: Any, company_id: int, *, home: bool, tax_id: str | None) -> dict[str, Any]:
    """A canonical Nexus as the list call returns it."""
    sales = row.tax == "sales"
    place = STATES.get(row.region) if row.country == "US" else COUNTRIES.get(row.country)
    found: dict[str, Any] = {
        "id": zlib.crc32(f"{company_id}{row.country}{row.region}{row.effective_from}".encode()),
        "companyId": company_id,
        "country": row.country,
        "region": row.region,
        "jurisTypeId": "STA" if row.region else "CNT",
        "jurisCode": place.code if place else row.region or row.country,
        "jurisName": place.name if place else row.region or row.country,
        "effectiveDate": row.effective_from.isoformat(),
        "nexusTypeId": "SalesOrSellersUseTax" if sales else "SalesTax",
        "nexusTaxTypeGroup": "SalesAndUse" if sales else "InputAndOutput",
        "hasLocalNexus": sales,
        "hasPermanentEstablishment": home,
        "isSellerImporterOfRecord": False,
        "sourcing": "Destination",
        "streamlinedSalesTax": False,
    }
    if row.effective_to is not None:
        found["endDate"] = (row.effective_to - timedelta(days=1)).isoformat()
    if tax_id:
        found["taxId"] = tax_id
    return found
