"""What is sold: products, price plans and charges, with the attributes that revenue and tax need."""

from collections import defaultdict
from datetime import date
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from typing import Self

from pydantic import Field, model_validator

from canonical.base import Model
from canonical.money import Exact, Money
from canonical.proration import EXACT_BY_DAY, ProrationPolicy


class ChargeType(StrEnum):
    """When a charge is due."""

    RECURRING = "recurring"
    ONE_TIME = "one-time"
    USAGE = "usage"


class PriceModel(StrEnum):
    """How quantity becomes money."""

    FLAT = "flat"
    PER_UNIT = "per-unit"
    TIERED = "tiered"
    VOLUME = "volume"
    DISCOUNT_PERCENT = "discount-percent"
    DISCOUNT_AMOUNT = "discount-amount"


class Frequency(StrEnum):
    """How often a recurring charge is billed."""

    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    SEMIANNUAL = "semiannual"
    ANNUAL = "annual"
    ONCE = "once"

    @property
    def months(self) -> int:
        """Calendar months in one billing period (0 for `once`)."""
        return {"monthly": 1, "quarterly": 3, "semiannual": 6, "annual": 12, "once": 0}[self.value]


class Timing(StrEnum):
    """Whether a period is billed at its start or at its end."""

    ADVANCE = "in-advance"
    ARREARS = "in-arrears"


class Tier(Model):
    """A price band `(from_quantity, to_quantity]`; the first starts at 0 and only the last may be open."""

    from_quantity: Exact
    to_quantity: Exact | None = None
    unit_price: Exact
    flat: bool = Field(default=False, description="the price is for the whole band, not for each unit")


class Obligation(Model):
    """What a charge promises, for revenue recognition (ASC 606-10-25-14)."""

    code: str
    pattern: str = Field(description="straight-line, point-in-time, as-invoiced or progress")
    ssp: dict[str, Exact] = Field(
        default_factory=dict,
        description="stand-alone selling price per unit and month (or per unit), by currency",
    )


class Charge(Model):
    """One way a plan asks for money."""

    code: str
    name: str
    type: ChargeType
    model: PriceModel
    timing: Timing = Timing.ADVANCE
    unit: str = ""
    tax_code: str
    obligation: Obligation


class PricePlan(Model):
    """A set of charges sold together."""

    code: str
    name: str
    charges: tuple[Charge, ...]
    proration: ProrationPolicy = Field(
        default=EXACT_BY_DAY, description="how a billing period that is not whole is priced"
    )


class Product(Model):
    """Something on the price list, as a version that is valid from a day on."""

    code: str
    name: str
    version: int = 1
    effective_from: date
    effective_to: date | None = None
    plans: tuple[PricePlan, ...]

    @model_validator(mode="after")
    def _some_plan(self) -> Self:
        if not self.plans:
            raise ValueError(f"product {self.code} has no price plan")
        return self


class Catalog(Model):
    """All products, looked up by code and day."""

    products: tuple[Product, ...]

    @cached_property
    def versions(self) -> dict[str, tuple[Product, ...]]:
        """All versions by code, so that a quote of thousands of lines looks each product up at once."""
        found: dict[str, list[Product]] = defaultdict(list)
        for product in self.products:
            found[product.code].append(product)
        return {code: tuple(products) for code, products in found.items()}

    def find(self, code: str, on: date) -> Product | None:
        """The newest version of `code` valid on that day."""
        valid = [
            p
            for p in self.versions.get(code, ())
            if p.effective_from <= on and (p.effective_to is None or on < p.effective_to)
        ]
        return max(valid, key=lambda p: p.version, default=None)


def ssp_total(obligation: Obligation, quantity: Decimal, months: int, currency: str) -> Money | None:
    """The stand-alone selling price of a whole line, or None when none is established."""
    found = obligation.ssp.get(currency)
    if found is None:
        return None
    return Money.rounded(Fraction(found) * Fraction(quantity) * max(months, 1), currency)
