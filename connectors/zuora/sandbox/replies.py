"""Answers and refusals as this vendor words them, and the lists it cuts into pages."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from connectors.kit.sandbox import Call, Refusal, Reply

READ = 500000
ACCOUNT = 510000
SUBSCRIPTION = 531003
ORDER = 535000
PREVIEW = 587300
AUTH = 90000011


def failed(code: int, message: str, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    """A failure in the usual form: more often than not with HTTP status 200."""
    body = {"success": False, "processId": f"{code:016X}", "reasons": [{"code": code, "message": message}]}
    return Reply.json(body, status, headers)


def refuse(resource: int, category: int, message: str, status: int = 200) -> Refusal:
    """The exception that answers with a failure of that resource and category."""
    return Refusal(failed(resource * 100 + category, message, status))


def done(**fields: Any) -> Reply:
    """A success."""
    return Reply.json({"success": True, **fields})


def without_nulls(value: Any) -> Any:
    """Null means 'not given' almost everywhere: clients send many nulls unasked."""
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [without_nulls(v) for v in value]
    return value


def body_of(call: Call, resource: int) -> dict[str, Any]:
    """The request as an object, refused when it is none."""
    try:
        found = call.json()
    except ValueError:
        raise refuse(resource, 90, "Malformed JSON request", 400) from None
    if not isinstance(found, dict):
        raise refuse(resource, 90, "The request body must be a JSON object", 400)
    return found


def page(call: Call, name: str, rows: list[Any], show: Callable[[Any], Any] | None = None) -> Reply:
    """One page of a list, with the address of the next as `nextPage`. `show` turns a row into what is told of it."""
    largest = 40
    try:
        number, size = int(call.query.get("page", "1")), int(call.query.get("pageSize", "10"))
    except ValueError:
        raise refuse(READ, 27, "'page' and 'pageSize' must be numbers", 400) from None
    if number < 1 or not 1 <= size <= largest:
        raise refuse(READ, 27, f"'pageSize' must be between 1 and {largest}", 400)
    cut = rows[(number - 1) * size : number * size]
    fields: dict[str, Any] = {name: [show(row) for row in cut] if show else cut}
    if number * size < len(rows):
        query = {**dict(call.query), "page": str(number + 1), "pageSize": str(size)}
        fields["nextPage"] = f"{call.origin}{call.path}?{urlencode(query)}"
    return done(**fields)
