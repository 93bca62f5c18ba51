"""SOQL as far as integrations use it: text to a parsed query, or MALFORMED_QUERY."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from connectors.salesforce.sandbox.faults import OrgError

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>'(?:[^'\\]|\\.)*')
      | (?P<datetime>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))
      | (?P<date>\d{4}-\d\d-\d\d)
      | (?P<number>-?\d+(?:\.\d+)?)
      | (?P<name>[A-Za-z_][A-Za-z0-9_.]*)
      | (?P<sign><=|>=|!=|<>|=|<|>|\(|\)|,)
    )""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "'": "'", '"': '"', "\\": "\\"}
_COMPARISONS = {"=", "!=", "<>", "<", "<=", ">", ">="}


@dataclass(frozen=True)
class Literal:
    """A value in a query. `kind` is string, datetime, date, number, boolean or null."""

    kind: str
    value: Any


@dataclass(frozen=True)
class Comparison:
    """`path operator value`; the value of IN and NOT IN is a tuple."""

    path: str
    operator: str
    value: Literal | tuple[Literal, ...]


@dataclass(frozen=True)
class Junction:
    """AND, OR or NOT over parts."""

    word: str
    parts: tuple["Condition", ...]


Condition = Comparison | Junction


@dataclass(frozen=True)
class Order:
    """One key of ORDER BY."""

    path: str
    descending: bool = False
    nulls_last: bool = False


@dataclass(frozen=True)
class Query:
    """A SELECT. `fields` holds paths and child queries in the order asked for."""

    fields: tuple["str | Query", ...]
    source: str
    where: Condition | None = None
    order: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int = 0
    count: bool = False


def unescape(text: str) -> str:
    """The content of a quoted literal."""
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found.group(1), found.group(1)), text[1:-1])


def _malformed(text: str) -> OrgError:
    return OrgError(400, "MALFORMED_QUERY", text)


class _Reader:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        at = 0
        text = text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None or found.lastgroup is None:
                raise _malformed(f"unexpected token: '{text[at : at + 20].strip()}'")
            self.tokens.append((found.lastgroup, found.group(found.lastgroup)))
            at = found.end()
        self.at = 0

    def peek(self, ahead: int = 0) -> tuple[str, str]:
        place = self.at + ahead
        return self.tokens[place] if place < len(self.tokens) else ("end", "<EOF>")

    def word(self, ahead: int = 0) -> str:
        kind, text = self.peek(ahead)
        return text.upper() if kind == "name" else text

    def take(self, *expected: str) -> str:
        kind, text = self.peek()
        if expected and self.word() not in expected and kind not in expected:
            raise _malformed(f"unexpected token: '{text}' (expecting {' or '.join(expected)})")
        self.at += 1
        return text

    def accept(self, *words: str) -> bool:
        if all(self.word(i) == word for i, word in enumerate(words)):
            self.at += len(words)
            return True
        return False

    def separated(self, item: Callable[[], Any]) -> list[Any]:
        found = [item()]
        while self.accept(","):
            found.append(item())
        return found

    # SELECT

    def query(self) -> Query:
        self.take("SELECT")
        count = False
        if self.word() == "COUNT" and self.peek(1)[1] == "(" and self.peek(2)[1] == ")":
            self.at += 3
            fields: list[str | Query] = []
            count = True
        else:
            fields = self.separated(self._field)
        self.take("FROM")
        source = self.take("name")
        where = self._either() if self.accept("WHERE") else None
        order = self.separated(self._order) if self.accept("ORDER", "BY") else []
        limit = int(self.take("number")) if self.accept("LIMIT") else None
        offset = int(self.take("number")) if self.accept("OFFSET") else 0
        return Query(tuple(fields), source, where, tuple(order), limit, offset, count)

    def _field(self) -> "str | Query":
        if self.accept("("):
            child = self.query()
            self.take(")")
            return child
        return self.take("name")

    def _order(self) -> Order:
        path = self.take("name")
        descending = self.accept("DESC") or (self.accept("ASC") and False)
        nulls_last = False
        if self.accept("NULLS"):
            nulls_last = self.take("FIRST", "LAST").upper() == "LAST"
        return Order(path, descending, nulls_last)

    # WHERE

    def _either(self) -> Condition:
        parts = [self._both()]
        while self.accept("OR"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Junction("OR", tuple(parts))

    def _both(self) -> Condition:
        parts = [self._single()]
        while self.accept("AND"):
            parts.append(self._single())
        return parts[0] if len(parts) == 1 else Junction("AND", tuple(parts))

    def _single(self) -> Condition:
        if self.accept("NOT"):
            return Junction("NOT", (self._single(),))
        if self.accept("("):
            inner = self._either()
            self.take(")")
            return inner
        path = self.take("name")
        if self.accept("NOT", "IN"):
            return Comparison(path, "NOT IN", self._list())
        if self.accept("IN"):
            return Comparison(path, "IN", self._list())
        if self.accept("LIKE"):
            return Comparison(path, "LIKE", self._literal())
        sign = self.take("sign")
        if sign not in _COMPARISONS:
            raise _malformed(f"unexpected token: '{sign}'")
        return Comparison(path, "!=" if sign == "<>" else sign, self._literal())

    def _list(self) -> tuple[Literal, ...]:
        self.take("(")
        values = self.separated(self._literal)
        self.take(")")
        return tuple(values)

    def _literal(self) -> Literal:
        kind, text = self.peek()
        self.at += 1
        if kind == "string":
            return Literal("string", unescape(text))
        if kind in {"datetime", "date"}:
            return Literal(kind, text)
        if kind == "number":
            return Literal("number", Decimal(text))
        if text.lower() in {"true", "false"}:
            return Literal("boolean", text.lower() == "true")
        if text.lower() == "null":
            return Literal("null", None)
        raise _malformed(f"unexpected token: '{text}'")


def parse(text: str) -> Query:
    """The query that `text` states. Raises OrgError MALFORMED_QUERY."""
    reader = _Reader(text)
    query: Query = reader.query()
    if reader.peek()[0] != "end":
        raise _malformed(f"unexpected token: '{reader.peek()[1]}'")
    return query
