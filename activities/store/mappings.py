"""The versioned maps from our codes to a vendor's ids, synchronised beforehand so that validation needs no vendor."""

from collections.abc import Sequence

from activities.store.database import Database
from canonical.base import Model
from canonical.failures import Conflict, Misconfigured
from canonical.mapping import MappingSet, Reference


class MappingChange(Model):
    """One line of a difference. `before` is None for an added line, `after` for a removed one."""

    kind: str
    code: str
    before: str | None
    after: str | None
    name: str = ""

    @property
    def what(self) -> str:
        """added, changed or removed."""
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "changed"


class MappingVersion(Model):
    """One version of a vendor's maps: who made it, and why."""

    vendor: str
    version: int
    state: str
    actor: str
    reason: str
    rows: int


class Mappings:
    """Show, compare and activate."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._loaded: dict[str, MappingSet] = {}

    async def active(self, vendor: str) -> MappingSet:
        """The maps in force; an empty set of version 0 when none was ever activated.

        The rows of a version never change, so they are read once; which version is in force is asked every time.
        """
        version = await self._database.fetchval(
            "SELECT version FROM mapping_version WHERE vendor = $1 AND state = 'active'", vendor
        )
        loaded = self._loaded.get(vendor)
        if loaded is not None and loaded.version == version:
            return loaded
        rows = await self._database.fetch(
            "SELECT kind, code, vendor_id FROM mapping WHERE vendor = $1 AND version = $2",
            vendor,
            version or 0,
        )
        entries = {f"{r['kind']}:{r['code']}": r["vendor_id"] for r in rows}
        self._loaded[vendor] = MappingSet(vendor=vendor, version=version or 0, entries=entries)
        return self._loaded[vendor]

    async def diff(self, vendor: str, references: Sequence[Reference]) -> tuple[MappingChange, ...]:
        """What activating `references` would change, by kind and code. Inactive records count as absent.

        Raises Misconfigured `mapping-ambiguous` when the vendor lists two records under one code.
        """
        wanted = _unique(vendor, references)
        now = (await self.active(vendor)).entries
        changes: list[MappingChange] = []
        for key in sorted({*now, *wanted}):
            kind, code = key.split(":", 1)
            after = wanted.get(key)
            if now.get(key) != (after.vendor_id if after is not None else None):
                changes.append(
                    MappingChange(
                        kind=kind,
                        code=code,
                        before=now.get(key),
                        after=None if after is None else after.vendor_id,
                        name="" if after is None else after.name,
                    )
                )
        return tuple(changes)

    async def draft(self, vendor: str, references: Sequence[Reference], *, actor: str, reason: str) -> int:
        """Keep `references` as a new version that is not in force yet; its number."""
        wanted = _unique(vendor, references)
        async with self._database.transaction() as connection:
            # Two at once would take the same number.
            await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtext('mapping'), hashtext($1))", vendor
            )
            version: int = await connection.fetchval(
                "SELECT coalesce(max(version), 0) + 1 FROM mapping_version WHERE vendor = $1", vendor
            )
            await connection.execute(
                "INSERT INTO mapping_version (vendor, version, state, actor, reason) VALUES ($1,$2,'draft',$3,$4)",
                vendor,
                version,
                actor,
                reason,
            )
            await connection.copy_records_to_table(
                "mapping",
                columns=["vendor", "version", "kind", "code", "vendor_id", "name"],
                records=[(vendor, version, r.kind, r.code, r.vendor_id, r.name) for r in wanted.values()],
            )
        return version

    async def activate_version(self, vendor: str, version: int, *, actor: str, reason: str) -> MappingSet:
        """Put a draft in force, or an older version again; the former one is retired.

        Raises Conflict `mapping-version-unknown` when there is no such version.
        """
        async with self._database.transaction() as connection:
            await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtext('mapping'), hashtext($1))", vendor
            )
            await connection.execute(
                """UPDATE mapping_version SET state = 'retired', changed_at = now()
                   WHERE vendor = $1 AND state = 'active' AND version <> $2""",
                vendor,
                version,
            )
            found = await connection.fetchval(
                """UPDATE mapping_version SET state = 'active', actor = $3, reason = $4, changed_at = now()
                   WHERE vendor = $1 AND version = $2 RETURNING version""",
                vendor,
                version,
                actor,
                reason,
            )
            if found is None:
                raise Conflict(
                    f"{vendor} has no mapping version {version}",
                    code="mapping-version-unknown",
                    fix=f"see `revsaga mapping show {vendor}`",
                )
        return await self.active(vendor)

    async def activate(
        self, vendor: str, references: Sequence[Reference], *, actor: str, reason: str
    ) -> MappingSet:
        """Put what the vendor lists in force as a new version; when nothing differs, the version stays."""
        current = await self.active(vendor)
        if current.version and not await self.diff(vendor, references):
            return current
        version = await self.draft(vendor, references, actor=actor, reason=reason)
        return await self.activate_version(vendor, version, actor=actor, reason=reason)

    async def versions(self, vendor: str) -> tuple[MappingVersion, ...]:
        """All versions, newest first."""
        rows = await self._database.fetch(
            """SELECT v.vendor, v.version, v.state, v.actor, v.reason, count(m.code)::int AS rows
               FROM mapping_version v LEFT JOIN mapping m USING (vendor, version) WHERE v.vendor = $1
               GROUP BY v.vendor, v.version ORDER BY v.version DESC""",
            vendor,
        )
        return tuple(MappingVersion(**dict(row)) for row in rows)


def _unique(vendor: str, references: Sequence[Reference]) -> dict[str, Reference]:
    found: dict[str, Reference] = {}
    for one in references:
        if not one.active:
            continue
        other = found.setdefault(f"{one.kind}:{one.code}", one)
        if other.vendor_id != one.vendor_id:
            raise Misconfigured(
                f"{vendor} lists two records for {one.kind} {one.code!r}: {other.vendor_id} and {one.vendor_id}",
                code="mapping-ambiguous",
                field=f"mapping.{one.kind}.{one.code}",
                fix=f"deactivate or rename one of them in {vendor}",
            )
    return found
