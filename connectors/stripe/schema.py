"""The gateway's JSON, as far as this adapter reads it. Unknown members and unknown values of enums are normal."""

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _id(value: Any) -> Any:
    """A reference is an id, or the whole object where somebody expanded it."""
    return value.get("id") if isinstance(value, dict) else value


Ref = Annotated[str | None, BeforeValidator(_id)]


class Wire(BaseModel):
    """A member of an answer, tolerant of what is new."""

    model_config = ConfigDict(extra="ignore", frozen=True)


Item = TypeVar("Item", bound=Wire)


class ListPage(Wire, Generic[Item]):
    """One page of a list, newest first. The last id of a page is the cursor of the next."""

    data: tuple[Item, ...] = ()
    has_more: bool = False


class Balance(Wire):
    """The account's balance; only its mode is of interest."""

    livemode: bool = False


class Customer(Wire):
    """A customer. A deleted one is still answered, with 200 and `deleted`."""

    id: str
    deleted: bool = False


class PaymentMethod(Wire):
    """A stored method. The details lie in a member named after `type`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: str
    type: str = ""
    customer: Ref = None

    @property
    def details(self) -> dict[str, Any]:
        """The member that describes this kind of method."""
        found = (self.model_extra or {}).get(self.type)
        return found if isinstance(found, dict) else {}


class SetupIntent(Wire):
    """How a method was prepared for later use. `usage` is `off_session` when absent."""

    id: str
    status: str = ""
    usage: str | None = None
    payment_method: Ref = None
    mandate: Ref = None


class Charge(Wire):
    """The part of a charge that tells under which mandate it was made."""

    payment_method_details: dict[str, Any] = Field(default_factory=dict)

    @property
    def mandate(self) -> str | None:
        """The mandate of a debit, or None."""
        kind = self.payment_method_details.get("type")
        details = self.payment_method_details.get(str(kind))
        found = details.get("mandate") if isinstance(details, dict) else None
        return found if isinstance(found, str) and found else None


def _expanded(value: Any) -> Any:
    return value if isinstance(value, dict) else None


class PaymentIntent(Wire):
    """An earlier payment, which may have prepared the method for later ones."""

    id: str
    status: str = ""
    setup_future_usage: str | None = None
    payment_method: Ref = None
    latest_charge: Annotated[Charge | None, BeforeValidator(_expanded)] = None


class Mandate(Wire):
    """The customer's permission to debit."""

    id: str
    status: str = ""
    type: str = ""
    payment_method: Ref = None
