"""Master data and mappings of a company, written into an empty store: what an integrator does by hand elsewhere."""

from activities.wiring import Wired
from connectors.kit.world import World


async def publish(wired: Wired, world: World, *, actor: str, reason: str) -> None:
    """Publish entities, routing and catalog of `world`, and activate each vendor's mapping as it stands there.

    Safe to repeat: content that is in force already adds no version. Raises what a vendor answers instead.
    """
    master = wired.store.master
    await master.publish("entities", world.entities, actor=actor, reason=reason)
    await master.publish("routing", world.rules, actor=actor, reason=reason)
    await master.publish("catalog", world.catalog.products, actor=actor, reason=reason)
    done: set[str] = set()
    for role, adapter in wired.adapters.items():
        vendor = wired.settings.roles()[role]
        if vendor not in done:
            done.add(vendor)
            await wired.store.mappings.activate(
                vendor, await adapter.references(), actor=actor, reason=reason
            )
