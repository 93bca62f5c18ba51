"""From the price of a whole term to the price of a billing period, with nothing lost on the way."""

from decimal import Decimal
from fractions import Fraction

from canonical.base import Model
from canonical.entity import ResidualPolicy
from canonical.failures import Rejected
from canonical.money import Exact, Money, extend, price, total
from canonical.period import Period, add_months
from canonical.proration import ProrationPolicy


class PeriodPrice(Model):
    """What `per_billing_period` found.

    `billed` is what billing will charge for each slice; `billed` and `residual` sum to the term total exactly.
    """

    unit_price: Exact
    slices: tuple[Period, ...]
    billed: tuple[Money, ...]
    residual: Money
    residual_period: Period


def share_of_period(
    part: Period, months: int, term: Period, index: int, proration: ProrationPolicy
) -> Fraction:
    """How much of a full billing period slice `index` of `term` is. Whole slices are exactly 1."""
    full_end = add_months(term.start, (index + 1) * months)
    return proration.ratio(part, Period(start=add_months(term.start, index * months), end=full_end))


def per_billing_period(
    term_total: Money,
    quantity: Decimal,
    term: Period,
    months: int,
    policy: ResidualPolicy,
    proration: ProrationPolicy,
) -> PeriodPrice:
    """The unit price of one billing period of `months`, for a line that costs `term_total` over `term`.

    CPQ prices a unit for the whole term, billing a unit for each period: 1,000.00 a year billed monthly is 12 x 83.33
    = 999.96. Only line amounts are rounded, never unit prices, so the residual is at most half a minor unit for each
    billing period. By `policy` it goes to the first or the last period, or to a charge over the whole term.
    A last period that is not whole is priced by `proration`. Raises Rejected for a quantity of zero or less, and for
    a recurring price without a billing period.
    """
    if quantity <= 0 or months < 1:
        raise Rejected(
            f"a price of {term_total} for {quantity} units every {months} months cannot be billed",
            code="quantity-not-positive" if quantity <= 0 else "frequency-missing",
            field="quantity" if quantity <= 0 else "frequency",
            fix="correct the quantity" if quantity <= 0 else "choose a billing frequency in CPQ",
        )
    slices = term.slices(months)
    shares = [share_of_period(part, months, term, i, proration) for i, part in enumerate(slices)]
    unit_price = price(Fraction(term_total.amount) / (Fraction(quantity) * sum(shares)))
    billed = tuple(
        extend(unit_price, quantity, term_total.currency)
        if share == 1
        else Money.rounded(Fraction(unit_price) * Fraction(quantity) * share, term_total.currency)
        for share in shares
    )
    residual = term_total - total(billed, term_total.currency)
    where = {"first-period": slices[0], "last-period": slices[-1], "charge": term}[policy]
    return PeriodPrice(
        unit_price=unit_price, slices=slices, billed=billed, residual=residual, residual_period=where
    )
