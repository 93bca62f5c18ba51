"""Documents: what a request must hold, and the answer with its tax."""

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from connectors.avalara.sandbox.engine import (
    ZERO,
    Company,
    Json,
    Line,
    invoice_messages,
    line_json,
    summary_json,
    tax_line,
)
from connectors.avalara.sandbox.errors import refuse
from connectors.avalara.sandbox.places import country_code, problem

TYPES = frozenset(
    {"SalesOrder", "SalesInvoice", "ReturnOrder", "ReturnInvoice", "PurchaseOrder", "PurchaseInvoice"}
)
_LENGTHS = {
    "code": 50,
    "customercode": 50,
    "companycode": 25,
    "exemptionno": 25,
    "businessidentificationno": 25,
    "purchaseorderno": 50,
    "referencecode": 50,
    "currencycode": 3,
}
_LINE_LENGTHS = {"number": 50, "itemcode": 50, "taxcode": 25, "ref1": 250, "ref2": 250, "description": 2096}
_NAMES = {
    "postalcode": "postalCode",
    "customercode": "customerCode",
    "itemcode": "itemCode",
    "taxcode": "taxCode",
}


def lowered(value: Any) -> Any:
    """Names of members are matched whatever their case."""
    if isinstance(value, dict):
        return {str(k).lower(): lowered(v) for k, v in value.items() if v is not None}
    return [lowered(v) for v in value] if isinstance(value, list) else value


def short(holder: Json, lengths: dict[str, int]) -> None:
    """Refuse texts that are longer than allowed; the limit can only be read from the description."""
    for name, longest in lengths.items():
        if len(str(holder.get(name, ""))) > longest:
            shown = _NAMES.get(name, name)
            refuse(
                400,
                "StringLengthError",
                f"Field '{shown}' has an invalid length.",
                description=f"Field '{shown}' must be between 0 and {longest} characters in length.",
            )


def _required(holder: Json, name: str, shown: str) -> None:
    if holder.get(name) in (None, ""):
        text = f"Field {shown} is required."
        refuse(
            400,
            "ValueRequiredError",
            text,
            description="Please provide a value for this field.",
            refers=shown,
        )


def _amount(line: Json, index: int) -> None:
    try:
        number = Decimal(str(line["amount"]))
    except (InvalidOperation, KeyError):
        number = Decimal("NaN")
    if not number.is_finite():
        refuse(
            400,
            "JsonFormatError",
            "The JSON in your request could not be parsed.",
            description=f"lines[{index}].amount is not a number",
            outer="ModelStateInvalid",
            target="HttpRequest",
        )


def _check_address(address: Json, index: int) -> None:
    short(address, {"postalcode": 11})
    country = country_code(address.get("country", "US"))
    found = problem(country, address.get("region", ""), str(address.get("postalcode", "")))
    if found is not None:
        refuse(
            400,
            "GetTaxError",
            f"Tax calculation cannot be determined. {found.details}",
            refers=f"Addresses[{index}]",
            target="Unknown",
        )


def validate(document: Json) -> None:
    """Refuse what the engine cannot tax. `document` has its names lowered."""
    kind = document.setdefault("type", "SalesOrder")
    if kind not in TYPES:
        refuse(400, "InvalidDocumentType", f"Document type {kind} is invalid.", refers="type")
    _required(document, "date", "date")
    _required(document, "customercode", "customerCode")
    short(document, _LENGTHS)
    try:
        date.fromisoformat(str(document["date"])[:10])
    except ValueError:
        refuse(400, "ValueRequiredError", "Field date is required.", refers="date")
    lines = document.get("lines") or []
    if not lines:
        refuse(400, "MissingLine", "The transaction must have at least one line.", refers="lines")
    addresses = document.get("addresses") or {}
    for index, line in enumerate(lines):
        _amount(line, index)
        short(line, _LINE_LENGTHS)
        own = {**addresses, **(line.get("addresses") or {})}
        if "singlelocation" not in own and "shipto" not in own:
            refuse(400, "MissingAddress", "An address is required.", refers=f"lines[{index}].addresses")
    for index, name in enumerate(("shipfrom", "shipto", "singlelocation")):
        if name in addresses:
            _check_address(addresses[name], index)


def _numbered(document: Json) -> list[tuple[str, Json]]:
    return [(str(line.get("number") or index), line) for index, line in enumerate(document["lines"], 1)]


def compute(document: Json, company: Company, *, include: str, shape: str, identifier: int = 0) -> Json:
    """The answer: amounts, tax and why there is none. `include` is the list of parts that the caller asked for."""
    lines: list[Line] = [
        tax_line(company, document, source, number, shape) for number, source in _numbered(document)
    ]
    parts = {part.strip().lower() for part in include.split(",") if part.strip()}
    last = lines[-1]
    total = sum((line.tax for line in lines), ZERO)
    answer: Json = {
        "id": identifier,
        "code": document.get("code") or f"{company.id}-{document['date']}",
        "companyId": company.id,
        "date": str(document["date"])[:10],
        "status": "Saved" if identifier else "Temporary",
        "type": document["type"],
        "currencyCode": document.get("currencycode", "USD"),
        "customerCode": document["customercode"],
        "customerVendorCode": document["customercode"],
        "exemptNo": document.get("exemptionno", ""),
        "reconciled": False,
        "totalAmount": sum((line.amount for line in lines), ZERO),
        "totalExempt": sum((line.exempt for line in lines), ZERO),
        "totalDiscount": ZERO,
        "totalTax": total,
        "totalTaxable": sum((line.taxable for line in lines), ZERO),
        "totalTaxCalculated": total,
        "adjustmentReason": "NotAdjusted",
        "locked": False,
        "region": last.region,
        "country": last.country,
        "version": 1,
        "taxDate": str(document["date"])[:10],
        "invoiceMessages": invoice_messages(lines),
    }
    if "summaryonly" not in parts:
        with_details = bool(parts & {"details", "taxdetailsbytaxtype"})
        answer["lines"] = [line_json(line, with_details=with_details) for line in lines]
    if parts & {"summary", "summaryonly"}:
        answer["summary"] = summary_json(lines)
    if document.get("businessidentificationno"):
        answer["businessIdentificationNo"] = document["businessidentificationno"]
    shown: Json = printed(answer)
    return shown


def printed(value: Any) -> Any:
    """Amounts keep at least one decimal on this wire: 110 is written 110.0."""
    if isinstance(value, dict):
        return {k: printed(v) for k, v in value.items()}
    if isinstance(value, list):
        return [printed(v) for v in value]
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        return value if isinstance(exponent, int) and exponent < 0 else value.quantize(Decimal("0.1"))
    return value
