"""Turns on an account, what stopped an adapter, and how far a watch has read: small rows with one owner each."""

from enum import StrEnum

from activities.store.database import Database
from canonical.base import Model


class Turn(Model):
    """Who works on an account, and where the asker stands. Position 0 is the holder."""

    granted: bool
    holder: str
    position: int


class Turns:
    """First come, first served, for each account; owned by workflow ids, never expiring."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, account: str, workflow_id: str) -> Turn:
        """Take the turn, or a place in the queue. Asking again keeps the place."""
        row = await self._database.fetchrow(
            """INSERT INTO account_turn AS t (account, holder) VALUES ($1, $2)
               ON CONFLICT (account) DO UPDATE SET
                   holder = coalesce(t.holder, excluded.holder),
                   queue = CASE WHEN t.holder IS NULL OR t.holder = $2 OR $2 = ANY(t.queue) THEN t.queue
                                ELSE array_append(t.queue, $2) END
               RETURNING holder, coalesce(array_position(queue, $2), 0) AS position""",
            account,
            workflow_id,
        )
        if row is None:
            raise RuntimeError(f"the turn of {account} has vanished")
        granted = row["holder"] == workflow_id
        return Turn(granted=granted, holder=row["holder"], position=0 if granted else row["position"])

    async def give_back(self, account: str, workflow_id: str) -> str | None:
        """Give the turn (or the place in the queue) back; the workflow that now has it, which must be told, or None.

        Giving back twice changes nothing and names the same one, so that a lost message can be sent again.
        """
        holder: str | None = await self._database.fetchval(
            """UPDATE account_turn SET
                   holder = CASE WHEN holder = $2 THEN queue[1] ELSE holder END,
                   queue = CASE WHEN holder = $2 THEN queue[2:] ELSE array_remove(queue, $2) END
               WHERE account = $1 RETURNING holder""",
            account,
            workflow_id,
        )
        return holder

    async def show(self, account: str) -> tuple[str, ...]:
        """The holder and those who wait, in order."""
        row = await self._database.fetchrow(
            "SELECT holder, queue FROM account_turn WHERE account = $1", account
        )
        if row is None or row["holder"] is None:
            return ()
        return (row["holder"], *row["queue"])


class ConnectorMode(StrEnum):
    """Whether work for an adapter goes on."""

    RUNNING = "running"
    PAUSED = "paused"
    DRAINING = "draining"


class ConnectorState(Model):
    """What a person decided about an adapter."""

    vendor: str
    state: ConnectorMode = ConnectorMode.RUNNING
    actor: str = ""
    reason: str = ""


class ConnectorStates:
    """Pause, drain and resume. Every worker asks before it calls."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, vendor: str) -> ConnectorState:
        """The state of an adapter; running when nobody ever stopped it."""
        row = await self._database.fetchrow(
            "SELECT vendor, state, actor, reason FROM connector_state WHERE vendor = $1", vendor
        )
        return ConnectorState(vendor=vendor) if row is None else ConnectorState(**dict(row))

    async def set(self, vendor: str, state: ConnectorMode, *, actor: str, reason: str) -> ConnectorState:
        """Write what a person decided."""
        await self._database.execute(
            """INSERT INTO connector_state (vendor, state, actor, reason) VALUES ($1,$2,$3,$4)
               ON CONFLICT (vendor) DO UPDATE SET state = $2, actor = $3, reason = $4, changed_at = now()""",
            vendor,
            state.value,
            actor,
            reason,
        )
        return ConnectorState(vendor=vendor, state=state, actor=actor, reason=reason)

    async def list(self) -> tuple[ConnectorState, ...]:
        """All adapters that somebody ever stopped."""
        rows = await self._database.fetch(
            "SELECT vendor, state, actor, reason FROM connector_state ORDER BY vendor"
        )
        return tuple(ConnectorState(**dict(row)) for row in rows)


class Cursors:
    """How far each watch has read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, name: str) -> str | None:
        """The cursor, or None before the first run."""
        found: str | None = await self._database.fetchval(
            "SELECT cursor FROM watch_cursor WHERE name = $1", name
        )
        return found

    async def move(self, name: str, cursor: str) -> None:
        """Write the cursor, after what was read up to it has been dealt with."""
        await self._database.execute(
            """INSERT INTO watch_cursor (name, cursor) VALUES ($1,$2)
               ON CONFLICT (name) DO UPDATE SET cursor = $2, moved_at = now()""",
            name,
            cursor,
        )
