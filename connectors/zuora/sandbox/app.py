"""The sandbox as one class."""

from typing import Any, ClassVar

from connectors.kit.world import World
from connectors.zuora.sandbox import seed
from connectors.zuora.sandbox.desk import Tenant
from connectors.zuora.sandbox.orders import OrderDesk


class ZuoraSandbox(OrderDesk):
    """A Zuora tenant. The options of `Desk` choose what differs between tenants."""

    vendor: ClassVar[str] = "zuora"

    def __init__(self, *, tenant: Tenant | None = None, **options: Any) -> None:
        super().__init__(tenant=tenant, **options)
        if not self.state["products"]:
            seed.house_plans(self)

    def reset(self) -> None:
        """Forget everything but the plans that every tenant has."""
        super().reset()
        seed.house_plans(self)

    def seed(self, data: Any) -> None:
        """Load the price list of a `World` in JSON form; discount and rounding plans are there already."""
        seed.seed(self, World.model_validate(data))
