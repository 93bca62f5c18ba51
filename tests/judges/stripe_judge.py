"""Drives the vendor's own `stripe` client against a sandbox: argv is its address and the credentials as JSON.

Runs in the judges' environment, where that client lives. Prints one JSON document.
"""

import json
import sys
from collections.abc import Callable
from typing import Any
from urllib.request import Request, urlopen

import stripe

VERSION = "2026-10-28.endive"


class Judge:
    """Collects what was covered, checked and found wrong."""

    def __init__(self, base: str, credentials: dict[str, str]) -> None:
        self.base = base
        self.client = self.connect(credentials["api_key"])
        self.covered: set[str] = set()
        self.checks: list[str] = []
        self.failed: list[str] = []

    def connect(self, key: str, retries: int = 0) -> stripe.StripeClient:
        return stripe.StripeClient(
            key, base_addresses={"api": self.base}, max_network_retries=retries, stripe_version=VERSION
        )

    def check(self, name: str, passed: bool, seen: Any = "") -> None:
        self.checks.append(name)
        if not passed:
            self.failed.append(f"{name}: {seen!r}"[:400])

    def fault(self, **fault: Any) -> None:
        request = Request(f"{self.base}/_control/faults", json.dumps(fault).encode(), method="POST")
        with urlopen(request) as answer:
            answer.read()

    def ok(self, endpoint: str, call: Callable[[], Any]) -> Any:
        """The result of a call that has to succeed."""
        self.covered.add(endpoint)
        found = call()
        self.check(f"{endpoint} answers", bool(found.last_response.request_id), found)
        return found

    def refused(self, name: str, call: Callable[[], Any], kind: type[Exception], code: str | None) -> Any:
        """The error of a call that has to fail."""
        try:
            self.check(name, False, call())
        except stripe.StripeError as error:
            # Some classes of the client leave `code` out; the body has it.
            told = dict(error.json_body or {}).get("error", {}).get("code")
            seen = (type(error).__name__, told, error.http_status, str(error))
            self.check(name, type(error) is kind and told == code, seen)
            self.check(f"{name}, quotable", (error.request_id or "").startswith("req_"), seen)
            return error
        raise SystemExit(f"{name}: nothing was refused")

    def customer(self) -> str:
        customers = self.client.v1.customers
        made = self.ok(
            "POST /v1/customers",
            lambda: customers.create(
                {"name": "Judge & Söhne", "metadata": {"account": "A-1"}, "address": {"city": "Köln"}}
            ),
        )
        read = self.ok("GET /v1/customers/{id}", lambda: customers.retrieve(made.id))
        self.check("customer reads back", (read.name, read.address.city) == ("Judge & Söhne", "Köln"), read)
        changed = self.ok(
            "POST /v1/customers/{id}",
            lambda: customers.update(made.id, {"metadata": {"account": "", "b": "2"}}),
        )
        self.check("metadata is merged", changed.metadata.to_dict() == {"b": "2"}, changed.metadata)
        self.refused(
            "unknown customer",
            lambda: customers.retrieve("cus_nobody"),
            stripe.InvalidRequestError,
            "resource_missing",
        )
        gone = self.ok(
            "DELETE /v1/customers/{id}", lambda: customers.delete(customers.create({"name": "Gone"}).id)
        )
        self.check("a deleted customer is answered", customers.retrieve(gone.id).deleted is True, gone)
        return str(made.id)

    def method(self, customer: str) -> str:
        methods = self.client.v1.payment_methods
        made = self.ok(
            "POST /v1/payment_methods/{id}/attach",
            lambda: methods.attach("pm_card_visa", {"customer": customer}),
        )
        read = self.ok("GET /v1/payment_methods/{id}", lambda: methods.retrieve(made.id))
        self.check("method", (read.customer, read.card.last4, read.type) == (customer, "4242", "card"), read)
        listed = self.ok(
            "GET /v1/payment_methods", lambda: methods.list({"customer": customer, "type": "card"})
        )
        self.check("method is listed", [m.id for m in listed.data] == [made.id], listed)
        self.refused(
            "unknown method",
            lambda: methods.retrieve("pm_nobody"),
            stripe.InvalidRequestError,
            "resource_missing",
        )
        declined = self.refused(
            "attaching is declined",
            lambda: methods.attach("pm_card_visa_chargeDeclinedInsufficientFunds", {"customer": customer}),
            stripe.CardError,
            "card_declined",
        )
        self.check("decline code", declined.error.decline_code == "insufficient_funds", declined.error)
        other = methods.attach("pm_card_visa", {"customer": customer})
        off = self.ok("POST /v1/payment_methods/{id}/detach", lambda: methods.detach(other.id))
        self.check("detached", off.customer is None, off)
        self.refused(
            "a detached method stays away",
            lambda: methods.attach(other.id, {"customer": customer}),
            stripe.InvalidRequestError,
            None,
        )
        return str(made.id)

    def setups(self, customer: str, method: str) -> None:
        setups = self.client.v1.setup_intents
        form = {"customer": customer, "payment_method": method, "usage": "off_session", "confirm": True}
        made = self.ok("POST /v1/setup_intents", lambda: setups.create(form))
        self.check(
            "set up", (made.status, made.usage, made.mandate) == ("succeeded", "off_session", None), made
        )
        read = self.ok("GET /v1/setup_intents/{id}", lambda: setups.retrieve(made.id))
        self.check("set-up reads back", read.payment_method == method, read)
        later = setups.create({"customer": customer})
        done = self.ok(
            "POST /v1/setup_intents/{id}/confirm",
            lambda: setups.confirm(later.id, {"payment_method": method}),
        )
        self.check("confirmed", done.status == "succeeded", done)
        for _ in range(3):
            setups.create({"customer": customer, "payment_method": method})
        self.paged("GET /v1/setup_intents", setups, {"customer": customer, "payment_method": method}, 5)
        self.refused(
            "set-ups from an unknown cursor",
            lambda: setups.list({"starting_after": "seti_nobody"}),
            stripe.InvalidRequestError,
            "resource_missing",
        )

    def paged(self, endpoint: str, service: Any, query: dict[str, Any], count: int) -> list[Any]:
        """Everything, two to a page, newest first."""
        first = self.ok(endpoint, lambda: service.list({**query, "limit": 2}))
        found = list(first.auto_paging_iter())
        ids = [o.id for o in found]
        self.check(f"{endpoint} pages", (first.has_more, len(set(ids))) == (True, count), ids)
        self.check(f"{endpoint} newest first", ids == sorted(ids, reverse=True), ids)
        return found

    def payments(self, customer: str, method: str) -> None:
        payments = self.client.v1.payment_intents
        form = {
            "amount": 1099,
            "currency": "usd",
            "customer": customer,
            "payment_method": method,
            "confirm": True,
        }
        paid = self.ok(
            "POST /v1/payment_intents", lambda: payments.create({**form, "setup_future_usage": "off_session"})
        )
        self.check("paid", (paid.status, paid.amount_received) == ("succeeded", 1099), paid)
        self.ok("GET /v1/payment_intents/{id}", lambda: payments.retrieve(paid.id))
        self.refused(
            "paid twice",
            lambda: payments.confirm(paid.id),
            stripe.InvalidRequestError,
            "payment_intent_unexpected_state",
        )
        waiting = payments.create({"amount": 5, "currency": "usd", "customer": customer})
        done = self.ok(
            "POST /v1/payment_intents/{id}/confirm",
            lambda: payments.confirm(waiting.id, {"payment_method": method}),
        )
        self.check("confirmed payment", done.status == "succeeded", done)
        for _ in range(3):
            payments.create({"amount": 5, "currency": "usd", "customer": customer})
        query = {"customer": customer, "expand": ["data.latest_charge"]}
        found = self.paged("GET /v1/payment_intents", payments, query, 5)
        self.check(
            "charges are expanded", found[-1].latest_charge.payment_method_details.type == "card", found[-1]
        )
        self.refused(
            "a list of too many", lambda: payments.list({"limit": 101}), stripe.InvalidRequestError, None
        )

    def mandates(self, debit: str) -> None:
        setups, mandates = self.client.v1.setup_intents, self.client.v1.mandates
        (intent,) = setups.list({"payment_method": debit}).data
        found = self.ok("GET /v1/mandates/{id}", lambda: mandates.retrieve(intent.mandate))
        seen = (found.status, found.type, found.payment_method)
        self.check("mandate", seen == ("active", "multi_use", debit), found)
        self.refused(
            "unknown mandate",
            lambda: mandates.retrieve("mandate_nobody"),
            stripe.InvalidRequestError,
            "resource_missing",
        )

    def idempotency(self, customer: str, method: str) -> None:
        customers, payments = self.client.v1.customers, self.client.v1.payment_intents
        first = customers.create({"name": "A"}, {"idempotency_key": "judge-1"})
        again = customers.create({"name": "A"}, {"idempotency_key": "judge-1"})
        replayed = again.last_response.headers["Idempotent-Replayed"]
        self.check("replayed", (again.id, replayed) == (first.id, "true"), again)
        self.refused(
            "other parameters",
            lambda: customers.create({"name": "B"}, {"idempotency_key": "judge-1"}),
            stripe.IdempotencyError,
            None,
        )
        failing = self.client.v1.payment_methods.attach(
            "pm_card_chargeCustomerFail", {"customer": customer}
        ).id
        form = {
            "amount": 7,
            "currency": "usd",
            "customer": customer,
            "payment_method": failing,
            "confirm": True,
        }

        def pay() -> Any:
            return payments.create(form, {"idempotency_key": "judge-2"})

        self.refused("declined", pay, stripe.CardError, "card_declined")
        error = self.refused("declined again by replay", pay, stripe.CardError, "card_declined")
        self.check(
            "the replay is marked", error.headers["Idempotent-Replayed"] == "true", dict(error.headers)
        )
        fresh = payments.create({**form, "payment_method": method}, {"idempotency_key": "judge-3"})
        self.check("another key pays", fresh.status == "succeeded", fresh)

    def trouble(self, customer: str, method: str, mandate: str) -> None:
        """A rolled key and a rate limit on every endpoint that the adapter uses."""
        v1 = self.client.v1
        calls: dict[str, Callable[[], Any]] = {
            "/v1/balance": v1.balance.retrieve,
            "/v1/customers/": lambda: v1.customers.retrieve(customer),
            "/v1/payment_methods/": lambda: v1.payment_methods.retrieve(method),
            "/v1/setup_intents": lambda: v1.setup_intents.list({"customer": customer}),
            "/v1/payment_intents": lambda: v1.payment_intents.list({"customer": customer}),
            "/v1/mandates/": lambda: v1.mandates.retrieve(mandate),
        }
        limit = {"error": {"type": "invalid_request_error", "code": "rate_limit", "message": "slow"}}
        for path, call in calls.items():
            self.fault(kind="expired_token", match=path)
            self.refused(f"{path} with a rolled key", call, stripe.AuthenticationError, "api_key_expired")
            self.fault(kind="status", match=path, status=429, body=limit)
            self.refused(f"{path} over the limit", call, stripe.RateLimitError, "rate_limit")
            self.check(f"{path} well again", call().last_response.code == 200)
        self.ok("GET /v1/balance", v1.balance.retrieve)
        self.refused(
            "a wrong key", self.connect("sk_test_wrong").v1.balance.retrieve, stripe.AuthenticationError, None
        )
        self.fault(kind="error_after", match="/v1/balance")
        self.check(
            "its own retry works", self.connect(self.client_key(), 2).v1.balance.retrieve().livemode is False
        )

    def client_key(self) -> str:
        return str(json.loads(sys.argv[2])["api_key"])


def main() -> None:
    """Play everything and print the verdict."""
    judge = Judge(sys.argv[1], json.loads(sys.argv[2]))
    customer = judge.customer()
    method = judge.method(customer)
    judge.setups(customer, method)
    judge.payments(customer, method)
    judge.mandates("pm_sepa")
    judge.idempotency(customer, method)
    (intent,) = judge.client.v1.setup_intents.list({"payment_method": "pm_sepa"}).data
    judge.trouble(customer, method, intent.mandate)
    print(json.dumps({"covered": sorted(judge.covered), "checks": judge.checks, "failed": judge.failed}))


if __name__ == "__main__":
    main()
