"""How stored records are shown: as REST answers, and as rows of SuiteQL tables."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from connectors.netsuite.sandbox.orders import STATUS
from connectors.netsuite.sandbox.records import CUSTOM, RecordType, Shape, Sublist, Values

_LIST = ("id", "externalid", "name", "isinactive")
TABLES: dict[str, tuple[str, ...]] = {
    "item": ("id", "externalid", "itemid", "displayname", "itemtype", "isinactive"),
    "subsidiary": (*_LIST, "country", "currency"),
    "term": _LIST,
    "currency": (*_LIST, "symbol"),
    "department": _LIST,
    "location": _LIST,
    "classification": _LIST,
    "customer": (
        "id",
        "externalid",
        "entityid",
        "companyname",
        "email",
        "subsidiary",
        "currency",
        "terms",
        "isinactive",
        "lastmodifieddate",
    ),
    "transaction": (
        "id",
        "externalid",
        "tranid",
        "type",
        "status",
        "entity",
        "currency",
        "trandate",
        "startdate",
        "enddate",
        "memo",
        "otherrefnum",
        "foreigntotal",
        "lastmodifieddate",
    ),
    "accountingperiod": (
        "id",
        "periodname",
        "startdate",
        "enddate",
        "closed",
        "alllocked",
        "arlocked",
        "aplocked",
        "isposting",
        "isyear",
        "isquarter",
        "isadjust",
    ),
}

Name = Callable[[str, str], str]
"""Table and id -> the name shown beside a reference."""


def as_row(table: str, values: Mapping[str, object]) -> dict[str, str | None]:
    """A record as SuiteQL shows it: lower-case columns, texts throughout, booleans as T and F."""
    row = {name.lower(): _text(value) for name, value in values.items() if not isinstance(value, list)}
    if table == "transaction":
        row["type"] = "SalesOrd"
        row["status"] = _text(values.get("statusCode"))
        row["foreigntotal"] = _text(values.get("total"))
    return row


def _text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, Decimal):
        return format(value.normalize(), "f") if value else "0"
    return str(value)


def double(value: object) -> object:
    """Numbers come out as doubles: with a point, and without the zeros that were sent."""
    if not isinstance(value, Decimal):
        return value
    plain = value.normalize()
    return plain.quantize(Decimal("0.1")) if plain == plain.to_integral_value() else plain


def link(rel: str, href: str) -> dict[str, str]:
    """One entry of `links`."""
    return {"rel": rel, "href": href}


def as_record(kind: RecordType, values: Values, href: str, name: Name, *, expand: bool) -> dict[str, object]:
    """A record as GET shows it; sublists are only links unless they are expanded."""
    shown: dict[str, object] = {"links": [link("self", href)]}
    shown |= _shown(kind.body, values, name)
    for sublist in kind.sublists:
        place = f"{href}/{sublist.name}"
        lines = values.get(sublist.name)
        if expand:
            shown[sublist.name] = as_collection(
                sublist, lines if isinstance(lines, list) else [], place, name
            )
        else:
            shown[sublist.name] = {"links": [link("self", place)]}
    return shown


def as_collection(sublist: Sublist, lines: list[Values], href: str, name: Name) -> dict[str, object]:
    """A sublist with all its lines."""
    items = [
        {"links": [link("self", f"{href}/{line[sublist.key]}")], sublist.key: line[sublist.key]}
        | _shown(sublist.line, line, name)
        for line in lines
    ]
    return {"links": [link("self", href)], "items": items, "totalResults": len(items)}


def _shown(shape: Shape, values: Values, name: Name) -> dict[str, object]:
    shown: dict[str, object] = {}
    for field, value in values.items():
        if value is None or field == "statusCode":
            continue
        if field in shape.references:
            shown[field] = _reference(shape.references[field], str(value), name)
        elif field in shape.choices:
            code = str(value)
            shown[field] = {"id": code, "refName": STATUS.get(code, code)}
        elif field in shape.names or field.startswith(CUSTOM):
            shown[field] = double(value)
    if "statusCode" in values:
        code = str(values["statusCode"])
        shown["status"] = {"id": code, "refName": STATUS.get(code, code)}
    return shown


def _reference(table: str, record: str, name: Name) -> dict[str, object]:
    return {"links": [], "id": record, "refName": name(table, record)}
