"""The org's records: ids, stamps, validation, formulas, transactions and background jobs. All in memory."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from connectors.salesforce.sandbox.faults import OrgError, not_found
from connectors.salesforce.sandbox.objects import LOOKUP, SYSTEM, ObjectType

Row = dict[str, Any]
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_NUMBERS = frozenset({"double", "currency", "percent"})


def long_id(short: str) -> str:
    """The 18-character form of a 15-character id: three letters that carry the case of the others."""
    tail = ""
    for start in range(0, 15, 5):
        bits = sum(1 << i for i, c in enumerate(short[start : start + 5]) if c.isupper())
        tail += _ALPHABET[bits]
    return short + tail


def make_id(prefix: str, number: int) -> str:
    """The id of the `number`-th record of an object."""
    digits = ""
    while number:
        number, rest = divmod(number, 62)
        digits = _BASE62[rest] + digits
    return long_id(f"{prefix}Rs0{digits:0>9}")


def stamp(moment: datetime) -> str:
    """A DateTime as the data API writes it: UTC, milliseconds always zero, `+0000` without a colon."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def moment_of(text: str) -> datetime:
    """The instant that a DateTime of the API names."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


def _nothing(name: str, before: Row, after: Row) -> None:
    """An org without automation."""
    del name, before, after


def empty_state() -> dict[str, Any]:
    """An org without records, as JSON."""
    return {"rows": {}, "jobs": [], "counters": {}, "held": {}}


class Org:
    """Records of one org, and the rules for changing them. `state` gives the JSON-able state, which may be replaced."""

    def __init__(
        self, state: Callable[[], dict[str, Any]], now: Callable[[], datetime], types: dict[str, ObjectType]
    ) -> None:
        self._state = state
        self.now = now
        self.types = types
        self.after_change: Callable[[str, Row, Row], None] = _nothing
        self.effects: list[tuple[str, str]] = []
        self._journal: list[tuple[str, str, Row | None]] | None = None

    def table(self, name: str) -> dict[str, Row]:
        """All records of an object, binned ones too."""
        rows: dict[str, dict[str, Row]] = self._state()["rows"]
        return rows.setdefault(name, {})

    @property
    def jobs(self) -> list[dict[str, str]]:
        """What the org will do by itself: `due`, `kind`, `id`."""
        found: list[dict[str, str]] = self._state()["jobs"]
        return found

    # Reading

    def type(self, name: str) -> ObjectType:
        """An object by name (any case). Raises 404 NOT_FOUND."""
        for known, one in self.types.items():
            if known.lower() == name.lower():
                return one
        raise not_found()

    def get(self, name: str, record_id: str) -> Row | None:
        """A live record by 18- or 15-character id."""
        table = self.table(name)
        row = table.get(record_id)
        if row is None and len(record_id) == 15:
            row = table.get(long_id(record_id))
        return None if row is None or row.get("IsDeleted") else row

    def find(self, name: str, field_name: str, value: Any) -> list[Row]:
        """Live records whose field equals `value`."""
        return [r for r in self.table(name).values() if not r.get("IsDeleted") and r.get(field_name) == value]

    # Changing

    def new_id(self, name: str) -> str:
        """The next id of an object."""
        counters: dict[str, int] = self._state()["counters"]
        counters[name] = counters.get(name, 0) + 1
        return make_id(self.types[name].prefix, counters[name])

    def put(self, name: str, row: Row, *, at: datetime | None = None) -> Row:
        """Load a record as it is: no validation, no automation. Absent fields are null."""
        when = stamp(at or self.now())
        kind = self.types[name]
        full: Row = {f: (False if t == "boolean" else None) for f, t in kind.fields.items()}
        full |= {"CreatedDate": when, "LastModifiedDate": when, "SystemModstamp": when, "IsDeleted": False}
        full |= {key: value for key, value in row.items() if key in full or key == "Id"}
        full.setdefault("Id", self.new_id(name))
        self._remember(name, full["Id"])
        self.table(name)[full["Id"]] = full
        return full

    def insert(self, name: str, body: Row) -> Row:
        """Create a record from a request body."""
        values = self.checked(name, body)
        for needed in sorted(self.types[name].required):
            if values.get(needed) in (None, ""):
                raise OrgError(
                    400, "REQUIRED_FIELD_MISSING", f"Required fields are missing: [{needed}]", [needed]
                )
        self._refuse_twins(name, values, None)
        row = self.put(name, values)
        self.after_change(name, {}, row)
        return row

    def update(self, name: str, record_id: str, body: Row) -> Row:
        """Change a record from a request body."""
        row = self.get(name, record_id)
        if row is None:
            raise not_found("Provided external ID field does not exist or is not accessible: " + record_id)
        values = self.checked(name, body)
        self._refuse_twins(name, values, row["Id"])
        changed = row | values
        self._refuse_held(row["Id"])
        self._remember(name, row["Id"])
        when = stamp(self.now())
        changed |= {"LastModifiedDate": when, "SystemModstamp": when}
        before = dict(row)
        self.table(name)[row["Id"]] = changed
        self.after_change(name, before, changed)
        return changed

    def amend(self, name: str, record_id: str, values: Row) -> None:
        """What the org itself writes beside a user's change: no stamps, no automation."""
        self._remember(name, record_id)
        self.table(name)[record_id] = self.table(name)[record_id] | values

    def hold(self, record_id: str, times: int, status: int) -> None:
        """Let another transaction hold a record: so many writes to it fail."""
        self._state()["held"][record_id] = {"times": times, "status": status}

    def _refuse_held(self, record_id: str) -> None:
        held = self._state()["held"].get(record_id)
        if held and held["times"] > 0:
            held["times"] -= 1
            message = f"unable to obtain exclusive access to this record or 1 records: {record_id}"
            raise OrgError(held["status"], "UNABLE_TO_LOCK_ROW", message, [])
        if held and held["times"] < 0:
            message = (
                "The record you are attempting to edit, or one of its related records, is currently being"
            )
            raise OrgError(400, "ENTITY_IS_LOCKED", f"{message} locked for approval", [])

    def delete(self, name: str, record_id: str) -> None:
        """Move a record to the bin, where only queryAll sees it."""
        row = self.get(name, record_id)
        if row is None:
            raise OrgError(404, "ENTITY_IS_DELETED", "entity is deleted")
        self._remember(name, row["Id"])
        when = stamp(self.now())
        self.table(name)[row["Id"]] = row | {
            "IsDeleted": True,
            "SystemModstamp": when,
            "LastModifiedDate": when,
        }

    def touch(self, name: str, record_id: str) -> None:
        """What a background job does: SystemModstamp moves, LastModifiedDate and the content stay."""
        row = self.get(name, record_id)
        if row is None:
            raise not_found()
        self.table(name)[row["Id"]] = row | {"SystemModstamp": stamp(self.now())}

    def checked(self, name: str, body: Row) -> Row:
        """The body's values under the fields' own names. Raises INVALID_FIELD, JSON_PARSER_ERROR, STRING_TOO_LONG."""
        kind = self.types[name]
        values: Row = {}
        for key, value in body.items():
            if key == "attributes":
                continue
            known = kind.actual(key)
            if known is None:
                message = f"No such column '{key}' on sobject of type {name}"
                raise OrgError(400, "INVALID_FIELD", message, [key])
            if known in SYSTEM or known in kind.computed:
                message = f"Unable to create/update fields: {known}. Please check the security settings of this field."
                raise OrgError(400, "INVALID_FIELD_FOR_INSERT_UPDATE", message, [known])
            values[known] = self._checked_value(kind, known, value)
        return values

    def _checked_value(self, kind: ObjectType, name: str, value: Any) -> Any:
        type_name = kind.fields[name]
        if value is None or value == "":
            return False if type_name == "boolean" else None
        wrong = (
            (type_name == "boolean" and not isinstance(value, bool))
            or (type_name in _NUMBERS and not re.fullmatch(r"-?\d+(\.\d+)?", str(value)))
            or (type_name in {"string", "textarea", "picklist", LOOKUP} and not isinstance(value, str))
        )
        if wrong:
            raise OrgError(
                400, "JSON_PARSER_ERROR", f"Cannot deserialize instance of {type_name} from {value!r}"
            )
        if type_name in _NUMBERS:
            return Decimal(str(value))
        if name in kind.lengths and len(value) > kind.lengths[name]:
            message = f"{name}: data value too large: {value[:30]} (max length={kind.lengths[name]})"
            raise OrgError(400, "STRING_TOO_LONG", message, [name])
        if type_name == LOOKUP and (parent := kind.lookups.get(name)) is not None:
            row = self.get(parent, value)
            if row is None:
                raise OrgError(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [name])
            return row["Id"]
        return value

    def _refuse_twins(self, name: str, values: Row, own: str | None) -> None:
        for unique in self.types[name].unique & values.keys():
            for twin in self.find(name, unique, values[unique]):
                if values[unique] is not None and twin["Id"] != own:
                    message = (
                        f"duplicate value found: {unique} duplicates value on record with id: {twin['Id']}"
                    )
                    raise OrgError(400, "DUPLICATE_VALUE", message, [])

    # Transactions

    def _remember(self, name: str, record_id: str) -> None:
        if self._journal is not None:
            self._journal.append((name, record_id, self.table(name).get(record_id)))

    @contextmanager
    def transaction(self) -> Iterator[Callable[[], None]]:
        """Changes inside may be undone all together by the function that this yields."""
        outer = self._journal
        journal: list[tuple[str, str, Row | None]] = []
        self._journal = journal
        jobs, effects = list(self.jobs), list(self.effects)

        def roll_back() -> None:
            for name, record_id, before in reversed(journal):
                if before is None:
                    self.table(name).pop(record_id, None)
                else:
                    self.table(name)[record_id] = before
            journal.clear()
            self.jobs[:] = jobs
            self.effects[:] = effects

        try:
            yield roll_back
        finally:
            self._journal = outer
            if outer is not None:
                outer.extend(journal)

    # Later

    def later(self, seconds: int, kind: str, record_id: str) -> None:
        """Queue what the org will do by itself, in business time."""
        due = self.now() + timedelta(seconds=seconds)
        self.jobs.append({"due": due.isoformat(), "kind": kind, "id": record_id})

    def take_due(self) -> list[dict[str, str]]:
        """What is due by now, taken off the queue, oldest first."""
        now = self.now()
        due = [job for job in self.jobs if datetime.fromisoformat(job["due"]) <= now]
        self.jobs[:] = [job for job in self.jobs if job not in due]
        return sorted(due, key=lambda job: job["due"])


def two_places(value: Decimal) -> Decimal:
    """A currency formula shows two decimals, halves away from zero."""
    return Decimal(value).quantize(Decimal("0.01"), ROUND_HALF_UP)
