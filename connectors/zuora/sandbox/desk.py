"""What stands before every call: credential, version, limits, idempotency window, and the lock of an account."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from connectors.kit import decimal_json
from connectors.kit.sandbox import (
    Call,
    Concurrency,
    Idempotency,
    IdempotencyWindow,
    RateWindow,
    Reply,
    Sandbox,
    Tokens,
    route,
)
from connectors.kit.sandbox.windows import pause
from connectors.zuora.sandbox.replies import AUTH, ORDER, READ, failed, refuse

CLIENT_ID = "5a4db0c5-0000-4000-8000-00000000f00d"
CLIENT_SECRET = "sandbox-secret-of-the-zuora-tenant"  # noqa: S105 -- opens nothing but this sandbox


@dataclass(frozen=True)
class Tenant:
    """Settings and features in which tenants differ."""

    require_service_activation: bool = False
    require_customer_acceptance: bool = False
    delete_cancelled_orders: bool = False
    subset_charges: bool = True
    enhanced_discounts: bool = True
    charge_numbers_in_preview: bool = True
    usage_in_preview: str = "zero"
    unauthorised_shape: str = "reasons"
    rate_per_minute: int = 50_000
    tokens_per_minute: int = 100
    concurrent: int = 40
    token_seconds: float = 3598
    write_seconds: float = 0.0
    job_seconds: float = 0.0


class Desk(Sandbox):
    """The common part of the sandbox; the other desks add their routes."""

    def __init__(self, *, tenant: Tenant | None = None, **options: Any) -> None:
        self.tenant = tenant or Tenant()
        super().__init__(**options)
        self.concurrency = Concurrency(self.tenant.concurrent)
        self.tokens = Tokens(self.tenant.token_seconds)
        self.windows["keys"] = IdempotencyWindow(24)
        if self._data is not None and self._data.exists():
            self._reload()
        self.rate = RateWindow(self.tenant.rate_per_minute, 60)
        self.token_rate = RateWindow(self.tenant.tokens_per_minute, 60)
        self._locked: set[str] = set()

    def _reload(self) -> None:
        """Windows are named only now, so what was kept for them is read again."""
        assert self._data is not None  # noqa: S101 -- the caller looked
        self.restore(decimal_json.loads(self._data.read_bytes()))

    def initial_state(self) -> dict[str, Any]:
        names = ("accounts", "orders", "subscriptions", "charges", "jobs")
        return {"products": [], "documents": [], "open jobs": [], **{name: {} for name in names}}

    def credentials(self) -> dict[str, str]:
        """Settings that get a client in."""
        return {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}

    # Before a call

    @route("POST", "/oauth/token", open=True)
    def token(self, call: Call) -> Reply:
        """Client credentials for a token of about an hour; asking too often is refused."""
        wait = self.token_rate.hit()
        if wait is not None:
            return self._limited(self.token_rate, wait)
        form = call.form()
        if form.get("grant_type") != "client_credentials":
            return Reply.json({"error": "unsupported_grant_type"}, 400)
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return Reply.json({"error": "invalid_client", "error_description": "Bad client credentials"}, 401)
        token = self.tokens.issue()
        return Reply.json(
            {
                "access_token": token,
                "token_type": "bearer",
                "expires_in": int(self.tenant.token_seconds),
                "scope": "entity.11e6 tenant.12345 user.2c92",
                "jti": token,
            }
        )

    async def guard(self, call: Call) -> Reply | None:
        self.settle_jobs()
        wait = self.rate.hit()
        if wait is not None:
            return self._limited(self.rate, wait)
        if self.tokens.valid(call.bearer) is None:
            return self._unauthorised(call)
        if not call.headers.get("zuora-version"):
            # A tenant would silently answer in the shape of its default version.
            return failed(READ * 100 + 22, "Zuora-Version is missing: answers would have another shape", 400)
        if len(call.headers.get("idempotency-key", "")) > 255:
            return failed(READ * 100 + 20, "Idempotency-Key is longer than 255 characters", 400)
        return None

    def _unauthorised(self, call: Call) -> Reply:
        crud = call.path.startswith(("/v1/object/", "/v1/action/"))
        if crud or self.tenant.unauthorised_shape == "message":
            return Reply.json({"message": "Authentication error"}, 401)
        return failed(AUTH, "The access token is invalid or has expired.", 401)

    def _limited(self, window: RateWindow, wait: float) -> Reply:
        headers = {
            "ratelimit-limit": f"{window.limit}, {window.limit};w=60",
            "ratelimit-remaining": "0",
            "ratelimit-reset": str(max(1, int(wait) + 1)),
        }
        return Reply.json({"message": "Too many requests"}, 429, headers)

    def too_busy(self, call: Call) -> Reply:
        del call
        return failed(ORDER * 100 + 70, "Too many concurrent requests.", 200, {"Retry-After": "1"})

    def not_found(self, call: Call) -> Reply:
        return Reply.json({"code": 404, "message": f"HTTP 404 Not Found: {call.method} {call.path}"}, 404)

    def server_error(self, call: Call) -> Reply:
        del call
        return failed(READ * 100 + 60, "An internal error occurred. Please contact support.", 500)

    def idempotency(self, call: Call) -> Idempotency | None:
        key = call.headers.get("idempotency-key")
        if not key or call.method not in ("POST", "PATCH"):
            return None
        return Idempotency(
            self.windows["keys"],
            key,
            conflict=lambda: Reply.json(
                {"message": "The idempotency key was used with another payload"}, 422
            ),
            in_flight=lambda: Reply.json(
                {"message": "A request with this idempotency key is in progress"}, 409
            ),
        )

    def finish(self, call: Call, reply: Reply) -> Reply:
        if call.path.startswith("/v1/"):
            limit = self.rate.limit
            told = {
                "zuora-request-id": f"rq-{self.served:08d}",
                "ratelimit-limit": f"{limit}, {limit};w=60",
                "ratelimit-remaining": str(self.rate.remaining),
                "ratelimit-reset": "60",
                "concurrency-limit-type": "Default",
                "concurrency-limit-limit": str(self.concurrency.limit),
                "concurrency-limit-remaining": str((self.concurrency.limit or 0) - self.concurrency.current),
            }
            track = call.headers.get("zuora-track-id")
            reply.headers = {**told, **({"zuora-track-id": track} if track else {}), **reply.headers}
        return reply

    # While a call runs

    @asynccontextmanager
    async def writing(self, account: str, resource: int) -> AsyncIterator[None]:
        """Work on one account: a second writer at the same time loses the competition for its lock."""
        if account in self._locked:
            raise refuse(resource, 50, "Operation failed due to a lock competition, please retry later.")
        self._locked.add(account)
        try:
            await pause(self.tenant.write_seconds)
            yield
        finally:
            self._locked.discard(account)

    def new_id(self, prefix: str) -> str:
        """An id as this vendor makes them: 32 characters, meaning nothing."""
        return f"{prefix}{self.next_number('id'):0{32 - len(prefix)}x}"

    def stamp(self) -> str:
        """Now, as written into records."""
        return self.now().strftime("%Y-%m-%d %H:%M:%S")

    # Background jobs

    def start_job(self, kind: str, object_id: str) -> dict[str, Any]:
        """Work that is done later; `settle_jobs` does it."""
        job = {
            "id": self.new_id("8a0e"),
            "objectType": kind,
            "operationType": "Delete",
            "objectId": object_id,
            "status": "Pending",
            "due": int(time.time() * 1000 + self.tenant.job_seconds * 1000),
        }
        self.state["jobs"][job["id"]] = job
        self.state["open jobs"].append(job["id"])
        return job

    def settle_jobs(self) -> None:
        """Finish the jobs that are due."""
        now = int(time.time() * 1000)
        for key in list(self.state["open jobs"]):
            job = self.state["jobs"][key]
            job["status"] = self.run_job(job) if job["due"] <= now else "Processing"
            if job["status"] != "Processing":
                self.state["open jobs"].remove(key)

    def run_job(self, job: dict[str, Any]) -> str:
        """Do the work of a job and return its last status."""
        return "Failed" if job["objectType"] else "Completed"

    @route("GET", "/v1/operations/jobs/{job}")
    def job(self, call: Call) -> Reply:
        """Where a background job stands."""
        job = self.state["jobs"].get(call.path_params["job"])
        if job is None:
            raise refuse(READ, 40, f"Cannot find the job by id: '{call.path_params['job']}'.")
        return Reply.json({"success": True, **{k: v for k, v in job.items() if k != "due"}})
