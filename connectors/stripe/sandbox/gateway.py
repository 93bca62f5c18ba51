"""What holds for every call: keys and permissions, the version header, rates, idempotency, request ids."""

import base64
import binascii
import re
import zlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from connectors.kit.sandbox import Call, Idempotency, IdempotencyWindow, RateWindow, Reply, Sandbox
from connectors.stripe.sandbox.books import Books
from connectors.stripe.sandbox.forms import error, refuse

VERSION = "2026-10-28.endive"
SECRET_KEY = "sk_test_sandbox"  # noqa: S105 -- opens a sandbox only
_VERSION_SHAPE = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?")
# Which restricted permission covers a path; writes need more than reads.
_RESOURCES = {
    "balance": "balance",
    "customers": "customers",
    "payment_methods": "payment_methods",
    "setup_intents": "setup_intents",
    "payment_intents": "payment_intents",
    "mandates": "payment_methods",
}
_VALIDATION = re.compile(r'"code":"(parameter_[a-z_]+|resource_missing)"')


def _worth_storing(reply: Reply) -> bool:
    """Results of requests that began to execute, failures included; refused ones may be sent again."""
    if reply.status in {401, 403, 409, 429}:
        return False
    return not (reply.status in {400, 404} and _VALIDATION.search(reply.body.decode("utf-8", "replace")))


class Gateway(Sandbox):
    """The frame of the gateway. Keys map to the permissions of a restricted key, or to None for all of them.

    `global_rate` and `endpoint_rate`: calls per second, None for no limit. The vendor's sandbox allows 25 and 25.
    """

    vendor = "stripe"

    def __init__(
        self,
        *,
        clock: Callable[[], datetime] | None = None,
        seed: int = 1,
        data: Path | None = None,
        control: bool = True,
        keys: dict[str, frozenset[str] | None] | None = None,
        global_rate: int | None = 100,
        endpoint_rate: int | None = 100,
    ) -> None:
        super().__init__(clock=clock, seed=seed, data=data, control=control)
        self.keys: dict[str, frozenset[str] | None] = {SECRET_KEY: None} if keys is None else keys
        self.books = Books(lambda: self.state, lambda: int(self.now().timestamp()))
        self.windows["keys"] = IdempotencyWindow(
            24, marker=("Idempotent-Replayed", "true"), stores=_worth_storing
        )
        self.global_rate = RateWindow(global_rate, 1.0) if global_rate else None
        self.endpoint_rate = endpoint_rate
        self.endpoints: dict[str, RateWindow] = {}

    def initial_state(self) -> dict[str, Any]:
        return {"objects": {}, "behaviour": {}, "serial": 0}

    def credentials(self) -> dict[str, str]:
        """Settings with which an adapter gets in, by name."""
        return {"api_key": next(iter(self.keys))}

    async def guard(self, call: Call) -> Reply | None:
        return self._key_problem(call) or self._version_problem(call) or self._rate_problem(call)

    def _key_problem(self, call: Call) -> Reply | None:
        key = _key(call)
        if not key:
            text = "You did not provide an API key. You need to provide your API key in the Authorization header."
            return error(401, None, text)
        if call.notes.get("expired"):
            return error(401, "api_key_expired", f"Expired API Key provided: {_masked(key)}")
        if key.startswith("pk_"):
            text = "This API call cannot be made with a publishable API key. Please use a secret API key."
            return error(401, "secret_key_required", text)
        if key not in self.keys:
            return error(401, None, f"Invalid API Key provided: {_masked(key)}")
        call.notes["key"] = key
        granted = self.keys[key]
        resource = _RESOURCES.get([*call.path.split("/"), "", "", ""][2])
        access = "read" if call.method == "GET" else "write"
        if granted is None or resource is None or {f"{resource}_{access}", f"{resource}_write"} & granted:
            return None
        text = (
            f"The provided key '{_masked(key)}' does not have the required permissions for this endpoint. "
            f"Having the 'rak_{resource}_{access}' permission would allow this request to continue."
        )
        return error(403, None, text)

    def _version_problem(self, call: Call) -> Reply | None:
        version = call.headers.get("stripe-version", VERSION)
        if _VERSION_SHAPE.fullmatch(version):
            return None
        return error(400, None, f"Invalid Stripe API version: {version}")

    def _rate_problem(self, call: Call) -> Reply | None:
        if self.global_rate is not None and self.global_rate.hit() is not None:
            return _too_many("global-rate")
        if self.endpoint_rate is None:
            return None
        name = f"{call.method} {'/'.join(call.path.split('/')[:3])}"
        window = self.endpoints.setdefault(name, RateWindow(self.endpoint_rate, 1.0))
        return None if window.hit() is None else _too_many("endpoint-rate")

    def idempotency(self, call: Call) -> Idempotency | None:
        key = call.headers.get("idempotency-key")
        if call.method != "POST" or not key:
            return None
        if len(key) > 255:
            refuse(400, None, "Idempotency keys must be at most 255 characters.")
        different = (
            "Keys for idempotent requests can only be used with the same parameters they were first used with. "
            f"Try using a key other than '{key}' if you meant to execute a different request."
        )
        busy = "There is currently another in-progress request using this Stripe API key with the same idempotency key."
        return Idempotency(
            window=self.windows["keys"],
            key=f"{call.headers.get('stripe-account', '')}/{key}",
            conflict=lambda: error(400, None, different, kind="idempotency_error"),
            in_flight=lambda: error(409, "idempotency_key_in_use", busy),
        )

    def expire(self, call: Call) -> None:
        """Keys do not expire by a clock; a rolled one is refused once here, so that a test can go on."""
        call.notes["expired"] = True

    def too_busy(self, call: Call) -> Reply:
        del call
        return _too_many("global-concurrency")

    def not_found(self, call: Call) -> Reply:
        text = f"Unrecognized request URL ({call.method}: {call.path})."
        return error(404, None, text)

    def server_error(self, call: Call) -> Reply:
        del call
        return error(500, None, "An unknown error occurred", kind="api_error")

    def finish(self, call: Call, reply: Reply) -> Reply:
        reply.headers.setdefault(
            "request-id", f"req_{zlib.crc32(str(self.served).encode()):08x}{self.served:06d}"
        )
        reply.headers.setdefault("stripe-version", call.headers.get("stripe-version", VERSION))
        key = self.key_of(call)
        if key and call.method == "POST":
            reply.headers.setdefault("idempotency-key", key)
        return reply


def lock_timeout() -> Reply:
    """Another request holds the object; unlike a rate limit it carries no reason header."""
    text = "This object cannot be accessed right now because another API request or process is accessing it."
    return error(429, "lock_timeout", text)


def _too_many(reason: str) -> Reply:
    text = "Too many requests hit the API too quickly. We recommend an exponential backoff of your requests."
    return error(429, "rate_limit", text, headers={"stripe-rate-limited-reason": reason})


def _key(call: Call) -> str:
    """The key from a bearer header, or the user of Basic with an empty password."""
    scheme, _, value = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return call.bearer
    try:
        return base64.b64decode(value.strip(), validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _masked(key: str) -> str:
    return f"{key[:8]}{'*' * max(0, len(key) - 12)}{key[-4:] if len(key) > 12 else '***'}"
