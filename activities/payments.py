"""Activities about the payment gateway."""

from temporalio import activity

from activities.contracts.payments import CheckMethod
from activities.tools import Tools
from canonical.failures import Rejected
from canonical.payment import MethodCheck
from connectors.ports import Payments


class PaymentActivities:
    """Asks the gateway; changes nothing there."""

    def __init__(self, payments: Payments, tools: Tools) -> None:
        self._payments = payments
        self._tools = tools

    @activity.defn
    async def check_method(self, order: CheckMethod) -> MethodCheck:
        """See the contract."""
        await self._tools.open("payments")
        found = await self._payments.check_method(order.gateway_customer, order.payment_method)
        if not found.usable:
            raise Rejected(
                f"the payment method cannot be charged without the customer: {found.why}",
                code="payment-method-unusable",
                field="quote.payment.payment_method",
                fix="ask the customer for a new method, or switch the deal to invoice",
            )
        return found
