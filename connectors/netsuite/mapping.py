"""Our words to theirs and back, without any I/O.

Ends of periods are the last served day over there, and half-open here. Money travels as a decimal number of the
record's currency, never as a float; custom columns carry it as text, which no list or form rounds.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from canonical.contract import ContractDocument, ContractLine, ErpCustomer, ErpRef
from canonical.entity import Segments
from canonical.failures import Misconfigured, Rejected
from canonical.mapping import MappingSet, Reference
from canonical.money import Money, price
from canonical.party import Address
from canonical.period import Period
from connectors.netsuite.schema import CustomerRecord, OrderItem, OrderRecord, Ref
from connectors.netsuite.settings import NetsuiteSettings

_EXTERNAL_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_ADDRESS_LABEL = "Billing"

STATES = {
    "A": "pending-approval",
    "B": "pending-fulfillment",
    "C": "cancelled",
    "D": "partially-fulfilled",
    "E": "partially-fulfilled",
    "F": "pending-billing",
    "G": "billed",
    "H": "closed",
}

# kind, table, column that carries our code, column with a name for people
REFERENCE_TABLES: tuple[tuple[str, str, str, str], ...] = (
    ("item", "item", "itemid", "displayname"),
    ("subsidiary", "subsidiary", "externalid", "name"),
    ("terms", "term", "name", "name"),
    ("currency", "currency", "symbol", "name"),
    ("department", "department", "externalid", "name"),
    ("location", "location", "externalid", "name"),
    ("class", "classification", "externalid", "name"),
)


def external_id(value: str) -> str:
    """`value`, refused with Rejected when the ERP would read it as something else (`|` separates several values)."""
    if not _EXTERNAL_ID.fullmatch(value):
        raise Rejected(
            f"{value!r} cannot be an external id",
            code="external-id-invalid",
            field="external_id",
            fix="use letters, digits, `_` and `-` only",
        )
    return value


def _ref(refs: MappingSet, kind: str, code: str) -> dict[str, str]:
    return {"id": refs.id(kind, code)}


def customer_body(customer: ErpCustomer, refs: MappingSet, settings: NetsuiteSettings) -> dict[str, Any]:
    """The customer as it is written; the address book is always the whole list."""
    body: dict[str, Any] = {
        "isPerson": False,
        "companyName": single_line(customer.name),
        "email": customer.email or None,
        "subsidiary": _ref(refs, "subsidiary", customer.entity),
        "currency": _ref(refs, "currency", customer.currency),
        "terms": _ref(refs, "terms", customer.payment_terms),
        "addressBook": {"items": [_address_line(customer.address)]},
    }
    if settings.customer_vat:
        body[settings.customer_vat] = customer.vat_id
    return body


def single_line(text: str) -> str:
    """`text` as a one-line field keeps it: runs of white space and line breaks become one space."""
    return " ".join(text.split())


def _clean(address: Address) -> Address:
    return Address(**{name: single_line(value) for name, value in address.model_dump().items()})


def _address_line(given: Address) -> dict[str, Any]:
    address = _clean(given)
    street = {
        "addr1": address.line1,
        "addr2": address.line2,
        "city": address.city,
        "state": address.region,
        "zip": address.postal_code,
    }
    return {
        "label": _ADDRESS_LABEL,
        "defaultBilling": True,
        "defaultShipping": True,
        "addressBookAddress": {**street, "country": {"id": address.country}},
    }


def customer_differences(
    record: CustomerRecord, customer: ErpCustomer, refs: MappingSet, settings: NetsuiteSettings
) -> tuple[str, ...]:
    """Names of the fields in which the stored customer is not what we would write."""
    wanted: dict[str, tuple[object, object]] = {
        "companyName": (record.name, single_line(customer.name)),
        "email": (record.email, customer.email),
        "subsidiary": (_id(record.subsidiary), refs.id("subsidiary", customer.entity)),
        "currency": (_id(record.currency), refs.id("currency", customer.currency)),
        "terms": (_id(record.terms), refs.id("terms", customer.payment_terms)),
        "addressBook": (_addresses(record), (_clean(customer.address),)),
    }
    if settings.customer_vat:
        wanted[settings.customer_vat] = (
            record.raw.get(settings.customer_vat) or None,
            customer.vat_id or None,
        )
    return tuple(name for name, (stored, ours) in wanted.items() if stored != ours)


def _addresses(record: CustomerRecord) -> tuple[Address, ...]:
    return tuple(
        Address(
            line1=line.address.line1,
            line2=line.address.line2,
            city=line.address.city,
            region=line.address.state,
            postal_code=line.address.zip,
            country=_id(line.address.country) or "",
        )
        for line in record.addresses.items
        if line.address is not None
    )


def _id(ref: Ref | None) -> str | None:
    return None if ref is None else ref.id


def customer_ref(record: CustomerRecord) -> ErpRef:
    """The customer as others see it."""
    return ErpRef(
        kind="customer",
        erp_id=record.id,
        external_id=record.external_id,
        number=record.number,
        status="inactive" if record.inactive else "active",
    )


def order_body(
    document: ContractDocument,
    customer_id: str,
    refs: MappingSet,
    settings: NetsuiteSettings,
    *,
    keys: Mapping[tuple[str, str], int] | None = None,
    create: bool = True,
) -> dict[str, Any]:
    """The contract document as a sales order with all its lines.

    `keys` names the stored line of a (lineage, obligation), so that a repeat updates it in place. The approval state is
    sent on creation only: later it belongs to the ERP's own workflow.
    """
    body: dict[str, Any] = {
        "entity": {"id": customer_id},
        "subsidiary": _ref(refs, "subsidiary", document.entity),
        "currency": _ref(refs, "currency", document.currency),
        "terms": _ref(refs, "terms", document.payment_terms),
        "tranDate": document.on,
        "startDate": document.term.start,
        "endDate": document.term.last_day,
        "otherRefNum": document.purchase_order or None,
        "memo": f"{document.subscription_number} / {document.quote_id}",
        settings.body_correlation: document.correlation_id,
        settings.body_quote: document.quote_id,
        settings.body_subscription: document.subscription_number,
        "item": {"items": [_line_body(line, refs, settings, keys or {}) for line in document.lines]},
    }
    if create:
        body["orderStatus"] = settings.order_status
    return body


def _line_body(
    line: ContractLine, refs: MappingSet, settings: NetsuiteSettings, keys: Mapping[tuple[str, str], int]
) -> dict[str, Any]:
    # Rate times quantity would be rounded over there: the amount is sent beside it and wins.
    rate = price(Fraction(line.amount.amount) / Fraction(line.quantity)) if line.quantity else Decimal(0)
    body: dict[str, Any] = {
        "item": _ref(refs, "item", line.product_code),
        "description": line.description,
        "quantity": line.quantity,
        "rate": rate,
        "amount": line.amount.amount,
        "revRecStartDate": line.period.start,
        "revRecEndDate": line.period.last_day,
        "department": _ref(refs, "department", line.segments.department),
        "location": _ref(refs, "location", line.segments.location),
        "class": _ref(refs, "class", line.segments.product_class),
        settings.column_quote_line: line.lineage_id,
        settings.column_line_no: str(line.line_no),
        settings.column_obligation: line.obligation,
        settings.column_pattern: line.pattern,
        settings.column_ssp: None if line.ssp is None else format(line.ssp.amount, "f"),
        settings.column_allocated: format(line.allocated.amount, "f"),
        settings.column_charge_type: line.charge_type,
    }
    key = keys.get((line.lineage_id, line.obligation))
    return body if key is None else {"line": key, **body}


def line_keys(record: OrderRecord, settings: NetsuiteSettings) -> dict[tuple[str, str], int]:
    """Which stored line carries which (lineage, obligation); a pair that is there twice is left out."""
    found: dict[tuple[str, str], int] = {}
    twice: set[tuple[str, str]] = set()
    for item in record.item.items:
        pair = (_column(item, settings.column_quote_line), _column(item, settings.column_obligation))
        if pair in found:
            twice.add(pair)
        found[pair] = item.line
    return {pair: line for pair, line in found.items() if pair not in twice}


def document_of(
    record: OrderRecord, customer_external_id: str, refs: MappingSet, settings: NetsuiteSettings
) -> ContractDocument:
    """The stored sales order in our words. Raises Misconfigured for an id that no mapping row names."""
    currency = _code(refs, "currency", record.currency)
    if record.first_day is None or record.last_day is None:
        raise _foreign("startDate", "the sales order has no term")
    return ContractDocument(
        external_id=record.external_id,
        customer_external_id=customer_external_id,
        entity=_code(refs, "subsidiary", record.subsidiary),
        currency=currency,
        on=record.on,
        term=Period.inclusive(record.first_day, record.last_day),
        payment_terms=_code(refs, "terms", record.terms),
        purchase_order=record.purchase_order,
        correlation_id=str(record.raw.get(settings.body_correlation) or ""),
        subscription_number=str(record.raw.get(settings.body_subscription) or ""),
        quote_id=str(record.raw.get(settings.body_quote) or ""),
        lines=tuple(
            _line_of(item, currency, refs, settings) for item in _in_order(record.item.items, settings)
        ),
    )


def _in_order(items: Sequence[OrderItem], settings: NetsuiteSettings) -> list[OrderItem]:
    def place(item: OrderItem) -> int:
        number = _column(item, settings.column_line_no)
        return int(number) if number.isdigit() else item.line

    return sorted(items, key=place)


def _line_of(item: OrderItem, currency: str, refs: MappingSet, settings: NetsuiteSettings) -> ContractLine:
    if item.first_day is None or item.last_day is None:
        raise _foreign(f"item[{item.line}].revRecStartDate", f"line {item.line} has no revenue dates")
    number = _column(item, settings.column_line_no)
    ssp = _column(item, settings.column_ssp)
    return ContractLine(
        lineage_id=_column(item, settings.column_quote_line),
        line_no=int(number) if number.isdigit() else item.line,
        product_code=_code(refs, "item", item.item),
        description=item.description,
        quantity=_plain(item.quantity),
        amount=Money.exactly(item.amount, currency),
        period=Period.inclusive(item.first_day, item.last_day),
        charge_type=_column(item, settings.column_charge_type),
        obligation=_column(item, settings.column_obligation),
        pattern=_column(item, settings.column_pattern),
        ssp=Money.exactly(ssp, currency) if ssp else None,
        allocated=Money.exactly(_column(item, settings.column_allocated) or "0", currency),
        segments=Segments(
            department=_code(refs, "department", item.department),
            location=_code(refs, "location", item.location),
            product_class=_code(refs, "class", item.product_class),
        ),
    )


def _plain(value: Decimal) -> Decimal:
    """Without the trailing zero that a double brings along."""
    return value.quantize(Decimal(1)) if value == value.to_integral_value() else value.normalize()


def _column(item: OrderItem, name: str) -> str:
    value = item.raw.get(name)
    return "" if value is None else str(value)


def _code(refs: MappingSet, kind: str, ref: Ref | None) -> str:
    found = None if ref is None else refs.code(kind, ref.id)
    if found is None:
        name = "nothing" if ref is None else f"{ref.id} {ref.name}".strip()
        raise _foreign(kind, f"the {kind} of the record ({name}) stands for none of our codes")
    return found


def _foreign(field: str, message: str) -> Misconfigured:
    return Misconfigured(
        message,
        code="record-not-ours",
        field=field,
        fix="correct the record in the ERP, or add the missing mapping row",
    )


def contract_ref(record: OrderRecord) -> ErpRef:
    """The sales order as others see it."""
    return order_ref(record.id, record.external_id, record.number, _id(record.status))


def order_ref(erp_id: str, external: str, number: str, status: str | None) -> ErpRef:
    """A reference to a sales order; a state that we do not know is `unknown`, neither done nor failed."""
    return ErpRef(
        kind="sales-order",
        erp_id=erp_id,
        external_id=external,
        number=number,
        status=STATES.get(status or "", "unknown"),
    )


def reference(kind: str, row: Mapping[str, Any], code_column: str, name_column: str) -> Reference | None:
    """One row of a reference table; a row without a code of ours falls back to its name, and without both is none."""
    name = str(row.get(name_column) or "")
    code = str(row.get(code_column) or name)
    if not code or not row.get("id"):
        return None
    return Reference(
        kind=kind,
        code=code,
        vendor_id=str(row["id"]),
        name=name,
        active=str(row.get("isinactive") or "F") != "T",
    )
