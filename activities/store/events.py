"""The event table: it can only grow, and each record is chained to the one before by its hash."""

import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg

from activities.store.database import Database
from canonical import event_types  # noqa: F401  # registers every type, so that any stored event can be read
from canonical.base import Model
from canonical.event import Event

APPEND = (
    "SELECT event_append($1::text[],$2::text[],$3::text[],$4::text[],$5::text[],$6::timestamptz[],$7::text[])"
)
START = hashlib.sha256(b"").digest()


class StoredEvent(Model):
    """An event with its place in the chain. `recorded_at` is real time, `hash` hexadecimal."""

    seq: int
    event: Event
    recorded_at: datetime
    hash: str


class Anchor(Model):
    """A point of the chain that was written down elsewhere."""

    seq: int
    hash: str


class ChainReport(Model):
    """What `verify` found. `broken_at` is the first sequence number that does not fit; None when all is well."""

    checked: int
    broken_at: int | None = None
    why: str = ""
    head: Anchor

    @property
    def whole(self) -> bool:
        """Nothing was changed, removed, moved or cut off."""
        return self.broken_at is None


def record_of(event: Event, recorded: datetime) -> str:
    """The canonical JSON of an event: what is stored and hashed."""
    content = {**event.model_dump(mode="json"), "recordedtime": recorded.isoformat()}
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def columns(events: Sequence[Event], recorded: datetime | None = None) -> list[list[Any]]:
    """The arguments of `event_append`."""
    at = recorded or datetime.now(UTC)
    return [
        [e.id for e in events],
        [e.type for e in events],
        [e.subject for e in events],
        [e.correlationid for e in events],
        [e.entity for e in events],
        [e.time for e in events],
        [record_of(e, at) for e in events],
    ]


def link(previous: bytes, record: str) -> bytes:
    """The hash of the next record."""
    return hashlib.sha256(previous + record.encode()).digest()


def _stored(row: "asyncpg.Record") -> StoredEvent:
    content = json.loads(row["record"])
    recorded = content.pop("recordedtime")
    return StoredEvent(
        seq=row["seq"],
        event=Event.model_validate(content),
        recorded_at=datetime.fromisoformat(recorded),
        hash=row["hash"].hex(),
    )


class Events:
    """Append, read and verify."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, events: Sequence[Event]) -> int:
        """Append in that order; an event whose id is there already is left out. Returns the end of the chain."""
        end: int = await self._database.fetchval(APPEND, *columns(events))
        return end

    async def list(
        self,
        *,
        correlation_id: str | None = None,
        subject: str | None = None,
        type_prefix: str | None = None,
        after: int = 0,
        limit: int = 100,
    ) -> tuple[StoredEvent, ...]:
        """Events in chain order; filters that are None do not filter."""
        rows = await self._database.fetch(
            """SELECT seq, record, hash FROM event WHERE seq > $1
               AND ($2::text IS NULL OR correlation_id = $2) AND ($3::text IS NULL OR subject = $3)
               AND ($4::text IS NULL OR starts_with(type, $4)) ORDER BY seq LIMIT $5""",
            after,
            correlation_id,
            subject,
            type_prefix,
            limit,
        )
        return tuple(_stored(row) for row in rows)

    async def show(self, event_id: str) -> StoredEvent | None:
        """One event by its id (or by its sequence number), or None."""
        row = await self._database.fetchrow("SELECT seq, record, hash FROM event WHERE id = $1", event_id)
        if row is None and event_id.isascii() and event_id.isdecimal() and len(event_id) < 19:
            row = await self._database.fetchrow(
                "SELECT seq, record, hash FROM event WHERE seq = $1", int(event_id)
            )
        return None if row is None else _stored(row)

    async def seal(self) -> Anchor:
        """Write the end of the chain down in the anchor table, and return it to be kept elsewhere too."""
        row = await self._database.fetchrow("SELECT seq, hash FROM event_head WHERE id = 1")
        if row is None:
            raise RuntimeError("the chain has no head")
        await self._database.execute(
            "INSERT INTO event_anchor (seq, hash) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            row["seq"],
            row["hash"],
        )
        return Anchor(seq=row["seq"], hash=row["hash"].hex())

    async def verify(self, kept: Sequence[Anchor] = ()) -> ChainReport:
        """Walk the whole chain and compare it with the head, the sealed anchors and those `kept` elsewhere.

        Names the first sequence number that does not fit. A tail that was cut off together with the head and the
        anchors of this database can only be told by an anchor kept elsewhere.
        """
        async with self._database.transaction() as connection:
            # One snapshot, so that appends of the meantime are not taken for forgeries.
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            head = await connection.fetchrow("SELECT seq, hash FROM event_head WHERE id = 1")
            sealed = await connection.fetch("SELECT seq, hash FROM event_anchor")
            end = (
                Anchor(seq=-1, hash="") if head is None else Anchor(seq=head["seq"], hash=head["hash"].hex())
            )
            anchors = {a["seq"]: a["hash"].hex() for a in sealed}
            expected = [*anchors.items(), *((a.seq, a.hash) for a in kept), (end.seq, end.hash)]
            wanted: dict[int, set[str]] = {}
            for seq, digest in expected:
                wanted.setdefault(seq, set()).add(digest)
            rows = connection.cursor(
                "SELECT seq, id, type, subject, correlation_id, entity, time, record, hash FROM event ORDER BY seq",
                prefetch=500,
            )
            return await _walk(aiter(rows), wanted, end)


async def _walk(
    rows: AsyncIterator["asyncpg.Record"], wanted: dict[int, set[str]], head: Anchor
) -> ChainReport:
    def broken(at: int, why: str) -> ChainReport:
        return ChainReport(checked=checked, broken_at=at, why=why, head=head)

    previous, checked = START, 0
    if any(digest != START.hex() for digest in wanted.pop(0, ())):
        return broken(0, "an anchor of the empty chain does not fit")
    async for row in rows:
        seq = checked + 1
        if row["seq"] != seq:
            return broken(seq, f"record {seq} is missing, the next one is {row['seq']}")
        previous = link(previous, row["record"])
        if previous != row["hash"]:
            return broken(seq, f"the hash of record {seq} does not fit its content and its predecessor")
        if (column := _differs(row)) is not None:
            return broken(seq, f"the column {column} of record {seq} is not what the record says")
        if any(digest != previous.hex() for digest in wanted.pop(seq, ())):
            return broken(seq, f"record {seq} is not the one that was sealed")
        checked = seq
    if wanted:
        return broken(checked + 1, f"the chain ends at {checked}, but an anchor knows {max(wanted)}")
    return ChainReport(checked=checked, head=head)


def _differs(row: "asyncpg.Record") -> str | None:
    content = json.loads(row["record"])
    pairs = (
        ("id", "id"),
        ("type", "type"),
        ("subject", "subject"),
        ("correlation_id", "correlationid"),
        ("entity", "entity"),
    )
    for column, attribute in pairs:
        if row[column] != content[attribute]:
            return column
    return None if row["time"] == datetime.fromisoformat(content["time"]) else "time"
