"""The activation ledger: one live or completed activation per quote at most, and a memory of all that was tried."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import asyncpg

from activities.store.database import Database
from canonical.base import Model
from canonical.failures import Rejected


class ActivationState(StrEnum):
    """How an activation stands. Only the first moves on."""

    LIVE = "live"
    COMPLETED = "completed"
    UNWOUND = "unwound"
    CANCELLED = "cancelled"


class Activation(Model):
    """One row. `again` is 0 for the first try of a revision; each `--again` takes the next number."""

    workflow_id: str
    quote_id: str
    revision: str
    again: int = 0
    state: ActivationState
    actor: str = ""
    reason: str = ""
    started_at: datetime
    finished_at: datetime | None = None


class Claim(Model):
    """The answer to a claim: granted, or the row that stands in the way and why."""

    granted: bool
    row: Activation
    why: str = ""


class Activations:
    """Claim, finish and remember."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(
        self,
        *,
        workflow_id: str,
        quote_id: str,
        revision: str,
        again: int = 0,
        at: datetime,
        actor: str = "",
        reason: str = "",
    ) -> Claim:
        """Make `workflow_id` the live activation of the quote. Claiming again for the same workflow is granted as well.

        Refused when another one is live or completed, whatever its revision, or when this edition (revision and number)
        was tried before, whatever came of it.
        """
        values = (workflow_id, quote_id, revision, again, actor, reason, at)
        row = await self._database.fetchrow(
            """INSERT INTO activation (workflow_id, quote_id, revision, again, state, actor, reason, started_at)
               VALUES ($1,$2,$3,$4,'live',$5,$6,$7) ON CONFLICT DO NOTHING
               RETURNING workflow_id, quote_id, revision, again, state, actor, reason, started_at, finished_at""",
            *values,
        )
        if row is not None:
            return Claim(granted=True, row=_activation(row))
        rows = await self.of_quote(quote_id)
        own = next((r for r in rows if r.workflow_id == workflow_id), None)
        if own is not None:
            live = own.state is ActivationState.LIVE
            return Claim(granted=live, row=own, why="" if live else f"this activation is {own.state} already")
        held = [r for r in rows if r.state in (ActivationState.LIVE, ActivationState.COMPLETED)]
        same = [r for r in rows if (r.revision, r.again) == (revision, again)]
        if held:
            what = "is being activated" if held[0].state is ActivationState.LIVE else "is active already"
            return Claim(granted=False, row=held[0], why=f"quote {quote_id} {what} ({held[0].workflow_id})")
        if same:
            return Claim(
                granted=False, row=same[0], why=f"this revision was tried before and is {same[0].state}"
            )
        # What stood in the way has ended between the two statements.
        return await self.claim(
            workflow_id=workflow_id,
            quote_id=quote_id,
            revision=revision,
            again=again,
            at=at,
            actor=actor,
            reason=reason,
        )

    async def finish(
        self, workflow_id: str, state: ActivationState, at: datetime, reason: str = ""
    ) -> Activation:
        """Write the end of a live activation. Saying the same again changes nothing.

        Raises Rejected `activation-unknown`, or `activation-finished` when it ended in another way.
        """
        row = await self._database.fetchrow(
            """UPDATE activation SET state = $2, finished_at = $3, reason = CASE $4 WHEN '' THEN reason ELSE $4 END
               WHERE workflow_id = $1 AND state = 'live'
               RETURNING workflow_id, quote_id, revision, again, state, actor, reason, started_at, finished_at""",
            workflow_id,
            state.value,
            at,
            reason,
        )
        if row is not None:
            return _activation(row)
        found = await self.show(workflow_id)
        if found is None:
            raise Rejected(
                f"there is no activation {workflow_id}",
                code="activation-unknown",
                fix="see `revsaga activation list`",
            )
        if found.state is not state:
            raise Rejected(
                f"{workflow_id} is {found.state} already, not {state}",
                code="activation-finished",
                fix=f"see `revsaga activation show {found.quote_id}`",
            )
        return found

    async def show(self, workflow_id: str) -> Activation | None:
        """The row of a workflow, or None."""
        row = await self._database.fetchrow("SELECT * FROM activation WHERE workflow_id = $1", workflow_id)
        return None if row is None else _activation(row)

    async def of_quote(self, quote_id: str) -> tuple[Activation, ...]:
        """Everything that was ever tried for a quote, oldest first."""
        rows = await self._database.fetch(
            "SELECT * FROM activation WHERE quote_id = $1 ORDER BY started_at, again", quote_id
        )
        return tuple(_activation(row) for row in rows)

    async def known(self, quote_ids: Sequence[str]) -> dict[str, tuple[Activation, ...]]:
        """The same for many quotes in one question; quotes never tried are absent. The watch asks this."""
        rows = await self._database.fetch(
            "SELECT * FROM activation WHERE quote_id = ANY($1) ORDER BY started_at, again", list(quote_ids)
        )
        found: dict[str, list[Activation]] = {}
        for row in rows:
            found.setdefault(row["quote_id"], []).append(_activation(row))
        return {quote_id: tuple(activations) for quote_id, activations in found.items()}

    async def unsettled(self, since: datetime) -> tuple[str, ...]:
        """Quotes whose last word is not spoken: under way, or taken back at `since` or later and not activated since.

        An edit of such a quote may move no stamp of its deal, so the watch looks at them without being told to.
        """
        rows = await self._database.fetch(
            """SELECT quote_id FROM activation GROUP BY quote_id
               HAVING bool_or(state = 'live' OR (state IN ('unwound', 'cancelled') AND finished_at >= $1))
                  AND NOT bool_or(state = 'completed') ORDER BY quote_id""",
            since,
        )
        return tuple(row["quote_id"] for row in rows)

    async def known_revisions(self, quote_id: str) -> frozenset[str]:
        """The revisions that were ever tried: the watch starts none of them again."""
        return frozenset(a.revision for a in await self.of_quote(quote_id))

    async def next_again(self, quote_id: str, revision: str) -> int:
        """The number for one more try of a revision (0 when it was never tried)."""
        number: int = await self._database.fetchval(
            "SELECT coalesce(max(again) + 1, 0) FROM activation WHERE quote_id = $1 AND revision = $2",
            quote_id,
            revision,
        )
        return number

    async def list(self, *, state: ActivationState | None = None, limit: int = 500) -> tuple[Activation, ...]:
        """Activations, newest first."""
        rows = await self._database.fetch(
            """SELECT * FROM activation WHERE $1::text IS NULL OR state = $1
               ORDER BY started_at DESC, workflow_id LIMIT $2""",
            None if state is None else state.value,
            limit,
        )
        return tuple(_activation(row) for row in rows)

    async def counts(self) -> dict[ActivationState, int]:
        """How many activations stand where, for the success rate."""
        rows = await self._database.fetch("SELECT state, count(*)::int AS n FROM activation GROUP BY state")
        return {ActivationState(row["state"]): row["n"] for row in rows}


def _activation(row: "asyncpg.Record") -> Activation:
    return Activation(**dict(row))
