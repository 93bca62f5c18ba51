"""A SuiteQL subset: `SELECT columns FROM table [WHERE col op value [AND ...]] [ORDER BY col [ASC|DESC], ...]`.

Values come out as strings and columns without a value are left out, as on the wire.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from connectors.kit.sandbox import Refusal
from connectors.netsuite.sandbox.problems import refuse

Row = Mapping[str, str | None]

_TOKEN = re.compile(
    r"\s*(?:('(?:[^']|'')*')|(-?\d+(?:\.\d+)?)|([A-Za-z_][A-Za-z0-9_.]*)|(<=|>=|<>|!=|[=<>(),*]))"
)
_WORDS = {"SELECT", "FROM", "WHERE", "AND", "IN", "ORDER", "BY", "ASC", "DESC", "IS", "NULL", "NOT", "AS"}


@dataclass(frozen=True)
class Condition:
    """One comparison of a column."""

    column: str
    operator: str
    values: tuple[str, ...] = ()

    def holds(self, row: Row) -> bool:
        """Whether the row passes; like SQL, nothing compares with NULL."""
        value = row.get(self.column)
        if self.operator == "IS NULL":
            return value is None
        if self.operator == "IS NOT NULL":
            return value is not None
        if value is None:
            return False
        if self.operator == "IN":
            return value in self.values
        other = self.values[0]
        left, right = _comparable(value, other)
        return _COMPARE[self.operator](left, right)


_COMPARE: dict[str, Callable[[tuple[int, Decimal, str], tuple[int, Decimal, str]], bool]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _rank(text: str) -> tuple[int, Decimal, str]:
    """Numbers sort as numbers, and before words."""
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return (0, Decimal(text), "")
    return (1, Decimal(0), text)


def _comparable(left: str, right: str) -> tuple[tuple[int, Decimal, str], tuple[int, Decimal, str]]:
    return _rank(left), _rank(right)


@dataclass(frozen=True)
class Query:
    """A parsed statement."""

    columns: tuple[str, ...]
    table: str
    conditions: tuple[Condition, ...]
    order: tuple[tuple[str, bool], ...]

    def run(self, rows: Iterable[Row]) -> list[dict[str, str]]:
        """The rows that pass, in order, cut down to the chosen columns, without NULLs."""
        found = [row for row in rows if all(c.holds(row) for c in self.conditions)]
        for column, descending in reversed(self.order):
            found.sort(key=lambda row, name=column: _rank(row.get(name) or ""), reverse=descending)  # type: ignore[misc]
        return [
            {name: value for name in self.columns if (value := row.get(name)) is not None} for row in found
        ]


def invalid(text: str) -> Refusal:
    """A statement that cannot be run."""
    return refuse(
        400,
        "INVALID_PARAMETER",
        f"Invalid search query. Detailed unprocessed description follows. {text}.",
    )


def parse(text: str, tables: Mapping[str, Sequence[str]]) -> Query:
    """The statement, checked against the known tables and their columns. Raises Refusal."""
    return _Parser(_tokens(text), tables).query()


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    text = text.rstrip().rstrip(";")
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise invalid(f"Search error occurred: Invalid or unsupported search near '{text[at : at + 20]}'")
        string, number, word, sign = match.groups()
        if string is not None:
            found.append(("value", string[1:-1].replace("''", "'")))
        elif number is not None:
            found.append(("value", number))
        elif word is not None:
            upper = word.upper()
            found.append(("word", upper) if upper in _WORDS else ("name", word.lower()))
        else:
            found.append(("sign", sign))
        at = match.end()
    return found


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]], tables: Mapping[str, Sequence[str]]) -> None:
        self.tokens = tokens
        self.tables = tables
        self.at = 0

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def take(self, kind: str, text: str | None = None) -> str:
        found = self.peek()
        if found[0] != kind or (text is not None and found[1] != text):
            raise invalid(f"Search error occurred: expected {text or kind} but found '{found[1]}'")
        self.at += 1
        return found[1]

    def accept(self, kind: str, text: str) -> bool:
        if self.peek() == (kind, text):
            self.at += 1
            return True
        return False

    def query(self) -> Query:
        self.take("word", "SELECT")
        columns = [self.name()]
        while self.accept("sign", ","):
            columns.append(self.name())
        self.take("word", "FROM")
        table = self.take("name")
        if table not in self.tables:
            raise invalid(f"Search error occurred: Record '{table}' was not found")
        conditions: list[Condition] = []
        if self.accept("word", "WHERE"):
            conditions.append(self.condition())
            while self.accept("word", "AND"):
                conditions.append(self.condition())
        order: list[tuple[str, bool]] = []
        if self.accept("word", "ORDER"):
            self.take("word", "BY")
            order.append(self.ordering())
            while self.accept("sign", ","):
                order.append(self.ordering())
        if self.peek()[0] != "end":
            raise invalid(f"Search error occurred: unexpected '{self.peek()[1]}'")
        known = self.tables[table]
        for column in (*columns, *(c.column for c in conditions), *(name for name, _ in order)):
            if column not in known:
                raise invalid(f"Search error occurred: Field '{column}' for record '{table}' was not found")
        return Query(tuple(columns), table, tuple(conditions), tuple(order))

    def name(self) -> str:
        return self.take("name")

    def ordering(self) -> tuple[str, bool]:
        column = self.name()
        if self.accept("word", "DESC"):
            return column, True
        self.accept("word", "ASC")
        return column, False

    def condition(self) -> Condition:
        column = self.name()
        if self.accept("word", "IN"):
            self.take("sign", "(")
            values = [self.take("value")]
            while self.accept("sign", ","):
                values.append(self.take("value"))
            self.take("sign", ")")
            return Condition(column, "IN", tuple(values))
        if self.accept("word", "IS"):
            negated = self.accept("word", "NOT")
            self.take("word", "NULL")
            return Condition(column, "IS NOT NULL" if negated else "IS NULL")
        operator = self.take("sign")
        if operator not in _COMPARE:
            raise invalid(f"Search error occurred: unexpected '{operator}'")
        return Condition(column, operator, (self.take("value"),))
