"""Record types as the account knows them: which properties exist, what they take, and how a body is applied."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from connectors.kit.sandbox import Refusal
from connectors.netsuite.sandbox.problems import Detail, invalid_value, problem, refuse

Values = dict[str, object]
Exists = Callable[[str, str], str | None]
"""Table and `id` or `eid:external id` -> id of the record, or None."""

CUSTOM = ("custbody", "custcol", "custentity", "cseg")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Shape:
    """The properties of a record or of a sublist line. References name the table that they point into."""

    text: frozenset[str] = frozenset()
    dates: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    flags: frozenset[str] = frozenset()
    choices: Mapping[str, frozenset[str]] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)
    nested: frozenset[str] = frozenset()
    read_only: frozenset[str] = frozenset()
    custom: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """All standard properties."""
        named = self.text | self.dates | self.numbers | self.flags | self.nested | self.read_only
        return named | frozenset(self.choices) | frozenset(self.references)


@dataclass(frozen=True)
class Sublist:
    """A list inside a record, with the property that identifies a line."""

    name: str
    key: str
    line: Shape


@dataclass(frozen=True)
class RecordType:
    """A record type: its name in addresses, its table in SuiteQL, its body and its sublists."""

    name: str
    table: str
    body: Shape
    sublists: tuple[Sublist, ...] = ()
    mandatory: tuple[str, ...] = ()

    def sublist(self, name: str) -> Sublist | None:
        """The sublist of that name."""
        return next((s for s in self.sublists if s.name == name), None)


_DIMENSIONS = {"class": "classification", "department": "department", "location": "location"}

CUSTOMER = RecordType(
    name="customer",
    table="customer",
    body=Shape(
        text=frozenset(
            "externalId entityId companyName firstName lastName email phone comments vatRegNumber".split()
        ),
        flags=frozenset({"isPerson", "isInactive"}),
        references={
            "subsidiary": "subsidiary",
            "currency": "currency",
            "terms": "term",
            "parent": "customer",
        },
        read_only=frozenset({"id", "links", "dateCreated", "lastModifiedDate"}),
        custom=("custentity", "cseg"),
    ),
    sublists=(
        Sublist(
            name="addressBook",
            key="internalId",
            line=Shape(
                text=frozenset({"label"}),
                flags=frozenset({"defaultBilling", "defaultShipping", "isResidential"}),
                nested=frozenset({"addressBookAddress"}),
                read_only=frozenset({"links", "id", "addressId"}),
            ),
        ),
    ),
    mandatory=("subsidiary",),
)

SALES_ORDER = RecordType(
    name="salesOrder",
    table="transaction",
    body=Shape(
        text=frozenset("externalId tranId memo otherRefNum email".split()),
        dates=frozenset(
            "tranDate startDate endDate saasCommitmentStartDate saasCommitmentEndDate salesEffectiveDate".split()
        ),
        numbers=frozenset({"exchangeRate", "discountRate"}),
        flags=frozenset({"taxDetailsOverride"}),
        choices={"orderStatus": frozenset({"A", "B"})},
        references={
            **_DIMENSIONS,
            "entity": "customer",
            "subsidiary": "subsidiary",
            "currency": "currency",
            "terms": "term",
        },
        read_only=frozenset(
            "id links status total subtotal taxTotal discountTotal lastModifiedDate createdDate transactionNumber "
            "deferredRevenue recognizedRevenue revenueStatus revCommitStatus nextBill".split()
        ),
        custom=("custbody", "cseg"),
    ),
    sublists=(
        Sublist(
            name="item",
            key="line",
            line=Shape(
                text=frozenset({"description", "taxDetailsReference", "chargeType"}),
                dates=frozenset({"revRecStartDate", "revRecEndDate"}),
                numbers=frozenset(
                    {"quantity", "rate", "amount", "revRecTermInMonths", "requiredDepositAmount"}
                ),
                flags=frozenset({"isClosed", "isclosed", "doNotCreateRevenueElement", "deferRevRec"}),
                references={**_DIMENSIONS, "item": "item"},
                nested=frozenset({"price"}),
                read_only=frozenset(
                    "links lineUniqueKey quantityBilled quantityFulfilled quantityCommitted quantityBackOrdered "
                    "hasOrdBillLink linked isOpen closeDate".split()
                ),
                custom=("custcol", "cseg"),
            ),
        ),
    ),
    mandatory=("entity", "item"),
)

ACCOUNTING_PERIOD = RecordType(
    name="accountingPeriod",
    table="accountingperiod",
    body=Shape(
        text=frozenset({"periodName"}),
        dates=frozenset({"startDate", "endDate"}),
        flags=frozenset(
            "closed allLocked arLocked apLocked isPosting isYear isQuarter isAdjust allowNonGLChanges".split()
        ),
        read_only=frozenset({"id", "links"}),
    ),
)

TYPES: dict[str, RecordType] = {t.name.lower(): t for t in (CUSTOMER, SALES_ORDER, ACCOUNTING_PERIOD)}


@dataclass(frozen=True)
class Reader:
    """Reads request bodies: which custom fields are deployed, what to do about unknown names, what exists."""

    deployed: frozenset[str]
    unknown_names: str
    exists: Exists

    def body(self, kind: RecordType, sent: Mapping[str, object]) -> Values:
        """The writable properties of a body, checked. Sublists come out as lists of line values. Raises Refusal."""
        lists = {s.name: s for s in kind.sublists}
        own = {name: value for name, value in sent.items() if name not in lists}
        values = self._shape(kind.body, own, "")
        for name, sublist in lists.items():
            if name in sent:
                values[name] = self._lines(sublist, sent[name])
        return values

    def _lines(self, sublist: Sublist, sent: object) -> list[Values]:
        items = sent.get("items") if isinstance(sent, Mapping) else None
        if not isinstance(items, list):
            raise invalid_value(sent, sublist.name, sublist.name)
        lines: list[Values] = []
        for index, item in enumerate(items):
            path = f"{sublist.name}.items[{index}]."
            if not isinstance(item, Mapping):
                raise invalid_value(item, sublist.name, path.rstrip("."))
            rest = {name: value for name, value in item.items() if name != sublist.key}
            line = self._shape(sublist.line, rest, path)
            if sublist.key in item:
                line[sublist.key] = _whole(item[sublist.key], sublist.key, path + sublist.key)
            lines.append(line)
        return lines

    def _shape(self, shape: Shape, sent: Mapping[str, object], path: str) -> Values:
        values: Values = {}
        unknown: list[str] = []
        for name, value in sent.items():
            if name in shape.read_only:
                continue
            if name.startswith(CUSTOM):
                if name.startswith(shape.custom) and name in self.deployed:
                    values[name] = value
                else:
                    unknown.append(name)
            elif name in shape.names:
                values[name] = self._value(shape, name, value, path + name)
            else:
                unknown.append(name)
        if unknown and self.unknown_names == "error":
            raise Refusal(problem(400, [_unknown(name, path) for name in unknown]))
        return values

    def _value(self, shape: Shape, name: str, value: object, path: str) -> object:
        if value is None or name in shape.nested:
            return value
        if name in shape.references:
            return self._reference(shape.references[name], name, value, path)
        if name in shape.choices:
            chosen = value.get("id") if isinstance(value, Mapping) else value
            if chosen not in shape.choices[name]:
                raise invalid_value(chosen, name, path)
            return chosen
        if name in shape.numbers:
            return _number(value, name, path)
        if name in shape.dates:
            return _day(value, name, path)
        expected = bool if name in shape.flags else str
        if not isinstance(value, expected):
            raise invalid_value(value, name, path)
        return value

    def _reference(self, table: str, name: str, value: object, path: str) -> str:
        wanted: str | None = None
        if isinstance(value, Mapping):
            if isinstance(value.get("id"), str | int):
                wanted = str(value["id"])
            elif isinstance(value.get("externalId"), str):
                wanted = f"eid:{value['externalId']}"
        found = self.exists(table, wanted) if wanted is not None else None
        if found is None:
            raise invalid_value(wanted if wanted is not None else value, name, path)
        return found


def _unknown(name: str, path: str) -> Detail:
    text = f"Error while accessing a resource. The request contains an unknown field: {path}{name}."
    return Detail("INVALID_CONTENT", text, path=f"{path}{name}")


def _whole(value: object, name: str, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid_value(value, name, path)
    return value


def _number(value: object, name: str, path: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise invalid_value(value, name, path)
    return Decimal(value)


def _day(value: object, name: str, path: str) -> str:
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            date.fromisoformat(value)
        except ValueError:
            raise invalid_value(value, name, path) from None
        return value
    raise invalid_value(value, name, path)


def merge_lines(
    sublist: Sublist, old: Sequence[Values], sent: Sequence[Values], *, replace: bool
) -> list[Values]:
    """A sublist after a write: a line with its key is updated, one without is added; `replace` drops what is not named.

    Raises Refusal for a key that no line has.
    """
    known = {line[sublist.key]: dict(line) for line in old}
    named: list[Values] = []
    highest = max((k for k in known if isinstance(k, int)), default=0)
    for index, line in enumerate(sent):
        key = line.get(sublist.key)
        if key is None:
            highest += 1
            named.append({**line, sublist.key: highest})
        elif key in known:
            known[key].update(line)
            named.append(known[key])
        else:
            raise refuse(
                400,
                "INVALID_KEY_OR_REF",
                f"Error while accessing a resource. The line {key} does not exist.",
                path=f"{sublist.name}.items[{index}].{sublist.key}",
            )
    if replace:
        return named
    keys = {line[sublist.key] for line in named}
    updated = {line[sublist.key]: line for line in named}
    kept = [updated.get(line[sublist.key], dict(line)) for line in old]
    return kept + [line for line in named if line[sublist.key] not in known and line[sublist.key] in keys]
