"""Previewed documents and the price list -> our words."""

from collections.abc import Iterable
from decimal import Decimal

from canonical.mapping import MappingSet, Reference
from canonical.money import Money
from canonical.order import OrderLine, OrderPlan, OrderPreview, PreviewInvoice, PreviewLine
from canonical.period import Period
from connectors.zuora import schema
from connectors.zuora.mapping.outgoing import charge_number


def _lineage(plan: OrderPlan, item: schema.PreviewItem, refs: MappingSet) -> OrderLine | None:
    """The line behind an item: by the number we gave its charge, else by its charge if one line alone sells it."""
    numbers = {charge_number(plan, i): line for i, line in enumerate(plan.lines)}
    if item.charge_number in numbers:
        return numbers[item.charge_number]
    if item.applied_to_charge_number in numbers:
        return numbers[item.applied_to_charge_number]
    code = refs.code("charge", item.product_rate_plan_charge_id or "")
    alike = [x for x in plan.lines if x.charge_code == code and x.period.contains(item.service_start_date)]
    return alike[0] if len(alike) == 1 else None


def _preview_line(plan: OrderPlan, item: schema.PreviewItem, refs: MappingSet, sign: int) -> PreviewLine:
    line = _lineage(plan, item, refs)
    kind = {"Discount": "discount", "Rounding": "rounding"}.get(
        item.processing_type, line.kind if line else "charge"
    )
    code = refs.code("charge", item.product_rate_plan_charge_id or "")
    quantity = (item.additional_info or {}).get("quantity")
    return PreviewLine(
        lineage_id=line.lineage_id if line else None,
        charge_code=code or (line.charge_code if line else ""),
        charge_name=item.charge_name,
        kind=kind,
        period=Period.inclusive(item.service_start_date, item.service_end_date),
        amount=Money.exactly(sign * item.amount_without_tax, plan.currency),
        unit_price=item.unit_price,
        quantity=None if quantity is None else Decimal(str(quantity)),
    )


def preview(wire: schema.PreviewResult, plan: OrderPlan, refs: MappingSet) -> OrderPreview:
    """The invoice plan by target date. A credit memo stands for a document below zero: its amounts count as minus."""
    documents = [(i.target_date, i.items, 1) for i in wire.invoices]
    documents += [(m.target_date, m.items, -1) for m in wire.credit_memos]
    invoices = [
        PreviewInvoice(target_date=day, lines=tuple(_preview_line(plan, item, refs, sign) for item in items))
        for day, items, sign in sorted(documents, key=lambda d: (d[0], -d[2]))
    ]
    return OrderPreview(currency=plan.currency, invoices=tuple(invoices))


def references(products: Iterable[schema.CatalogProduct]) -> tuple[Reference, ...]:
    """Plans and charges by their own numbers; one without a number cannot be pointed to and is left out."""
    found: list[Reference] = []
    for product in products:
        for plan in product.product_rate_plans:
            active = (plan.status or "Active").lower() == "active"
            if plan.product_rate_plan_number:
                found.append(
                    Reference(
                        kind="plan",
                        code=plan.product_rate_plan_number,
                        vendor_id=plan.id,
                        name=plan.name,
                        active=active,
                    )
                )
            found += [
                Reference(
                    kind="charge",
                    code=c.product_rate_plan_charge_number,
                    vendor_id=c.id,
                    name=c.name,
                    active=active,
                )
                for c in plan.product_rate_plan_charges
                if c.product_rate_plan_charge_number
            ]
    return tuple(found)
