"""An order in our words -> the bodies that draft, preview and activation send."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from canonical import ids
from canonical.catalog import ChargeType, PriceModel, Tier
from canonical.failures import Rejected
from canonical.mapping import MappingSet
from canonical.order import OrderLine, OrderPlan
from canonical.period import Period
from connectors.zuora import schema
from connectors.zuora.settings import ZuoraSettings


def charge_number(plan: OrderPlan, index: int) -> str:
    """The charge number we give to a line, so that previews, invoices and usage name it back."""
    line = plan.lines[index]
    return ids.number(
        "C", line.lineage_id, f"{plan.subscription_number}/{line.kind}/{line.lineage_id}/{index}"
    )


def _tiers(tiers: Sequence[Tier]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for index, tier in enumerate(tiers, start=1):
        body: dict[str, Any] = {"tier": index, "startingUnit": tier.from_quantity, "price": tier.unit_price}
        if tier.to_quantity is not None:
            body["endingUnit"] = tier.to_quantity
        found.append(body | {"priceFormat": "FlatFee" if tier.flat else "PerUnit"})
    return found


def _refused(line: OrderLine, index: int, what: str, field: str, fix: str) -> Rejected:
    return Rejected(
        f"line {line.lineage_id} ({line.charge_code}): {what}",
        code="order-line-inexpressible",
        field=f"order.lines[{index}].{field}",
        fix=fix,
    )


def _discounted(plan: OrderPlan, index: int) -> OrderLine:
    """The line that a discount line lowers. Billing aims by charge of the price list, so the aim must be unique."""
    line = plan.lines[index]
    aims = [o for o in plan.lines if o.kind == "charge" and o.lineage_id == line.lineage_id]
    if len(aims) != 1:
        raise _refused(
            line,
            index,
            "there is no single charge to discount",
            "lineage_id",
            "give it the lineage of one charge",
        )
    aim = aims[0]
    for other in plan.lines:
        same = (other.plan_code, other.charge_code) == (aim.plan_code, aim.charge_code)
        if other.kind == "charge" and other is not aim and same and other.period.overlap(line.period):
            raise _refused(
                line,
                index,
                f"the discount would also lower line {other.lineage_id}, which sells the same charge",
                "charge_code",
                "put the discount into the price, or sell one of the lines with another plan",
            )
    return aim


def _pricing(plan: OrderPlan, index: int, refs: MappingSet) -> dict[str, Any]:
    line = plan.lines[index]
    counted = line.type is not ChargeType.USAGE and line.model not in (PriceModel.FLAT, *schema.DISCOUNTS)
    if not counted and line.quantity != 1:
        raise _refused(line, index, f"its charge keeps no quantity of {line.quantity}", "quantity", "state 1")
    if line.model in schema.DISCOUNTS:
        aim = _discounted(plan, index)
        amount = line.discount_percent if line.model is PriceModel.DISCOUNT_PERCENT else line.unit_price
        if amount is None:
            raise _refused(
                line, index, "a discount without its size", "discount_percent", "state the discount"
            )
        target = {
            "productRatePlanId": refs.id("plan", aim.plan_code),
            "productRatePlanChargeId": refs.id("charge", aim.charge_code),
        }
        body: dict[str, Any] = {schema.DISCOUNTS[line.model]: amount, "applyDiscountTo": _applies(aim.type)}
        return {"discount": body | {"discountLevel": "subscription", "discountApplyDetails": [target]}}
    key = schema.PRICING[(line.type, line.model)]
    if line.model in (PriceModel.TIERED, PriceModel.VOLUME):
        body = {"tiers": _tiers(line.tiers)}
    elif line.unit_price is None:
        raise _refused(
            line, index, "a price is missing", "unit_price", "state the price of one billing period"
        )
    else:
        body = {"listPrice": line.unit_price}
    if counted:
        body["quantity"] = line.quantity
    return {key: body}


def _applies(kind: ChargeType) -> str:
    return {ChargeType.ONE_TIME: "ONETIME", ChargeType.RECURRING: "RECURRING", ChargeType.USAGE: "USAGE"}[
        kind
    ]


def _charge_override(
    plan: OrderPlan, index: int, refs: MappingSet, settings: ZuoraSettings
) -> dict[str, Any]:
    line = plan.lines[index]
    start: dict[str, Any] = {"triggerEvent": "ContractEffective"}
    if line.period.start != plan.term.start:
        start = {"triggerEvent": "SpecificDate", "specificTriggerDate": line.period.start}
    body: dict[str, Any] = {
        "productRatePlanChargeId": refs.id("charge", line.charge_code),
        "chargeNumber": charge_number(plan, index),
        "uniqueToken": f"charge-{index + 1}",
        "pricing": _pricing(plan, index, refs),
        "startDate": start,
    }
    if line.type is ChargeType.ONE_TIME and line.model not in schema.DISCOUNTS:
        return body
    if line.period.end != plan.term.end:
        # Charge ends are exclusive, as segments of subscriptions are.
        body["endDate"] = {"endDateCondition": "Specific_End_Date", "specificEndDate": line.period.end}
    else:
        body["endDate"] = {"endDateCondition": "Subscription_End"}
    if line.model not in schema.DISCOUNTS:
        billing = {
            "billingPeriod": schema.PERIODS[line.frequency],
            "billingPeriodAlignment": "AlignToCharge",
            "billCycleType": settings.bill_cycle,
        }
        if line.type is ChargeType.RECURRING:
            billing["billingTiming"] = schema.TIMINGS[line.timing]
        body["billing"] = billing
    return body


def _rate_plan(plan: OrderPlan, index: int, refs: MappingSet, settings: ZuoraSettings) -> dict[str, Any]:
    line = plan.lines[index]
    custom: dict[str, Any] = {settings.line_field: line.lineage_id, settings.product_field: line.product_code}
    if (
        line.type is ChargeType.ONE_TIME
        and line.model not in schema.DISCOUNTS
        and line.period.end != plan.term.end
    ):
        custom[settings.service_end_field] = line.period.end
    return {
        "productRatePlanId": refs.id("plan", line.plan_code),
        "uniqueToken": f"plan-{index + 1}",
        # A plan may hold charges that were not sold; without this they would come along at list price.
        "isAddingSubsetCharges": True,
        "customFields": custom,
        "chargeOverrides": [_charge_override(plan, index, refs, settings)],
    }


def _term(term: Period) -> dict[str, Any]:
    months = term.whole_months()
    length, kind = (months, "Month") if months is not None else (term.days, "Day")
    return {"period": length, "periodType": kind, "startDate": term.start, "termType": "TERMED"}


def order_body(
    plan: OrderPlan, refs: MappingSet, settings: ZuoraSettings, *, pending: bool = False
) -> dict[str, Any]:
    """What draft and preview have in common: the order itself. `pending` leaves the service activation date blank."""
    dates = (
        ["ContractEffective"] if pending else ["ContractEffective", "ServiceActivation", "CustomerAcceptance"]
    )
    custom = {settings.correlation_field: plan.correlation_id, settings.quote_field: plan.quote_id}
    create = {
        "subscriptionNumber": plan.subscription_number,
        "paymentTerm": plan.payment_terms,
        "terms": {
            "autoRenew": False,
            "initialTerm": _term(plan.term),
            "renewalSetting": "RENEW_WITH_SPECIFIC_TERM",
            "renewalTerms": [{"period": 12, "periodType": "Month"}],
        },
        "subscribeToRatePlans": [_rate_plan(plan, i, refs, settings) for i in range(len(plan.lines))],
    }
    action = {
        "type": "CreateSubscription",
        "triggerDates": [{"name": name, "triggerDate": plan.term.start} for name in dates],
        "createSubscription": create,
    }
    return {
        "orderDate": plan.order_date,
        "orderNumber": plan.order_number,
        "existingAccountNumber": plan.account_number,
        "description": f"Quote {plan.quote_id}"[:500],
        "customFields": custom,
        "subscriptions": [{"customFields": custom, "orderActions": [action]}],
    }


def draft_body(plan: OrderPlan, refs: MappingSet, settings: ZuoraSettings) -> dict[str, Any]:
    """An order that does nothing yet. A draft takes no processing options at all, not even explicit refusals."""
    if settings.activation == "draft":
        return order_body(plan, refs, settings) | {"status": "Draft"}
    off = {"runBilling": False, "collectPayment": False}
    return order_body(plan, refs, settings, pending=True) | {"processingOptions": off}


def preview_body(plan: OrderPlan, refs: MappingSet, settings: ZuoraSettings) -> dict[str, Any]:
    """The same order as a question: every invoice to the end of the term, without tax."""
    options = {
        "previewThruType": "TermEnd",
        "previewTypes": ["BillingDocs"],
        "documentDate": plan.order_date,
        "skipTax": True,
    }
    return order_body(plan, refs, settings) | {"previewOptions": options}


def trigger_body(order: schema.Order, on: date) -> dict[str, Any]:
    """Service activation and customer acceptance of everything that the order creates, not before its own start."""
    subscriptions: list[dict[str, Any]] = []
    for entry in order.subscriptions:
        actions: list[dict[str, Any]] = []
        for index, action in enumerate(entry.order_actions):
            create = action.create_subscription
            initial = create.terms.initial_term if create and create.terms else None
            day = max(on, initial.start_date) if initial and initial.start_date else on
            dates = [{"name": n, "triggerDate": day} for n in ("ServiceActivation", "CustomerAcceptance")]
            actions.append(
                {"sequence": index if action.sequence is None else action.sequence, "triggerDates": dates}
            )
        subscriptions.append({"subscriptionNumber": _subscription_number(entry), "orderActions": actions})
    return {"subscriptions": subscriptions}


def _subscription_number(entry: schema.OrderSubscription) -> str:
    created = [
        a.create_subscription.subscription_number for a in entry.order_actions if a.create_subscription
    ]
    return entry.subscription_number or next((n for n in created if n), None) or ""
