"""AvaTax on loopback, with a tax engine of its own."""

from typing import Any

from connectors.avalara.sandbox.seed import seed
from connectors.avalara.sandbox.service import ACCOUNT_ID, LICENSE_KEY, Service
from connectors.kit.world import World

__all__ = ["ACCOUNT_ID", "LICENSE_KEY", "AvalaraSandbox"]


class AvalaraSandbox(Service):
    """The whole engine. Its account and licence key are `ACCOUNT_ID` and `LICENSE_KEY`."""

    def seed(self, data: Any) -> None:
        """Load companies and nexus: a World, its JSON form, or that under `world`."""
        if isinstance(data, dict):
            data = World.model_validate(data.get("world", data))
        seed(self.state, data)
