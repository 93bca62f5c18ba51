"""Reads every page of a list, and neither for ever nor in a circle.

async for item in pages(fetch): ...       # fetch(cursor | None) -> Page(items, next_cursor | None)
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from canonical.failures import Misconfigured, Transient

T = TypeVar("T")
C = TypeVar("C", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Page(Generic[T, C]):
    """One page: its items, and the cursor of the next one (None: this was the last)."""

    items: Sequence[T]
    next: C | None


async def pages(
    fetch: Callable[[C | None], Awaitable[Page[T, C]]], *, start: C | None = None, max_pages: int = 1000
) -> AsyncIterator[T]:
    """All items of all pages. Raises Transient when a cursor comes twice, Misconfigured past `max_pages`."""
    cursor = start
    seen: set[C | None] = {start}
    for _ in range(max_pages):
        page = await fetch(cursor)
        for item in page.items:
            yield item
        if page.next is None:
            return
        if page.next in seen:
            raise Transient(
                "the vendor sent the same page cursor twice",
                code="paging-loop",
                evidence={"cursor": str(page.next)[:200]},
            )
        seen.add(page.next)
        cursor = page.next
    raise Misconfigured(
        f"the list has more than {max_pages} pages",
        code="paging-cap",
        field="max_pages",
        fix="narrow the query, or raise the page cap of this list",
    )
