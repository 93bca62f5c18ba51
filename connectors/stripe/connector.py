"""The gateway in the role of payments: it answers one question and changes nothing."""

from collections.abc import Callable
from datetime import UTC, date, datetime

from canonical.failures import Failure, Rejected
from canonical.mapping import Reference
from canonical.payment import MethodCheck
from connectors.ports import Health
from connectors.stripe import mapping
from connectors.stripe.client import StripeClient
from connectors.stripe.errors import UNKNOWN_RECORD
from connectors.stripe.mapping import Permission
from connectors.stripe.schema import Customer, PaymentMethod


def _today() -> date:
    return datetime.now(UTC).date()


class StripePayments:
    """May this stored method be charged off session? `today` only serves the note on expired cards."""

    def __init__(self, client: StripeClient, today: Callable[[], date] = _today) -> None:
        self.client = client
        self._today = today

    async def aclose(self) -> None:
        """Close the connections."""
        await self.client.aclose()

    async def check(self) -> Health:
        """Read the balance, the cheapest call that needs a valid key."""
        try:
            balance = await self.client.balance()
        except Failure as failure:
            return Health(well=False, detail=failure.message, fix=failure.fix or "check address and network")
        return Health(well=True, detail=f"key accepted, {'live' if balance.livemode else 'sandbox'} mode")

    async def references(self) -> tuple[Reference, ...]:
        """None: no code of ours maps to a record here."""
        return ()

    async def check_method(self, gateway_customer: str, payment_method: str) -> MethodCheck:
        """Ownership, permission to charge off session, and the mandate where the kind of method needs one."""
        customer = await self._customer(gateway_customer)
        if customer is None:
            return mapping.refused(f"the payment gateway does not know customer {gateway_customer}")
        method = await self._method(payment_method)
        if method is None:
            return mapping.refused(f"the payment gateway does not know payment method {payment_method}")
        warning = mapping.expiry_warning(method, self._today())
        warnings = (warning,) if warning else ()
        problem = mapping.ownership_problem(customer, method)
        if problem is None:
            problem = await self._permission_problem(customer, method)
        return mapping.refused(problem, method, warnings) if problem else mapping.usable(method, warnings)

    async def _customer(self, customer_id: str) -> Customer | None:
        if not customer_id:
            return None
        try:
            return await self.client.customer(customer_id)
        except Rejected as refused:
            _only_unknown(refused)
            return None

    async def _method(self, method_id: str) -> PaymentMethod | None:
        if not method_id:
            return None
        try:
            return await self.client.payment_method(method_id)
        except Rejected as refused:
            _only_unknown(refused)
            return None

    async def _permission_problem(self, customer: Customer, method: PaymentMethod) -> str | None:
        """The first permission without a fault decides; earlier payments are only read when set-ups do not suffice."""
        setups = await self.client.setup_intents(customer.id, method.id)
        problem: str | None = None
        for permission in mapping.from_setups(setups, method.id):
            found = await self._fault(permission, method)
            if found is None:
                return None
            problem = problem or found
        searched, limit = 0, self.client.settings.payments_searched
        async for payment in self.client.payment_intents(customer.id):
            searched += 1
            if searched > limit:
                break
            for permission in mapping.from_payments([payment], method.id):
                found = await self._fault(permission, method)
                if found is None:
                    return None
                problem = problem or found
        problem = problem or mapping.why_unprepared(setups, method.id)
        return (
            f"{problem} (payments before the latest {limit} were not searched)"
            if searched > limit
            else problem
        )

    async def _fault(self, permission: Permission, method: PaymentMethod) -> str | None:
        if permission.mandate is None:
            if method.type in self.client.settings.debit_kinds:
                return f"payment method {method.id} is a bank debit without a mandate; the customer has to sign one"
            return None
        try:
            mandate = await self.client.mandate(permission.mandate)
        except Rejected as refused:
            _only_unknown(refused)
            return f"mandate {permission.mandate} does not exist any more; the customer has to sign a new one"
        return mapping.mandate_problem(mandate, method.id)


def _only_unknown(refused: Rejected) -> None:
    """Let pass that a record does not exist; every other refusal goes on."""
    if refused.code != UNKNOWN_RECORD:
        raise refused
