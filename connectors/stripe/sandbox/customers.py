"""Customers, payment methods, mandates and the balance."""

from typing import Any

from connectors.kit.sandbox import Call, Reply, route
from connectors.stripe.sandbox.books import OWN_CODES, TEST_METHODS, UNATTACHABLE, decline
from connectors.stripe.sandbox.forms import page, read, refuse
from connectors.stripe.sandbox.gateway import Gateway

Json = dict[str, Any]

_CUSTOMER = (
    "email",
    "name",
    "description",
    "address",
    "phone",
    "shipping",
    "tax_exempt",
    "invoice_settings",
    "metadata",
    "preferred_locales",
)
_LIST = ("limit", "starting_after", "ending_before", "created")
_LONGEST = {"email": 512, "name": 256}


class Customers(Gateway):
    """Endpoints about who pays and with what."""

    @route("GET", "/v1/balance")
    async def balance(self, call: Call) -> Reply:
        read(call, ())
        funds = [{"amount": 0, "currency": "usd", "source_types": {"card": 0}}]
        return Reply.json({"object": "balance", "livemode": False, "available": funds, "pending": funds})

    @route("POST", "/v1/customers")
    async def create_customer(self, call: Call) -> Reply:
        params = read(call, _CUSTOMER)
        made = self.books.add("customer", **_blank(), **_customer_members(params))
        self.effect("customer", made["id"])
        return Reply.json(made)

    @route("GET", "/v1/customers")
    async def list_customers(self, call: Call) -> Reply:
        params = read(call, (*_LIST, "email"))
        alive = [c for c in self.books.newest("customer", email=params.get("email")) if not c.get("deleted")]
        return page("/v1/customers", params, alive)

    @route("GET", "/v1/customers/{id}")
    async def get_customer(self, call: Call) -> Reply:
        read(call, ())
        return Reply.json(self.books.get("customer", call.path_params["id"]))

    @route("POST", "/v1/customers/{id}")
    async def update_customer(self, call: Call) -> Reply:
        found = self._alive(call.path_params["id"])
        params = read(call, _CUSTOMER)
        # Metadata is merged, and a member set to empty is taken away.
        metadata = found["metadata"] | (params.pop("metadata", None) or {})
        found.update(_customer_members(params), metadata={k: v for k, v in metadata.items() if v != ""})
        self.effect("customer-update", found["id"])
        return Reply.json(found)

    @route("DELETE", "/v1/customers/{id}")
    async def delete_customer(self, call: Call) -> Reply:
        found = self._alive(call.path_params["id"])
        gone = {"id": found["id"], "object": "customer", "deleted": True}
        self.books.objects[found["id"]] = gone
        for method in self.books.newest("payment_method", customer=found["id"]):
            self._detach(method)
        self.effect("customer-delete", found["id"])
        return Reply.json(gone)

    @route("GET", "/v1/payment_methods")
    async def list_methods(self, call: Call) -> Reply:
        params = read(call, (*_LIST, "customer", "type"))
        if params.get("customer"):
            self.books.get("customer", params["customer"], "customer")
        found = self.books.newest("payment_method", customer=params.get("customer"), type=params.get("type"))
        return page("/v1/payment_methods", params, found)

    @route("GET", "/v1/payment_methods/{id}")
    async def get_method(self, call: Call) -> Reply:
        read(call, ())
        return Reply.json(self.books.get("payment_method", call.path_params["id"], "payment_method"))

    @route("POST", "/v1/payment_methods/{id}/attach")
    async def attach(self, call: Call) -> Reply:
        params = read(call, (), ("customer",))
        owner, wanted = self._alive(params["customer"], "customer")["id"], call.path_params["id"]
        if wanted in UNATTACHABLE:
            code = UNATTACHABLE[wanted]
            public = code if code in OWN_CODES else "card_declined"
            refuse(402, public, "Your card was declined.", kind="card_error", **decline(code))
        if wanted in TEST_METHODS:
            method = self.books.method("card", owner)
            if TEST_METHODS[wanted]:
                self.books.behaviour[method["id"]] = str(TEST_METHODS[wanted])
        else:
            method = self.books.get("payment_method", wanted, "payment_method")
            if method.get("detached"):
                text = "This PaymentMethod was previously used and detached from a Customer, and may not be used again."
                refuse(400, None, text)
            if method["customer"] not in (None, owner):
                refuse(400, None, "The payment method you provided has already been attached to a customer.")
            method["customer"] = owner
        self.effect("attach", method["id"])
        return Reply.json(_shown(method))

    @route("POST", "/v1/payment_methods/{id}/detach")
    async def detach(self, call: Call) -> Reply:
        read(call, ())
        method = self.books.get("payment_method", call.path_params["id"], "payment_method")
        if method["customer"] is None:
            text = (
                "The payment method you provided is not attached to a customer so detachment is impossible."
            )
            refuse(400, None, text)
        self._detach(method)
        self.effect("detach", method["id"])
        return Reply.json(_shown(method))

    @route("GET", "/v1/mandates/{id}")
    async def get_mandate(self, call: Call) -> Reply:
        read(call, ())
        return Reply.json(self.books.get("mandate", call.path_params["id"], "mandate"))

    def _alive(self, identifier: str, param: str = "id") -> Json:
        found = self.books.get("customer", identifier, param)
        if found.get("deleted"):
            refuse(404, "resource_missing", f"No such customer: '{identifier}'", param=param)
        return found

    def _detach(self, method: Json) -> None:
        method.update(customer=None, detached=True)
        for mandate in self.books.newest("mandate", payment_method=method["id"]):
            mandate["status"] = "inactive"


def _shown(method: Json) -> Json:
    return {name: value for name, value in method.items() if name != "detached"}


def _blank() -> Json:
    return {"balance": 0, "currency": None, "default_source": None, "delinquent": False, "tax_exempt": "none"}


def _customer_members(params: Json) -> Json:
    for name, longest in _LONGEST.items():
        if len(params.get(name) or "") > longest:
            refuse(
                400,
                "parameter_invalid_string",
                f"Invalid string: must be at most {longest} characters",
                param=name,
            )
    return {"metadata": {}, "email": None, "name": None} | params
