"""The account's side of a World: items, subsidiaries, terms, currencies, segments and open periods."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from connectors.kit.world import World
from connectors.netsuite.sandbox.views import TABLES

if TYPE_CHECKING:
    from connectors.netsuite.sandbox.account import NetsuiteSandbox

# What an administrator deploys for this product.
DEPLOYED = (
    "custbody_correlation_id",
    "custbody_quote_id",
    "custbody_subscription",
    "custcol_quote_line",
    "custcol_line_no",
    "custcol_pob_ref",
    "custcol_pob_pattern",
    "custcol_ssp",
    "custcol_allocated",
    "custcol_charge_type",
    "custentity_vat_id",
)


def empty() -> dict[str, Any]:
    """An account without data."""
    return {"tables": {name: {} for name in TABLES}, "deployed": list(DEPLOYED), "jobs": {}}


def seed(sandbox: "NetsuiteSandbox", world: World) -> None:
    """Load the world into a sandbox of the same process."""
    sandbox.seed(world.model_dump(mode="json"))


def load(state: dict[str, Any], data: Any, next_number: Callable[[str], int]) -> None:
    """Load the JSON form of a World. What is already there stays, so that loading twice adds nothing."""
    world = World.model_validate(data)
    tables: dict[str, dict[str, dict[str, Any]]] = state["tables"]

    def add(table: str, key: str, rows: Iterable[Mapping[str, Any]]) -> None:
        known = {row.get(key) for row in tables[table].values()}
        for row in rows:
            if row[key] not in known:
                known.add(row[key])
                number = str(next_number("record"))
                tables[table][number] = {"id": number, "isinactive": False, **row}

    add(
        "item",
        "itemid",
        ({"itemid": p.code, "displayname": p.name, "itemtype": "Service"} for p in world.catalog.products),
    )
    add(
        "subsidiary",
        "externalid",
        ({"externalid": e.code, "name": e.name, "country": e.country} for e in world.entities),
    )
    add("term", "name", ({"name": name} for name in world.terms))
    currencies = sorted({c for e in world.entities for c in e.currencies})
    add("currency", "symbol", ({"symbol": code, "name": code} for code in currencies))
    segments = [rule.segments for rule in world.rules]
    add("department", "externalid", (_segment(s.department) for s in segments))
    add("location", "externalid", (_segment(s.location) for s in segments))
    add("classification", "externalid", (_segment(s.product_class) for s in segments))
    add("accountingperiod", "periodName", _months(world.on))


def _segment(code: str) -> dict[str, str]:
    return {"externalid": code, "name": code.replace("-", " ").replace("_", " ").title()}


def _months(on: date) -> Iterable[dict[str, Any]]:
    """Twelve open months from the month of `on`."""
    for index in range(12):
        month = on.year * 12 + on.month - 1 + index
        first, after = (date(m // 12, m % 12 + 1, 1) for m in (month, month + 1))
        yield {
            "periodName": first.strftime("%b %Y"),
            "startDate": first.isoformat(),
            "endDate": date.fromordinal(after.toordinal() - 1).isoformat(),
            "closed": False,
            "allLocked": False,
            "arLocked": False,
            "apLocked": False,
            "isPosting": True,
            "isYear": False,
            "isQuarter": False,
            "isAdjust": False,
        }
