"""Previewed documents and the price list -> our words."""

from collections.abc import Iterable
from decimal import Decimal

from canonical.mapping import MappingSet, Reference
from canonical.money import Money
from canonical.order import OrderLine, OrderPlan, OrderPreview, PreviewInvoice, PreviewLine
from canonical.period import Period
from connectors.zuora import schema
from connectors.zuora.mapping.outgoing import charge_number


class _Lines:
    """The line behind an item: by the number we gave its charge, else by its charge if one line alone sells it."""

    def __init__(self, plan: OrderPlan, refs: MappingSet) -> None:
        self.currency = plan.currency
        self._numbers = {charge_number(plan, i): line for i, line in enumerate(plan.lines)}
        self._alike: dict[str, list[OrderLine]] = {}
        for line in plan.lines:
            self._alike.setdefault(line.charge_code, []).append(line)
        self._codes = {refs.find("charge", code): code for code in self._alike}

    def code(self, item: schema.PreviewItem) -> str | None:
        """Our code of the item's charge."""
        return self._codes.get(item.product_rate_plan_charge_id) if item.product_rate_plan_charge_id else None

    def find(self, item: schema.PreviewItem) -> OrderLine | None:
        """The line, or None when billing does not tell and we would have to guess."""
        named = self._numbers.get(item.charge_number or "") or self._numbers.get(
            item.applied_to_charge_number or ""
        )
        if named is not None:
            return named
        sold = self._alike.get(self.code(item) or "", [])
        alike = [line for line in sold if line.period.contains(item.service_start_date)]
        return alike[0] if len(alike) == 1 else None


def _preview_line(lines: _Lines, item: schema.PreviewItem, sign: int) -> PreviewLine:
    line = lines.find(item)
    own = line.kind if line else "charge"
    quantity = (item.additional_info or {}).get("quantity")
    return PreviewLine(
        lineage_id=line.lineage_id if line else None,
        charge_code=lines.code(item) or (line.charge_code if line else ""),
        charge_name=item.charge_name,
        kind={"Discount": "discount", "Rounding": "rounding"}.get(item.processing_type, own),
        period=Period.inclusive(item.service_start_date, item.service_end_date),
        amount=Money.exactly(sign * item.amount_without_tax, lines.currency),
        unit_price=item.unit_price,
        quantity=None if quantity is None else Decimal(str(quantity)),
    )


def preview(wire: schema.PreviewResult, plan: OrderPlan, refs: MappingSet) -> OrderPreview:
    """The invoice plan by target date. A credit memo stands for a document below zero: its amounts count as minus."""
    lines = _Lines(plan, refs)
    documents = [(i.target_date, i.items, 1) for i in wire.invoices]
    documents += [(m.target_date, m.items, -1) for m in wire.credit_memos]
    invoices = [
        PreviewInvoice(target_date=day, lines=tuple(_preview_line(lines, item, sign) for item in items))
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
