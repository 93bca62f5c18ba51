"""The org on loopback: addresses, sign-in, quota and the control calls that only this vendor needs."""

import functools
import secrets
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from connectors.kit import decimal_json
from connectors.kit.sandbox import Call, Refusal, Reply, Sandbox, Tokens, route
from connectors.kit.world import World
from connectors.salesforce.sandbox import auth, cpq
from connectors.salesforce.sandbox.faults import OrgError, not_found
from connectors.salesforce.sandbox.objects import org_schema
from connectors.salesforce.sandbox.query import Cursors, batch_size
from connectors.salesforce.sandbox.rest import Rest, Result
from connectors.salesforce.sandbox.seed import seed
from connectors.salesforce.sandbox.store import Org, empty_state

DATA = "/services/data/{version}"
VERSIONS = range(59, 69)


@functools.cache
def shared_key() -> str:
    """One key for all sandboxes of a process: making one takes a while."""
    return auth.new_key()


class SalesforceSandbox(Sandbox):
    """An org with CPQ. `api_calls` counts the calls of the day; `daily_limit` ends them with 403.

    `instance_url` is where its data lives; empty: where it signs people in.
    """

    vendor = "salesforce"

    def __init__(
        self,
        *,
        clock: Callable[[], datetime] | None = None,
        seed: int = 1,
        data: Path | None = None,
        control: bool = True,
        multi_currency: bool = True,
        person_accounts: bool = True,
        daily_limit: int = 1_000_000,
        page_size: int = 2000,
        instance_url: str = "",
    ) -> None:
        self.types = org_schema(multi_currency=multi_currency, person_accounts=person_accounts)
        self.daily_limit = daily_limit
        self.page_size = page_size
        self.instance_url = instance_url
        self.api_calls = 0
        self.consumer_key = "3MVG9RevsagaConsumer"
        self.consumer_secret = "revsaga-consumer-secret"  # noqa: S105 -- opens nothing but this sandbox
        self.username = "integration@acme.example"
        self.private_key = shared_key()
        super().__init__(clock=clock, seed=seed, data=data, control=control)
        self.tokens = Tokens(7200, make=lambda: f"00DRs0000000001!AQ{secrets.token_hex(16)}")
        self._seen: tuple[datetime, float] | None = None
        self.org = Org(lambda: self.state, self.org_time, self.types)
        self.org.after_change = lambda name, before, after: cpq.after_change(self.org, name, before, after)
        self.cursors = Cursors(self.org)

    def credentials(self) -> dict[str, Any]:
        """Settings by which an adapter signs in, with a JWT unless `auth` says otherwise."""
        return {
            "auth": "jwt",
            "client_id": self.consumer_key,
            "client_secret": self.consumer_secret,
            "username": self.username,
            "private_key": self.private_key,
        }

    def connection(self, url: str) -> dict[str, Any]:
        """The same with the address."""
        return {"base_url": url, **self.credentials()}

    def org_time(self) -> datetime:
        """The business time, which goes on by real seconds where the business clock stands still.

        Stamps must move between two writes, or conditional writes would mean nothing under a stopped clock.
        """
        now, real = self.clock(), time.monotonic()
        if self._seen is None or self._seen[0] != now:
            self._seen = (now, real)
        return now + timedelta(seconds=real - self._seen[1])

    # Hooks

    def initial_state(self) -> dict[str, Any]:
        return empty_state()

    def reset(self) -> None:
        super().reset()
        self.api_calls = 0
        self.cursors.open.clear()

    def seed(self, data: Any) -> None:
        """`{"world": <World>}`, as JSON."""
        text = decimal_json.dumps(data.get("world", data))
        seed(self, World.model_validate_json(text))

    async def clock_moved(self, before: datetime, after: datetime) -> None:
        del before, after
        cpq.run_jobs(self.org)
        self._count_effects()

    async def guard(self, call: Call) -> Reply | None:
        cpq.run_jobs(self.org)
        self._count_effects()
        if not call.path.startswith("/services/"):
            return None
        if self.tokens.valid(call.bearer) is None:
            return OrgError(401, "INVALID_SESSION_ID", "Session expired or invalid").reply
        self.api_calls += 1
        if self.api_calls > self.daily_limit:
            return OrgError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.").reply
        return None

    def too_busy(self, call: Call) -> Reply:
        del call
        message = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
        return OrgError(403, "REQUEST_LIMIT_EXCEEDED", message).reply

    def not_found(self, call: Call) -> Reply:
        del call
        return not_found().reply

    def server_error(self, call: Call) -> Reply:
        del call
        return OrgError(500, "UNKNOWN_EXCEPTION", "An unexpected error occurred. ErrorId: 1-1 (1)").reply

    def finish(self, call: Call, reply: Reply) -> Reply:
        if call.path.startswith("/services/data") and reply.wire == "answer":
            reply.headers["sforce-limit-info"] = f"api-usage={self.api_calls}/{self.daily_limit}"
        return reply

    async def respond(self, call: Call) -> Reply:
        """The control port has three more calls here: `touch`, `hold` and `change`."""
        if self.control_enabled and call.method == "POST" and call.path in _CONTROL:
            try:
                _CONTROL[call.path](self, call.json())
            except (KeyError, ValueError, TypeError) as error:
                return Reply.json({"error": f"{type(error).__name__}: {error}"}, 400)
            except Refusal as refusal:
                return refusal.reply
            self.dirty = True
            return Reply.json({"done": True})
        return await super().respond(call)

    def touch(self, name: str, record_id: str) -> None:
        """What a background job of the org does: SystemModstamp moves, and nothing else."""
        self.org.touch(self.org.type(name).name, record_id)

    def change(self, name: str, record_id: str, values: dict[str, Any]) -> None:
        """What a user of the org does: fields and both stamps move."""
        self.org.update(self.org.type(name).name, record_id, values)
        self._count_effects()

    def _count_effects(self) -> None:
        for kind, key in self.org.effects:
            self.effect(kind, key)
        self.org.effects.clear()

    def _rest(self, call: Call) -> Rest:
        version = call.path_params["version"]
        if version not in {f"v{n}.0" for n in VERSIONS}:
            raise not_found()
        asked = call.headers.get("sforce-query-options", "")
        batch = batch_size(asked) if asked else self.page_size
        return Rest(self.org, self.cursors, version, batch)

    def _reply(self, result: Result) -> Reply:
        self._count_effects()
        if result.body is None:
            return Reply.empty(result.status, result.headers)
        return Reply.json(result.body, result.status, {k.lower(): v for k, v in result.headers.items()})

    # Sign-in and resources

    @route("POST", "/services/oauth2/token", open=True)
    def token(self, call: Call) -> Reply:
        form = call.form()
        grant = form.get("grant_type", "")
        if grant == auth.JWT_GRANT:
            auth.check_jwt(
                form.get("assertion", ""),
                public_key=auth.public_part(self.private_key),
                consumer=self.consumer_key,
                username=self.username,
                audiences=(*auth.LOGIN_HOSTS, call.origin),
            )
        elif grant == "client_credentials":
            auth.check_client(call, consumer=self.consumer_key, secret=self.consumer_secret)
        else:
            raise auth.refusal("unsupported_grant_type", "grant type not supported")
        return Reply.json(auth.token_body(self.tokens.issue(), self.instance_url or call.origin))

    @route("GET", "/services/data", open=True)
    @route("GET", "/services/data/", open=True)
    def versions(self, call: Call) -> Reply:
        del call
        known = [{"label": f"v{n}", "url": f"/services/data/v{n}.0", "version": f"{n}.0"} for n in VERSIONS]
        return Reply.json(known)

    @route("GET", DATA + "/limits")
    @route("GET", DATA + "/limits/")
    def limits(self, call: Call) -> Reply:
        self._rest(call)
        left = max(0, self.daily_limit - self.api_calls)
        return Reply.json({"DailyApiRequests": {"Max": self.daily_limit, "Remaining": left}})

    # Queries

    @route("GET", DATA + "/query")
    @route("GET", DATA + "/query/")
    def query(self, call: Call) -> Reply:
        return Reply.json(self._rest(call).run().answer(call.query.get("q", "")))

    @route("GET", DATA + "/queryAll")
    @route("GET", DATA + "/queryAll/")
    def query_all(self, call: Call) -> Reply:
        return Reply.json(self._rest(call).run(deleted=True).answer(call.query.get("q", "")))

    @route("GET", DATA + "/query/{locator}")
    def query_more(self, call: Call) -> Reply:
        rest = self._rest(call)
        return Reply.json(self.cursors.more(call.path_params["locator"], rest.batch, rest.version))

    # Records

    @route("GET", DATA + "/sobjects/{name}/describe")
    @route("GET", DATA + "/sobjects/{name}/describe/")
    def describe(self, call: Call) -> Reply:
        return self._reply(self._rest(call).describe(call.path_params["name"]))

    @route("GET", DATA + "/sobjects/{name}/{record}")
    def read(self, call: Call) -> Reply:
        asked = call.query.get("fields", "")
        fields = asked.split(",") if asked else []
        return self._reply(self._rest(call).read(*_row(call), fields, call.headers))

    @route("POST", DATA + "/sobjects/{name}")
    @route("POST", DATA + "/sobjects/{name}/")
    def create(self, call: Call) -> Reply:
        return self._reply(self._rest(call).create(call.path_params["name"], _body(call)))

    @route("PATCH", DATA + "/sobjects/{name}/{record}")
    def update(self, call: Call) -> Reply:
        return self._reply(self._rest(call).update(*_row(call), _body(call), call.headers))

    @route("DELETE", DATA + "/sobjects/{name}/{record}")
    def delete(self, call: Call) -> Reply:
        return self._reply(self._rest(call).delete(*_row(call)))

    @route("GET", DATA + "/sobjects/{name}/{key}/{value}")
    def read_external(self, call: Call) -> Reply:
        given = call.path_params
        return self._reply(self._rest(call).read_external(given["name"], given["key"], given["value"]))

    @route("PATCH", DATA + "/sobjects/{name}/{key}/{value}")
    def upsert(self, call: Call) -> Reply:
        given = call.path_params
        only = call.query.get("updateOnly", "").lower() == "true"
        done = self._rest(call).upsert(given["name"], given["key"], given["value"], _body(call), only)
        return self._reply(done)

    # Several at once

    @route("POST", DATA + "/composite")
    @route("POST", DATA + "/composite/")
    def composite(self, call: Call) -> Reply:
        return self._reply(self._rest(call).composite(_body(call)))

    @route("POST", DATA + "/composite/sobjects")
    @route("PATCH", DATA + "/composite/sobjects")
    def collection(self, call: Call) -> Reply:
        return self._reply(self._rest(call).collection(call.method, _body(call)))

    @route("PATCH", DATA + "/composite/sobjects/{name}/{key}")
    def collection_upsert(self, call: Call) -> Reply:
        target = (call.path_params["name"], call.path_params["key"])
        return self._reply(self._rest(call).collection("PATCH", _body(call), target))

    @route("DELETE", DATA + "/composite/sobjects")
    def collection_delete(self, call: Call) -> Reply:
        ids = [i for i in call.query.get("ids", "").split(",") if i]
        return self._reply(self._rest(call).delete_many(ids, call.query.get("allOrNone", "") == "true"))


def _row(call: Call) -> tuple[str, str]:
    return call.path_params["name"], call.path_params["record"]


def _body(call: Call) -> Any:
    try:
        body = call.json()
    except ValueError as error:
        raise OrgError(400, "JSON_PARSER_ERROR", f"Unexpected character: {error}") from error
    if not isinstance(body, dict):
        raise OrgError(400, "JSON_PARSER_ERROR", "Can not deserialize instance from the given start token")
    return body


def _hold(sandbox: SalesforceSandbox, body: Any) -> None:
    sandbox.org.hold(body["id"], int(body.get("times", 1)), int(body.get("status", 400)))


_CONTROL: dict[str, Callable[[SalesforceSandbox, Any], None]] = {
    "/_control/touch": lambda sandbox, body: sandbox.touch(body["object"], body["id"]),
    "/_control/hold": _hold,
    "/_control/change": lambda sandbox, body: sandbox.change(body["object"], body["id"], body["values"]),
}
