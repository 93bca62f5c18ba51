"""Exception cases in the store."""

import asyncpg

from activities.store.database import Database
from canonical.case import OPEN_STATES, CaseNote, CaseState, ExceptionCase
from canonical.failures import Conflict, Rejected

_OPEN = [state.value for state in OPEN_STATES]


def _case(row: "asyncpg.Record") -> ExceptionCase:
    return ExceptionCase.model_validate_json(row["body"])


class Cases:
    """Open, list, assign, note and resolve."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, case: ExceptionCase) -> ExceptionCase:
        """Store it, or return the one that stands there under its number, whatever has happened to it since."""
        row = await self._database.fetchrow(
            """WITH made AS (
                INSERT INTO exception_case (case_id, workflow_id, step, code, owner, assignee, state, correlation_id,
                                            customer_id, entity, since, body)
                VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12) ON CONFLICT (case_id) DO NOTHING RETURNING body)
               SELECT body FROM made UNION ALL SELECT body FROM exception_case WHERE case_id = $1 LIMIT 1""",
            case.case_id,
            case.workflow_id,
            case.step,
            case.code,
            case.owner.value,
            case.assignee,
            case.state.value,
            case.correlation_id,
            case.customer_id,
            case.entity,
            case.since,
            case.model_dump_json(),
        )
        return case if row is None else _case(row)

    async def show(self, case_id: str) -> ExceptionCase:
        """The case. Rejected `case-unknown` when there is none."""
        row = await self._database.fetchrow("SELECT body FROM exception_case WHERE case_id = $1", case_id)
        if row is None:
            raise _unknown(case_id)
        return _case(row)

    async def list(
        self,
        *,
        owner: str | None = None,
        assignee: str | None = None,
        workflow_id: str | None = None,
        correlation_id: str | None = None,
        code_prefix: str | None = None,
        all_states: bool = False,
        limit: int = 500,
    ) -> tuple[ExceptionCase, ...]:
        """Cases, oldest first: only open ones unless `all_states`. Filters that are None do not filter."""
        rows = await self._database.fetch(
            """SELECT body FROM exception_case WHERE ($1::bool OR state = ANY($2))
               AND ($3::text IS NULL OR owner = $3) AND ($4::text IS NULL OR assignee = $4)
               AND ($5::text IS NULL OR workflow_id = $5) AND ($6::text IS NULL OR correlation_id = $6)
               AND ($7::text IS NULL OR starts_with(code, $7)) ORDER BY since, case_id LIMIT $8""",
            all_states,
            _OPEN,
            owner,
            assignee,
            workflow_id,
            correlation_id,
            code_prefix,
            limit,
        )
        return tuple(_case(row) for row in rows)

    async def assign(self, case_id: str, assignee: str, note: CaseNote) -> ExceptionCase:
        """Give it to a person (an empty name gives it back to the team). Conflict `case-closed` when it is closed."""
        state = CaseState.IN_PROGRESS if assignee else CaseState.OPEN
        return await self._change(case_id, {"assignee": assignee, "state": state}, note)

    async def note(self, note: CaseNote) -> None:
        """Add a note, to a closed case as well. Rejected `case-unknown` when there is none."""
        try:
            await self._database.execute(
                "INSERT INTO case_note (case_id, at, actor, text) VALUES ($1,$2,$3,$4)",
                note.case_id,
                note.at,
                note.actor,
                note.text,
            )
        except asyncpg.ForeignKeyViolationError:
            raise _unknown(note.case_id) from None

    async def notes(self, case_id: str) -> tuple[CaseNote, ...]:
        """The notes in the order in which they were written."""
        rows = await self._database.fetch(
            "SELECT case_id, at, actor, text FROM case_note WHERE case_id = $1 ORDER BY note_id", case_id
        )
        return tuple(CaseNote(**dict(row)) for row in rows)

    async def resolve(
        self, case_id: str, *, resolution: str, note: CaseNote, state: CaseState = CaseState.RESOLVED
    ) -> ExceptionCase:
        """Close it with a resolution; `note` carries who, when and why.

        Saying the same again changes nothing. Conflict `case-closed` when it was closed in another way.
        """
        changes = {
            "state": state,
            "resolution": resolution,
            "resolved_by": note.actor,
            "resolved_at": note.at,
            "resolution_reason": note.text,
        }
        return await self._change(case_id, changes, note, repeat=("resolution", resolution))

    async def _change(
        self, case_id: str, changes: dict[str, object], note: CaseNote, repeat: tuple[str, str] | None = None
    ) -> ExceptionCase:
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(
                "SELECT body FROM exception_case WHERE case_id = $1 FOR UPDATE", case_id
            )
            if row is None:
                raise _unknown(case_id)
            case = _case(row)
            if not case.open:
                if repeat is not None and getattr(case, repeat[0]) == repeat[1]:
                    return case
                raise Conflict(
                    f"case {case_id} is {case.state.value} already ({case.resolution} by {case.resolved_by})",
                    code="case-closed",
                    fix=f"see `revsaga case show {case_id}`",
                )
            case = case.model_copy(update=changes)
            await connection.execute(
                "UPDATE exception_case SET assignee = $2, state = $3, body = $4 WHERE case_id = $1",
                case_id,
                case.assignee,
                case.state.value,
                case.model_dump_json(),
            )
            await connection.execute(
                "INSERT INTO case_note (case_id, at, actor, text) VALUES ($1,$2,$3,$4)",
                case_id,
                note.at,
                note.actor,
                note.text,
            )
        return case


def _unknown(case_id: str) -> Rejected:
    return Rejected(
        f"there is no case {case_id}",
        code="case-unknown",
        field="case_id",
        fix="see `revsaga case list --all`",
    )
