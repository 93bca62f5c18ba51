"""The account: who may come in, how many at a time, and what each address does."""

import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl

from connectors.kit.sandbox import Call, Concurrency, Refusal, Reply, Sandbox, Tokens, route
from connectors.netsuite.sandbox import suiteql
from connectors.netsuite.sandbox.book import Book
from connectors.netsuite.sandbox.problems import (
    Detail,
    absent,
    bad_header,
    bad_parameter,
    invalid_login,
    problem,
    refuse,
)
from connectors.netsuite.sandbox.records import TYPES, RecordType
from connectors.netsuite.sandbox.seed import empty, load
from connectors.netsuite.sandbox.signing import Gate, Passport, Received
from connectors.netsuite.sandbox.tokens import Certificate, NotGranted, TokenDesk, access_token
from connectors.netsuite.sandbox.views import TABLES, as_collection, as_record, as_row, link

ROOT = "/services/rest"
RECORD = f"{ROOT}/record/v1"
MAX_PAGE = 1000
SHARED_TIER = 5
# Opens nothing but a sandbox.
PASSPORT = Passport(
    account="100001_SB1",
    consumer_key="sandbox-consumer-key",
    consumer_secret="sandbox-consumer-secret",  # noqa: S106
    token="sandbox-token-id",  # noqa: S106
    token_secret="sandbox-token-secret",  # noqa: S106
)


class NetsuiteSandbox(Sandbox):
    """One account with its data. `duplicate_code` is what it calls a second record with an external id."""

    vendor = "netsuite"

    def __init__(
        self,
        *,
        passports: Iterable[Passport] = (PASSPORT,),
        certificates: Iterable[Certificate] = (),
        concurrency: int = SHARED_TIER,
        duplicate_code: str = "USER_ERROR",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.gate = Gate(list(passports))
        self.desk = TokenDesk(list(certificates))
        self.tokens = Tokens(3600, make=access_token)
        self.concurrency = Concurrency(concurrency)
        self.duplicate_code = duplicate_code
        self.login_audit: list[str] = []
        self._refuse_next = False

    def credentials(self) -> dict[str, str]:
        """Settings with which an adapter gets in, by name."""
        passport = self.gate.passports[0]
        return {
            "auth": "tba",
            "account": passport.account,
            "consumer_key": passport.consumer_key,
            "consumer_secret": passport.consumer_secret,
            "token_id": passport.token,
            "token_secret": passport.token_secret,
        }

    # Hooks of the framework

    def initial_state(self) -> dict[str, Any]:
        """An account without data; the custom fields of this product are deployed."""
        return empty()

    def reset(self) -> None:
        """Forget everything but who may come in."""
        super().reset()
        self.gate.used.clear()
        self.login_audit.clear()
        self._refuse_next = False

    def seed(self, data: Any) -> None:
        """Load the account's side of a World, and optionally `passports` and `certificates` as lists of objects."""
        load(self.state, data.get("world", data), self.next_number)
        self.gate.passports.extend(Passport(**entry) for entry in data.get("passports", ()))
        self.desk.certificates.extend(Certificate(**entry) for entry in data.get("certificates", ()))

    async def guard(self, call: Call) -> Reply | None:
        """Only a good signature or a token that still holds comes in; the reason stays in the audit trail."""
        reason = self._stranger(call)
        if reason is None:
            return None
        self.login_audit.append(reason)
        return invalid_login()

    def _stranger(self, call: Call) -> str | None:
        if self._refuse_next:
            self._refuse_next = False
            return "token_rejected"
        if call.bearer:
            return None if self.tokens.valid(call.bearer) is not None else "invalid_token"
        received = Received(
            method=call.method,
            url=f"{call.scheme}://{call.host}{call.path}",
            query=parse_qsl(call.query_string, keep_blank_values=True),
            body=call.body,
            authorization=call.headers.get("authorization", ""),
        )
        return self.gate.reason(received, time.time())

    def expire(self, call: Call) -> None:
        """A bearer token ends; a token of the signing kind has no end, so it is refused this once."""
        if call.bearer:
            self.tokens.revoke(call.bearer)
        else:
            self._refuse_next = True

    def too_busy(self, call: Call) -> Reply:
        """The limit of requests at a time is one for the whole account; nobody is told how long to wait."""
        del call
        text = "Request blocked. The concurrent request limit of the account was exceeded. Try again later."
        return problem(429, [Detail("CONCURRENCY_LIMIT_EXCEEDED", text)])

    def not_found(self, call: Call) -> Reply:
        """An address that is none."""
        return problem(404, [Detail("INVALID_URL", f"Invalid URL: {call.path}")])

    def server_error(self, call: Call) -> Reply:
        """The account's own failure."""
        del call
        text = "An unexpected error occurred. Error ID: sandbox"
        return problem(500, [Detail("UNEXPECTED_ERROR", text)])

    def key_of(self, call: Call) -> str | None:
        """Only asynchronous requests have keys."""
        return call.headers.get("x-netsuite-idempotency-key")

    # Getting in

    @route("POST", f"{ROOT}/auth/oauth2/v1/token", open=True)
    def token(self, call: Call) -> Reply:
        """An access token for a signed assertion; there is no refresh token."""
        try:
            self.desk.claims(dict(call.form()), call.origin + call.path, time.time())
        except NotGranted as refused:
            self.login_audit.append(refused.why)
            return Reply.json({"error": refused.error}, 401 if refused.error == "invalid_client" else 400)
        # The lifetime travels as a text.
        return Reply.json({"access_token": self.tokens.issue(), "expires_in": "3600", "token_type": "bearer"})

    @route("GET", f"{ROOT}/system/v1/governanceLimits")
    def limits(self, call: Call) -> Reply:
        """The concurrency limit of the account."""
        del call
        limit = self.concurrency.limit
        body = {"accountConcurrencyLimit": limit, "accountUnallocatedConcurrencyLimit": limit}
        return Reply.json({**body, "limitType": "accountSpecific"})

    # Records

    @property
    def book(self) -> Book:
        """The records, with what it takes to change them."""
        return Book(self.state, self.next_number, self.now, self.effect, self.duplicate_code)

    @route("GET", f"{RECORD}/metadata-catalog")
    def describe_all(self, call: Call) -> Reply:
        """The selected record types with their sublists, deployed custom fields included; or the names of all."""
        if call.headers.get("accept", "") != "application/swagger+json":
            return Reply.json({"items": [{"name": kind.name} for kind in TYPES.values()]})
        selected = [name for name in call.query.get("select", "").split(",") if name]
        kinds = [_type(name) for name in selected] or list(TYPES.values())
        return Reply.json(self.book.description(kinds))

    @route("GET", f"{RECORD}/metadata-catalog/{{kind}}")
    def describe(self, call: Call) -> Reply:
        """The properties of one record type; its sublists are described elsewhere."""
        kind = _kind(call)
        schemas = self.book.description([kind])["components"]["schemas"]
        return Reply.json({"$schema": "http://json-schema.org/draft-06/hyper-schema#", **schemas[kind.name]})

    @route("GET", f"{RECORD}/{{kind}}")
    def collection(self, call: Call) -> Reply:
        """Ids and links only, page by page."""
        kind = _kind(call)
        rows = [{"id": r, "links": [link("self", _href(call, kind, r))]} for r in self.book.ids(kind)]
        return Reply.json(_page(call, rows))

    @route("POST", f"{RECORD}/{{kind}}")
    def create(self, call: Call) -> Reply:
        """A new record; its id is in the Location only."""
        kind = _kind(call)
        return self._write(call, lambda: self.book.create(kind, _body(call), _mode(call)))

    @route("GET", f"{RECORD}/{{kind}}/{{record}}")
    def show(self, call: Call) -> Reply:
        """One record, its sublists as links unless expanded."""
        kind = _kind(call)
        record, values = self.book.find(kind, call.path_params["record"])
        expand = call.query.get("expandSubResources", "false").lower() == "true"
        href = _href(call, kind, record)
        return Reply.json(as_record(kind, values, href, self.book.name, expand=expand))

    @route("GET", f"{RECORD}/{{kind}}/{{record}}/{{sublist}}")
    def sublist(self, call: Call) -> Reply:
        """The lines of one sublist."""
        kind = _kind(call)
        record, values = self.book.find(kind, call.path_params["record"])
        sublist = kind.sublist(call.path_params["sublist"])
        if sublist is None:
            raise Refusal(self.not_found(call))
        lines = values.get(sublist.name) or []
        href = f"{_href(call, kind, record)}/{sublist.name}"
        return Reply.json(
            as_collection(sublist, lines if isinstance(lines, list) else [], href, self.book.name)
        )

    @route("PUT", f"{RECORD}/{{kind}}/{{record}}")
    def upsert(self, call: Call) -> Reply:
        """Create or update by external id; nothing else can be put."""
        kind = _kind(call)
        external = call.path_params["record"].removeprefix("eid:")
        if external == call.path_params["record"]:
            return problem(
                405, [Detail("INVALID_REQUEST", "PUT is supported with an external id (eid:) only.")]
            )
        replaced = _replaced(call, kind)
        return self._write(call, lambda: self.book.upsert(kind, external, _body(call), _mode(call), replaced))

    @route("PATCH", f"{RECORD}/{{kind}}/{{record}}")
    def change(self, call: Call) -> Reply:
        """Change the named properties of a record that exists."""
        kind = _kind(call)
        record = call.path_params["record"]
        replaced = _replaced(call, kind)
        return self._write(call, lambda: self.book.change(kind, record, _body(call), _mode(call), replaced))

    @route("DELETE", f"{RECORD}/{{kind}}/{{record}}")
    def delete(self, call: Call) -> Reply:
        """Remove a record that nothing depends on."""
        self.book.delete(_kind(call), call.path_params["record"])
        return Reply.empty()

    def _write(self, call: Call, do: Callable[[], str]) -> Reply:
        if "respond-async" in call.headers.get("prefer", "").lower():
            return self._later(call, do)
        return Reply.empty(204, {"location": _href(call, _kind(call), do())})

    # Asynchronous requests

    def _later(self, call: Call, do: Callable[[], str]) -> Reply:
        """Accept the work as a job. A key that was used names its first job, in an answer that is a 400."""
        jobs: dict[str, Any] = self.state["jobs"]
        key = self.key_of(call)
        first = next((n for n, job in jobs.items() if key is not None and job["key"] == key), None)
        if first is not None:
            text = "The idempotency key was already used for another request."
            place = {"location": f"{call.origin}{ROOT}/async/v1/job/{first}"}
            return problem(400, [Detail("IDEMPOTENCY_ERROR", text)], title="Conflict", headers=place)
        try:
            outcome: dict[str, Any] = {"progress": "succeeded", "location": _href(call, _kind(call), do())}
        except Refusal as refused:
            outcome = {
                "progress": "failed",
                "status": refused.reply.status,
                "body": refused.reply.body.decode(),
            }
        number = str(self.next_number("job"))
        jobs[number] = {"key": key, **outcome}
        place = {
            "location": f"{call.origin}{ROOT}/async/v1/job/{number}",
            "preference-applied": "respond-async",
        }
        return Reply.empty(202, place)

    @route("GET", f"{ROOT}/async/v1/job/{{job}}")
    def job(self, call: Call) -> Reply:
        """How far a job is."""
        number, job = self._job(call)
        here = f"{call.origin}{ROOT}/async/v1/job/{number}"
        body = {"id": number, "completed": True, "progress": job["progress"], "links": [link("self", here)]}
        return Reply.json({**body, "task": {"links": [link("self", f"{here}/task/1")]}})

    @route("GET", f"{ROOT}/async/v1/job/{{job}}/task/{{task}}/result")
    def result(self, call: Call) -> Reply:
        """What the synchronous request would have been answered."""
        _, job = self._job(call)
        if job["progress"] == "failed":
            return Reply.text(job["body"], job["status"], "application/vnd.oracle.resource+json; type=error")
        return Reply.empty(204, {"location": job["location"]})

    def _job(self, call: Call) -> tuple[str, dict[str, Any]]:
        number = call.path_params["job"]
        if number not in self.state["jobs"]:
            raise absent("job")
        return number, self.state["jobs"][number]

    # Queries

    @route("POST", f"{ROOT}/query/v1/suiteql")
    def query(self, call: Call) -> Reply:
        """Run a statement; its result lives for this answer only, and the client must say that it knows."""
        if call.headers.get("prefer", "").lower() != "transient":
            raise bad_header("Prefer", "transient")
        statement = _body(call).get("q")
        if not isinstance(statement, str):
            raise refuse(400, "INVALID_CONTENT", "The request must contain a query.", path="q")
        custom = tuple(name.lower() for name in self.state["deployed"] if name.startswith("custbody"))
        tables = {**TABLES, "transaction": (*TABLES["transaction"], *custom)}
        parsed = suiteql.parse(statement, tables)
        rows = parsed.run(
            as_row(parsed.table, values) for values in self.state["tables"][parsed.table].values()
        )
        return Reply.json(_page(call, [{"links": [], **row} for row in rows]))


def _kind(call: Call) -> RecordType:
    return _type(call.path_params["kind"])


def _type(name: str) -> RecordType:
    found = TYPES.get(name.lower())
    if found is None:
        raise refuse(404, "INVALID_RECORD_TYPE", f"Record type '{name}' was not found.")
    return found


def _href(call: Call, kind: RecordType, record: str) -> str:
    return f"{call.origin}{RECORD}/{kind.name}/{record}"


def _body(call: Call) -> dict[str, Any]:
    try:
        body = call.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise refuse(400, "INVALID_CONTENT", "Invalid content in the request body. It must be a JSON object.")
    return body


def _mode(call: Call) -> str:
    """What happens to property names that do not exist: by default they are dropped with no more than a warning."""
    mode = call.headers.get("x-netsuite-propertynamevalidation", "Warning").lower()
    if mode not in {"error", "warning", "ignore"}:
        raise bad_header("X-NetSuite-PropertyNameValidation", "Error, Warning or Ignore")
    return mode


def _replaced(call: Call, kind: RecordType) -> frozenset[str]:
    names = frozenset(name for name in call.query.get("replace", "").split(",") if name)
    for name in names:
        if name not in kind.body.names and kind.sublist(name) is None:
            raise bad_parameter("replace", name)
    return names


def _page(call: Call, rows: list[dict[str, Any]]) -> dict[str, Any]:
    limit = _number(call, "limit", MAX_PAGE)
    offset = _number(call, "offset", 0)
    if not 1 <= limit <= MAX_PAGE:
        raise bad_parameter("limit", str(limit))
    items = rows[offset : offset + limit]
    more = offset + len(items) < len(rows)
    links = [link("self", call.url)]
    if more:
        links.append(link("next", f"{call.origin}{call.path}?limit={limit}&offset={offset + limit}"))
    found = {"links": links, "count": len(items), "hasMore": more, "items": items}
    return {**found, "offset": offset, "totalResults": len(rows)}


def _number(call: Call, name: str, default: int) -> int:
    text = call.query.get(name, str(default))
    if not text.isdigit():
        raise bad_parameter(name, text)
    return int(text)
