"""What billing holds against what was agreed: equal is silent, and each field that is off by one is named."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from canonical.catalog import ChargeType, Frequency, PriceModel, Tier
from canonical.comparison import Difference, compare_order, compare_subscription, refuse_differences
from canonical.failures import Rejected
from canonical.money import Money
from canonical.order import (
    BillingOrder,
    BillingSubscription,
    OrderPlan,
    OrderPreview,
    PreviewInvoice,
    PreviewLine,
    SubscriptionCharge,
)
from canonical.period import Period
from canonical.planning import plan_order
from tests.builders.quotes import CATALOG, START, YEAR, a_bundle, a_deal, a_line, an_entity
from tests.canonical.biller import items

LINES = (
    a_line("L1", net=1000, list_unit_price=Decimal(1250), discount_percent=Decimal(20)),
    a_line("L2", "TRAINING", 300, quantity=Decimal(3)),
    a_line("L3", "CALLS"),
    a_bundle("B4", "90.01"),
    a_line("L5", "BASE", 0, parent_line_id="B4", list_unit_price=Decimal(1)),
    a_line("L6", "SETUP", 0, parent_line_id="B4", list_unit_price=Decimal(2)),
)
DEAL = a_deal(LINES)
PLAN: OrderPlan = plan_order(
    DEAL, CATALOG, an_entity(discount="charge"), order_number="O1", account_number="A1",
    subscription_number="S1", correlation_id="c", on=START,
)  # fmt: skip
ORDER = BillingOrder(
    number="O1",
    status="draft",
    account_number="A1",
    subscription_number="S1",
    term=PLAN.term,
    lines=PLAN.lines,
)


def _item(line: Any, begin: date, end: date, minor: int) -> PreviewLine:
    return PreviewLine(
        lineage_id=line.lineage_id,
        charge_code=line.charge_code,
        charge_name=line.charge_code,
        kind=line.kind,
        period=Period(start=begin, end=end),
        amount=Money(minor=minor, currency="USD"),
    )


def _preview() -> OrderPreview:
    found = [_item(x, *i) for x in PLAN.lines if x.kind != "discount" for i in items(x, 2)]
    discounts = {x.lineage_id: x for x in PLAN.lines if x.kind == "discount"}
    for line in list(found):
        off = discounts.get(line.lineage_id or "")
        if off is not None and line.kind == "charge":
            percent = (off.discount_percent or Decimal(0)) / 100
            cut = Money.rounded(-line.amount.amount * percent, "USD")
            found.append(line.model_copy(update={"kind": "discount", "amount": cut}))
    days = sorted({line.period.start for line in found})
    invoices = (
        PreviewInvoice(target_date=d, lines=tuple(x for x in found if x.period.start == d)) for d in days
    )
    return OrderPreview(currency="USD", invoices=tuple(invoices))


PREVIEW = _preview()
HELD = BillingSubscription(
    number="S1", status="active", version=1, account_number="A1", order_number="O1", currency="USD", term=PLAN.term,
    charges=tuple(
        SubscriptionCharge.model_validate(
            {k: v for k, v in line.model_dump().items() if k in SubscriptionCharge.model_fields}
            | {"charge_number": f"N{i}"}
        )
        for i, line in enumerate(PLAN.lines)
    ),
)  # fmt: skip


def test_what_is_as_agreed_is_silent() -> None:
    assert {line.kind for line in PLAN.lines} == {"charge", "discount", "rounding"}
    assert compare_order(DEAL.quote, PLAN, PREVIEW, ORDER) == ()
    assert compare_subscription(PLAN, HELD) == ()
    refuse_differences((), "nothing")


CHANGES: dict[str, Callable[[Any], object]] = {
    "product_code": lambda _: "OTHER",
    "charge_code": lambda _: "OTHER",
    "type": lambda v: ChargeType.USAGE if v is not ChargeType.USAGE else ChargeType.ONE_TIME,
    "model": lambda v: PriceModel.VOLUME if v is not PriceModel.VOLUME else PriceModel.TIERED,
    "quantity": lambda v: v + 1,
    "unit_price": lambda v: (v or Decimal(0)) + Decimal("0.000000000001"),
    "discount_percent": lambda v: (v or Decimal(0)) + Decimal("0.01"),
    "tiers": lambda v: (*v, Tier(from_quantity=Decimal(9), unit_price=Decimal(1))),
    "frequency": lambda v: Frequency.ANNUAL if v is not Frequency.ANNUAL else Frequency.MONTHLY,
    "period": lambda v: Period(start=v.start, end=date.fromordinal(v.end.toordinal() - 1)),
}


@pytest.mark.parametrize("field", CHANGES)
@pytest.mark.parametrize("index", range(len(PLAN.lines)))
def test_each_field_that_is_off_by_one_is_named(field: str, index: int) -> None:
    line = PLAN.lines[index]
    name = f"lines[{line.lineage_id}/{line.kind}].{field}"
    value = CHANGES[field](getattr(line, field))
    expected = Difference(field=name, agreed=str(getattr(line, field)), found=str(value))

    changed = list(ORDER.lines)
    changed[index] = line.model_copy(update={field: value})
    order = ORDER.model_copy(update={"lines": tuple(changed)})
    assert compare_order(DEAL.quote, PLAN, PREVIEW, order) == (expected,)

    charges = list(HELD.charges)
    charges[index] = charges[index].model_copy(update={field: value})
    assert compare_subscription(PLAN, HELD.model_copy(update={"charges": tuple(charges)})) == (expected,)


@pytest.mark.parametrize("index", range(len(PLAN.lines)))
def test_a_line_that_is_missing_added_or_doubled_is_named(index: int) -> None:
    line = PLAN.lines[index]
    name = f"lines[{line.lineage_id}/{line.kind}]"
    rest = tuple(x for i, x in enumerate(ORDER.lines) if i != index)

    def differing(lines: Any) -> tuple[Difference, ...]:
        return compare_order(DEAL.quote, PLAN, PREVIEW, ORDER.model_copy(update={"lines": lines}))

    assert differing(rest) == (Difference(field=name, agreed="present", found="absent"),)
    assert differing((*ORDER.lines, line)) == (Difference(field=name, agreed="once", found="more than once"),)
    stranger = line.model_copy(update={"lineage_id": "L99"})
    added = Difference(field=f"lines[L99/{line.kind}]", agreed="absent", found="present")
    assert differing((*ORDER.lines, stranger)) == (added,)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"account_number": "A2"}, "account_number"),
        ({"subscription_number": "S2"}, "subscription_number"),
        ({"term": Period(start=START, end=date(2027, 1, 2))}, "term"),
        ({"term": None}, "term"),
    ],
)
def test_the_order_itself(changes: dict[str, Any], field: str) -> None:
    found = compare_order(DEAL.quote, PLAN, PREVIEW, ORDER.model_copy(update=changes))
    assert [d.field for d in found] == [field]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"status": "pending-activation"}, "status"),
        ({"status": "unknown"}, "status"),
        ({"number": "S2"}, "number"),
        ({"account_number": "A2"}, "account_number"),
        ({"currency": "EUR"}, "currency"),
        ({"term": YEAR.overlap(Period(start=date(2026, 1, 2), end=YEAR.end))}, "term"),
        ({"term": None}, "term"),
    ],
)
def test_the_subscription_itself(changes: dict[str, Any], field: str) -> None:
    found = compare_subscription(PLAN, HELD.model_copy(update=changes))
    assert [d.field for d in found] == [field]


@pytest.mark.parametrize("minor", [-1, 1])
@pytest.mark.parametrize("lineage", ["L1", "L2", "L5", "L6"])
def test_money_that_is_off_by_a_cent_is_traced_to_its_line(lineage: str, minor: int) -> None:
    invoice = PREVIEW.invoices[0]
    i = next(i for i, x in enumerate(invoice.lines) if x.lineage_id == lineage)
    lines = list(invoice.lines)
    lines[i] = lines[i].model_copy(update={"amount": lines[i].amount + Money(minor=minor, currency="USD")})
    preview = PREVIEW.model_copy(
        update={"invoices": (invoice.model_copy(update={"lines": tuple(lines)}), *PREVIEW.invoices[1:])}
    )
    found = compare_order(DEAL.quote, PLAN, preview, ORDER)
    assert [d.field for d in found] == ["net_total", f"lines[{lineage}].net_total"]


def test_money_that_nobody_sold_is_named() -> None:
    extra = PreviewLine(
        lineage_id=None,
        charge_code="SETUP-FEE",
        charge_name="Set-up",
        period=YEAR,
        amount=Money.exactly(5, "USD"),
    )
    more = PreviewInvoice(target_date=START, lines=(extra,))
    found = compare_order(
        DEAL.quote, PLAN, PREVIEW.model_copy(update={"invoices": (*PREVIEW.invoices, more)}), ORDER
    )
    assert found[1] == Difference(
        field="lines[billing's own SETUP-FEE].net_total", agreed="0.00 USD", found="5.00 USD"
    )


def test_another_currency_is_one_difference() -> None:
    found = compare_order(DEAL.quote, PLAN, OrderPreview(currency="EUR", invoices=()), ORDER)
    assert found == (Difference(field="currency", agreed="USD", found="EUR"),)


def test_a_refusal_lists_every_difference() -> None:
    differences = tuple(Difference(field=f"f{i}", agreed="a", found="b") for i in range(60))
    with pytest.raises(Rejected) as refused:
        refuse_differences(differences, "the order")
    assert refused.value.code == "not-as-agreed"
    assert refused.value.field == "f0"
    assert "59 more" in refused.value.message
    assert len(refused.value.findings) == 50
    assert all(f.field and f.fix for f in refused.value.findings)
