"""The event types of quote-to-subscription. `docs/events.md` is generated from here."""

from datetime import date

from pydantic import Field, JsonValue

from canonical.base import Model
from canonical.event import Family, Payload, event, registry, upcast_versions, upcaster
from canonical.money import Money
from canonical.period import Period


class Operational(Payload):
    """How work went."""

    family = Family.OPERATIONAL


class Financial(Payload):
    """What must be booked."""

    family = Family.FINANCIAL


@event
class ActivationStarted(Operational):
    """A closed deal was taken up."""

    name = "activation.started"
    version = 2

    quote_id: str
    revision: str
    opportunity_id: str
    started_by: str = Field(description="watch, person or file")
    approved_at: str | None = Field(default=None, description="ISO 8601, when the CRM knows it")


@upcaster(ActivationStarted, 1)
def _started_by_became_a_word(data: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Version 1 said only whether the watch had found the deal."""
    rest = {name: value for name, value in data.items() if name != "by_watch"}
    return {**rest, "started_by": "watch" if data.get("by_watch") else "person"}


@event
class QuoteValidated(Operational):
    """All validators passed, and the route was decided."""

    name = "quote.validated"

    quote_id: str
    revision: str
    entity: str
    erp: str
    rule_id: str


@event
class QuoteRefused(Operational):
    """Validators found something; nothing was touched."""

    name = "quote.refused"

    quote_id: str
    revision: str
    codes: tuple[str, ...]


@event
class QuoteLocked(Operational):
    """The quote is held for one activation."""

    name = "quote.locked"

    quote_id: str
    operation_id: str
    content_hash: str


@event
class QuoteUnlocked(Operational):
    """The quote is free again."""

    name = "quote.unlocked"

    quote_id: str
    operation_id: str


@event
class BillingAccountCreated(Operational):
    """A billing account was made for the customer."""

    name = "billing-account.created"

    number: str
    customer_id: str
    currency: str


@event
class BillingAccountCancelled(Operational):
    """A billing account that nobody else used was cancelled by an undo."""

    name = "billing-account.cancelled"

    number: str


@event
class BillingAccountKept(Operational):
    """An undo left the account in place, because something else lives on it."""

    name = "billing-account.kept"

    number: str
    because: str


@event
class PaymentReferenceSet(Operational):
    """The billing account pays by a stored reference (or by none again, after an undo). Never card data."""

    name = "payment-reference.set"

    number: str
    has_reference: bool


@event
class OrderPreviewed(Operational):
    """Billing said what it will invoice over the term."""

    name = "order.previewed"

    order_number: str
    invoices: int
    term_total: Money


@event
class TaxEstimated(Operational):
    """The tax of the first invoice was estimated; no document was recorded."""

    name = "tax.estimated"

    order_number: str
    tax: Money
    zero_reasons: tuple[str, ...] = ()
    evidence: str = ""


@event
class OrderDrafted(Operational):
    """The order stands in billing as a draft."""

    name = "order.drafted"

    order_number: str
    subscription_number: str


@event
class OrderWithdrawn(Operational):
    """The draft was taken back by an undo."""

    name = "order.withdrawn"

    order_number: str


@event
class OrderActivated(Operational):
    """The pivot: the order is active in billing."""

    name = "order.activated"

    order_number: str
    subscription_number: str
    on: date


@event
class SubscriptionActivated(Operational):
    """The subscription was read back active, and equals the quote."""

    name = "subscription.activated"

    subscription_number: str
    quote_id: str
    customer_id: str
    term: Period
    term_total: Money
    charges: int


@event
class ErpCustomerRecorded(Operational):
    """The ERP knows the customer. A master record is not a posting."""

    name = "erp-customer.recorded"

    external_id: str
    erp_id: str


class RecordedLine(Model):
    """One obligation of a recorded contract."""

    lineage_id: str
    obligation: str
    pattern: str
    amount: Money
    allocated: Money
    period: Period


@event
class ContractRecorded(Financial):
    """The contract stands in the ERP: one line for each obligation, with what was allocated to it."""

    name = "contract.recorded"

    external_id: str
    erp_id: str
    subscription_number: str
    currency: str
    on: date
    total: Money
    lines: tuple[RecordedLine, ...]


@event
class QuoteCompleted(Operational):
    """Ids and state were written back to the CRM, and the lock was released."""

    name = "quote.completed"

    quote_id: str
    subscription_number: str
    erp_document: str


@event
class ActivationParked(Operational):
    """The activation waits for a person."""

    name = "activation.parked"

    quote_id: str
    step: str
    code: str
    owner: str
    case_id: str


@event
class ActivationResolved(Operational):
    """A person decided how a parked activation goes on."""

    name = "activation.resolved"

    quote_id: str
    step: str
    case_id: str
    resolution: str
    reason: str


@event
class ActivationCompleted(Operational):
    """Everything is done."""

    name = "activation.completed"

    quote_id: str
    revision: str
    subscription_number: str


@event
class ActivationUnwound(Operational):
    """Everything that had been done was undone."""

    name = "activation.unwound"

    quote_id: str
    revision: str
    because: str
    undone: tuple[str, ...]


@event
class ActivationCancelled(Operational):
    """Somebody asked to stop in time, and everything that had been done was undone."""

    name = "activation.cancelled"

    quote_id: str
    revision: str
    reason: str
    undone: tuple[str, ...]


@event
class MappingActivated(Operational):
    """A new version of a vendor's maps is in force."""

    name = "mapping.activated"

    vendor: str
    mapping_version: int
    added: int
    changed: int
    removed: int
    reason: str


def catalog() -> str:
    """`docs/events.md`: every type with its version, meaning and fields."""
    lines = [
        "# Events",
        "",
        "Generated from the registry by `revsaga event catalog`; do not edit.",
        "Only the financial family may reach an ERP.",
    ]
    for family in Family:
        lines += ["", f"## {family.value.capitalize()}", ""]
        for payload in registry():
            if payload.family is family:
                lines += _entry(payload)
    return "\n".join(lines) + "\n"


def catalog_is_current(text: str) -> bool:
    """Whether `text` (what stands in `docs/events.md`) is what the registry says today."""
    return text == catalog()


def _entry(payload: type[Payload]) -> list[str]:
    old = upcast_versions(payload)
    also = f" (reads {', '.join(map(str, old))})" if old else ""
    summary = (payload.__doc__ or "").strip().splitlines()[0]
    lines = [f"### `{payload.type()}`", "", f"Version {payload.version}{also}. {summary}", ""]
    lines += ["| field | type | meaning |", "|---|---|---|"]
    schema = payload.model_json_schema()
    for name, field in payload.model_fields.items():
        kind = _kind(schema["properties"][name])
        need = "" if field.is_required() else " (optional)"
        lines.append(f"| `{name}` | {kind}{need} | {field.description or ''} |")
    return [*lines, ""]


def _kind(schema: dict[str, object]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    options = schema.get("anyOf")
    if isinstance(options, list):
        return " or ".join(_kind(option) for option in options)
    items = schema.get("items")
    if isinstance(items, dict):
        return f"list of {_kind(items)}"
    return str(schema.get("format") or schema.get("type", "value"))
