"""Requests and errors as this gateway writes them: forms with brackets, one error object, lists with `has_more`."""

from collections.abc import Iterable
from typing import Any, NoReturn

from connectors.kit.sandbox import Call, Refusal, Reply

Json = dict[str, Any]


def nested(pairs: Iterable[tuple[str, str]]) -> Json:
    """`a[b]=1`, `a[0]=1` and `a[]=1` as dicts and lists; values stay texts."""
    found: Json = {}
    for name, value in pairs:
        head, _, rest = name.partition("[")
        keys = [head, *(part.rstrip("]") for part in rest.split("["))] if rest else [head]
        _put(found, keys, value)
    return {key: _listed(value) for key, value in found.items()}


def _put(target: Json, keys: list[str], value: str) -> None:
    here = target
    for key in keys[:-1]:
        inner = here.setdefault(key or str(len(here)), {})
        if not isinstance(inner, dict):
            refuse(400, "parameter_invalid_object", f"Invalid object: {keys[0]}", param=keys[0])
        here = inner
    here[keys[-1] or str(len(here))] = value


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {key: _listed(item) for key, item in value.items()}
    if inner and all(key.isdigit() for key in inner):
        return [inner[key] for key in sorted(inner, key=int)]
    return inner


def refuse(
    status: int,
    code: str | None,
    message: str,
    *,
    kind: str = "invalid_request_error",
    param: str | None = None,
    headers: dict[str, str] | None = None,
    **more: Any,
) -> NoReturn:
    """Answer with an error object; members that are None are left out."""
    raise Refusal(error(status, code, message, kind=kind, param=param, headers=headers, **more))


def error(
    status: int,
    code: str | None,
    message: str,
    *,
    kind: str = "invalid_request_error",
    param: str | None = None,
    headers: dict[str, str] | None = None,
    **more: Any,
) -> Reply:
    """The same as an answer."""
    body = {"type": kind, "code": code, "message": message, "param": param, **more}
    return Reply.json({"error": {k: v for k, v in body.items() if v is not None}}, status, headers)


def read(call: Call, allowed: Iterable[str], required: Iterable[str] = ()) -> Json:
    """The parameters of a call. Unknown and missing ones are refused by name; an empty text unsets."""
    source = call.query if call.method in {"GET", "DELETE"} else call.form()
    found = nested(source.multi_items())
    known = {*allowed, *required, "expand"}
    for name in found:
        if name not in known:
            refuse(400, "parameter_unknown", f"Received unknown parameter: {name}", param=name)
    for name in required:
        if not found.get(name):
            refuse(400, "parameter_missing", f"Missing required param: {name}.", param=name)
    return found


def integer(params: Json, name: str, default: int | None = None) -> int:
    """A whole number, or the refusal that says which parameter is none."""
    text = params.get(name)
    if text is None and default is not None:
        return default
    if not isinstance(text, str) or not text.lstrip("-").isdigit():
        refuse(400, "parameter_invalid_integer", f"Invalid integer: {text}", param=name)
    return int(text)


def truth(params: Json, name: str) -> bool:
    """`true` or `false`."""
    text = params.get(name, "false")
    if text not in {"true", "false"}:
        refuse(400, None, f"Invalid boolean: {text}", param=name)
    return bool(text == "true")


def choice(params: Json, name: str, values: Iterable[str], default: str | None = None) -> str | None:
    """One of the values, or the refusal that lists them."""
    text = params.get(name)
    if not text:
        return default
    known = tuple(values)
    if text not in known:
        refuse(400, None, f"Invalid {name}: must be one of {', '.join(known)}", param=name)
    return str(text)


def page(url: str, params: Json, objects: list[Json]) -> Reply:
    """A page of `objects`, which come newest first."""
    limit = integer(params, "limit", 10)
    if not 1 <= limit <= 100:
        refuse(400, None, "This value must be between 1 and 100.", param="limit")
    after, before = params.get("starting_after"), params.get("ending_before")
    ids = [o["id"] for o in objects]
    for name, cursor in (("starting_after", after), ("ending_before", before)):
        if cursor and cursor not in ids:
            refuse(400, "resource_missing", f"No such object: '{cursor}'", param=name)
    if before:
        newer = objects[: ids.index(before)]
        chosen, more = newer[-limit:], len(newer) > limit
    else:
        older = objects[ids.index(after) + 1 :] if after else objects
        chosen, more = older[:limit], len(older) > limit
    return Reply.json({"object": "list", "url": url, "has_more": more, "data": chosen})
