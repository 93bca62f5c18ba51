"""What waits for a business time, and the row that is the simulated one."""

from datetime import UTC, datetime

from activities.store.database import Database
from canonical.base import Model
from canonical.failures import Misconfigured


class Wait(Model):
    """A saga that waits for a business time."""

    workflow_id: str
    wait_id: str
    due_at: datetime


class Reading(Model):
    """The business time, and whether it is moved by hand."""

    now: datetime
    simulated: bool


class Waits:
    """The registry of waits, and the clock row.

    Registering locks the clock row in passing, so that the clock cannot move past a wait that is being written.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def register(self, workflow_id: str, wait_id: str, due_at: datetime) -> Reading:
        """Register (or move) a wait; the business time as of then. It is simulated when there is a clock row."""
        now: datetime | None = await self._database.fetchval(
            """WITH time AS MATERIALIZED (SELECT now FROM clock WHERE id = 1 FOR SHARE), made AS (
                   INSERT INTO business_wait (workflow_id, wait_id, due_at) VALUES ($1, $2, $3)
                   ON CONFLICT (workflow_id, wait_id) DO UPDATE SET due_at = $3, told = false)
               SELECT now FROM time""",
            workflow_id,
            wait_id,
            due_at,
        )
        return Reading(now=now or datetime.now(UTC), simulated=now is not None)

    async def end(self, workflow_id: str, wait_id: str) -> None:
        """Forget a wait. Safe to repeat."""
        await self._database.execute(
            "DELETE FROM business_wait WHERE (workflow_id, wait_id) = ($1, $2)", workflow_id, wait_id
        )

    async def end_all(self, workflow_id: str) -> None:
        """Forget every wait of a workflow that has ended."""
        await self._database.execute("DELETE FROM business_wait WHERE workflow_id = $1", workflow_id)

    async def list(self) -> tuple[Wait, ...]:
        """All waits, the next one first."""
        rows = await self._database.fetch(
            "SELECT workflow_id, wait_id, due_at FROM business_wait ORDER BY due_at, workflow_id, wait_id"
        )
        return tuple(Wait(**dict(row)) for row in rows)

    async def simulate(self, start: datetime) -> datetime:
        """Make the business time a row of this store, unless it is one already; its time."""
        if start.tzinfo is None:
            raise ValueError("a clock needs a time with a zone")
        await self._database.execute(
            "INSERT INTO clock (id, now) VALUES (1, $1) ON CONFLICT DO NOTHING", start
        )
        return await self.simulated_now()

    async def simulated_now(self) -> datetime:
        """The simulated time. Raises Misconfigured `clock-not-simulated` when there is no row."""
        now: datetime | None = await self._database.fetchval("SELECT now FROM clock WHERE id = 1")
        if now is None:
            raise Misconfigured(
                "the business clock of this store is the system clock",
                code="clock-not-simulated",
                fix="start the stack with `--clock simulated`",
            )
        return now

    async def step(
        self, target: datetime, stops: tuple[datetime, ...] = ()
    ) -> tuple[datetime, tuple[Wait, ...]]:
        """Move the clock to the first stop up to `target` (a wait not told yet, one of `stops`, or `target` itself).

        Returns the new time and the waits due then, which from now on count as told. The clock never goes back.
        """
        async with self._database.transaction() as connection:
            now = await connection.fetchval("SELECT now FROM clock WHERE id = 1 FOR UPDATE")
            if now is None:
                return await self.simulated_now(), ()
            due = await connection.fetchval(
                "SELECT min(due_at) FROM business_wait WHERE NOT told AND due_at <= $1", target
            )
            to = max(now, min([target, *stops, *([] if due is None else [due])]))
            await connection.execute("UPDATE clock SET now = $1 WHERE id = 1", to)
            rows = await connection.fetch(
                """UPDATE business_wait SET told = true WHERE NOT told AND due_at <= $1
                   RETURNING workflow_id, wait_id, due_at""",
                to,
            )
        waits = (Wait(**dict(row)) for row in rows)
        return to, tuple(sorted(waits, key=lambda w: (w.due_at, w.workflow_id, w.wait_id)))
