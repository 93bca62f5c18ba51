"""The tax engine: a document in, its tax per line and jurisdiction out, rounded once per jurisdiction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

from connectors.avalara.sandbox.places import country_code
from connectors.avalara.sandbox.rates import (
    EU,
    LONG_TYPES,
    VAT_PREFIX,
    Jurisdiction,
    jurisdictions,
    taxed_part,
)

ZERO = Decimal(0)
_WHOLE = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split())
_THREE = frozenset("BHD IQD JOD KWD LYD OMR TND".split())

Json = dict[str, Any]


@dataclass
class Company:
    """A company of the account with the places where it collects tax (rows as the list call returns them)."""

    id: int
    code: str
    name: str
    country: str = "US"
    nexus: list[Json] = field(default_factory=list)

    def collects(self, country: str, region: str, day: str, *, exact: bool = False) -> Json | None:
        """The row that obliges the company to collect there on that day (ISO text), or None.

        A row without a region covers the country, unless the tax is the region's own (`exact`).
        """
        regions = (region,) if exact else ("", region)
        for row in self.nexus:
            ends = row.get("endDate") or "9999-12-31"
            if row["country"] == country and row["region"] in regions and row["effectiveDate"] <= day <= ends:
                return row
        return None

    @property
    def registered(self) -> bool:
        """Whether it has a VAT number of its own anywhere; without one nothing is business-to-business."""
        return any(row.get("taxId") for row in self.nexus)


class Verdict(NamedTuple):
    """What one jurisdiction says of one line."""

    place: Jurisdiction
    taxable: Decimal
    non_taxable: Decimal
    exempt: Decimal
    tax: Decimal
    rule: str | None


class Line(NamedTuple):
    """One taxed line before it is written down."""

    number: str
    amount: Decimal
    source: Json
    country: str
    region: str
    verdicts: tuple[Verdict, ...]
    message: str | None

    @property
    def tax(self) -> Decimal:
        return sum((v.tax for v in self.verdicts), ZERO)

    @property
    def exempt(self) -> Decimal:
        return max((v.exempt for v in self.verdicts), default=ZERO, key=abs)

    @property
    def taxable(self) -> Decimal:
        return max((v.taxable for v in self.verdicts), default=ZERO, key=abs)


def rounded(value: Decimal, currency: str) -> Decimal:
    """To the smallest coin of the currency, halves away from zero."""
    step = Decimal(1) if currency in _WHOLE else Decimal("0.001") if currency in _THREE else Decimal("0.01")
    return value.quantize(step, ROUND_HALF_UP)


def reverse_charge(company: Company, origin: str, destination: str, buyer_id: str, day: str) -> str | None:
    """The sentence that must stand on the invoice when the buyer owes the tax, or None."""
    prefix = VAT_PREFIX.get(destination, destination)
    if not buyer_id.upper().startswith(prefix) or not company.registered:
        return None
    row = company.collects(destination, "", day)
    if row is not None and row.get("hasPermanentEstablishment"):
        return None
    if destination in EU and row is not None and origin == destination:
        return "Reverse charge (Article 194 - Directive 2006/112 EC)"
    if origin == destination:
        return None
    if destination in EU:
        return "Reverse charge (Article 196 - Directive 2006/112 EC)"
    if destination == "GB":
        return "Reverse charge: customer to account for VAT to HMRC"
    return None


def _verdict(place: Jurisdiction, amount: Decimal, part: Decimal, currency: str, *, exempt: bool) -> Verdict:
    if exempt:
        return Verdict(place, ZERO, ZERO, amount, ZERO, "ExemptEntityRule")
    if not place.rate:
        return Verdict(place, ZERO, amount, ZERO, ZERO, "RateRule")
    taxable = rounded(amount * part, currency)
    rule = "ProductTaxabilityRule" if not part else "BaseRule" if part != 1 else None
    return Verdict(place, taxable, amount - taxable, ZERO, rounded(taxable * place.rate, currency), rule)


def _in_force(company: Company, place: Jurisdiction, country: str, region: str, day: str) -> bool:
    exact = country == "US" or place.tax_name in {"PST", "QST"}
    if country == "CA" and not exact and place.type == "CNT":
        return any(
            company.collects("CA", row["region"], day) for row in company.nexus if row["country"] == "CA"
        )
    return company.collects(country, region, day, exact=exact) is not None


def tax_line(company: Company, document: Mapping[str, Any], source: Json, number: str, shape: str) -> Line:
    """Tax one line. `shape` says how a zero for lack of nexus is written: `rows` or `none`."""
    addresses = {**document.get("addresses", {}), **(source.get("addresses") or {})}
    single = addresses.get("singlelocation")
    target, start = single or addresses["shipto"], single or addresses.get("shipfrom") or {}
    country, region = country_code(target.get("country", "US")), str(target.get("region") or "").upper()
    origin = country_code(start.get("country") or country)
    currency, day = document.get("currencycode", "USD"), str(document["date"])[:10]
    amount = Decimal(str(source["amount"]))
    buyer = source.get("businessidentificationno") or document.get("businessidentificationno") or ""
    message = reverse_charge(company, origin, country, buyer, day)
    if message:
        return Line(number, amount, source, country, region, (), message)
    exempt = bool(document.get("exemptionno") or source.get("exemptioncode"))
    part = taxed_part(source.get("taxcode") or "P0000000", country, region)
    verdicts: list[Verdict] = []
    for place in jurisdictions(country, region, str(target.get("postalcode") or "")):
        if _in_force(company, place, country, region, day):
            verdicts.append(_verdict(place, amount, part, currency, exempt=exempt))
        elif shape == "rows":
            verdicts.append(Verdict(place, ZERO, amount, ZERO, ZERO, "NexusRule"))
    return Line(number, amount, source, country, region, tuple(verdicts), None)


def _detail(line: Line, v: Verdict) -> Json:
    row: Json = {
        "id": 0,
        "transactionId": 0,
        "country": line.country,
        "region": line.region,
        "exemptAmount": v.exempt,
        "jurisCode": v.place.code,
        "jurisName": v.place.name,
        "jurisType": v.place.type,
        "jurisdictionType": LONG_TYPES[v.place.type],
        "nonTaxableAmount": v.non_taxable,
        "rate": v.place.rate if v.rule not in {"NexusRule", "ExemptEntityRule"} else ZERO,
        "tax": v.tax,
        "taxableAmount": v.taxable,
        "taxType": v.place.tax_type,
        "taxName": v.place.tax_name,
        "taxCalculated": v.tax,
        "rateType": "General",
        "rateTypeCode": "G",
        "isNonPassThru": False,
        "isFee": False,
        "liabilityType": "Seller",
        "chargedTo": "Buyer",
    }
    if v.rule:
        row["nonTaxableType"] = v.rule
    return row


def line_json(line: Line, *, with_details: bool) -> Json:
    """A line as the answer states it."""
    source = line.source
    found: Json = {
        "id": 0,
        "transactionId": 0,
        "lineNumber": line.number,
        "description": source.get("description", ""),
        "discountAmount": ZERO,
        "exemptAmount": line.exempt,
        "exemptCertId": 0,
        "isItemTaxable": bool(line.taxable or line.exempt or line.message or not line.verdicts),
        "itemCode": source.get("itemcode", ""),
        "lineAmount": line.amount,
        "quantity": Decimal(str(source.get("quantity") or 1)),
        "ref1": source.get("ref1", ""),
        "reportingDate": "",
        "tax": line.tax,
        "taxableAmount": line.taxable,
        "taxCalculated": line.tax,
        "taxCode": source.get("taxcode") or "P0000000",
        "taxIncluded": False,
        "sourcing": "Destination",
    }
    if with_details:
        found["details"] = [_detail(line, v) for v in line.verdicts]
        found["nonPassthroughDetails"] = []
    return found


def summary_json(lines: Sequence[Line]) -> list[Json]:
    """Tax per jurisdiction over all lines; this list spells jurisdiction types in full."""
    rows: dict[tuple[str, ...], Json] = {}
    for line in lines:
        for v in line.verdicts:
            key = (line.country, line.region, v.place.type, v.place.code, v.place.tax_name)
            row = rows.setdefault(
                key,
                {
                    "country": line.country,
                    "region": line.region,
                    "jurisType": LONG_TYPES[v.place.type],
                    "jurisCode": v.place.code,
                    "jurisName": v.place.name,
                    "taxType": v.place.tax_type,
                    "taxName": v.place.tax_name,
                    "rateType": "General",
                    "rate": v.place.rate,
                    "taxable": ZERO,
                    "tax": ZERO,
                    "taxCalculated": ZERO,
                    "nonTaxable": ZERO,
                    "exemption": ZERO,
                },
            )
            row["taxable"] += v.taxable
            row["tax"] += v.tax
            row["taxCalculated"] += v.tax
            row["nonTaxable"] += v.non_taxable
            row["exemption"] += v.exempt
    return list(rows.values())


def invoice_messages(lines: Sequence[Line]) -> list[Json]:
    """Sentences that the law wants printed, each with the lines that it is about."""
    found: dict[str, list[str]] = {}
    for line in lines:
        if line.message:
            found.setdefault(line.message, []).append(line.number)
    return [{"content": content, "lineNumbers": numbers} for content, numbers in found.items()]
