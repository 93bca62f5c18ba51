"""What validation stands on: master data, maps and the answers that were read beforehand."""

from datetime import date
from typing import NamedTuple

from pydantic import Field

from canonical.base import Model
from canonical.catalog import Catalog
from canonical.entity import LegalEntity, Route, RouteStep, RoutingRule, explain
from canonical.failures import Finding, Owner
from canonical.mapping import MappingSet
from canonical.quote import Deal
from canonical.tax import AddressCheck, Nexus

NOT_SYNCHRONISED = "product-not-synchronised"
"""The one finding that time alone may heal: the catalog is on its way."""


class Ground(Model):
    """What validation knows besides the deal. None of it needs a call to the ERP."""

    on: date
    entities: tuple[LegalEntity, ...]
    rules: tuple[RoutingRule, ...]
    catalog: Catalog
    billing: MappingSet
    erp: MappingSet
    nexus: dict[str, tuple[Nexus, ...]] = Field(description="by tax company")
    addresses: dict[str, AddressCheck] = Field(
        default_factory=dict, description="by role: sold_to, bill_to; US and CA only"
    )


class Look(NamedTuple):
    """What every check sees."""

    deal: Deal
    ground: Ground
    entity: LegalEntity | None


def finding(code: str, field: str, message: str, fix: str, owner: Owner = Owner.REVOPS) -> Finding:
    """One finding; most belong to RevOps."""
    return Finding(code=code, field=field, message=message, fix=fix, owner=owner)


def explained(deal: Deal, ground: Ground) -> tuple[Route | None, tuple[RouteStep, ...]]:
    """The route of a deal, and what each routing rule said."""
    sold_to = deal.parties.sold_to
    return explain(
        ground.rules,
        currency=deal.quote.currency,
        country=sold_to.address.country if sold_to else "",
        region=deal.parties.customer.region,
        on=ground.on,
    )
