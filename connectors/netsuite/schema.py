"""Their JSON, as far as we read it. Unknown fields are ignored; a field that we need and miss is a typed failure."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from canonical.failures import Transient


def _without_nulls(data: object) -> object:
    # An empty field is either absent or null, depending on the record type.
    return (
        {name: value for name, value in data.items() if value is not None} if isinstance(data, dict) else data
    )


class Foreign(BaseModel):
    """A tolerant reader."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    _nulls = model_validator(mode="before")(_without_nulls)


def _keep_raw(data: object) -> object:
    # Custom fields have names that are settings, so the whole record stays at hand.
    return {**data, "raw": data} if isinstance(data, dict) else data


class Kept(Foreign):
    """A tolerant reader that keeps everything it was given in `raw`."""

    raw: dict[str, Any] = Field(default_factory=dict, exclude=True, repr=False)

    _raw = model_validator(mode="before")(_keep_raw)


def _text(value: object) -> object:
    # Ids and query values come as strings or as numbers, depending on where they are read.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Text = Annotated[str, BeforeValidator(_text)]


class Ref(Foreign):
    """A reference to another record, or to a choice of a list."""

    id: Text
    name: str = Field(default="", alias="refName")


def _choice(value: object) -> object:
    # The help shows order states as plain strings, the schema as objects with an id.
    return {"id": value} if isinstance(value, str) else value


Choice = Annotated[Ref, BeforeValidator(_choice)]


class Street(Foreign):
    """The postal part of an address book line."""

    line1: str = Field(default="", alias="addr1")
    line2: str = Field(default="", alias="addr2")
    city: str = ""
    state: str = ""
    zip: Text = ""
    country: Choice | None = None


class AddressLine(Foreign):
    """One line of the address book."""

    key: int | None = Field(default=None, alias="internalId")
    label: str = ""
    default_billing: bool = Field(default=False, alias="defaultBilling")
    address: Street | None = Field(default=None, alias="addressBookAddress")


class AddressBook(Foreign):
    """The address book, when sub-resources are expanded."""

    items: tuple[AddressLine, ...] = ()


class CustomerRecord(Kept):
    """A customer."""

    id: Text
    external_id: str = Field(default="", alias="externalId")
    number: Text = Field(default="", alias="entityId")
    name: str = Field(default="", alias="companyName")
    email: str = ""
    inactive: bool = Field(default=False, alias="isInactive")
    subsidiary: Ref | None = None
    currency: Ref | None = None
    terms: Ref | None = None
    addresses: AddressBook = Field(default=AddressBook(), alias="addressBook")


class OrderItem(Kept):
    """A line of a sales order. Custom columns stay in `raw`, because their names are settings."""

    line: int
    item: Ref
    quantity: Decimal = Decimal(1)
    amount: Decimal = Decimal(0)
    rate: Decimal | None = None
    description: str = ""
    first_day: date | None = Field(default=None, alias="revRecStartDate")
    last_day: date | None = Field(default=None, alias="revRecEndDate")
    department: Ref | None = None
    location: Ref | None = None
    product_class: Ref | None = Field(default=None, alias="class")


class OrderItems(Foreign):
    """The item sublist, when sub-resources are expanded."""

    items: tuple[OrderItem, ...] = ()


class OrderRecord(Kept):
    """A sales order."""

    id: Text
    external_id: str = Field(default="", alias="externalId")
    number: Text = Field(default="", alias="tranId")
    status: Choice | None = None
    entity: Ref
    subsidiary: Ref | None = None
    currency: Ref | None = None
    terms: Ref | None = None
    purchase_order: Text = Field(default="", alias="otherRefNum")
    on: date = Field(alias="tranDate")
    first_day: date | None = Field(default=None, alias="startDate")
    last_day: date | None = Field(default=None, alias="endDate")
    total: Decimal | None = None
    item: OrderItems = OrderItems()


class QueryPage(Foreign):
    """One page of a query. Columns without a value are absent."""

    items: tuple[dict[str, Any], ...] = ()
    more: bool = Field(default=False, alias="hasMore")
    offset: int = 0
    count: int = 0


Record = TypeVar("Record", bound=Foreign)


def read(kind: type[Record], data: object) -> Record:
    """`data` as a record. Raises Transient, naming the field, when it lacks what we need: it settles nothing."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Transient(
            f"the answer is not a {kind.__name__}: {first['msg']}",
            code="answer-unreadable",
            field=".".join(str(part) for part in first["loc"]),
            fix="compare the record in the ERP with the fields that this adapter reads",
        ) from None
