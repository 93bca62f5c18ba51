"""A small vendor that exists only in these tests: one document type, tokens, limits and idempotency keys."""

from typing import Any

from pydantic import SecretStr

from connectors.kit.auth import ClientCredentials
from connectors.kit.http import Http
from connectors.kit.sandbox import (
    Call,
    Concurrency,
    Idempotency,
    IdempotencyWindow,
    RateWindow,
    Refusal,
    Reply,
    Sandbox,
    route,
)
from connectors.kit.settings import VendorSettings, vendor_config

ID, SECRET = "client-1", "s3cret-of-acme"


class AcmeSettings(VendorSettings):
    model_config = vendor_config("acme")

    base_url: str = "https://rest.acme.example"
    api_key: SecretStr = SecretStr("")


class AcmeSandbox(Sandbox):
    vendor = "acme"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.concurrency = Concurrency(None)
        self.rate = RateWindow(10_000, 1)
        self.windows["keys"] = IdempotencyWindow(24, marker=("Replayed", "true"))

    def initial_state(self) -> dict[str, Any]:
        return {"orders": {}}

    async def guard(self, call: Call) -> Reply | None:
        if self.tokens.valid(call.bearer) is None:
            return Reply.json({"code": "EXPIRED"}, 401)
        wait = self.rate.hit()
        return None if wait is None else Reply.json({"code": "SLOW"}, 429, {"Retry-After": "7"})

    def idempotency(self, call: Call) -> Idempotency | None:
        key = call.headers.get("idempotency-key")
        if key is None or call.method != "POST":
            return None
        return Idempotency(
            self.windows["keys"],
            key,
            conflict=lambda: Reply.json({"code": "OTHER_CONTENT"}, 422),
            in_flight=lambda: Reply.json({"code": "IN_FLIGHT"}, 409),
        )

    def too_busy(self, call: Call) -> Reply:
        return Reply.json({"code": "BUSY"}, 429)

    def seed(self, data: Any) -> None:
        self.state["orders"].update(data["orders"])

    @route("POST", "/oauth/token", open=True)
    def token(self, call: Call) -> Reply:
        form = call.form()
        if (form.get("client_id"), form.get("client_secret")) != (ID, SECRET):
            return Reply.json({"error": "invalid_client", "error_description": "unknown client"}, 401)
        return Reply.json(
            {"access_token": self.tokens.issue(), "token_type": "bearer", "expires_in": self.tokens.seconds}
            if isinstance(self.tokens.seconds, int)
            else {"access_token": self.tokens.issue(), "token_type": "bearer"}
        )

    @route("POST", "/v1/orders")
    def create(self, call: Call) -> Reply:
        body = call.json()
        if body["number"] in self.state["orders"]:
            raise Refusal(Reply.json({"code": "DUPLICATE"}, 400))
        stored = body | {"id": self.next_number("order")}
        self.state["orders"][body["number"]] = stored
        self.effect("order", body["number"])
        return Reply.json(stored)

    @route("GET", "/v1/orders/preview")
    def preview(self, call: Call) -> Reply:
        return Reply.json({"preview": True})

    @route("GET", "/v1/orders/{number}")
    def read(self, call: Call) -> Reply:
        found = self.state["orders"].get(call.path_params["number"])
        return Reply.json({"code": "NOT_FOUND"}, 404) if found is None else Reply.json(found)

    @route("POST", "/v1/batch")
    def batch(self, call: Call) -> Reply:
        numbers = call.json()["numbers"]
        done = numbers[: len(numbers) // 2] if call.partial else numbers
        for number in done:
            self.effect("batch", number)
        return Reply.json({"done": done})

    @route("GET", "/v1/broken")
    async def broken(self, call: Call) -> Reply:
        raise RuntimeError("a bug in the sandbox")


def client(bare: Http, **options: Any) -> Http:
    """The same connections with Acme's credential."""
    return bare.with_auth(
        ClientCredentials(bare, url="/oauth/token", client_id=ID, client_secret=SecretStr(SECRET), **options)
    )
