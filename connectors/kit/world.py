"""One consistent set of test data, in our words, that every sandbox can load: the same deal seen from five systems."""

from datetime import date

from canonical.base import Model
from canonical.catalog import Catalog
from canonical.entity import LegalEntity, RoutingRule
from canonical.quote import Deal
from canonical.tax import Nexus


class StoredMethod(Model):
    """A payment method that a customer left at the gateway earlier."""

    gateway_customer: str
    payment_method: str
    kind: str = "card"
    off_session: bool = True
    attached: bool = True


class World(Model):
    """Everything the sandboxes must agree on before a story can be played."""

    on: date
    catalog: Catalog
    entities: tuple[LegalEntity, ...]
    rules: tuple[RoutingRule, ...]
    terms: tuple[str, ...]
    nexus: dict[str, tuple[Nexus, ...]]
    methods: tuple[StoredMethod, ...] = ()
    deals: tuple[Deal, ...] = ()
