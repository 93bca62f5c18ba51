"""The revenue contract: obligations and the transaction price allocated to them (ASC 606-10-32-28 to 32-41)."""

from collections.abc import Sequence
from typing import Self

from pydantic import model_validator

from canonical.base import Model
from canonical.money import Money, total


class Element(Model):
    """One performance obligation of a contract. `stated` is what the quote says, `allocated` what it is worth."""

    lineage_id: str
    obligation: str
    pattern: str
    stated: Money
    ssp: Money
    ssp_observed: bool
    allocated: Money


class RevenueContract(Model):
    """Elements whose allocated amounts sum to the transaction price, exactly."""

    contract_id: str
    version: int = 1
    currency: str
    price: Money
    elements: tuple[Element, ...]

    @model_validator(mode="after")
    def _sums(self) -> Self:
        if total((e.allocated for e in self.elements), self.currency) != self.price:
            raise ValueError("the allocated amounts do not sum to the transaction price")
        return self


class Promise(Model):
    """What goes into an allocation. `ssp` is None where no stand-alone price is established."""

    lineage_id: str
    obligation: str
    pattern: str
    stated: Money
    ssp: Money | None


def allocate(contract_id: str, promises: Sequence[Promise], currency: str) -> RevenueContract:
    """Allocate the sum of the stated prices by relative stand-alone selling price, minor units by largest remainder.

    Where no stand-alone price is established the stated price stands for it, and `ssp_observed` says so. When nothing
    has a positive stand-alone price, each element keeps its stated price.
    """
    price = total((p.stated for p in promises), currency)
    ssps = [p.ssp if p.ssp is not None else p.stated for p in promises]
    weights = [max(s.minor, 0) for s in ssps]
    amounts = price.split(weights) if any(weights) else tuple(p.stated for p in promises)
    elements = tuple(
        Element(
            lineage_id=p.lineage_id,
            obligation=p.obligation,
            pattern=p.pattern,
            stated=p.stated,
            ssp=ssp,
            ssp_observed=p.ssp is not None,
            allocated=amount,
        )
        for p, ssp, amount in zip(promises, ssps, amounts, strict=True)
    )
    return RevenueContract(contract_id=contract_id, currency=currency, price=price, elements=elements)
