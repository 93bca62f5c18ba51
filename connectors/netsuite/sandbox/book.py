"""The records of the account and how they change: each write is checked as a whole, and then stored or refused."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from connectors.netsuite.sandbox import orders
from connectors.netsuite.sandbox.problems import absent, already_there, invalid_value, missing, refuse
from connectors.netsuite.sandbox.records import (
    ACCOUNTING_PERIOD,
    CUSTOMER,
    Reader,
    RecordType,
    Values,
    merge_lines,
)

_STAMPS = frozenset({"lastModifiedDate", "dateCreated", "createdDate"})
_NAMES = ("entityId", "tranId", "itemid", "symbol", "name", "periodName")


@dataclass(frozen=True)
class Book:
    """All records of all types, over the state of the account."""

    state: dict[str, Any]
    next_number: Callable[[str], int]
    now: Callable[[], datetime]
    effect: Callable[[str, str], None]
    duplicate_code: str

    def table(self, name: str) -> dict[str, Values]:
        """The records of a table by id."""
        return cast("dict[str, Values]", self.state["tables"][name])

    def ids(self, kind: RecordType) -> list[str]:
        """All ids of a type, in order."""
        return list(self.table(kind.table))

    def name(self, table: str, record: str) -> str:
        """What is shown beside a reference."""
        values = self.table(table).get(record, {})
        return next((str(values[field]) for field in _NAMES if values.get(field)), record)

    def lookup(self, table: str, reference: str) -> str | None:
        """The id of a record named by id or by `eid:external id`."""
        if not reference.startswith("eid:"):
            return reference if reference in self.table(table) else None
        external = reference.removeprefix("eid:")
        for record, values in self.table(table).items():
            if external and external in (values.get("externalId"), values.get("externalid")):
                return record
        return None

    def find(self, kind: RecordType, reference: str) -> tuple[str, Values]:
        """A record. Raises Refusal 404 when there is none."""
        record = self.lookup(kind.table, reference)
        if record is None:
            raise absent(kind.name)
        return record, self.table(kind.table)[record]

    def create(self, kind: RecordType, body: Mapping[str, Any], mode: str) -> str:
        """A new record; an external id that is taken is refused."""
        external = body.get("externalId")
        if isinstance(external, str) and self.lookup(kind.table, f"eid:{external}") is not None:
            raise already_there(self.duplicate_code)
        return self._store(kind, None, body, mode, frozenset())

    def upsert(
        self, kind: RecordType, external: str, body: Mapping[str, Any], mode: str, replaced: frozenset[str]
    ) -> str:
        """Create or update the record with that external id."""
        if "|" in external:
            raise invalid_value(external, "externalId", "externalId")
        if body.get("externalId", external) != external:
            raise invalid_value(body.get("externalId"), "externalId", "externalId")
        record = self.lookup(kind.table, f"eid:{external}")
        return self._store(kind, record, {**body, "externalId": external}, mode, replaced)

    def change(
        self, kind: RecordType, reference: str, body: Mapping[str, Any], mode: str, replaced: frozenset[str]
    ) -> str:
        """Update a record that exists."""
        record, _ = self.find(kind, reference)
        external = body.get("externalId")
        if isinstance(external, str) and self.lookup(kind.table, f"eid:{external}") not in (None, record):
            raise already_there(self.duplicate_code)
        return self._store(kind, record, body, mode, replaced)

    def delete(self, kind: RecordType, reference: str) -> None:
        """Remove a record; a customer with transactions stays."""
        record, values = self.find(kind, reference)
        if kind is CUSTOMER and any(o.get("entity") == record for o in self.table("transaction").values()):
            text = "Error while accessing a resource. This record cannot be deleted because it has dependent records."
            raise refuse(400, "USER_ERROR", text)
        if kind is ACCOUNTING_PERIOD:
            raise refuse(
                403, "INSUFFICIENT_PERMISSION", "You do not have permission to delete accounting periods."
            )
        del self.table(kind.table)[record]
        self.effect(f"{kind.name}-deleted", _key(record, values))

    def description(self, kinds: Iterable[RecordType]) -> dict[str, Any]:
        """Record types and the lines of their sublists in the manner of an OpenAPI document."""
        deployed = self.state["deployed"]

        def properties(names: Iterable[str], prefixes: tuple[str, ...]) -> dict[str, Any]:
            own = [name for name in deployed if prefixes and name.startswith(prefixes)]
            return {"type": "object", "properties": {name: {} for name in sorted([*names, *own])}}

        schemas: dict[str, Any] = {}
        for kind in kinds:
            schemas[kind.name] = properties(kind.body.names, kind.body.custom)
            for sublist in kind.sublists:
                element = f"{kind.name}-{sublist.name}Element"
                schemas[kind.name]["properties"][sublist.name] = {"$ref": f"#/components/schemas/{element}"}
                schemas[element] = properties(sublist.line.names | {sublist.key}, sublist.line.custom)
        return {"openapi": "3.0.1", "components": {"schemas": schemas}}

    # Writing

    def _store(
        self,
        kind: RecordType,
        record: str | None,
        body: Mapping[str, Any],
        mode: str,
        replaced: frozenset[str],
    ) -> str:
        if kind is ACCOUNTING_PERIOD:
            text = "You do not have permission to change accounting periods. The role of the integration may view them."
            raise refuse(403, "INSUFFICIENT_PERMISSION", text)
        old = {} if record is None else self.table(kind.table)[record]
        reader = Reader(frozenset(self.state["deployed"]), mode, self.lookup)
        new = self._merged(kind, old, reader.body(kind, body), replaced)
        empty = [name for name in kind.mandatory if not new.get(name)]
        if empty:
            raise missing(empty)
        if kind is CUSTOMER:
            self._complete_customer(new, old)
        else:
            self._complete_order(new, old)
        if record is not None and _content(new) == _content(old):
            return record
        stamp = self.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if record is None:
            record = str(self.next_number("record"))
            new["id"] = record
            self._number(kind, new)
        new["lastModifiedDate"] = stamp
        self.table(kind.table)[record] = new
        self.effect(f"{kind.name}-{'updated' if old else 'created'}", _key(record, new))
        return record

    def _merged(self, kind: RecordType, old: Values, sent: Values, replaced: frozenset[str]) -> Values:
        new = {**old, **{name: value for name, value in sent.items() if kind.sublist(name) is None}}
        for sublist in kind.sublists:
            if sublist.name in sent:
                before = cast("list[Values]", old.get(sublist.name) or [])
                lines = cast("list[Values]", sent[sublist.name])
                merged = merge_lines(sublist, before, lines, replace=sublist.name in replaced)
                new[sublist.name] = [_filled(line) for line in merged]
        return _filled(new)

    def _number(self, kind: RecordType, new: Values) -> None:
        if kind is CUSTOMER:
            number = self.next_number("customer")
            new.setdefault("entityId", f"CUST{number} {new.get('companyName', '')}".strip())
        else:
            new.setdefault("tranId", f"SO{100000 + self.next_number('salesOrder')}")

    def _complete_customer(self, new: Values, old: Values) -> None:
        wanted = ["firstName", "lastName"] if new.get("isPerson") else ["companyName"]
        empty = [name for name in wanted if not new.get(name)]
        if empty:
            raise missing(empty)
        moved = bool(old) and old.get("subsidiary") != new.get("subsidiary")
        if moved and any(o.get("entity") == old.get("id") for o in self.table("transaction").values()):
            text = (
                "Error while accessing a resource. The subsidiary cannot be changed once transactions exist."
            )
            raise refuse(400, "USER_ERROR", text, path="subsidiary")
        new.setdefault("isPerson", False)
        new.setdefault("isInactive", False)

    def _complete_order(self, new: Values, old: Values) -> None:
        customer = self.table("customer")[str(new["entity"])]
        orders.same_subsidiary(new, customer)
        if new.get("currency") is None:
            new["currency"] = customer.get("currency")
        currency = self.table("currency").get(str(new.get("currency")), {})
        new.setdefault("tranDate", self.now().astimezone(UTC).date().isoformat())
        # Written once, the state follows the approval; an order that is over does not come back by a write.
        status = new.pop("orderStatus", None)
        if old.get("statusCode") in (None, "A", "B"):
            new["statusCode"] = status or old.get("statusCode") or "A"
        orders.settle(new, str(currency.get("symbol", "")))


def _key(record: str, values: Values) -> str:
    return str(values.get("externalId") or record)


def _content(values: Values) -> Values:
    return {name: value for name, value in values.items() if name not in _STAMPS}


def _filled(values: Values) -> Values:
    """What is left when fields that were emptied are gone."""
    return {name: value for name, value in values.items() if value is not None}
