"""Every item once, and no list without end."""

from collections.abc import AsyncIterator
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.failures import Misconfigured, Transient
from connectors.kit.paging import Page, pages

T = TypeVar("T")


async def collect(items: AsyncIterator[T], into: list[T]) -> None:
    async for item in items:
        into.append(item)  # noqa: PERF401 -- what came before the failure matters


@given(st.lists(st.lists(st.integers(), max_size=4), min_size=1, max_size=8))
async def test_all_items_come_in_order(book: list[list[int]]) -> None:
    asked: list[int | None] = []

    async def fetch(cursor: int | None) -> Page[int, int]:
        asked.append(cursor)
        at = cursor or 0
        return Page(book[at], at + 1 if at + 1 < len(book) else None)

    assert [item async for item in pages(fetch)] == [item for page in book for item in page]
    assert len(asked) == len(book)


async def test_a_circle_is_noticed() -> None:
    async def fetch(cursor: str | None) -> Page[str, str]:
        return Page([cursor or "start"], {None: "a", "a": "b", "b": "a"}[cursor])

    read: list[str] = []
    with pytest.raises(Transient) as caught:
        await collect(pages(fetch), read)
    assert caught.value.code == "paging-loop"
    assert read == ["start", "a", "b"]


async def test_the_first_cursor_again_is_a_circle() -> None:
    async def fetch(cursor: str | None) -> Page[str, str]:
        return Page([], "c1")

    with pytest.raises(Transient):
        _ = [item async for item in pages(fetch, start="c1")]


async def test_the_cap_holds() -> None:
    async def fetch(cursor: int | None) -> Page[int, int]:
        return Page([1], (cursor or 0) + 1)

    read: list[int] = []
    with pytest.raises(Misconfigured) as caught:
        await collect(pages(fetch, max_pages=5), read)
    assert caught.value.code == "paging-cap"
    assert len(read) == 5
