"""Formula and roll-up fields, computed when they are read.

A record loaded with a value for one of them keeps it until something that feeds the formula changes: packages do show
stale roll-ups, and a reader must cope with totals that do not add up.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from connectors.salesforce.sandbox.store import Org, Row, moment_of, two_places

_FEEDS = {"SBQQ__NetPrice__c", "SBQQ__Quantity__c"}


def value_of(org: Org, name: str, row: Row, field: str) -> Any:
    """The value that a reader sees."""
    formula = _FORMULAS.get((name, field))
    if formula is None or (row.get(field) is not None and row.get(field) is not False):
        return row.get(field)
    return formula(org, row)


def forget(org: Org, name: str, before: Row, after: Row) -> None:
    """Drop loaded totals that a change has made stale."""
    if name != "SBQQ__QuoteLine__c":
        return
    if any(before.get(f) != after.get(f) for f in _FEEDS):
        org.amend(name, after["Id"], {"SBQQ__NetTotal__c": None})
        org.amend("SBQQ__Quote__c", after["SBQQ__Quote__c"], {"SBQQ__NetAmount__c": None})


def _from_quote(field: str) -> Callable[[Org, Row], Any]:
    own = field.replace("Effective", "")

    def effective(org: Org, row: Row) -> Any:
        if row.get(own) is not None:
            return row[own]
        quote = org.table("SBQQ__Quote__c").get(row.get("SBQQ__Quote__c") or "")
        return None if quote is None else quote.get(own)

    return effective


def _product_code(org: Org, row: Row) -> Any:
    product = org.table("Product2").get(row.get("SBQQ__Product__c") or "")
    return None if product is None else product.get("ProductCode")


def _quantity(_: Org, row: Row) -> Decimal:
    return Decimal(row.get("SBQQ__Quantity__c") or 0) - Decimal(row.get("SBQQ__PriorQuantity__c") or 0)


def _net_total(org: Org, row: Row) -> Decimal:
    return two_places(Decimal(row.get("SBQQ__NetPrice__c") or 0) * _quantity(org, row))


def _lines(org: Org, quote: Row) -> list[Row]:
    return org.find("SBQQ__QuoteLine__c", "SBQQ__Quote__c", quote["Id"])


def _net_amount(org: Org, quote: Row) -> Decimal:
    each = (value_of(org, "SBQQ__QuoteLine__c", line, "SBQQ__NetTotal__c") for line in _lines(org, quote))
    return sum(each, Decimal(0))


def _package_total(org: Org, row: Row) -> Decimal:
    parts = org.find("SBQQ__QuoteLine__c", "SBQQ__RequiredBy__c", row["Id"])
    each = (value_of(org, "SBQQ__QuoteLine__c", line, "SBQQ__NetTotal__c") for line in (row, *parts))
    return sum(each, Decimal(0))


def _contact_name(_: Org, row: Row) -> str:
    return " ".join(part for part in (row.get("FirstName"), row.get("LastName")) if part)


def _uncalculated(_: Org, quote: Row) -> bool:
    saved, calculated = quote.get("SBQQ__LastSavedOn__c"), quote.get("SBQQ__LastCalculatedOn__c")
    return saved is not None and (calculated is None or moment_of(saved) > moment_of(calculated))


_FORMULAS: dict[tuple[str, str], Callable[[Org, Row], Any]] = {
    ("SBQQ__QuoteLine__c", "SBQQ__EffectiveStartDate__c"): _from_quote("SBQQ__EffectiveStartDate__c"),
    ("SBQQ__QuoteLine__c", "SBQQ__EffectiveEndDate__c"): _from_quote("SBQQ__EffectiveEndDate__c"),
    ("SBQQ__QuoteLine__c", "SBQQ__ProductCode__c"): _product_code,
    ("SBQQ__QuoteLine__c", "SBQQ__EffectiveQuantity__c"): _quantity,
    ("SBQQ__QuoteLine__c", "SBQQ__NetTotal__c"): _net_total,
    ("SBQQ__QuoteLine__c", "SBQQ__PackageTotal__c"): _package_total,
    ("SBQQ__Quote__c", "SBQQ__NetAmount__c"): _net_amount,
    ("SBQQ__Quote__c", "SBQQ__LineItemCount__c"): lambda org, quote: Decimal(len(_lines(org, quote))),
    ("SBQQ__Quote__c", "SBQQ__Uncalculated__c"): _uncalculated,
    ("Contact", "Name"): _contact_name,
}
