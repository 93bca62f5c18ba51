"""Cross references: one record of ours, and the same record in one system. Unique both ways."""

from collections.abc import Iterable, Sequence

import asyncpg

from activities.store.database import Database
from canonical.base import Model
from canonical.failures import Conflict

INSERT = """INSERT INTO xref (canonical_type, canonical_id, system, external_type, external_id, entity)
SELECT * FROM unnest($1::text[],$2::text[],$3::text[],$4::text[],$5::text[],$6::text[])"""


class Xref(Model):
    """`canonical_type`/`canonical_id` of ours is `external_type`/`external_id` in `system`."""

    canonical_type: str
    canonical_id: str
    system: str
    external_type: str
    external_id: str
    entity: str = ""

    def __str__(self) -> str:
        ours = f"{self.canonical_type} {self.canonical_id}"
        return f"{ours} = {self.system} {self.external_type} {self.external_id}"

    @property
    def row(self) -> tuple[str, str, str, str, str, str]:
        """The values in the order of the columns."""
        return (
            self.canonical_type,
            self.canonical_id,
            self.system,
            self.external_type,
            self.external_id,
            self.entity,
        )


def columns(xrefs: Sequence[Xref]) -> list[list[str]]:
    """The rows turned into columns, as `unnest` takes them."""
    return [[row[i] for row in (x.row for x in xrefs)] for i in range(6)]


def conflict(wanted: Xref, existing: Xref) -> Conflict:
    """The failure that names both mappings."""
    return Conflict(
        f"cannot record {wanted}: there is already {existing}",
        code="xref-conflict",
        field="xref",
        fix=f"see `revsaga xref show {existing.external_id}`; two records must not be joined to one",
        evidence={"existing": str(existing), "wanted": str(wanted)},
    )


class Xrefs:
    """The cross references in the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, xrefs: Iterable[Xref]) -> None:
        """Record them all or none; one that stands there already, exactly so, is fine.

        Raises Conflict `xref-conflict`, naming the existing one, when either side belongs to another record.
        """
        wanted = list(xrefs)
        while wanted:
            try:
                await self._database.execute(INSERT, *columns(wanted))
            except asyncpg.UniqueViolationError:
                wanted = await self.missing(wanted)
            else:
                return

    async def missing(self, wanted: Sequence[Xref]) -> list[Xref]:
        """Those that are not recorded yet. Raises Conflict when one is taken by another record."""
        unique = list(dict.fromkeys(wanted))
        rows = await self._database.fetch(
            """SELECT canonical_type, canonical_id, system, external_type, external_id, entity
                FROM xref x WHERE EXISTS (
                SELECT FROM unnest($1::text[],$2::text[],$3::text[],$4::text[],$5::text[])
                    AS w(canonical_type, canonical_id, system, external_type, external_id)
                WHERE (x.system, x.external_type) = (w.system, w.external_type)
                  AND (x.external_id = w.external_id
                       OR (x.canonical_type, x.canonical_id) = (w.canonical_type, w.canonical_id)))""",
            *columns(unique)[:5],
        )
        existing = {Xref(**dict(row)) for row in rows}
        for one in unique:
            for other in (*existing, *unique):
                same_side = one.row[2:5] == other.row[2:5] or one.row[:4] == other.row[:4]
                if same_side and one.row[:5] != other.row[:5]:
                    raise conflict(one, other)
        known = {x.row[:5] for x in existing}
        return [x for x in unique if x.row[:5] not in known]

    async def find(
        self, canonical_type: str, canonical_id: str, system: str, external_type: str
    ) -> str | None:
        """The id in that system, or None."""
        found: str | None = await self._database.fetchval(
            "SELECT external_id FROM xref WHERE (canonical_type, canonical_id, system, external_type) = ($1,$2,$3,$4)",
            canonical_type,
            canonical_id,
            system,
            external_type,
        )
        return found

    async def show(self, any_id: str) -> tuple[Xref, ...]:
        """Everything joined to an id, ours or foreign: the record itself in all systems."""
        rows = await self._database.fetch(
            """SELECT canonical_type, canonical_id, system, external_type, external_id, entity
                FROM xref WHERE (canonical_type, canonical_id) IN (
                SELECT canonical_type, canonical_id FROM xref WHERE canonical_id = $1 OR external_id = $1)
                ORDER BY canonical_type, canonical_id, system, external_type""",
            any_id,
        )
        return tuple(Xref(**dict(row)) for row in rows)
