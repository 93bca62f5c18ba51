"""Reading the effect ledger, and speaking honestly about what it cannot tell."""

from collections.abc import Iterator
from contextlib import contextmanager

from activities.store import effect_sql as sql
from activities.store.effect_entry import Entry, entry_of, uncertain
from activities.store.store import Store
from canonical.failures import Failure, OutcomeUnknown

_MAY_HAVE_HAPPENED = frozenset({"sent", "uncertain", "done"})


@contextmanager
def unsure(key: str) -> Iterator[None]:
    """A ledger that cannot be asked says nothing: an earlier try, or this one, may have landed."""
    try:
        yield
    except OutcomeUnknown:
        raise
    except Failure as failure:
        if not failure.code.startswith("store-"):
            raise
        raise OutcomeUnknown(
            f"{key}: {failure.message}",
            code=failure.code,
            field=failure.field,
            fix=failure.fix,
            retry_after=failure.retry_after,
            evidence=failure.evidence,
        ) from failure


class Ledger:
    """The rows of the ledger, for those who only look."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def entry(self, key: str) -> Entry | None:
        """The row of `key`, or None."""
        row = await self._store.fetchrow(sql.ENTRY, key)
        return None if row is None else entry_of(row)

    async def entries(self, prefix: str) -> tuple[Entry, ...]:
        """All rows whose key starts with `prefix` (a workflow id and a slash), oldest first."""
        rows = await self._store.fetch(sql.ENTRIES, prefix)
        return tuple(entry_of(row) for row in rows)

    async def open_entries(self, limit: int = 100) -> tuple[Entry, ...]:
        """What nobody knows the outcome of, oldest first, for `doctor`."""
        rows = await self._store.fetch(sql.OPEN, limit)
        return tuple(entry_of(row) for row in rows)

    async def truth(self, key: str, failure: Failure) -> Failure:
        """What may be said of `failure`, which an activity met outside `once` (while preparing, or after it was done).

        Unless it is certain that no try of `key` has landed, that is OutcomeUnknown, whatever the last failure was.
        """
        if isinstance(failure, OutcomeUnknown):
            return failure
        try:
            with unsure(key):
                entry = await self.entry(key)
        except OutcomeUnknown as unknown:
            return unknown
        if entry is None or not (entry.doubt or entry.state in _MAY_HAVE_HAPPENED):
            return failure
        return uncertain(key, failure.record())
