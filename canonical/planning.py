"""From a validated deal to what each system receives: the order, the tax request, the contract document."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction

from canonical.bundle import explode
from canonical.catalog import (
    Catalog,
    Charge,
    ChargeType,
    Frequency,
    PriceModel,
    PricePlan,
    Product,
    Timing,
    ssp_total,
)
from canonical.contract import ContractDocument, ContractLine
from canonical.entity import LegalEntity, Route
from canonical.failures import Misconfigured, Rejected
from canonical.money import Money, extend, price, total
from canonical.order import OrderLine, OrderPlan, OrderPreview, Residual
from canonical.pricing import per_billing_period
from canonical.quote import Deal, QuoteLine
from canonical.revenue import Element, Promise, RevenueContract, allocate
from canonical.tax import TaxLine, TaxRequest

DISCOUNT_PLAN, DISCOUNT_CHARGE = "DISCOUNT", "DISCOUNT-PERCENT"
ROUNDING_PLAN, ROUNDING_CHARGE = "ROUNDING", "ROUNDING-CHARGE"


def find_charge(product: Product, kind: ChargeType) -> tuple[PricePlan, Charge] | None:
    """The first charge of that type, with its plan."""
    return next(((p, c) for p in product.plans for c in p.charges if c.type is kind), None)


def sold_charge(catalog: Catalog, line: QuoteLine) -> tuple[PricePlan, Charge]:
    """Plan and charge that a quote line sells. Raises Misconfigured when the catalog does not have them (any more)."""
    product = catalog.find(line.product_code, line.period.start)
    match = find_charge(product, line.charge_type) if product else None
    if match is None:
        raise Misconfigured(
            f"product {line.product_code} has no {line.charge_type} charge on {line.period.start}",
            code="product-charge-missing",
            field=f"quote.lines[{line.line_id}].product_code",
            fix="publish the product version, then retry",
        )
    return match


def _usage(line: QuoteLine, plan: PricePlan, charge: Charge) -> OrderLine:
    tiered = PriceModel.VOLUME if line.tier_model == "volume" else PriceModel.TIERED
    return OrderLine(
        lineage_id=line.line_id,
        product_code=line.product_code,
        plan_code=plan.code,
        charge_code=charge.code,
        type=line.charge_type,
        model=tiered if line.tiers else PriceModel.PER_UNIT,
        quantity=Decimal(1),  # what is used is counted later; nothing is agreed beforehand
        unit_price=None if line.tiers else line.net_unit_price,
        tiers=line.tiers,
        unit=line.unit or charge.unit,
        frequency=line.frequency,
        timing=Timing.ARREARS,
        period=line.period,
    )


def _rounding(residual: Residual, period_of: OrderLine) -> OrderLine:
    return period_of.model_copy(
        update={
            "kind": "rounding",
            "plan_code": ROUNDING_PLAN,
            "charge_code": ROUNDING_CHARGE,
            "type": ChargeType.ONE_TIME,
            "model": PriceModel.FLAT,
            "quantity": Decimal(1),
            "unit_price": residual.amount.amount,
            "frequency": Frequency.ONCE,
        }
    )


def order_lines(
    line: QuoteLine, catalog: Catalog, entity: LegalEntity
) -> tuple[tuple[OrderLine, ...], Residual | None]:
    """The charges that one exploded quote line becomes, and the residual of its price conversion.

    A flat charge costs the same whatever the quantity, so its price is that of the whole line and its quantity 1. With
    the discount as a charge of its own two amounts are rounded in each billing period, and so up to one minor unit a
    period is left over instead of half of one. Raises Misconfigured when the catalog lacks the charge, and Rejected for
    a quantity of zero or less or a recurring line without a billing period.
    """
    plan, charge = sold_charge(catalog, line)
    if line.charge_type is ChargeType.USAGE:
        return (_usage(line, plan, charge),), None
    if line.quantity <= 0:
        raise Rejected(
            f"{line.product_code}: quantity {line.quantity} is not above zero",
            code="quantity-not-positive",
            field=f"quote.lines[{line.line_id}].quantity",
            fix="correct the quantity or remove the line",
        )
    as_charge = entity.discount == "charge" and 0 < line.discount_percent < 100 and bool(line.net_total)
    gross = _before_discount(line) if as_charge else line.net_total
    flat = charge.model is PriceModel.FLAT
    quantity = Decimal(1) if flat else line.quantity
    base = OrderLine(
        lineage_id=line.line_id,
        product_code=line.product_code,
        plan_code=plan.code,
        charge_code=charge.code,
        type=line.charge_type,
        model=PriceModel.FLAT if flat else PriceModel.PER_UNIT,
        quantity=quantity,
        unit=charge.unit,
        frequency=line.frequency,
        timing=Timing.ARREARS if line.arrears else charge.timing,
        period=line.period,
    )
    if line.charge_type is ChargeType.ONE_TIME:
        unit = price(Fraction(gross.amount) / Fraction(quantity))
        lines = [base.model_copy(update={"unit_price": unit, "frequency": Frequency.ONCE})]
        billed, slices, where = [extend(unit, quantity, gross.currency)], 1, line.period
    else:
        found = per_billing_period(
            gross, quantity, line.period, line.frequency.months, entity.residual, plan.proration
        )
        lines = [base.model_copy(update={"unit_price": found.unit_price})]
        billed, slices, where = list(found.billed), len(found.slices), found.residual_period
    if as_charge:
        lines.append(_discount(line, lines[0]))
        billed = [b - _percent(b, line.discount_percent) for b in billed]
    residual = line.net_total - total(billed, line.net_total.currency)
    if not residual:
        return tuple(lines), None
    left = Residual(lineage_id=line.line_id, amount=residual, periods=slices, policy=entity.residual)
    lines.append(_rounding(left, lines[0].model_copy(update={"period": where})))
    return tuple(lines), left


def _percent(amount: Money, percent: Decimal) -> Money:
    return Money.rounded(Fraction(amount.amount) * Fraction(percent) / 100, amount.currency)


def _before_discount(line: QuoteLine) -> Money:
    """What a line costs before its discount: by its list price, where that and the discount lead to the net total.

    They do not where CPQ rounded the net unit price, took more than one discount, or a share of a package price came
    on top. Then the net total decides, or the rounding charge would have to carry the rest of the price.
    """
    currency, percent = line.net_total.currency, line.discount_percent
    listed = extend(line.list_unit_price, line.quantity, currency)
    if listed - _percent(listed, percent) == line.net_total:
        return listed
    return Money.rounded(Fraction(line.net_total.amount) * 100 / (100 - Fraction(percent)), currency)


def _discount(line: QuoteLine, of: OrderLine) -> OrderLine:
    return of.model_copy(
        update={
            "kind": "discount",
            "plan_code": DISCOUNT_PLAN,
            "charge_code": DISCOUNT_CHARGE,
            "model": PriceModel.DISCOUNT_PERCENT,
            "quantity": Decimal(1),
            "unit_price": None,
            "discount_percent": line.discount_percent,
        }
    )


def plan_order(
    deal: Deal,
    catalog: Catalog,
    entity: LegalEntity,
    *,
    order_number: str,
    account_number: str,
    subscription_number: str,
    correlation_id: str,
    on: date,
) -> OrderPlan:
    """The order for a deal. The order date is the contract start or `on`, whichever is earlier."""
    lines: list[OrderLine] = []
    residuals: list[Residual] = []
    for line in explode(deal.quote.lines):
        made, residual = order_lines(line, catalog, entity)
        lines.extend(made)
        if residual is not None:
            residuals.append(residual)
    return OrderPlan(
        order_number=order_number,
        account_number=account_number,
        subscription_number=subscription_number,
        correlation_id=correlation_id,
        quote_id=deal.quote.quote_id,
        currency=deal.quote.currency,
        order_date=min(on, deal.quote.period.start),
        term=deal.quote.period,
        payment_terms=deal.quote.payment_terms,
        lines=tuple(lines),
        residuals=tuple(residuals),
    )


def tax_request(
    deal: Deal, preview: OrderPreview, plan: OrderPlan, catalog: Catalog, entity: LegalEntity
) -> TaxRequest | None:
    """Tax of the first invoice of the plan, one line for each quote line; None when nothing will be invoiced."""
    sold_to = deal.parties.sold_to
    first = min((invoice.target_date for invoice in preview.invoices), default=None)
    if first is None or sold_to is None:
        return None
    amounts = _amounts_on(first, preview)
    lines = []
    for line in explode(deal.quote.lines):
        if line.line_id in amounts:
            _, charge = sold_charge(catalog, line)
            lines.append(
                TaxLine(
                    lineage_id=line.line_id,
                    amount=amounts[line.line_id],
                    quantity=line.quantity,
                    item_code=line.product_code,
                    tax_code=charge.tax_code,
                    description=line.description or line.product_name,
                )
            )
    if not lines:
        return None
    customer = deal.parties.customer
    return TaxRequest(
        document_code=plan.order_number,
        company=entity.tax_company,
        entity=entity.code,
        customer_code=customer.customer_id,
        on=first,
        currency=plan.currency,
        ship_from=entity.ship_from,
        ship_to=sold_to.address,
        vat_id=customer.vat_id,
        exemption_number=customer.exemption_number if customer.tax_exempt else None,
        lines=tuple(lines),
    )


def _amounts_on(day: date, preview: OrderPreview) -> dict[str, Money]:
    """What is invoiced on `day`, by quote line. Raises Rejected for an item of no line: its tax would be forgotten."""
    amounts: dict[str, Money] = {}
    for item in (
        item for invoice in preview.invoices if invoice.target_date == day for item in invoice.lines
    ):
        if item.lineage_id is None:
            raise Rejected(
                f"billing will invoice {item.amount} for {item.charge_name or item.charge_code}, which no line sold",
                code="preview-item-unknown",
                field="preview.invoices.lines",
                fix="remove the charge from the price plan, or sell it on the quote; then retry",
            )
        amounts[item.lineage_id] = amounts.get(item.lineage_id, Money.zero(preview.currency)) + item.amount
    return amounts


def revenue_contract(deal: Deal, catalog: Catalog, contract_id: str) -> RevenueContract:
    """Obligations of the deal with the transaction price allocated; usage is variable and stays out (32-40)."""
    promises = []
    for line in explode(deal.quote.lines):
        if line.charge_type is ChargeType.USAGE:
            continue
        _, charge = sold_charge(catalog, line)
        months = line.period.whole_months() or max(1, (line.period.days * 12 + 182) // 365)
        span = months if line.charge_type is ChargeType.RECURRING else 1
        promises.append(
            Promise(
                lineage_id=line.line_id,
                obligation=f"{charge.obligation.code}:{line.line_id}",
                pattern=charge.obligation.pattern,
                stated=line.net_total,
                ssp=ssp_total(charge.obligation, line.quantity, span, deal.quote.currency),
            )
        )
    return allocate(contract_id, promises, deal.quote.currency)


def contract_document(
    deal: Deal,
    plan: OrderPlan,
    catalog: Catalog,
    route: Route,
    *,
    external_id: str,
    customer_external_id: str,
    on: date,
) -> ContractDocument:
    """What the ERP receives: one line for each quote line that is billed, with its obligation and allocation."""
    elements = {e.lineage_id: e for e in revenue_contract(deal, catalog, external_id).elements}
    return ContractDocument(
        external_id=external_id,
        customer_external_id=customer_external_id,
        entity=route.entity,
        currency=plan.currency,
        on=on,
        term=plan.term,
        payment_terms=plan.payment_terms,
        purchase_order=deal.quote.purchase_order,
        correlation_id=plan.correlation_id,
        subscription_number=plan.subscription_number,
        quote_id=deal.quote.quote_id,
        lines=tuple(
            _contract_line(i, line, catalog, route, elements.get(line.line_id))
            for i, line in enumerate(explode(deal.quote.lines), 1)
        ),
    )


def _contract_line(
    number: int, line: QuoteLine, catalog: Catalog, route: Route, element: Element | None
) -> ContractLine:
    _, charge = sold_charge(catalog, line)
    return ContractLine(
        lineage_id=line.line_id,
        line_no=number,
        product_code=line.product_code,
        description=line.description or line.product_name,
        quantity=line.quantity,
        amount=line.net_total,
        period=line.period,
        charge_type=line.charge_type,
        obligation=f"{charge.obligation.code}:{line.line_id}",
        pattern=charge.obligation.pattern,
        ssp=element.ssp if element else None,
        allocated=element.allocated if element else Money.zero(line.net_total.currency),
        segments=route.segments,
    )


def billed_by_line(lines: Sequence[OrderLine]) -> dict[str, list[OrderLine]]:
    """Order lines by the quote line that they came from."""
    found: dict[str, list[OrderLine]] = {}
    for line in lines:
        found.setdefault(line.lineage_id, []).append(line)
    return found
