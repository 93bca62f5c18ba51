"""Random orders: what was sent is what is held, and what the sandbox reckons is what was agreed."""

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canonical.catalog import Frequency, Tier, Timing
from canonical.money import Money, total
from canonical.order import OrderLine, OrderPlan
from canonical.period import Period, add_months
from canonical.pricing import per_billing_period
from canonical.proration import EXACT_BY_DAY
from connectors.zuora.sandbox.rating import Charge, rate
from tests.connectors.zuora import data

BILLED = (Frequency.MONTHLY, Frequency.QUARTERLY, Frequency.SEMIANNUAL, Frequency.ANNUAL)
WIRE = {"monthly": "Month", "quarterly": "Quarter", "semiannual": "Semi_Annual", "annual": "Annual"}
days = st.dates(date(2024, 1, 1), date(2031, 12, 31))
prices = st.decimals(Decimal("0.000001"), Decimal(100_000), places=6)
quantities = st.decimals(Decimal("0.01"), Decimal(10_000), places=2)
CODES = [row[2] for row in data.PRICE_LIST]


@st.composite
def terms(draw: st.DrawFn) -> Period:
    start = draw(days)
    if draw(st.booleans()):
        return Period(start=start, end=add_months(start, draw(st.integers(1, 37))))
    return Period(start=start, end=start + timedelta(days=draw(st.integers(2, 800))))


@st.composite
def tiers(draw: st.DrawFn) -> tuple[Tier, ...]:
    edges = sorted(draw(st.sets(st.integers(1, 10_000), max_size=4)))
    found, low = [], Decimal(0)
    for edge in [*edges, None]:
        high = None if edge is None else Decimal(edge)
        found.append(
            Tier(from_quantity=low, to_quantity=high, unit_price=draw(prices), flat=draw(st.booleans()))
        )
        low = high or low
    return tuple(found)


@st.composite
def lines(draw: st.DrawFn, term: Period, lineage: str) -> list[OrderLine]:
    code = draw(st.sampled_from(CODES))
    start = draw(st.dates(term.start, term.last_day))
    period = draw(st.sampled_from([term, Period(start=start, end=term.end)]))
    if draw(st.booleans()):
        period = Period(start=period.start, end=draw(st.dates(period.start + timedelta(days=1), term.end)))
    base = data.line(code, lineage, period=period)
    change: dict[str, object] = {"product_code": draw(st.text(min_size=1, max_size=10).filter(str.strip))}
    if base.tiers:
        change["tiers"] = draw(tiers())
    else:
        change["unit_price"] = draw(prices)
    if base.quantity != 1:
        change["quantity"] = draw(quantities)
    if base.frequency is not Frequency.ONCE:
        change["frequency"] = draw(st.sampled_from([*BILLED, Frequency.ONCE]))
    if base.type.value == "recurring":
        change["timing"] = draw(st.sampled_from(list(Timing)))
    line = base.model_copy(update=change)
    found = [line]
    if draw(st.booleans()):
        found.append(
            data.discount(
                lineage,
                str(draw(st.integers(1, 99))),
                type=line.type,
                frequency=line.frequency,
                timing=line.timing,
                unit=line.unit,
                period=line.period,
                product_code=line.product_code,
            )
        )
    if draw(st.booleans()):
        found.append(
            data.rounding(
                str(draw(st.integers(-50, 50)) / Decimal(100)),
                lineage,
                timing=line.timing,
                unit=line.unit,
                period=line.period,
                product_code=line.product_code,
            )
        )
    return found


@st.composite
def plans(draw: st.DrawFn) -> OrderPlan:
    term = draw(terms())
    found: list[OrderLine] = []
    for index in range(draw(st.integers(1, 4))):
        made = draw(lines(term, f"QL-{index}"))
        # A discount aims at a charge of the price list, so that charge is sold once.
        if all(made[0].charge_code != other.charge_code for other in found):
            found += made
    return data.order(*found, term=term, order_date=term.start)


@given(plans())
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
async def test_an_order_is_held_as_it_was_planned(plan: OrderPlan) -> None:
    t = await data.start()
    await t.account()
    preview = await t.billing.preview_order(plan, t.refs)
    draft = await t.billing.create_draft(plan, t.refs, key="k")
    active = await t.billing.activate_order(plan.order_number, plan.order_date, t.refs)
    held = await t.billing.find_subscription(plan.subscription_number, t.refs)

    assert draft.lines == active.lines == plan.lines
    assert draft.term == plan.term
    assert held is not None
    assert held.term == plan.term
    for charge, line in zip(held.charges, plan.lines, strict=True):
        shared = charge.model_dump(exclude={"charge_number"})
        assert shared == line.model_dump(include=set(shared))
    assert all(x.lineage_id is not None for i in preview.invoices for x in i.lines)
    assert all(x.amount.minor <= 0 for i in preview.invoices for x in i.lines if x.kind == "discount")


@given(
    terms(),
    quantities,
    st.integers(1, 10_000_000),
    st.sampled_from(["USD", "JPY", "KWD"]),
    st.sampled_from(BILLED),
)
@settings(max_examples=150)
def test_the_sandbox_bills_what_the_conversion_foresees(
    term: Period, quantity: Decimal, minor: int, currency: str, frequency: Frequency
) -> None:
    agreed = Money(minor=minor, currency=currency)
    foreseen = per_billing_period(agreed, quantity, term, frequency.months, "charge", EXACT_BY_DAY)
    charge = Charge(
        number=None,
        name="x",
        product_charge_id="c",
        product_plan_id="p",
        product_name="x",
        subscription="S",
        kind="Recurring",
        model="PerUnit",
        start=term.start,
        end=term.end,
        price=foreseen.unit_price,
        quantity=quantity,
        billing_period=WIRE[frequency.value],
        anchor=term.start,
        anchor_day=term.start.day,
    )
    items = rate([charge], currency, term.end)
    assert [Money.exactly(i.amount, currency) for i in items] == list(foreseen.billed)
    assert total(foreseen.billed, currency) + foreseen.residual == agreed
