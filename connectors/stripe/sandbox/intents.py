"""Set-ups and payments: the two ways in which a customer allows later charges."""

from typing import Any

from connectors.kit.sandbox import Call, Reply, route
from connectors.stripe.sandbox.books import DEBITS, OWN_CODES, decline
from connectors.stripe.sandbox.customers import Customers
from connectors.stripe.sandbox.forms import choice, integer, page, read, refuse, truth

Json = dict[str, Any]

_SETUP = (
    "customer",
    "payment_method",
    "usage",
    "confirm",
    "payment_method_types",
    "automatic_payment_methods",
    "description",
    "metadata",
    "mandate_data",
    "return_url",
)
_PAYMENT = (
    "customer",
    "payment_method",
    "confirm",
    "off_session",
    "capture_method",
    "payment_method_types",
    "automatic_payment_methods",
    "setup_future_usage",
    "mandate",
    "mandate_data",
    "description",
    "metadata",
    "receipt_email",
    "return_url",
    "error_on_requires_action",
)
_CONFIRM = ("payment_method", "off_session", "mandate", "mandate_data", "setup_future_usage", "return_url")
_LIST = ("limit", "starting_after", "ending_before", "created", "customer")
_USAGES = ("off_session", "on_session")


class Setups(Customers):
    """Endpoints of set-ups."""

    @route("POST", "/v1/setup_intents")
    async def create_setup(self, call: Call) -> Reply:
        params = read(call, _SETUP)
        usage = choice(params, "usage", _USAGES, "off_session")
        owner, method = params.get("customer"), params.get("payment_method")
        if owner:
            self._alive(owner, "customer")
        kind = self._usable(method, owner)["type"] if method else "card"
        confirm = truth(params, "confirm")
        if confirm and not method:
            refuse(
                400,
                "parameter_missing",
                "You must provide a payment method to confirm.",
                param="payment_method",
            )
        made = self.books.add(
            "setup_intent",
            customer=owner,
            payment_method=method,
            status="requires_confirmation" if method else "requires_payment_method",
            usage=usage,
            mandate=None,
            single_use_mandate=None,
            payment_method_types=[kind],
            last_setup_error=None,
            next_action=None,
            cancellation_reason=None,
            metadata=params.get("metadata") or {},
        )
        self.effect("setup-intent", made["id"])
        if confirm:
            self._set_up(made)
        return Reply.json(made)

    @route("GET", "/v1/setup_intents")
    async def list_setups(self, call: Call) -> Reply:
        params = read(call, (*_LIST, "payment_method"))
        found = self.books.newest(
            "setup_intent", customer=params.get("customer"), payment_method=params.get("payment_method")
        )
        return page("/v1/setup_intents", params, found)

    @route("GET", "/v1/setup_intents/{id}")
    async def get_setup(self, call: Call) -> Reply:
        read(call, ())
        return Reply.json(self.books.get("setup_intent", call.path_params["id"], "intent"))

    @route("POST", "/v1/setup_intents/{id}/confirm")
    async def confirm_setup(self, call: Call) -> Reply:
        params = read(call, _CONFIRM)
        found = self.books.get("setup_intent", call.path_params["id"], "intent")
        if found["status"] not in {"requires_payment_method", "requires_confirmation"}:
            text = f"You cannot confirm this SetupIntent because it has a status of {found['status']}."
            refuse(400, "setup_intent_unexpected_state", text, setup_intent=found)
        method = params.get("payment_method") or found["payment_method"]
        if not method:
            refuse(400, "parameter_missing", "You must provide a payment method.", param="payment_method")
        found["payment_method"] = self._usable(method, found["customer"])["id"]
        self._set_up(found)
        return Reply.json(found)

    def _set_up(self, intent: Json) -> None:
        method = self.books.objects[intent["payment_method"]]
        code = self.books.behaviour.get(method["id"])
        if code == "authentication_required":
            intent["status"] = "requires_action"
            intent["next_action"] = {"type": "use_stripe_sdk", "use_stripe_sdk": {}}
            return
        if intent["customer"]:
            method["customer"] = intent["customer"]
        intent["status"] = "succeeded"
        if method["type"] in DEBITS:
            intent["mandate"] = self.books.sign_mandate(method["id"])["id"]
        self.effect("setup", intent["id"])

    def _usable(self, identifier: str, owner: str | None) -> Json:
        found = self.books.get("payment_method", identifier, "payment_method")
        if found.get("detached"):
            text = "This PaymentMethod was previously used and detached from a Customer, and may not be used again."
            refuse(400, None, text, param="payment_method")
        if found["customer"] not in (None, owner):
            text = f"The customer does not have a payment method with the ID {identifier}."
            refuse(400, None, text, param="payment_method")
        return found


class Payments(Setups):
    """Endpoints of payments, as far as an earlier payment can prepare a method for later ones."""

    @route("POST", "/v1/payment_intents")
    async def create_payment(self, call: Call) -> Reply:
        params = read(call, _PAYMENT, ("amount", "currency"))
        amount, currency = integer(params, "amount"), str(params["currency"])
        if amount < 1:
            refuse(
                400,
                "parameter_invalid_integer",
                "This value must be greater than or equal to 1.",
                param="amount",
            )
        if currency != currency.lower() or len(currency) != 3:
            refuse(400, None, f"Invalid currency: {currency}", param="currency")
        owner, method = params.get("customer"), params.get("payment_method")
        if owner:
            self._alive(owner, "customer")
        if method:
            self._usable(method, owner)
        confirm = truth(params, "confirm")
        if params.get("off_session") and not confirm:
            text = "The parameter `off_session` cannot be passed when `confirm` is not true."
            refuse(400, "parameters_exclusive", text, param="off_session")
        made = self.books.add(
            "payment_intent",
            amount=amount,
            amount_capturable=0,
            amount_received=0,
            currency=currency,
            customer=owner,
            payment_method=method,
            status="requires_confirmation" if method else "requires_payment_method",
            setup_future_usage=choice(params, "setup_future_usage", _USAGES),
            capture_method=params.get("capture_method") or "automatic_async",
            latest_charge=None,
            last_payment_error=None,
            next_action=None,
            metadata=params.get("metadata") or {},
        )
        self.effect("payment-intent", made["id"])
        if confirm:
            self._pay(made, unattended=bool(params.get("off_session")))
        return Reply.json(made)

    @route("GET", "/v1/payment_intents")
    async def list_payments(self, call: Call) -> Reply:
        params = read(call, _LIST)
        found = self.books.newest("payment_intent", customer=params.get("customer"))
        if "data.latest_charge" in (params.get("expand") or []):
            found = [p | {"latest_charge": self.books.objects.get(p["latest_charge"] or "")} for p in found]
        return page("/v1/payment_intents", params, found)

    @route("GET", "/v1/payment_intents/{id}")
    async def get_payment(self, call: Call) -> Reply:
        read(call, ())
        return Reply.json(self.books.get("payment_intent", call.path_params["id"], "intent"))

    @route("POST", "/v1/payment_intents/{id}/confirm")
    async def confirm_payment(self, call: Call) -> Reply:
        params = read(call, _CONFIRM)
        found = self.books.get("payment_intent", call.path_params["id"], "intent")
        if found["status"] not in {"requires_payment_method", "requires_confirmation"}:
            text = f"You cannot confirm this PaymentIntent because it has a status of {found['status']}."
            refuse(400, "payment_intent_unexpected_state", text, payment_intent=found)
        method = params.get("payment_method") or found["payment_method"]
        if not method:
            refuse(400, "parameter_missing", "You must provide a payment method.", param="payment_method")
        found["payment_method"] = self._usable(method, found["customer"])["id"]
        found["setup_future_usage"] = choice(
            params, "setup_future_usage", _USAGES, found["setup_future_usage"]
        )
        self._pay(found, unattended=bool(params.get("off_session")))
        return Reply.json(found)

    def _pay(self, intent: Json, *, unattended: bool) -> None:
        method = self.books.objects[intent["payment_method"] or ""] if intent["payment_method"] else None
        if method is None:
            refuse(400, "parameter_missing", "You must provide a payment method.", param="payment_method")
        code = self.books.behaviour.get(method["id"])
        if code == "authentication_required" and not unattended:
            intent["status"] = "requires_action"
            intent["next_action"] = {"type": "use_stripe_sdk", "use_stripe_sdk": {}}
            return
        charge = self._charge(intent, method, failed=code)
        intent["latest_charge"] = charge["id"]
        if code:
            self._decline(intent, method, charge, code)
        if method["type"] in DEBITS:
            intent["status"], charge["status"] = "processing", "pending"
        else:
            intent.update(status="succeeded", amount_received=intent["amount"])
        self.effect("payment", intent["id"])

    def _charge(self, intent: Json, method: Json, *, failed: str | None) -> Json:
        kind = method["type"]
        mandate = self.books.newest("mandate", payment_method=method["id"])
        signed = {"mandate": mandate[0]["id"]} if mandate and kind in DEBITS else {}
        return self.books.add(
            "charge",
            amount=intent["amount"],
            currency=intent["currency"],
            customer=intent["customer"],
            payment_intent=intent["id"],
            payment_method=method["id"],
            status="failed" if failed else "succeeded",
            paid=not failed,
            payment_method_details={"type": kind, kind: {"last4": method[kind]["last4"], **signed}},
        )

    def _decline(self, intent: Json, method: Json, charge: Json, code: str) -> None:
        public = code if code in OWN_CODES else "card_declined"
        text = "Your card was declined."
        problem = {
            "type": "card_error",
            "code": public,
            "message": text,
            **decline(code, charge=charge["id"]),
        }
        intent.update(status="requires_payment_method", last_payment_error=problem)
        more = decline(code, charge=charge["id"], payment_intent=dict(intent), payment_method=method)
        refuse(402, public, text, kind="card_error", **more)
