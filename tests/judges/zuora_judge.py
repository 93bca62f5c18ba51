"""Drives the vendor's own `zuora-sdk` against a sandbox: argv is its address and the credentials as JSON.

Runs in the judges' environment, where that client and its old libraries live. Prints one JSON document.
"""

import json
import re
import sys
from collections.abc import Callable
from typing import Any
from urllib.request import Request, urlopen

import zuora_sdk
from zuora_sdk import exceptions, models
from zuora_sdk.zuora_client import ZuoraClient

TERM = {"period": 12, "periodType": "Month", "startDate": "2026-12-01", "termType": "TERMED"}


class Judge:
    """Collects what was checked."""

    def __init__(self, base: str, credentials: dict[str, str]) -> None:
        self.base = base
        self.covered: set[str] = set()
        self.checks: list[str] = []
        self.failed: list[str] = []
        config = zuora_sdk.Configuration(host=base)
        config.retries = False
        self.z = ZuoraClient(credentials["client_id"], credentials["client_secret"], env=None, config=config)
        self._record()
        self.z.initialize()
        self.orders, self.accounts = self.z.orders_api(), self.z.accounts_api()
        self.subscriptions, self.products = self.z.subscriptions_api(), self.z.products_api()
        self.operations, self.documents = self.z.operations_api(), self.z.billing_documents_api()

    def _record(self) -> None:
        """Remember every address as the client writes it."""
        original = self.z.api_client.param_serialize

        def noting(method: str, resource_path: str, *rest: Any, **named: Any) -> Any:
            self.covered.add(f"{method} {re.sub(r'{[^}]*}', '{}', resource_path)}")
            return original(method, resource_path, *rest, **named)

        self.z.api_client.param_serialize = noting

    def check(self, name: str, passed: bool, seen: Any = "") -> None:
        self.checks.append(name)
        if not passed:
            self.failed.append(f"{name}: {seen!r}"[:2000])

    def raises(self, name: str, kind: type[Exception], call: Callable[[], Any], status: int) -> Any:
        try:
            self.check(name, False, call())
        except kind as error:
            self.check(name, getattr(error, "status", None) == status, error)
            return error
        return None

    def category(self, name: str, answer: Any, category: int) -> None:
        """A failure in an answer of HTTP 200, which this client does not raise."""
        codes = [int(reason.code) % 100 for reason in answer.reasons or []]
        self.check(name, answer.success is False and codes == [category], answer)

    def control(self, what: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.base}/_control/{what}", data, method="POST")
        with urlopen(request) as answer:
            return json.loads(answer.read())

    # What is driven

    def catalog(self) -> tuple[str, str]:
        first = self.products.get_products(page_size=5)
        self.check("a page of products", len(first.products) == 5 and bool(first.next_page), first)
        rest = [self.products.get_products(page=n, page_size=5) for n in (2, 3)]
        self.check("the last page has no next", rest[-1].next_page is None, rest[-1])
        found = [p for page in (first, *rest) for p in page.products]
        self.check("every product once", len({p.id for p in found}) == len(found) == 11, len(found))
        plan = next(p for p in found if p.sku == "PLATFORM").product_rate_plans[0]
        self.check("plans have numbers", plan["productRatePlanNumber"] == "PLATFORM-STD", plan)
        charge = plan["productRatePlanCharges"][0]
        self.check("charges have numbers", charge["productRatePlanChargeNumber"] == "PLATFORM-SEAT", charge)
        error = self.raises(
            "a page too large",
            exceptions.BadRequestException,
            lambda: self._oversized("catalog/products"),
            400,
        )
        self.check("and says so", error is not None and "pageSize" in str(error.body))
        return str(plan["id"]), str(charge["id"])

    def _oversized(self, path: str) -> Any:
        """The client refuses such a page itself, so its lower layer asks."""
        send = self.z.api_client
        head = {"Zuora-Version": "2025-08-12"}
        asked = send.param_serialize(
            "GET", f"/v1/{path}", query_params=[("pageSize", 99)], header_params=head
        )
        answer = send.call_api(*asked)
        answer.read()
        return send.response_deserialize(answer, {"200": "object"}).data

    def account(self) -> None:
        contact = {"firstName": "Jude", "lastName": "O'Judge, Esq. 🚀", "country": "US", "state": "CO"}
        body = {
            "accountNumber": "A-JUDGE",
            "name": 'Judge "& Söhne"',
            "currency": "USD",
            "billCycleDay": 1,
            "paymentTerm": "Net 30",
            "autoPay": False,
            "crmId": "001J",
            "billToContact": contact,
        }
        request = models.CreateAccountRequest.from_dict(body)
        made = self.accounts.create_account(request, idempotency_key="ka")
        again = self.accounts.create_account(request, idempotency_key="ka")
        self.check("account", made.success and made.account_number == "A-JUDGE", made)
        self.check("the same key gives the same account", made.account_id == again.account_id, again)
        read = self.accounts.get_account("A-JUDGE")
        self.check("account reads back", read.basic_info.name == 'Judge "& Söhne"', read)
        self.check("no automatic payment", read.billing_and_payment.auto_pay is False, read)
        self.check("contact reads back", read.bill_to_contact.last_name == contact["lastName"], read)
        changed = self.accounts.update_account(
            "A-JUDGE", models.UpdateAccountRequest.from_dict({"GatewayMethod__c": "cus/pm", "autoPay": False})
        )
        read = self.accounts.get_account(made.account_id)
        custom = read.basic_info.additional_properties.get("GatewayMethod__c")
        self.check("a custom field is set", changed.success and custom == "cus/pm", read)
        twice = self.accounts.create_account(request, idempotency_key="kb")
        self.category("an account number is unique", twice, 30)
        self.category("an unknown account", self.accounts.get_account("A-NONE"), 40)

    def body(
        self, number: str, plan: str, charge: str, *, pending: bool = False, **more: Any
    ) -> dict[str, Any]:
        override = {
            "productRatePlanChargeId": charge,
            "chargeNumber": f"C-{number}",
            "pricing": {"recurringPerUnit": {"listPrice": 83.33, "quantity": 10}},
            "startDate": {"triggerEvent": "ContractEffective"},
            "endDate": {"endDateCondition": "Subscription_End"},
            "billing": {"billingPeriod": "Month", "billCycleType": "ChargeTriggerDay"},
        }
        rate_plan = {
            "productRatePlanId": plan,
            "uniqueToken": "plan-1",
            "customFields": {"QuoteLine__c": "QL-1"},
            "chargeOverrides": [override],
        }
        dates = ["ContractEffective"] if pending else ["ContractEffective", "ServiceActivation"]
        action = {
            "type": "CreateSubscription",
            "triggerDates": [{"name": name, "triggerDate": "2026-12-01"} for name in dates],
            "createSubscription": {
                "subscriptionNumber": f"S-{number}",
                "terms": {"autoRenew": False, "initialTerm": TERM},
                "subscribeToRatePlans": [rate_plan],
            },
        }
        head = {"orderNumber": number, "orderDate": "2026-11-24", "existingAccountNumber": "A-JUDGE"}
        return {**head, "subscriptions": [{"orderActions": [action]}], **more}

    def create(self, number: str, plan: str, charge: str, key: str, **more: Any) -> Any:
        request = models.CreateOrderRequest.from_dict(self.body(number, plan, charge, **more))
        return self.orders.create_order(request, idempotency_key=key)

    def preview(self, plan: str, charge: str) -> None:
        options = {
            "previewThruType": "TermEnd",
            "previewTypes": ["BillingDocs"],
            "documentDate": "2026-11-24",
            "skipTax": True,
        }
        body = self.body("O-P", plan, charge, previewOptions=options)
        found = self.orders.preview_order(models.PreviewOrderRequest.from_dict(body))
        invoices = found.preview_result.invoices
        self.check("twelve invoices", found.success and len(invoices) == 12, found)
        self.check("833.30 each", all(i.amount_without_tax == 833.3 for i in invoices), invoices)
        item = invoices[0].invoice_items[0]
        self.check("items name their charge", item.charge_number == "C-O-P", item)
        self.check("items end on their last day", str(item.service_end_date) == "2026-12-31", item)
        wrong = self.body("O-P", plan, charge, previewOptions={**options, "previewTypes": ["OrderMetrics"]})
        answer = self.orders.preview_order(models.PreviewOrderRequest.from_dict(wrong))
        self.category("a document date needs documents", answer, 30)

    def draft(self, plan: str, charge: str) -> None:
        made = self.create("O-1", plan, charge, "k1", status="Draft")
        self.check("draft", made.success and made.status == "Draft", made)
        read = self.orders.get_order("O-1").order
        create = read.subscriptions[0].order_actions[0].create_subscription
        held = create.subscribe_to_rate_plans[0].charge_overrides[0]
        self.check("draft reads back", (read.status, held.charge_number) == ("Draft", "C-O-1"), read)
        self.check("with its price", held.pricing.recurring_per_unit.list_price == 83.33, held)
        drafts = self.orders.get_orders(page_size=40)
        self.check(
            "drafts are in the list of all", [o.order_number for o in drafts.orders] == ["O-1"], drafts
        )
        mine = self.orders.get_orders_by_invoice_owner("A-JUDGE", page_size=40)
        self.check("and not in that of the account", mine.orders == [], mine)
        self.category("no subscription yet", self.subscriptions.get_subscription_by_key("S-O-1"), 40)
        done = self.orders.activate_order("O-1")
        self.check("activated", done.success and done.status == "Completed", done)
        held = self.subscriptions.get_subscription_by_key("S-O-1")
        line = held.rate_plans[0].rate_plan_charges[0]
        self.check("subscription is active", (held.status, held.version) == ("Active", 1), held)
        self.check("its charge", (line.number, line.price, line.quantity) == ("C-O-1", 83.33, 10), line)
        self.check("and its half-open end", str(line.effective_end_date) == "2027-12-01", line)
        listed = self.subscriptions.get_subscriptions_by_account("A-JUDGE")
        self.check("listed", [s.subscription_number for s in listed.subscriptions] == ["S-O-1"], listed)
        self.category("not twice", self.orders.activate_order("O-1"), 30)
        reason = models.CancelOrderRequest.from_dict({"cancelReason": "too late"})
        self.category("not cancelled", self.orders.cancel_order("O-1", body=reason), 30)
        self.category("an unknown order", self.orders.get_order("O-NONE"), 40)

    def undo(self, plan: str, charge: str) -> None:
        self.create("O-2", plan, charge, "k2", status="Draft")
        reason = models.CancelOrderRequest.from_dict({"cancelReason": "withdrawn"})
        gone = self.orders.cancel_order("O-2", body=reason)
        self.check("cancelled", gone.success and gone.status == "Cancelled", gone)
        self.check("deleted", self.orders.delete_order("O-1").success is True)
        self.category("its subscription too", self.subscriptions.get_subscription_by_key("S-O-1"), 40)

    def pending(self, plan: str, charge: str) -> None:
        made = self.create("O-3", plan, charge, "k3", pending=True)
        self.check("pending", made.status == "Pending", made)
        self.check("its subscription waits", made.subscriptions[0].status == "Pending Activation", made)
        dates = [{"name": "ServiceActivation", "triggerDate": "2026-12-05"}]
        entry = {"subscriptionNumber": "S-O-3", "orderActions": [{"sequence": 0, "triggerDates": dates}]}
        request = models.UpdateOrderTriggerDatesRequest.from_dict({"subscriptions": [entry]})
        done = self.orders.update_order_trigger_dates("O-3", request)
        self.check("dated", done.success and done.status == "Completed", done)

    def trouble(self, plan: str, charge: str) -> None:
        first = self.create("O-4", plan, "no-such-charge", "k4", status="Draft")
        again = self.create("O-4", plan, "no-such-charge", "k4", status="Draft")
        self.category("an unknown charge", first, 40)
        self.check("the failure is replayed", first.process_id == again.process_id, again)
        self.raises(
            "a key with another payload",
            exceptions.ApiException,
            lambda: self.create("O-5", plan, charge, "k4", status="Draft"),
            422,
        )
        self.control("expire", {})
        self.raises(
            "an expired token", exceptions.UnauthorizedException, lambda: self.orders.get_order("O-3"), 401
        )
        self.z._auth()
        self.check("a new token works", self.orders.get_order("O-3").success is True)
        headers = {"ratelimit-reset": "17"}
        self.control(
            "faults", {"match": "POST /v1/orders$", "kind": "status", "status": 429, "headers": headers}
        )
        error = self.raises(
            "a rate limit", exceptions.ApiException, lambda: self.create("O-6", plan, charge, "k6"), 429
        )
        self.check("and its reset", error is not None and error.rate_limit_reset == 17)
        self.control("faults", {"match": "GET /v1/orders", "kind": "status", "status": 500})
        self.raises(
            "an internal error", exceptions.ServiceException, lambda: self.orders.get_order("O-3"), 500
        )

    def closing(self) -> None:
        documents = self.documents.get_billing_documents(account_number="A-JUDGE")
        self.check(
            "documents of the account",
            [d.document_number for d in documents.documents] == ["INV-1"],
            documents,
        )
        started = self.accounts.delete_account("A-JUDGE")
        self.check("deletion is a job", started.success and bool(started.job_id), started)
        job = self.operations.get_operation_job(started.job_id)
        self.check("which ends", str(job.status) == "Completed", job)
        read = self.accounts.get_account("A-JUDGE")
        self.check("the account is cancelled", str(read.basic_info.status) == "Canceled", read)

    def run(self) -> dict[str, Any]:
        plan, charge = self.catalog()
        self.account()
        self.preview(plan, charge)
        self.draft(plan, charge)
        self.undo(plan, charge)
        self.pending(plan, charge)
        self.trouble(plan, charge)
        self.closing()
        self.z.stop_auto_auth()
        return {"covered": sorted(self.covered), "checks": self.checks, "failed": self.failed}


if __name__ == "__main__":
    print(json.dumps(Judge(sys.argv[1], json.loads(sys.argv[2])).run()))
