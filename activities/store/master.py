"""Master data of our own: legal entities, routing rules and the price list, as versions that are never edited."""

import json
from collections.abc import Sequence
from typing import Any

from activities.store.database import Database
from canonical.base import Model
from canonical.catalog import Catalog, Product
from canonical.entity import LegalEntity, RoutingRule


class Master(Model):
    """What is in force now."""

    version: int
    entities: tuple[LegalEntity, ...]
    rules: tuple[RoutingRule, ...]
    catalog: Catalog


class MasterData:
    """Read what is in force; add a version."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._loaded: tuple[dict[str, int], Master] | None = None

    async def load(self) -> Master:
        """The newest version of each kind, empty where there is none.

        A version never changes, so it is read once; which one is the newest is asked every time.
        """
        newest = await self._database.fetch(
            "SELECT kind, max(version) AS version FROM master_data GROUP BY kind"
        )
        versions = {row["kind"]: row["version"] for row in newest}
        if self._loaded is None or self._loaded[0] != versions:
            self._loaded = await self._read()
        return self._loaded[1]

    async def _read(self) -> tuple[dict[str, int], Master]:
        rows = await self._database.fetch(
            "SELECT DISTINCT ON (kind) kind, version, body FROM master_data ORDER BY kind, version DESC"
        )
        bodies: dict[str, Any] = {row["kind"]: json.loads(row["body"]) for row in rows}
        master = Master(
            version=max((row["version"] for row in rows), default=0),
            entities=tuple(LegalEntity.model_validate(e) for e in bodies.get("entities", [])),
            rules=tuple(RoutingRule.model_validate(r) for r in bodies.get("routing", [])),
            catalog=Catalog(products=tuple(Product.model_validate(p) for p in bodies.get("catalog", []))),
        )
        return {row["kind"]: row["version"] for row in rows}, master

    async def publish(self, kind: str, items: Sequence[Model], *, actor: str, reason: str) -> int:
        """Add a version of `entities`, `routing` or `catalog`. Content equal to the newest version adds none."""
        body = json.dumps([item.model_dump(mode="json") for item in items], sort_keys=True)
        async with self._database.transaction() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext('master_data'))")
            last = await connection.fetchrow(
                "SELECT version, body FROM master_data WHERE kind = $1 ORDER BY version DESC LIMIT 1", kind
            )
            if last is not None and last["body"] == body:
                return int(last["version"])
            version = 1 if last is None else int(last["version"]) + 1
            await connection.execute(
                "INSERT INTO master_data (kind, version, body, actor, reason) VALUES ($1, $2, $3, $4, $5)",
                kind,
                version,
                body,
                actor,
                reason,
            )
        return version
