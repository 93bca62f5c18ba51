"""The store as one object: the pool, and a desk for each kind of row."""

from functools import cached_property

from activities.store.activations import Activations
from activities.store.cases import Cases
from activities.store.database import Database
from activities.store.documents import Documents
from activities.store.events import Events
from activities.store.holder import Holder
from activities.store.mappings import Mappings
from activities.store.master import MasterData
from activities.store.turns import ConnectorStates, Cursors, Turns
from activities.store.waits import Waits
from activities.store.xref import Xrefs


class Store(Database):
    """Everything that outlives a workflow. `await Store.connect(url)`, then `await store.close()`."""

    @cached_property
    def holder(self) -> Holder:
        """This process in the effect ledger."""
        return Holder(self)

    async def close(self) -> None:
        """Let everything go: what was in flight counts as interrupted."""
        await self.holder.close()
        await super().close()

    @cached_property
    def xrefs(self) -> Xrefs:
        """Cross references."""
        return Xrefs(self)

    @cached_property
    def events(self) -> Events:
        """The chain of events."""
        return Events(self)

    @cached_property
    def cases(self) -> Cases:
        """Exception cases."""
        return Cases(self)

    @cached_property
    def mappings(self) -> Mappings:
        """Maps from our codes to vendors' ids."""
        return Mappings(self)

    @cached_property
    def activations(self) -> Activations:
        """The activation ledger."""
        return Activations(self)

    @cached_property
    def turns(self) -> Turns:
        """Turns on accounts."""
        return Turns(self)

    @cached_property
    def connectors(self) -> ConnectorStates:
        """Paused and draining adapters."""
        return ConnectorStates(self)

    @cached_property
    def cursors(self) -> Cursors:
        """How far each watch has read."""
        return Cursors(self)

    @cached_property
    def waits(self) -> Waits:
        """What waits for a business time."""
        return Waits(self)

    @cached_property
    def documents(self) -> Documents:
        """Large documents by reference."""
        return Documents(self)

    @cached_property
    def master(self) -> MasterData:
        """Legal entities, routing and the price list."""
        return MasterData(self)
