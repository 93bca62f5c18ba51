"""The end of an activation in one transaction: its events, its cross references, its row in the ledger."""

from collections.abc import Sequence
from datetime import datetime

from activities.store import events as chain
from activities.store import xref as crossing
from activities.store.activations import ActivationState
from activities.store.store import Store
from activities.store.xref import Xref
from canonical.event import Event


async def close(
    store: Store,
    workflow_id: str,
    state: ActivationState,
    at: datetime,
    *,
    events: Sequence[Event],
    xrefs: Sequence[Xref] = (),
) -> None:
    """Write all of it or nothing. Safe to repeat: an event, a reference or an end that stands there is left alone.

    Raises Conflict `xref-conflict` when a number belongs to another record.
    """
    missing = await store.xrefs.missing(xrefs)
    async with store.transaction() as connection:
        await connection.execute(
            "UPDATE activation SET state = $2, finished_at = $3 WHERE workflow_id = $1 AND state = 'live'",
            workflow_id,
            state.value,
            at,
        )
        if missing:
            await connection.execute(crossing.INSERT, *crossing.columns(missing))
        await connection.fetchval(chain.APPEND, *chain.columns(events))
