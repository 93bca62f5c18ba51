"""The effect ledger: do a thing once in the world, whatever crashes, and however often it is asked for.

    account = await effects.once(
        key, fingerprint=fingerprint({...}), result=BillingAccount, window=timedelta(hours=24), vendor="...",
        send=lambda sending: billing.create_account(plan, key=sending.header),
        probe=lambda: billing.find_account(plan.number),
    )

The life of a row: `intent` (nothing was sent) -> `sent` (it may be on its way) -> `done`, `not_done` (the other side
said no) or `uncertain` (it may have happened). `void` is the tombstone of an undo: a late try finds it and is refused.

Three rules make it hold:

- What was sent and has no known outcome is never sent again unseen. `probe` looks for it by business key; without a
  probe the caller gets OutcomeUnknown, unless the request is `repeatable` (an upsert by a key of ours).
- The last answer is not trusted when an earlier try may have landed (`doubt`): a refusal is then checked by the probe.
  The doubt stays until that try is too old to land (`send_limit`), so that whoever decides later knows of it.
- A row `sent` by somebody who lives is in flight, and is waited for. Every process holds one advisory lock for life, so
  that the database knows at once when it has died.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

import asyncpg
from pydantic import BaseModel

from activities.clock import Clock, SystemClock
from activities.store import effect_sql as sql
from activities.store import events as chain
from activities.store import xref as crossing
from activities.store.effect_entry import (
    AFTER_EFFECT,
    AFTER_RECORD,
    BEFORE_SEND,
    KILL_POINTS,
    Entry,
    Former,
    KillPoint,
    Sending,
    answered,
    former_of,
    uncertain,
)
from activities.store.effect_ledger import Ledger, unsure
from activities.store.holder import LOCK_CLASS, Holder
from activities.store.store import Store
from activities.store.xref import Xref
from canonical.event import Event
from canonical.failures import (
    Conflict,
    Failure,
    FailureRecord,
    Kind,
    OutcomeUnknown,
    Rejected,
)

__all__ = ["KILL_POINTS", "Effects", "Entry", "Former", "Sending"]

log = logging.getLogger("revsaga.effects")

M = TypeVar("M", bound=BaseModel)


def _nothing(_: Any) -> tuple[()]:
    return ()


def _text(_: Any) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class _Work(Generic[M]):
    """One call of `once`, with what it was given."""

    key: str
    fingerprint: str
    send: Callable[[Sending], Awaitable[M]]
    probe: Callable[[], Awaitable[M | None]] | None
    result: type[M]
    window: timedelta | None
    repeatable: bool
    events: Callable[[M], Sequence[Event]]
    xrefs: Callable[[M], Sequence[Xref]]
    vendor_ref: Callable[[M], str]


class Effects(Ledger):
    """The ledger. Share one among all activities of a process.

    `patience` is how many real seconds a call waits for the same effect in another hand; `send_limit` how many one try
    may take before it counts as lost. Vendors' HTTP time-outs must be below it.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock | None = None,
        *,
        kill_point: KillPoint | None = None,
        patience: float = 5.0,
        send_limit: float = 300.0,
    ) -> None:
        super().__init__(store)
        self._clock = clock or SystemClock()
        self._kill_point = kill_point
        self._patience = patience
        self._send_limit = send_limit
        self._holder: Holder = store.holder

    async def once(
        self,
        key: str,
        *,
        fingerprint: str,
        send: Callable[[Sending], Awaitable[M]],
        probe: Callable[[], Awaitable[M | None]] | None,
        result: type[M],
        window: timedelta | None,
        repeatable: bool = False,
        events: Callable[[M], Sequence[Event]] = _nothing,
        xrefs: Callable[[M], Sequence[Xref]] = _nothing,
        vendor_ref: Callable[[M], str] = _text,
        vendor: str = "",
        correlation_id: str = "",
    ) -> M:
        """Do it, or return what it came to when it was done.

        `probe` finds the record by business key: None means certainly absent, and it raises when that is not certain.
        `window` is how long (business time) the vendor remembers the header; None when it knows no header.
        `repeatable` says that sending twice leaves one effect (an upsert by a key of ours), so no probe is needed.
        The done mark, `events` and `xrefs` are written in one transaction.

        Raises what `send` raises, and: Conflict `key-reused` (other content under this key), Rejected `undone` (an undo
        was here first), OutcomeUnknown `effect-uncertain` (nobody can tell), `effect-in-flight` (another hand is at it)
        or `store-...` (the ledger cannot be asked, so nobody can tell either), Conflict `xref-conflict`.
        """
        work = _Work(key, fingerprint, send, probe, result, window, repeatable, events, xrefs, vendor_ref)
        with unsure(key):
            return await self._once(work, vendor, correlation_id)

    async def _once(self, work: _Work[M], vendor: str, correlation_id: str) -> M:
        key = work.key
        async with self._mine(key):
            holder = await self._holder.number()
            first = "intent" if work.probe is None and not work.repeatable else "sent"
            now = await self._clock.now()
            values = (key, work.fingerprint, first, holder, now, vendor, correlation_id)
            row = await self._store.fetchrow(sql.BEGIN, *values)
            row = await self._settled(key, row)
            self._check(row, work.fingerprint)
            if row["state"] == "done":
                return work.result.model_validate_json(row["result"])
            if row["fresh"] and first == "sent":
                return await self._try(work, row["generation"], row["tries"], doubt=False)
            return await self._again(work, row, now)

    async def void(self, key: str) -> Former:
        """Put the tombstone on `key`, so that a late try is refused; what the row said before, the same every time.

        A try that is in flight is waited for: OutcomeUnknown `effect-in-flight` when it takes longer than `patience`.
        """
        async with self._mine(key):
            limit = asyncio.get_running_loop().time() + self._patience
            while True:
                row = await self._store.fetchrow(
                    sql.VOID, key, await self._holder.number(), self._oldest(), LOCK_CLASS
                )
                if row is not None:
                    break
                if asyncio.get_running_loop().time() > limit:
                    raise self._in_flight(key)
                await asyncio.sleep(0.05)
        return former_of(row)

    async def undo(
        self,
        key: str,
        *,
        of: str,
        fingerprint: str,
        send: Callable[[Sending, Former], Awaitable[M]],
        probe: Callable[[], Awaitable[M | None]] | None,
        result: type[M],
        window: timedelta | None = None,
        repeatable: bool = True,
        events: Callable[[M], Sequence[Event]] = _nothing,
        vendor: str = "",
        correlation_id: str = "",
    ) -> M:
        """Take back what `of` did: its tombstone first, then `send` once under `key`.

        `send` is told what the row of `of` said; it must look by business key itself when that is not certain, and
        accept that nothing ever happened.
        """
        former = await self.void(of)
        return await self.once(
            key,
            fingerprint=fingerprint,
            send=lambda sending: send(sending, former),
            probe=probe,
            result=result,
            window=window,
            repeatable=repeatable,
            events=events,
            vendor=vendor,
            correlation_id=correlation_id,
        )

    @asynccontextmanager
    async def _mine(self, key: str) -> AsyncIterator[None]:
        """One task of this process at a time works on a key; the others wait for it, not longer than `patience`."""
        lock = self._holder.lock(key)
        try:
            async with asyncio.timeout(self._patience):
                await lock.acquire()
        except TimeoutError:
            raise self._in_flight(key) from None
        try:
            yield
        finally:
            lock.release()

    def _oldest(self) -> datetime:
        """A try that was sent before this moment (real time) is lost, whoever sent it."""
        return datetime.now(UTC) - timedelta(seconds=self._send_limit)

    def _in_flight(self, key: str) -> OutcomeUnknown:
        return OutcomeUnknown(f"{key} is being done right now", code="effect-in-flight", retry_after=1.0)

    async def _settled(self, key: str, row: "asyncpg.Record | None") -> "asyncpg.Record":
        """The row once nobody else who lives is at it."""
        limit = asyncio.get_running_loop().time() + self._patience
        while True:
            if row is None:
                # Somebody's insert was not yet visible to the statement that ran into it.
                row = await self._store.fetchrow(sql.READ, key)
            elif row["fresh"] or row["state"] not in ("intent", "sent") or not await self._alive(row):
                return row
            elif asyncio.get_running_loop().time() > limit:
                raise self._in_flight(key)
            else:
                await asyncio.sleep(0.05)
                row = await self._store.fetchrow(sql.READ, key)

    async def _alive(self, row: "asyncpg.Record") -> bool:
        if row["holder"] is None or row["sent_real"] < self._oldest():
            return False
        # This process is at a key only while it holds the key's lock, and that is in our hands now.
        if row["holder"] == await self._holder.number():
            return False
        return await self._holder.lives(row["holder"])

    def _check(self, row: "asyncpg.Record", fingerprint: str) -> None:
        if row["state"] == "void":
            raise Rejected(
                f"{row['key']} was taken back before it could happen",
                code="undone",
                fix="nothing is to be done: the undo of this step came first",
            )
        if row["fingerprint"] != fingerprint:
            raise Conflict(
                f"{row['key']} was asked for before with another content",
                code="key-reused",
                field="fingerprint",
                fix="the same step must send the same content; an edited input is a new edition with a new key",
                evidence={"stored": row["fingerprint"], "asked": fingerprint},
            )

    async def _again(self, work: _Work[M], row: "asyncpg.Record", now: datetime) -> M:
        """A try that is not the first: find out what the earlier ones came to, then send if it is safe."""
        failure = None if row["failure"] is None else FailureRecord.model_validate_json(row["failure"])
        state, doubt, generation = row["state"], row["doubt"], row["generation"]
        open_end = state in ("sent", "uncertain")
        if open_end or doubt:
            if work.probe is None and not work.repeatable:
                raise uncertain(work.key, failure)
            found = await self._probe(work, failure)
            if found is not None:
                return await self._record(work, found)
        elif work.probe is not None and work.window is not None and row["tries"] > 0:
            # The vendor has forgotten the header; the row says `not done`, and one look costs little.
            late = now - row["first_sent_at"] > work.window
            found = await work.probe() if late else None
            if found is not None:
                return await self._record(work, found)
        # A refusal, or a failure whose absence of effect is proved, is stored by the vendor under the old header and
        # would be replayed. An answer that was lost is not, and the old header still catches a request that lands late.
        read = state == "uncertain" and answered(failure)
        if state == "not_done" or read:
            generation += 1
        lost = open_end and not read
        doubt = doubt or lost
        values = (work.key, await self._holder.number(), generation, now, doubt, state, row["tries"])
        taken = await self._store.fetchrow(sql.RESEND, *values, lost)
        if taken is None:
            raise self._in_flight(work.key)
        return await self._try(work, generation, taken["tries"], doubt=doubt)

    async def _probe(self, work: _Work[M], failure: FailureRecord | None) -> M | None:
        """Look by business key. Whatever keeps a probe from telling, the outcome stays unknown."""
        if work.probe is None:
            return None
        try:
            return await work.probe()
        except Failure as cause:
            raise uncertain(work.key, failure, cause) from cause

    async def _try(self, work: _Work[M], generation: int, tries: int, *, doubt: bool) -> M:
        await self._kill(BEFORE_SEND, work.key)
        try:
            async with asyncio.timeout(self._send_limit):
                value = await work.send(Sending(key=work.key, generation=generation, tries=tries))
        except OutcomeUnknown as failure:
            failure.evidence["tries"] = str(tries)
            return await self._unknown(work, failure)
        except Failure as refusal:
            refusal.evidence["tries"] = str(tries)
            return await self._refused(work, refusal, doubt)
        except TimeoutError:
            lost = OutcomeUnknown(f"{work.key}: no end within {self._send_limit} s", code="answer-lost")
            return await self._unknown(work, lost)
        except (Exception, asyncio.CancelledError) as error:
            # Cancelled, or a bug after the request had left: nobody knows, and that must be on record.
            await self._interrupted(work.key, error)
            raise
        await self._kill(AFTER_EFFECT, work.key)
        return await self._record(work, value)

    async def _refused(self, work: _Work[M], failure: Failure, doubt: bool) -> M:
        """The other side said no. When an earlier try may have landed, that no may be about a duplicate: look."""
        if doubt:
            await self._mark(work.key, "uncertain", False, failure.record())
            if work.probe is None:
                raise uncertain(work.key, failure.record()) from failure
            found = await self._probe(work, failure.record())
            if found is not None:
                return await self._record(work, found)
        await self._mark(work.key, "not_done", False, failure.record())
        raise failure

    async def _unknown(self, work: _Work[M], failure: Failure) -> M:
        """It may have happened. Put that on record, then look once."""
        record = failure.record()
        await self._mark(work.key, "uncertain", not answered(record), record)
        found = await self._probe(work, record)
        if found is not None:
            return await self._record(work, found)
        raise failure

    async def _interrupted(self, key: str, error: BaseException) -> None:
        name = type(error).__name__
        message = f"interrupted by {name}"
        record = FailureRecord(kind=Kind.OUTCOME_UNKNOWN, code="effect-interrupted", message=message)
        try:
            await asyncio.shield(self._mark(key, "uncertain", True, record))
        except Failure:
            # The row stays `sent` under our number, which says the same to whoever looks next.
            log.warning("cannot record that %s was interrupted by %s", key, name, exc_info=True)

    async def _mark(self, key: str, state: str, doubt: bool, failure: FailureRecord) -> None:
        await self._store.execute(sql.MARK, key, state, doubt, failure.model_dump_json(), self._oldest())

    async def _record(self, work: _Work[M], value: M) -> M:
        """Done: the mark, the events and the cross references, in one statement and so in one transaction."""
        events, xrefs = chain.columns(work.events(value)), list(work.xrefs(value))
        stored, ref = value.model_dump_json(), work.vendor_ref(value)
        try:
            written = await self._store.fetchrow(
                sql.DONE, work.key, stored, ref, *crossing.columns(xrefs), *events
            )
        except asyncpg.UniqueViolationError:
            # Some stand there already; a foreign one is a Conflict. They are never removed, so once more is enough.
            rest = crossing.columns(await self._store.xrefs.missing(xrefs))
            written = await self._store.fetchrow(sql.DONE, work.key, stored, ref, *rest, *events)
        if written is None:
            # An undo came in between. It looks by business key, and takes this back.
            self._check(await self._settled(work.key, None), work.fingerprint)
            raise uncertain(work.key, None)
        await self._kill(AFTER_RECORD, work.key)
        return value

    async def _kill(self, point: str, key: str) -> None:
        if self._kill_point is not None and (held := self._kill_point(point, key)) is not None:
            await held
