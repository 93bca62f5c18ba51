"""The control port of a sandbox: faults, log, state, test data, clock and the count of effects, over HTTP."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from connectors.kit.sandbox.faults import Fault
from connectors.kit.sandbox.wire import Call, Reply

if TYPE_CHECKING:
    from connectors.kit.sandbox.core import Sandbox


async def respond(sandbox: "Sandbox", call: Call) -> Reply:
    """Answer a call below `/_control/`. A wrong request is answered with 400 and the reason."""
    what = f"{call.method} {call.path.removeprefix('/_control/')}"
    try:
        body = call.json() if call.body else None
        if what == "POST clock":
            await sandbox.set_clock(_moment(body))
            return Reply.json({"now": sandbox.now()})
        answer = _ANSWERS.get(what)
        return Reply.json({"error": f"no {what}"}, 404) if answer is None else answer(sandbox, body, call)
    except (ValidationError, ValueError, TypeError, KeyError) as error:
        return Reply.json({"error": f"{type(error).__name__}: {error}"}, 400)


def _arm(sandbox: "Sandbox", body: Any, call: Call) -> Reply:
    items = body if isinstance(body, list) else [body]
    sandbox.faults.add(*[Fault.model_validate(item) for item in items])
    return _armed(sandbox, body, call)


def _armed(sandbox: "Sandbox", body: Any, call: Call) -> Reply:
    del body, call
    return Reply.json([_exact(f.model_dump()) for f in sandbox.faults.armed])


def _disarm(sandbox: "Sandbox", body: Any, call: Call) -> Reply:
    sandbox.faults.clear()
    return _armed(sandbox, body, call)


def _log(sandbox: "Sandbox", body: Any, call: Call) -> Reply:
    del body
    since = int(call.query.get("since", "0"))
    return Reply.json([_exact(entry) for entry in sandbox.log if entry["n"] > since])


def _clear_log(sandbox: "Sandbox", body: Any, call: Call) -> Reply:
    del body, call
    sandbox.log.clear()
    return Reply.json([])


def _state(sandbox: "Sandbox", body: Any, call: Call) -> Reply:
    del body, call
    return Reply.json(sandbox.snapshot())


def _restore(sandbox: "Sandbox", body: Any, call: Call) -> Reply:
    del call
    sandbox.restore(body)
    sandbox.dirty = True
    return Reply.json({"restored": True})


def _effects(sandbox: "Sandbox", body: Any, call: Call) -> Reply:
    del body, call
    return Reply.json(sandbox.effects_by_kind())


def _figures(sandbox: "Sandbox", body: Any, call: Call) -> Reply:
    del body, call
    return Reply.json(
        {
            "vendor": sandbox.vendor,
            "concurrency": sandbox.concurrency.figures(),
            "tokens_issued": sandbox.tokens.issued,
            "replays": {name: window.replays for name, window in sandbox.windows.items()},
            "calls": sandbox.served,
        }
    )


def _seed(sandbox: "Sandbox", body: Any, call: Call) -> Reply:
    del call
    sandbox.seed(body)
    sandbox.dirty = True
    return Reply.json({"seeded": True})


def _clock(sandbox: "Sandbox", body: Any, call: Call) -> Reply:
    del body, call
    return Reply.json({"now": sandbox.now()})


def _expire(sandbox: "Sandbox", body: Any, call: Call) -> Reply:
    del body, call
    sandbox.tokens.revoke()
    return Reply.json({"expired": True})


def _reset(sandbox: "Sandbox", body: Any, call: Call) -> Reply:
    del body, call
    sandbox.reset()
    sandbox.dirty = True
    return Reply.json({"reset": True})


_ANSWERS: dict[str, Callable[["Sandbox", Any, Call], Reply]] = {
    "POST faults": _arm,
    "GET faults": _armed,
    "DELETE faults": _disarm,
    "GET log": _log,
    "DELETE log": _clear_log,
    "GET state": _state,
    "POST state": _restore,
    "GET effects": _effects,
    "GET figures": _figures,
    "POST seed": _seed,
    "GET clock": _clock,
    "POST expire": _expire,
    "POST reset": _reset,
}


def _exact(record: dict[str, Any]) -> dict[str, Any]:
    """Times and probabilities are floats here, and our JSON knows none."""
    return {k: Decimal(repr(v)) if isinstance(v, float) else v for k, v in record.items()}


def _moment(body: Any) -> datetime | None:
    if body["now"] is None:
        return None
    moment = datetime.fromisoformat(body["now"])
    if moment.tzinfo is None:
        raise ValueError("the time needs a time zone")
    return moment
