"""The store as one object: the pool, and a desk for each kind of row."""

from functools import cached_property

from activities.store.cases import Cases
from activities.store.database import Database
from activities.store.events import Events
from activities.store.holder import Holder
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
