"""How far the deals are, from the ledger, the cases and the waits."""

from collections.abc import Mapping
from dataclasses import dataclass

from activities.store.activations import ActivationState
from activities.store.store import Store

DONE, UNDONE, PARKED, WAITING, RUNNING, TO_COME = (
    "done",
    "undone",
    "parked",
    "waiting",
    "under way",
    "to come",
)
ORDER = (DONE, UNDONE, PARKED, WAITING, RUNNING, TO_COME)


@dataclass(frozen=True)
class Standing:
    """Quote id -> how it stands."""

    of: Mapping[str, str]

    def count(self, *states: str) -> int:
        """How many deals stand so."""
        return sum(state in states for state in self.of.values())

    @property
    def settled(self) -> int:
        """Deals that need nothing but, perhaps, a person."""
        return self.count(DONE, UNDONE, PARKED)

    def text(self) -> str:
        """In words; what there is none of is left out."""
        counts = ((state, self.count(state)) for state in ORDER)
        return ", ".join(f"{n} {state}" for state, n in counts if n)


async def standing(store: Store, quote_ids: tuple[str, ...]) -> Standing:
    """How these quotes stand now."""
    rows = {row.quote_id: row for row in await store.activations.list(limit=10_000)}
    parked = {case.workflow_id for case in await store.cases.list(limit=10_000)}
    waiting = {wait.workflow_id for wait in await store.waits.list()}
    found = {}
    for quote_id in quote_ids:
        row = rows.get(quote_id)
        if row is None:
            found[quote_id] = TO_COME
        elif row.state is not ActivationState.LIVE:
            found[quote_id] = DONE if row.state is ActivationState.COMPLETED else UNDONE
        elif row.workflow_id in parked:
            found[quote_id] = PARKED
        else:
            found[quote_id] = WAITING if row.workflow_id in waiting else RUNNING
    return Standing(found)
