"""What an order would be billed, document by document."""

from datetime import date
from decimal import Decimal
from typing import Any

from connectors.zuora.sandbox.desk import Tenant
from connectors.zuora.sandbox.order_body import NewSubscription, day
from connectors.zuora.sandbox.rating import MONTHS, Charge, Item, rate, shift
from connectors.zuora.sandbox.replies import PREVIEW, refuse

_TYPES = {"ChargeMetrics", "BillingDocs", "OrderDeltaMetrics", "OrderMetrics", "RampMetrics"}


def through(options: dict[str, Any], new: list[NewSubscription]) -> date:
    """The day up to which documents are previewed, after the options were checked."""
    kinds = options.get("previewTypes", [])
    if not kinds or not set(kinds) <= _TYPES:
        raise refuse(PREVIEW, 20, f"'previewTypes' value should be one of: {', '.join(sorted(_TYPES))}")
    if "documentDate" in options:
        if "BillingDocs" not in kinds:
            raise refuse(PREVIEW, 30, "'documentDate' is only allowed with BillingDocs")
        day(options["documentDate"], "documentDate", PREVIEW)
    kind = options.get("previewThruType")
    if ("previewNumberOfPeriods" in options) != (kind == "NumberOfPeriods"):
        raise refuse(PREVIEW, 30, "'previewNumberOfPeriods' goes with NumberOfPeriods and only with it")
    if ("specificPreviewThruDate" in options) != (kind == "SpecificDate"):
        raise refuse(PREVIEW, 30, "'specificPreviewThruDate' goes with SpecificDate and only with it")
    if kind == "SpecificDate":
        return day(options["specificPreviewThruDate"], "specificPreviewThruDate", PREVIEW)
    if kind == "NumberOfPeriods":
        start = min(s.term_start for s in new)
        periods = [c.billing_period for s in new for charges in s.charges for c in charges]
        months = min((MONTHS[p] for p in periods if p in MONTHS), default=1)
        return shift(start, months * int(options["previewNumberOfPeriods"]), start.day)
    if kind != "TermEnd":
        raise refuse(
            PREVIEW, 20, "'previewThruType' value should be one of: SpecificDate, TermEnd, NumberOfPeriods"
        )
    return max(s.term_end for s in new)


def documents(new: list[NewSubscription], currency: str, until: date, tenant: Tenant) -> dict[str, Any]:
    """Invoices by target date, and credit memos where a document would be below zero."""
    charges = [c for s in new for listed in s.charges for c in listed]
    by_day: dict[date, list[Item]] = {}
    for item in rate(charges, currency, until, tenant.usage_in_preview):
        by_day.setdefault(item.bill_on, []).append(item)
    invoices, memos = [], []
    for when, items in sorted(by_day.items()):
        amount = sum((i.amount for i in items), Decimal(0))
        sign = -1 if amount < 0 else 1
        document = {
            "targetDate": when.isoformat(),
            "amount": sign * amount,
            "amountWithoutTax": sign * amount,
            "taxAmount": 0,
        }
        rows = [_row(item, sign, tenant) for item in items]
        if sign < 0:
            memos.append({**document, "creditMemoItems": rows})
        else:
            invoices.append({**document, "invoiceItems": rows})
    return {"invoices": invoices, "creditMemos": memos}


def _named(charge: Charge | None, tenant: Tenant) -> str | None:
    """Only numbers that the request gave can be told."""
    return charge.number if charge is not None and tenant.charge_numbers_in_preview else None


def _row(item: Item, sign: int, tenant: Tenant) -> dict[str, Any]:
    charge = item.charge
    last = item.end if item.end == item.start else date.fromordinal(item.end.toordinal() - 1)
    return {
        "subscriptionNumber": charge.subscription,
        "chargeName": charge.name,
        "chargeDescription": "",
        "chargeNumber": _named(charge, tenant),
        "appliedToChargeNumber": _named(item.applied_to, tenant),
        "productName": charge.product_name,
        "productRatePlanChargeId": charge.product_charge_id,
        "processingType": item.processing,
        "serviceStartDate": item.start.isoformat(),
        # The last day served, unlike the ends of charges and terms.
        "serviceEndDate": last.isoformat(),
        "amountWithoutTax": sign * item.amount,
        "taxAmount": 0,
        "taxationItems": [],
        "unitPrice": None if charge.is_discount or charge.bands else charge.price,
        "additionalInfo": {"quantity": item.quantity, "unitOfMeasure": charge.uom or ""},
    }
