"""Orders and subscriptions as billing holds them -> our words."""

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal

from canonical.catalog import ChargeType, Frequency, PriceModel, Timing
from canonical.failures import Misconfigured
from canonical.mapping import MappingSet
from canonical.order import BillingOrder, BillingSubscription, OrderLine, SubscriptionCharge
from canonical.period import Period
from connectors.zuora import schema
from connectors.zuora.settings import ZuoraSettings


def _unknown_charge(charge_id: str, what: str) -> Misconfigured:
    return Misconfigured(
        f"zuora: charge {charge_id} {what}",
        code="zuora-charge-unmapped",
        field="mapping.charge",
        fix="run `revsaga mapping diff zuora`, then `revsaga mapping activate zuora`",
    )


def _code(refs: MappingSet, kind: str, vendor_id: str) -> str:
    found = refs.code(kind, vendor_id)
    if found is None:
        raise _unknown_charge(vendor_id, f"is no {kind} of the active mapping")
    return found


def line_kind(plan_code: str, settings: ZuoraSettings) -> str:
    """`charge`, `discount` or `rounding`: the plan tells."""
    return {settings.discount_plan: "discount", settings.rounding_plan: "rounding"}.get(plan_code, "charge")


def _line_period(
    charge: schema.ChargeOverride, plan: schema.RatePlanOverride, term: Period, settings: ZuoraSettings
) -> Period:
    start, end = charge.start_date, charge.end_date
    first = start.specific_trigger_date if start else None
    last = end.specific_end_date if end else None
    kept = plan.custom(settings.service_end_field)
    if kept is not None:
        last = date.fromisoformat(kept)
    return Period(start=first or term.start, end=last or term.end)


def _order_line(
    plan: schema.RatePlanOverride,
    charge: schema.ChargeOverride,
    term: Period,
    refs: MappingSet,
    settings: ZuoraSettings,
) -> OrderLine:
    plan_code = _code(refs, "plan", plan.product_rate_plan_id)
    charge_code = _code(refs, "charge", charge.product_rate_plan_charge_id)
    named = {key: p for key, p in (charge.pricing or {}).items() if p is not None}
    key, pricing = next(iter(named.items()), ("", schema.Pricing(uom=None)))
    if key == "discount":
        kind = ChargeType.RECURRING
        model = (
            PriceModel.DISCOUNT_PERCENT
            if pricing.discount_percentage is not None
            else PriceModel.DISCOUNT_AMOUNT
        )
    elif key in schema.KINDS:
        kind, model = schema.KINDS[key]
    else:
        raise _unknown_charge(
            charge.product_rate_plan_charge_id, f"has a pricing that is not supported ({key})"
        )
    billing = charge.billing or schema.BillingRule()
    arrears = billing.billing_timing == "IN_ARREARS" or kind is ChargeType.USAGE
    once = kind is ChargeType.ONE_TIME
    return OrderLine(
        lineage_id=plan.custom(settings.line_field) or "",
        kind=line_kind(plan_code, settings),
        product_code=plan.custom(settings.product_field) or "",
        plan_code=plan_code,
        charge_code=charge_code,
        type=kind,
        model=model,
        quantity=Decimal(1) if pricing.quantity is None else pricing.quantity,
        unit_price=pricing.list_price if pricing.discount_amount is None else pricing.discount_amount,
        discount_percent=pricing.discount_percentage,
        tiers=tuple(t.ours() for t in pricing.tiers),
        unit=pricing.uom or "",
        frequency=Frequency.ONCE
        if once
        else _frequency(billing.billing_period, charge.product_rate_plan_charge_id),
        timing=Timing.ARREARS if arrears else Timing.ADVANCE,
        period=_line_period(charge, plan, term, settings),
    )


def _frequency(billing_period: str | None, charge_id: str) -> Frequency:
    # A discount is billed with what it lowers and has no period of its own.
    if billing_period is None:
        return Frequency.ONCE
    found = schema.FREQUENCIES.get(billing_period)
    if found is None:
        raise _unknown_charge(charge_id, f"is billed by {billing_period}, which is not supported")
    return found


def _followed(line: OrderLine, aim: OrderLine) -> OrderLine:
    """What a discount or a rounding charge has no field for is that of the charge that it belongs to."""
    same: dict[str, object] = {"unit": aim.unit, "timing": aim.timing}
    if line.model in schema.DISCOUNTS:
        same |= {"type": aim.type, "frequency": aim.frequency}
    return line.model_copy(update=same)


def _follow(lines: Iterable[OrderLine]) -> tuple[OrderLine, ...]:
    found = tuple(lines)
    aims = {line.lineage_id: line for line in found if line.kind == "charge"}
    return tuple(
        line
        if line.kind == "charge" or line.lineage_id not in aims
        else _followed(line, aims[line.lineage_id])
        for line in found
    )


def order_status(wire: schema.Order) -> str:
    """The order's status in our words; one that we do not know is `unknown`."""
    return schema.state(wire.status, schema.ORDER_STATES)


def order(wire: schema.Order, refs: MappingSet, settings: ZuoraSettings) -> BillingOrder:
    """The order as billing holds it: the lines of its new subscription, in their order."""
    created = [
        (s, a.create_subscription)
        for s in wire.subscriptions
        for a in s.order_actions
        if a.create_subscription
    ]
    term, lines, number = None, [], ""
    for entry, create in created:
        number = number or create.subscription_number or entry.subscription_number or ""
        initial = create.terms.initial_term if create.terms else None
        term = initial.ours() if initial else None
        # A term without an end has no lines that we could write; such an order was made by somebody else.
        if term is not None:
            lines += [
                _order_line(p, c, term, refs, settings)
                for p in create.subscribe_to_rate_plans
                for c in p.charge_overrides
            ]
    return BillingOrder(
        number=wire.order_number,
        status=order_status(wire),
        account_number=wire.existing_account_number or "",
        subscription_number=number,
        term=term,
        lines=_follow(lines),
    )


def _subscription_charge(
    plan: schema.RatePlan,
    charge: schema.RatePlanCharge,
    term: Period | None,
    refs: MappingSet,
    settings: ZuoraSettings,
) -> SubscriptionCharge:
    kind, model = schema.TYPES.get(charge.type), schema.MODELS.get(charge.model)
    if kind is None or model is None:
        raise _unknown_charge(
            charge.product_rate_plan_charge_id, f"is {charge.type} {charge.model}, not supported"
        )
    once = kind is ChargeType.ONE_TIME
    kept = plan.custom(settings.service_end_field)
    end = charge.effective_end_date
    if kept is not None:
        end = date.fromisoformat(kept)
    elif (once or end is None) and term is not None:
        end = term.end
    return SubscriptionCharge(
        charge_number=charge.number,
        lineage_id=plan.custom(settings.line_field) or "",
        kind=line_kind(_code(refs, "plan", plan.product_rate_plan_id), settings),
        product_code=plan.custom(settings.product_field) or plan.product_sku or "",
        charge_code=_code(refs, "charge", charge.product_rate_plan_charge_id),
        type=kind,
        model=model,
        quantity=Decimal(1) if charge.quantity is None else charge.quantity,
        unit_price=charge.price if charge.discount_amount is None else charge.discount_amount,
        discount_percent=charge.discount_percentage,
        tiers=tuple(t.ours() for t in charge.tiers),
        frequency=Frequency.ONCE
        if once
        else _frequency(charge.billing_period, charge.product_rate_plan_charge_id),
        period=Period(
            start=charge.effective_start_date, end=end or charge.effective_start_date + timedelta(days=1)
        ),
    )


def subscription(
    wire: schema.Subscription, currency: str, refs: MappingSet, settings: ZuoraSettings
) -> BillingSubscription:
    """The newest version. Charges that were removed from it are left out; term ends are exclusive."""
    term = None
    if wire.term_start_date and wire.term_end_date:
        term = Period(start=wire.term_start_date, end=wire.term_end_date)
    charges = [
        _subscription_charge(p, c, term, refs, settings)
        for p in wire.rate_plans
        if p.last_change_type != "Remove"
        for c in p.rate_plan_charges
    ]
    aims = {c.lineage_id: c for c in charges if c.kind == "charge"}
    followed = tuple(
        c.model_copy(
            update={
                "type": aims[c.lineage_id].type,
                "frequency": aims[c.lineage_id].frequency,
            }
        )
        if c.model in schema.DISCOUNTS and c.lineage_id in aims
        else c
        for c in charges
    )
    return BillingSubscription(
        number=wire.subscription_number,
        status=schema.state(wire.status, schema.SUBSCRIPTION_STATES),
        version=wire.version,
        account_number=wire.account_number,
        order_number=wire.order_number or "",
        currency=currency,
        term=term,
        charges=followed,
    )
