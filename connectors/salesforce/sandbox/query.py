"""Running a query: filters, order, relationships, and pages of 2,000 rows for parents and children alike."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cmp_to_key
from typing import Any

from connectors.salesforce.sandbox.faults import OrgError, not_found
from connectors.salesforce.sandbox.formulas import value_of
from connectors.salesforce.sandbox.objects import ObjectType, relationship
from connectors.salesforce.sandbox.soql import Comparison, Condition, Literal, Order, Query, parse
from connectors.salesforce.sandbox.store import Org, Row, long_id, make_id, moment_of

MAX_CLIMB = 5


@dataclass
class Cursors:
    """Open result sets, by locator."""

    org: Org
    open: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    issued: int = 0

    def page(self, records: list[dict[str, Any]], batch: int, version: str) -> dict[str, Any]:
        """The first page of `records`."""
        if len(records) <= batch:
            return {"totalSize": len(records), "done": True, "records": records}
        self.issued += 1
        locator = make_id("01g", self.issued)
        self.open[locator] = records
        return self.more(f"{locator}-0", batch, version)

    def more(self, locator: str, batch: int, version: str) -> dict[str, Any]:
        """The page that starts at `{locator}-{offset}`."""
        name, _, offset = locator.rpartition("-")
        if name not in self.open or not offset.isdigit():
            raise OrgError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        records, start = self.open[name], int(offset)
        found: dict[str, Any] = {"totalSize": len(records), "done": start + batch >= len(records)}
        if not found["done"]:
            found["nextRecordsUrl"] = f"/services/data/{version}/query/{name}-{start + batch}"
        return found | {"records": records[start : start + batch]}


@dataclass
class Run:
    """One query against the org."""

    org: Org
    cursors: Cursors
    version: str
    batch: int
    deleted: bool = False
    text: str = ""
    _paths: dict[tuple[str, str], tuple[list[str], ObjectType, str]] = field(default_factory=dict)

    def answer(self, text: str) -> dict[str, Any]:
        """The body of a query call."""
        self.text = text
        query = parse(text)
        kind = self._source(query.source)
        rows = self.select(query, kind, self.org.table(kind.name).values())
        if query.count:
            return {"totalSize": len(rows), "done": True, "records": []}
        return self.cursors.page([self.render(query, kind, row) for row in rows], self.batch, self.version)

    def _source(self, name: str) -> ObjectType:
        try:
            return self.org.type(name)
        except OrgError:
            raise OrgError(400, "INVALID_TYPE", f"sObject type '{name}' is not supported.") from None

    def select(self, query: Query, kind: ObjectType, candidates: Any) -> list[Row]:
        """The rows that the query names, in its order."""
        for path in (f for f in query.fields if isinstance(f, str)):
            self._walk(kind, path)
        keep: Callable[[Row], bool] = self._test(query.where, kind) if query.where else lambda _: True
        rows = [r for r in candidates if (self.deleted or not r.get("IsDeleted")) and keep(r)]
        if query.order:
            rows.sort(key=cmp_to_key(self._comparer(query.order, kind)))
        stop = None if query.limit is None else query.offset + query.limit
        return rows[query.offset : stop]

    # Paths

    def _walk(self, kind: ObjectType, path: str) -> tuple[list[str], ObjectType, str]:
        """Lookups to follow, the object at the end, and the field there."""
        key = (kind.name, path)
        if key not in self._paths:
            self._paths[key] = self._resolve(kind, path)
        return self._paths[key]

    def _resolve(self, kind: ObjectType, path: str) -> tuple[list[str], ObjectType, str]:
        *steps, last = path.split(".")
        if steps and steps[0].lower() == kind.name.lower():
            steps = steps[1:]
        if len(steps) > MAX_CLIMB:
            raise OrgError(400, "MALFORMED_QUERY", f"relationship path is too long: {path}")
        lookups: list[str] = []
        for step in steps:
            lookup = next((x for x in kind.lookups if relationship(x).lower() == step.lower()), None)
            if lookup is None or lookup not in kind.fields:
                raise self._no_column(step, kind, relation=True)
            lookups.append(lookup)
            kind = self.org.types[kind.lookups[lookup]]
        known = kind.actual(last)
        if known is None:
            raise self._no_column(last, kind)
        return lookups, kind, known

    def _no_column(self, name: str, kind: ObjectType, relation: bool = False) -> OrgError:
        at = max(self.text.find(name), 0)
        what = (
            f"Didn't understand relationship '{name}' in field path."
            if relation
            else f"No such column '{name}' on entity '{kind.name}'."
        )
        hint = "If you are attempting to use a custom field, be sure to append the '__c' after the custom field name."
        message = f"\n{self.text[:60]}\n{' ' * min(at, 60)}^\nERROR at Row:1:Column:{at + 1}\n{what} {hint}"
        return OrgError(400, "INVALID_FIELD", message)

    def read(self, kind: ObjectType, row: Row, path: str) -> Any:
        """The value at the end of a path; null as soon as a lookup on the way is empty or dangles."""
        lookups, _, field_name = self._walk(kind, path)
        name = kind.name
        for lookup in lookups:
            name = self.org.types[name].lookups[lookup]
            found = self.org.get(name, row.get(lookup) or "")
            if found is None:
                return None
            row = found
        return value_of(self.org, name, row, field_name)

    # Conditions

    def _test(self, condition: Condition, kind: ObjectType) -> Callable[[Row], bool]:
        if isinstance(condition, Comparison):
            return self._compare(condition, kind)
        tests = [self._test(part, kind) for part in condition.parts]
        if condition.word == "NOT":
            return lambda row: not tests[0](row)
        joined = all if condition.word == "AND" else any
        return lambda row: joined(test(row) for test in tests)

    def _compare(self, condition: Comparison, kind: ObjectType) -> Callable[[Row], bool]:
        _, owner, field_name = self._walk(kind, condition.path)
        type_name = owner.type_of(field_name) or ""
        key = _key_of(type_name)
        if isinstance(condition.value, tuple):
            wanted = {key(_checked(v, type_name, condition.path)) for v in condition.value}
            inside = condition.operator == "IN"
            return lambda row: (key(self.read(kind, row, condition.path)) in wanted) is inside
        value = _checked(condition.value, type_name, condition.path)
        if condition.operator == "LIKE":
            pattern = re.compile(_like(str(value)), re.IGNORECASE | re.DOTALL)
            return lambda row: pattern.fullmatch(self.read(kind, row, condition.path) or "") is not None
        right = key(value)

        def test(row: Row) -> bool:
            left = key(self.read(kind, row, condition.path))
            if condition.operator in {"=", "!="}:
                return bool(left == right) is (condition.operator == "=")
            if left is None or right is None:
                return False
            verdicts = {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}
            return bool(verdicts[condition.operator])

        return test

    def _comparer(self, order: tuple[Order, ...], kind: ObjectType) -> Callable[[Row, Row], int]:
        keys = []
        for one in order:
            _, owner, field_name = self._walk(kind, one.path)
            keys.append((one, _key_of(owner.type_of(field_name) or "")))

        def compare(a: Row, b: Row) -> int:
            for one, key in keys:
                left, right = key(self.read(kind, a, one.path)), key(self.read(kind, b, one.path))
                if left == right:
                    continue
                if left is None or right is None:
                    return (1 if left is None else -1) if one.nulls_last else (-1 if left is None else 1)
                return (-1 if left < right else 1) * (-1 if one.descending else 1)
            return 0

        return compare

    # Answers

    def attributes(self, kind: ObjectType, row: Row) -> dict[str, str]:
        """The type and address of a record."""
        return {"type": kind.name, "url": f"/services/data/{self.version}/sobjects/{kind.name}/{row['Id']}"}

    def render(self, query: Query, kind: ObjectType, row: Row) -> dict[str, Any]:
        """One record as JSON, relationships nested."""
        found: dict[str, Any] = {"attributes": self.attributes(kind, row)}
        for item in query.fields:
            if isinstance(item, Query):
                found[item.source] = self._children(item, kind, row)
            else:
                self._put(found, kind, row, item)
        return found

    def _put(self, found: dict[str, Any], kind: ObjectType, row: Row, path: str) -> None:
        lookups, _, field_name = self._walk(kind, path)
        for lookup in lookups:
            kind = self.org.types[kind.lookups[lookup]]
            parent = self.org.get(kind.name, row.get(lookup) or "")
            name = relationship(lookup)
            if parent is None:
                found[name] = None
                return
            found = found.setdefault(name, {"attributes": self.attributes(kind, parent)})
            row = parent
        found[field_name] = value_of(self.org, kind.name, row, field_name)

    def _children(self, query: Query, kind: ObjectType, row: Row) -> dict[str, Any] | None:
        link = next((v for k, v in kind.children.items() if k.lower() == query.source.lower()), None)
        if link is None:
            raise self._no_column(query.source, kind, relation=True)
        child, lookup = self.org.types[link[0]], link[1]
        candidates = [r for r in self.org.table(child.name).values() if r.get(lookup) == row["Id"]]
        rows = self.select(query, child, candidates)
        if not rows:
            return None
        return self.cursors.page([self.render(query, child, r) for r in rows], self.batch, self.version)


def _like(pattern: str) -> str:
    return "".join({"%": ".*", "_": "."}.get(c, re.escape(c)) for c in pattern)


def _key_of(type_name: str) -> Callable[[Any], Any]:
    """How values of a type are compared: text without case, ids in their long form, instants as instants."""
    if type_name in {"id", "reference"}:
        return lambda v: long_id(v) if isinstance(v, str) and len(v) == 15 else v
    if type_name == "datetime":
        return lambda v: None if v is None else _moment(v)
    if type_name in {"string", "textarea", "picklist"}:
        return lambda v: None if v in (None, "") else str(v).lower()
    if type_name in {"double", "currency", "percent"}:
        return lambda v: None if v is None else Decimal(v)
    return lambda v: v


def _moment(text: str) -> datetime:
    normal = text.replace("Z", "+0000")
    return moment_of(normal) if "." in normal else datetime.strptime(normal, "%Y-%m-%dT%H:%M:%S%z")


_FITS = {
    "datetime": {"datetime", "null"},
    "date": {"date", "null"},
    "boolean": {"boolean"},
    "double": {"number", "null"},
    "currency": {"number", "null"},
    "percent": {"number", "null"},
}


def _checked(literal: Literal, type_name: str, path: str) -> Any:
    if literal.kind not in _FITS.get(type_name, {"string", "null"}):
        message = f"value of filter criterion for field '{path}' must be of type {type_name}"
        quoted = "and should not be enclosed in quotes" if literal.kind == "string" else ""
        raise OrgError(400, "INVALID_FIELD", f"{message} {quoted}".strip())
    return literal.value


def batch_size(header: str) -> int:
    """Rows of a page: 2,000, or what `Sforce-Query-Options` asks for within 200 to 2,000."""
    found = re.search(r"batchSize=(\d+)", header)
    return min(2000, max(200, int(found.group(1)))) if found else 2000


def record_body(run: Run, kind: ObjectType, record_id: str, fields: list[str]) -> dict[str, Any]:
    """A record read by id: all its fields, or those named. Raises NOT_FOUND, INVALID_FIELD."""
    row = run.org.get(kind.name, record_id)
    if row is None:
        raise not_found("Provided external ID field does not exist or is not accessible: " + record_id)
    found: dict[str, Any] = {"attributes": run.attributes(kind, row)}
    for name in fields or [
        "Id",
        *kind.fields,
        "CreatedDate",
        "LastModifiedDate",
        "SystemModstamp",
        "IsDeleted",
    ]:
        known = kind.actual(name)
        if known is None:
            raise OrgError(
                400, "INVALID_FIELD", f"No such column '{name}' on sobject of type {kind.name}", [name]
            )
        found[known] = value_of(run.org, kind.name, row, known)
    return found if "Id" in found else found | {"Id": row["Id"]}
