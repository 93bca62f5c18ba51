"""The framework of vendor sandboxes: a vendor on loopback, wire-faithful, with state, limits and faults.

    class AcmeSandbox(Sandbox):
        vendor = "acme"

        def __init__(self, **options):
            super().__init__(**options)                       # clock=, seed=, data=Path, control=True
            self.concurrency = Concurrency(40)                # limit None only measures
            self.windows["keys"] = IdempotencyWindow(24)      # named here: part of snapshot and reset
            self.tokens = Tokens(3600)

        def initial_state(self): return {"orders": {}}        # JSON-able; handlers read and write self.state
        async def guard(self, call): ...                      # Reply refuses: auth, rate limits
        def idempotency(self, call): ...                      # Idempotency(window, key, conflict, in_flight) | None
        def too_busy(self, call): ...                         # also not_found, server_error, expire, finish, key_of
        def seed(self, data): ...                             # JSON form of kit.world.World

        @route("POST", "/oauth/token", open=True)             # open: no guard, limits, idempotency
        def token(self, call): return Reply.json({"access_token": self.tokens.issue(), "expires_in": 3600})

        @route("PUT", "/v1/orders/{number}/activate")         # def or async def
        def activate(self, call):
            order = self.state["orders"].get(call.path_params["number"])
            if order is None:
                raise Refusal(Reply.json({"code": "NOT_FOUND"}, 404))
            self.effect("order-activated", order["number"])   # counted per business key
            return Reply.json({"success": True})

Run it: `Http(settings, transport=SandboxTransport(sandbox))`, or `async with serve(sandbox) as url:`.
Break it: `sandbox.faults.add(Fault(match="POST /v1/orders", kind="timeout_after"))`, or the control port:

| method and path | does |
|---|---|
| POST, GET, DELETE /_control/faults | arm (one or a list), show, disarm |
| GET, DELETE /_control/log | calls: n, at, method, path, query, key, fault, status, ms (`?since=n`) |
| GET, POST /_control/state | snapshot, restore |
| GET /_control/effects | `{kind: {business key: count}}` |
| GET /_control/figures | concurrency seen, tokens issued, replays, calls |
| POST /_control/seed | test data |
| GET, POST /_control/clock | `{"now": "2026-11-24T00:00:00Z"}` stops it there, null lets it run |
| POST /_control/expire | all tokens expire |
| POST /_control/reset | forget everything |

Order of a call: fault before the effect, guard, concurrency, idempotency window, latency, handler, fault after it.
The business clock dates documents; tokens, signatures, limits and idempotency windows use real time.
"""

from connectors.kit.sandbox.core import Sandbox, route
from connectors.kit.sandbox.faults import Fault, FaultKind, Faults
from connectors.kit.sandbox.server import App, serve, serve_many
from connectors.kit.sandbox.transport import SandboxTransport
from connectors.kit.sandbox.windows import (
    Concurrency,
    Idempotency,
    IdempotencyWindow,
    RateWindow,
    Tokens,
    fingerprint,
)
from connectors.kit.sandbox.wire import Call, Refusal, Reply

__all__ = [
    "App",
    "Call",
    "Concurrency",
    "Fault",
    "FaultKind",
    "Faults",
    "Idempotency",
    "IdempotencyWindow",
    "RateWindow",
    "Refusal",
    "Reply",
    "Sandbox",
    "SandboxTransport",
    "Tokens",
    "fingerprint",
    "route",
    "serve",
    "serve_many",
]
