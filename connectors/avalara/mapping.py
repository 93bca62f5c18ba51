"""Between our words and AvaTax's. Pure: no clock, no call."""

import hashlib
import re
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal

from canonical.failures import Rejected
from canonical.mapping import Reference
from canonical.money import Money
from canonical.party import Address
from canonical.tax import AddressCheck, LineTax, Nexus, TaxDetermination, TaxRequest, TaxRow, ZeroReason
from connectors.avalara.schema import Detail, Line, NexusRow, Resolution, TaxCode, Transaction, WireAddress
from connectors.avalara.settings import AvalaraSettings

# From the vaguest place to the exact one; a name that is not here proves nothing.
QUALITIES = (
    "NotCoded",
    "External",
    "CountryCentroid",
    "RegionCentroid",
    "PartialCentroid",
    "PostalCentroidGood",
    "PostalCentroidBetter",
    "PostalCentroidBest",
    "Intersection",
    "Interpolated",
    "Rooftop",
    "Constant",
)
_TYPES = {"CNT": "country", "STA": "state", "CTY": "county", "CIT": "city", "STJ": "special"}
_ENTITIES = {"ExemptEntityRule"}
_PRODUCTS = {"ProductTaxabilityRule", "BaseRule", "RateRule"}
_REVERSE = re.compile(r"reverse[\s-]*charge|article\s*19[4-9]\b", re.IGNORECASE)
# Below the vendor's documented lengths: descriptions are for people and may be cut, codes may not.
_MAX_DESCRIPTION = 2096
_OPEN_END = "9999"


def wire_address(address: Address) -> dict[str, str]:
    """An address for a document or for resolving; empty members are left out."""
    found = {
        "line1": address.line1,
        "line2": address.line2,
        "city": address.city,
        "region": address.region,
        "country": address.country,
        "postalCode": address.postal_code,
    }
    return {name: value for name, value in found.items() if value}


def our_address(address: WireAddress) -> Address:
    """The normalised address in our words."""
    return Address(
        line1=address.line1 or "",
        line2=address.line2 or "",
        city=address.city or "",
        region=address.region or "",
        postal_code=address.postal_code or "",
        country=(address.country or "")[:2].upper(),
    )


def address_check(resolution: Resolution, asked: Address, minimum: str) -> AddressCheck:
    """Whether the address is good enough for tax: no error, and placed at least as exactly as `minimum`."""
    problems = [
        ": ".join(part for part in (m.summary, m.details) if part) or "the address has an unnamed problem"
        for m in resolution.messages
        if (m.severity or "Error").lower() not in {"success", "warning"}
    ]
    quality = resolution.resolution_quality or ""
    if quality not in QUALITIES:
        problems.append(
            f"resolved with unknown quality {quality!r}" if quality else "resolved with no quality"
        )
    elif not problems and QUALITIES.index(quality) < QUALITIES.index(minimum):
        problems.append(f"only placed as {quality}; at least {minimum} is needed")
    if not problems and not resolution.validated_addresses:
        problems.append("nothing was found at this address")
    normalised = None
    if not problems:
        found = our_address(resolution.validated_addresses[0])
        normalised = found if found.country else found.model_copy(update={"country": asked.country})
    return AddressCheck(
        resolved=not problems, quality=quality, problems=tuple(problems), normalised=normalised
    )


def _day(text: str) -> date:
    return date.fromisoformat(text[:10])


def _tax_kind(row: NexusRow, settings: AvalaraSettings) -> str | None:
    """Sales, VAT, or None for a row of another tax (lodging, beverages) or none at all."""
    if row.nexus_type_id == "None":
        return None
    if row.nexus_tax_type_group is None:
        return "sales" if row.nexus_type_id else None
    if row.nexus_tax_type_group in settings.sales_nexus_groups:
        return "sales"
    return "vat" if row.nexus_tax_type_group in settings.vat_nexus_groups else None


def nexus(rows: Iterable[NexusRow], settings: AvalaraSettings) -> tuple[Nexus, ...]:
    """Where the company collects. The vendor's last day is inclusive, ours is not."""
    found: dict[Nexus, None] = {}
    for row in rows:
        kind = _tax_kind(row, settings)
        if kind is None or not row.country:
            continue
        ends = row.end_date if row.end_date and not row.end_date.startswith(_OPEN_END) else None
        entry = Nexus(
            country=row.country.upper(),
            region=(row.region or "").upper() if (row.region or "").upper() != row.country.upper() else "",
            tax=kind,
            effective_from=_day(row.effective_date) if row.effective_date else date.min,
            effective_to=_day(ends) + timedelta(days=1) if ends else None,
        )
        found[entry] = None
    return tuple(found)


def references(codes: Iterable[TaxCode]) -> tuple[Reference, ...]:
    """Tax codes as references; documents carry the code itself, so code and id are one."""
    return tuple(
        Reference(
            kind="tax_code",
            code=c.tax_code,
            vendor_id=c.tax_code,
            name=c.description or "",
            active=c.is_active,
        )
        for c in codes
    )


def transaction_body(request: TaxRequest) -> dict[str, object]:
    """The document as an estimate: a sales order is never recorded. Lines are numbered by position."""
    body: dict[str, object] = {
        "type": "SalesOrder",
        "companyCode": request.company,
        "code": request.document_code,
        "date": request.on.isoformat(),
        "customerCode": request.customer_code,
        "currencyCode": request.currency,
        "commit": False,
        "addresses": {"shipFrom": wire_address(request.ship_from), "shipTo": wire_address(request.ship_to)},
        "lines": [
            {
                "number": str(index),
                "amount": line.amount.amount,
                "quantity": line.quantity,
                "itemCode": line.item_code,
                "taxCode": line.tax_code,
                "description": line.description[:_MAX_DESCRIPTION],
                "ref1": line.lineage_id,
            }
            for index, line in enumerate(request.lines, 1)
        ],
    }
    if request.vat_id:
        body["businessIdentificationNo"] = request.vat_id
    if request.exemption_number:
        body["exemptionNo"] = request.exemption_number
    return body


def _reverse_charged(transaction: Transaction, number: str) -> bool:
    return any(
        _REVERSE.search(message.content) and (not message.line_numbers or number in message.line_numbers)
        for message in transaction.invoice_messages or ()
    )


def on_list(nexus_list: Iterable[Nexus], address: Address, on: date) -> bool:
    """Whether the company should collect there. An expired row counts: tax that stopped with it needs a person."""
    country, region = address.country.upper(), address.region.upper()
    return any(
        n.country == country and n.region in ("", region) and n.effective_from <= on for n in nexus_list
    )


def stated_reason(line: Line, transaction: Transaction) -> ZeroReason | None:
    """Why a line has no tax, as far as the answer itself says; None when it has some, or when it does not say."""
    if line.tax:
        return None
    if not line.line_amount:
        return ZeroReason.ZERO_BASE
    if _reverse_charged(transaction, line.line_number):
        return ZeroReason.REVERSE_CHARGE
    due = [d for d in line.details if d.non_taxable_type != "NexusRule"]
    if line.exempt_amount == line.line_amount or any(d.non_taxable_type in _ENTITIES for d in due):
        return ZeroReason.EXEMPT
    if due:
        untaxed = all(d.non_taxable_type in _PRODUCTS and not d.taxable_amount for d in due)
        return ZeroReason.NOT_TAXABLE if untaxed else ZeroReason.UNEXPLAINED
    return ZeroReason.NOT_TAXABLE if not line.details and line.is_item_taxable is False else None


def needs_nexus(transaction: Transaction) -> bool:
    """Whether some line has no tax and the answer does not say why, so that only the nexus list can tell."""
    return any(not line.tax and stated_reason(line, transaction) is None for line in transaction.lines)


def zero_reason(
    line: Line, transaction: Transaction, request: TaxRequest, known: Iterable[Nexus]
) -> ZeroReason | None:
    """Why a line has no tax; None when it has some. What nothing explains is `unexplained`, never guessed."""
    if line.tax:
        return None
    stated = stated_reason(line, transaction)
    if stated is not None:
        return stated
    listed = on_list(known, request.ship_to, request.on)
    return ZeroReason.UNEXPLAINED if listed else ZeroReason.NO_NEXUS


def _row(detail: Detail, currency: str) -> TaxRow:
    kind = detail.jurisdiction_type or _TYPES.get(detail.juris_type or "", detail.juris_type or "unknown")
    return TaxRow(
        jurisdiction_type=kind.lower(),
        jurisdiction_code=detail.juris_code or "",
        jurisdiction_name=detail.juris_name or "",
        tax_name=detail.tax_name or "",
        rate=detail.rate,
        base=Money.exactly(detail.taxable_amount, currency),
        amount=Money.exactly(detail.tax, currency),
        non_taxable=Money.exactly(detail.non_taxable_amount, currency),
    )


def _inconsistent(what: str, code: str) -> Rejected:
    return Rejected(
        f"the tax engine's answer contradicts itself: {what}",
        code=code,
        field="tax",
        fix="keep the evidence and ask the tax engine's support; do not invoice on this answer",
    )


def determination(
    transaction: Transaction, request: TaxRequest, known: Iterable[Nexus], body: bytes
) -> TaxDetermination:
    """The answer in our words. Raises Rejected when lines are missing or sums do not agree to the last minor unit."""
    currency = request.currency
    listed = tuple(known)
    if transaction.currency_code not in (None, currency):
        raise _inconsistent(
            f"asked in {currency}, answered in {transaction.currency_code}", "tax-currency-differs"
        )
    by_number = {line.line_number: line for line in transaction.lines}
    if len(by_number) != len(request.lines) or len(transaction.lines) != len(request.lines):
        raise _inconsistent(
            f"{len(request.lines)} lines were sent and {len(transaction.lines)} came back", "tax-lines-differ"
        )
    lines: list[LineTax] = []
    for index, asked in enumerate(request.lines, 1):
        line = by_number.get(str(index))
        if line is None or line.line_amount != asked.amount.amount:
            raise _inconsistent(f"line {index} is not the one that was sent", "tax-lines-differ")
        if sum((d.tax for d in line.details), Decimal(0)) != line.tax:
            raise _inconsistent(f"the jurisdictions of line {index} do not sum to its tax", "tax-sum-differs")
        lines.append(
            LineTax(
                lineage_id=asked.lineage_id,
                amount=Money.exactly(line.tax, currency),
                rows=tuple(_row(d, currency) for d in line.details),
                zero_reason=zero_reason(line, transaction, request, listed),
                tax_code=line.tax_code or "",
                inclusive=line.tax_included,
                exempt=None if line.exempt_amount is None else Money.exactly(line.exempt_amount, currency),
            )
        )
    if sum((line.tax for line in transaction.lines), Decimal(0)) != transaction.total_tax:
        raise _inconsistent("the lines do not sum to the tax of the document", "tax-sum-differs")
    recorded = bool(transaction.id)
    return TaxDetermination(
        company=request.company,
        currency=currency,
        on=request.on,
        recorded=recorded,
        document_id=str(transaction.id) if recorded else None,
        lines=tuple(lines),
        messages=tuple(m.content for m in transaction.invoice_messages or () if m.content),
        evidence=hashlib.sha256(body).hexdigest(),
    )
