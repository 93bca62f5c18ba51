"""Promises about the payment gateway."""

from temporalio import activity

from canonical.base import Model
from canonical.payment import MethodCheck


class CheckMethod(Model):
    """Whose method."""

    gateway_customer: str
    payment_method: str


@activity.defn
async def check_method(order: CheckMethod) -> MethodCheck:
    """Whether the method belongs to the customer and may be charged off session; Rejected when not."""
    raise NotImplementedError
