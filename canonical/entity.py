"""Legal entities and routing: which entity sells, into which ERP, with which segments, from which day on."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Literal

from pydantic import Field

from canonical.base import Model
from canonical.failures import Rejected
from canonical.party import Address

ResidualPolicy = Literal["first-period", "last-period", "charge"]
"""Where the rounding residual of a period price goes: with the first or last period, or as a charge of its own."""

DiscountManner = Literal["in-price", "charge"]
"""Whether billing receives the net price, or the list price and a percentage discount beside it."""


class Segments(Model):
    """Accounting dimensions that every posted line must carry, as codes of our own (mapped per ERP)."""

    department: str
    location: str
    product_class: str


class LegalEntity(Model):
    """A company of ours that can sell."""

    code: str
    name: str
    country: str
    currencies: tuple[str, ...]
    vat_id: str | None = None
    tax_company: str = Field(description="company code in the tax engine")
    ship_from: Address
    payment_terms: tuple[str, ...] = Field(description="terms it may grant, e.g. `Net 30`")
    residual: ResidualPolicy = "last-period"
    discount: DiscountManner = "in-price"


class RoutingRule(Model):
    """One row of the routing table. An empty tuple means `any`; the most specific row that is valid on the day wins."""

    rule_id: str
    currencies: tuple[str, ...] = ()
    countries: tuple[str, ...] = Field(default=(), description="sold-to countries")
    regions: tuple[str, ...] = Field(default=(), description="sales regions")
    entity: str
    erp: str = Field(description="which ERP connection receives the postings")
    segments: Segments
    effective_from: date
    effective_to: date | None = None

    def refuses(self, currency: str, country: str, region: str, on: date) -> str | None:
        """Why this row does not apply, or None when it does."""
        if on < self.effective_from or (self.effective_to is not None and on >= self.effective_to):
            return f"not in force on {on}"
        if self.currencies and currency not in self.currencies:
            return f"currency {currency} is not among {', '.join(self.currencies)}"
        if self.countries and country not in self.countries:
            return f"country {country or '(none)'} is not among {', '.join(self.countries)}"
        if self.regions and region not in self.regions:
            return f"region {region or '(none)'} is not among {', '.join(self.regions)}"
        return None

    @property
    def weight(self) -> int:
        """How specific the row is: country before region before currency."""
        return 4 * bool(self.countries) + 2 * bool(self.regions) + bool(self.currencies)


class RouteStep(Model):
    """What one row said, for `route explain`."""

    rule_id: str
    applies: bool
    why: str
    weight: int = Field(default=0, description="how specific the row is; the highest that applies wins")


class Route(Model):
    """Where a deal goes: the entity, the ERP, the segments, and the row that decided."""

    entity: str
    erp: str
    segments: Segments
    rule_id: str


def explain(
    rules: Iterable[RoutingRule], *, currency: str, country: str, region: str, on: date
) -> tuple[Route | None, tuple[RouteStep, ...]]:
    """The route of a deal and what each row said about it. No route when no row applies or two are equally specific."""
    steps: list[RouteStep] = []
    fitting: list[RoutingRule] = []
    for rule in rules:
        why = rule.refuses(currency, country, region, on)
        steps.append(
            RouteStep(
                rule_id=rule.rule_id,
                applies=why is None,
                why=why or f"applies, weight {rule.weight}",
                weight=rule.weight,
            )
        )
        if why is None:
            fitting.append(rule)
    if not fitting:
        return None, tuple(steps)
    best = max(rule.weight for rule in fitting)
    winners = [rule for rule in fitting if rule.weight == best]
    if len(winners) > 1:
        return None, tuple(steps)
    won = winners[0]
    return Route(entity=won.entity, erp=won.erp, segments=won.segments, rule_id=won.rule_id), tuple(steps)


def no_route(steps: Sequence[RouteStep]) -> tuple[str, str]:
    """Code and words for a deal that `explain` found no route for: `route-missing` or `route-ambiguous`."""
    applying = [step for step in steps if step.applies]
    best = max((step.weight for step in applying), default=0)
    tied = [step.rule_id for step in applying if step.weight == best]
    if tied:
        return "route-ambiguous", f"rules {', '.join(tied)} are equally specific"
    return "route-missing", "no routing rule applies"


def route(rules: Sequence[RoutingRule], *, currency: str, country: str, region: str, on: date) -> Route:
    """The one row that wins. Raises Rejected, naming the cause, when none applies or two tie."""
    found, steps = explain(rules, currency=currency, country=country, region=region, on=on)
    if found is not None:
        return found
    code, problem = no_route(steps)
    raise Rejected(
        f"{problem} for {currency}, {country or 'no country'}, {region or 'no region'} on {on}",
        code=code,
        field="quote.legal_entity",
        fix="see `revsaga route explain`, then correct the routing table or the quote",
    )
