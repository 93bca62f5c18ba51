"""The payment gateway on loopback: customers, methods, set-ups, mandates and the payments that prepare later ones."""

from typing import Any

from connectors.kit.world import World
from connectors.stripe.sandbox.gateway import SECRET_KEY, VERSION, lock_timeout
from connectors.stripe.sandbox.intents import Payments
from connectors.stripe.sandbox.seed import seed

__all__ = ["SECRET_KEY", "VERSION", "StripeSandbox", "lock_timeout"]


class StripeSandbox(Payments):
    """The whole gateway. Its first key is `SECRET_KEY`."""

    def seed(self, data: Any) -> None:
        """Load the methods that customers left here earlier: a World, its JSON form, or that under `world`."""
        if isinstance(data, dict):
            data = World.model_validate(data.get("world", data))
        seed(self.books, data)
