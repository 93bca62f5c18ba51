"""What billing holds against what was agreed. Any difference parks the activation; nobody guesses."""

from collections.abc import Iterable

from canonical.base import Model
from canonical.bundle import explode
from canonical.failures import Finding, Owner, Rejected
from canonical.money import Money
from canonical.order import (
    BillingOrder,
    BillingSubscription,
    OrderLine,
    OrderPlan,
    OrderPreview,
    SubscriptionCharge,
)
from canonical.period import Period
from canonical.quote import Quote


class Difference(Model):
    """One thing that is not as agreed."""

    field: str
    agreed: str
    found: str


_EXACT_FIELDS = ("product_code", "charge_code", "type", "model", "quantity", "unit_price", "discount_percent", "tiers",
                 "frequency", "period")  # fmt: skip


def _lines_differ(
    agreed: Iterable[OrderLine], found: Iterable[OrderLine | SubscriptionCharge]
) -> list[Difference]:
    wanted = {(line.lineage_id, line.kind): line for line in agreed}
    held: dict[tuple[str, str], OrderLine | SubscriptionCharge] = {}
    out: list[Difference] = []
    for line in found:
        if (line.lineage_id, line.kind) in held:
            name = f"lines[{line.lineage_id}/{line.kind}]"
            out.append(Difference(field=name, agreed="once", found="more than once"))
        held[line.lineage_id, line.kind] = line
    for key in sorted(wanted.keys() | held.keys()):
        name = f"lines[{key[0]}/{key[1]}]"
        a, b = wanted.get(key), held.get(key)
        if a is None or b is None:
            out.append(
                Difference(
                    field=name, agreed="present" if a else "absent", found="present" if b else "absent"
                )
            )
            continue
        out.extend(
            Difference(field=f"{name}.{field}", agreed=str(getattr(a, field)), found=str(getattr(b, field)))
            for field in _EXACT_FIELDS
            if getattr(a, field) != getattr(b, field)
        )
    return out


def _term_differs(agreed: Period, found: Period | None) -> list[Difference]:
    if found == agreed:
        return []
    text = "no end" if found is None else f"{found.start}..{found.end}"
    return [Difference(field="term", agreed=f"{agreed.start}..{agreed.end}", found=text)]


def compare_order(
    quote: Quote, plan: OrderPlan, preview: OrderPreview, order: BillingOrder
) -> tuple[Difference, ...]:
    """The drafted order against the plan, field by field, and the previewed money against the quote's net total.

    Totals compare exactly: the residual of the price conversion is part of the order that was previewed.
    """
    out = _lines_differ(plan.lines, order.lines)
    out.extend(_term_differs(plan.term, order.term))
    for field in ("account_number", "subscription_number"):
        if getattr(order, field) != getattr(plan, field):
            out.append(Difference(field=field, agreed=getattr(plan, field), found=getattr(order, field)))
    if preview.currency != quote.currency:
        out.append(Difference(field="currency", agreed=quote.currency, found=preview.currency))
    elif preview.term_total != quote.net_total:
        out.append(Difference(field="net_total", agreed=str(quote.net_total), found=str(preview.term_total)))
        out.extend(_money_by_line(quote, preview))
    return tuple(out)


def _money_by_line(quote: Quote, preview: OrderPreview) -> list[Difference]:
    """Which lines carry the difference, as a help for the reader."""
    nothing = Money.zero(quote.currency)
    got: dict[str, Money] = {}
    for item in (item for invoice in preview.invoices for item in invoice.lines):
        name = item.lineage_id or f"billing's own {item.charge_code}"
        got[name] = got.get(name, nothing) + item.amount
    agreed = {line.line_id: line.net_total for line in explode(quote.lines)}
    return [
        Difference(
            field=f"lines[{name}].net_total",
            agreed=str(agreed.get(name, nothing)),
            found=str(got.get(name, nothing)),
        )
        for name in [*agreed, *sorted(got.keys() - agreed.keys())]
        if agreed.get(name, nothing) != got.get(name, nothing)
    ]


def compare_subscription(plan: OrderPlan, held: BillingSubscription) -> tuple[Difference, ...]:
    """The activated subscription against the plan: active, same number, account, currency, charges and dates."""
    out = _lines_differ(plan.lines, held.charges)
    if held.status != "active":
        out.append(Difference(field="status", agreed="active", found=held.status))
    out.extend(_term_differs(plan.term, held.term))
    out.extend(
        Difference(field=field, agreed=agreed, found=found)
        for field, agreed, found in (
            ("number", plan.subscription_number, held.number),
            ("account_number", plan.account_number, held.account_number),
            ("currency", plan.currency, held.currency),
        )
        if agreed != found
    )
    return tuple(out)


def refuse_differences(
    differences: tuple[Difference, ...],
    what: str,
    fix: str = "correct the product, the price plan or the quote; then retry, or unwind",
) -> None:
    """Raise Rejected `not-as-agreed` listing every difference; nothing when there is none."""
    if not differences:
        return
    first = differences[0]
    raise Rejected(
        f"{what} is not as agreed: {first.field} should be {first.agreed}, is {first.found}"
        + (f" (and {len(differences) - 1} more)" if len(differences) > 1 else ""),
        code="not-as-agreed",
        field=first.field,
        fix=fix,
        findings=tuple(
            Finding(
                code="not-as-agreed",
                field=d.field,
                message=f"agreed {d.agreed}, found {d.found}",
                fix="correct the side that is wrong",
                owner=Owner.REVOPS,
            )
            for d in differences[:50]
        ),
    )
