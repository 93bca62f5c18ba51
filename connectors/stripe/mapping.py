"""From the gateway's objects to an answer to the one question. Pure: the day is an argument."""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from canonical.payment import MethodCheck
from connectors.stripe.schema import Customer, Mandate, PaymentIntent, PaymentMethod, SetupIntent

_WAITING = frozenset({"processing", "requires_action", "requires_confirmation"})


class Permission(NamedTuple):
    """Something that allows charging off session: the object that gave it, and the mandate it names."""

    source: str
    mandate: str | None


def refused(why: str, method: PaymentMethod | None = None, warnings: tuple[str, ...] = ()) -> MethodCheck:
    """Not usable, with the reason in words for the customer's contact."""
    if method is None:
        return MethodCheck(usable=False, why=why)
    return MethodCheck(usable=False, why=why, kind=method.type, last4=last4(method), warnings=warnings)


def usable(method: PaymentMethod, warnings: tuple[str, ...]) -> MethodCheck:
    """May be charged off session."""
    return MethodCheck(usable=True, kind=method.type, last4=last4(method), warnings=warnings)


def last4(method: PaymentMethod) -> str:
    """The last four digits of card or bank account, empty when the kind has none."""
    found = method.details.get("last4")
    return found[-4:] if isinstance(found, str) else ""


def ownership_problem(customer: Customer, method: PaymentMethod) -> str | None:
    """Why the method is not this customer's, or None."""
    if customer.deleted:
        return f"customer {customer.id} was deleted at the payment gateway"
    if method.customer is None:
        return f"payment method {method.id} is not attached to any customer (a detached one cannot come back)"
    if method.customer != customer.id:
        return f"payment method {method.id} belongs to another customer"
    return None


def expiry_warning(method: PaymentMethod, today: date) -> str | None:
    """A note when the card's last month is over: networks may still approve it, so it is no refusal."""
    month, year = method.details.get("exp_month"), method.details.get("exp_year")
    if not isinstance(month, int) or not isinstance(year, int):
        return None
    if (year, month) >= (today.year, today.month):
        return None
    return f"the card expired at the end of {year}-{month:02d}; the bank may still approve charges"


def from_setups(intents: Iterable[SetupIntent], method: str) -> list[Permission]:
    """What succeeded set-ups for off-session use allow. On-session ones allow nothing; unknown states neither."""
    return [
        Permission(intent.id, intent.mandate)
        for intent in intents
        if intent.payment_method == method
        and intent.status == "succeeded"
        and (intent.usage or "off_session") == "off_session"
    ]


def from_payments(intents: Iterable[PaymentIntent], method: str) -> list[Permission]:
    """What earlier successful payments that were made with later use in mind allow."""
    return [
        Permission(intent.id, intent.latest_charge.mandate if intent.latest_charge else None)
        for intent in intents
        if intent.payment_method == method
        and intent.status == "succeeded"
        and intent.setup_future_usage == "off_session"
    ]


def why_unprepared(intents: Iterable[SetupIntent], method: str) -> str:
    """The most helpful reason when nothing allows charging off session."""
    states = [(i.status, i.usage) for i in intents if i.payment_method == method]
    if any(status in _WAITING for status, _ in states):
        return f"the set-up of payment method {method} is not finished; the customer or the bank has to confirm it"
    if any(status == "succeeded" for status, _ in states):
        return f"payment method {method} was set up for use by the customer in person only, not for automatic payment"
    return f"payment method {method} was never set up for automatic payment; the customer has to authorise it once"


def mandate_problem(mandate: Mandate, method: str) -> str | None:
    """Why a mandate does not allow debits of this method, or None. A state that we do not know allows nothing."""
    if mandate.payment_method != method:
        return f"mandate {mandate.id} belongs to another payment method"
    if mandate.status == "pending":
        return f"mandate {mandate.id} is not confirmed by the bank yet"
    if mandate.status != "active":
        return f"mandate {mandate.id} is {mandate.status or 'in an unknown state'}; the customer has to sign a new one"
    if mandate.type != "multi_use":
        return f"mandate {mandate.id} was for one payment only; the customer has to sign one for repeated payments"
    return None
