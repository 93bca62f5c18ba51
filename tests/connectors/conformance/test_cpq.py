"""The CPQ port: quotes, and the mark that this product leaves on them."""

import asyncio

import pytest

from canonical.failures import Conflict, Failure, Rejected
from canonical.quote import QuoteMark
from tests.connectors.conformance.bench import (
    CYCLE,
    LONG,
    LOST,
    Subject,
    cases,
    deal,
    deals,
    losing_answers,
    subject,
)

pytestmark = cases("cpq")
QUOTE = deal(2).quote.quote_id


def mark(operation: str = "activation/one/r1", state: str = "activating", **more: str) -> QuoteMark:
    return QuoteMark(operation_id=operation, content_hash="c" * 64, state=state, **more)


DONE = {"billing_subscription": "S-00002", "erp_document": "SO-00002"}


async def test_every_quote_of_the_book_reads_as_it_was_sold(vendor: str) -> None:
    at = await subject("cpq", vendor)
    for expected in deals().values():
        if expected.quote.quote_id == deal(LONG).quote.quote_id:
            continue
        quote, parties = await at.adapter.read_quote(expected.quote.quote_id)
        assert quote == expected.quote
        assert parties.sold_to == expected.parties.sold_to
        assert parties.bill_to == expected.parties.bill_to
    assert not at.effects


async def test_a_quote_of_many_pages_is_whole(vendor: str) -> None:
    at = await subject("cpq", vendor)
    quote, _ = await at.adapter.read_quote(deal(LONG).quote.quote_id)
    assert [line.line_id for line in quote.lines] == [line.line_id for line in deal(LONG).quote.lines]
    assert quote == deal(LONG).quote


async def test_an_unknown_quote_is_refused(vendor: str) -> None:
    at = await subject("cpq", vendor)
    for call in (
        at.adapter.read_quote("a0Q0000NOBODY"),
        at.adapter.read_mark("a0Q0000NOBODY"),
        at.adapter.lock_quote("a0Q0000NOBODY", mark()),
    ):
        with pytest.raises(Rejected) as caught:
            await call
        assert caught.value.code == "quote-unknown"


async def test_a_free_quote_has_no_mark_and_takes_one(vendor: str) -> None:
    at = await subject("cpq", vendor)
    assert await at.adapter.read_mark(QUOTE) is None
    assert await at.adapter.lock_quote(QUOTE, mark()) == mark()
    assert await at.adapter.read_mark(QUOTE) == mark()
    before = at.effects
    assert await at.adapter.lock_quote(QUOTE, mark()) == mark()
    assert at.effects == before


async def test_locking_changes_nothing_that_was_agreed(vendor: str) -> None:
    at = await subject("cpq", vendor)
    await at.adapter.lock_quote(QUOTE, mark())
    quote, _ = await at.adapter.read_quote(QUOTE)
    assert quote.commercial() == deal(2).quote.commercial()


async def test_a_held_quote_is_a_conflict(vendor: str) -> None:
    at = await subject("cpq", vendor)
    await at.adapter.lock_quote(QUOTE, mark())
    for call in (
        at.adapter.lock_quote(QUOTE, mark("activation/two/r1")),
        at.adapter.write_back(QUOTE, mark("x", "active", **DONE)),
    ):
        with pytest.raises(Conflict) as caught:
            await call
        assert caught.value.code == "quote-locked"
    assert await at.adapter.read_mark(QUOTE) == mark()


async def test_unlocking_takes_away_our_own_mark_only(vendor: str) -> None:
    at = await subject("cpq", vendor)
    assert await at.adapter.unlock_quote(QUOTE, "activation/one/r1") is None
    await at.adapter.lock_quote(QUOTE, mark())
    assert await at.adapter.unlock_quote(QUOTE, "activation/two/r1") == mark()
    assert await at.adapter.read_mark(QUOTE) == mark()
    assert await at.adapter.unlock_quote(QUOTE, "activation/one/r1") is None
    assert await at.adapter.unlock_quote(QUOTE, "activation/one/r1") is None
    assert await at.adapter.read_mark(QUOTE) is None
    assert await at.adapter.lock_quote(QUOTE, mark("activation/two/r1")) == mark("activation/two/r1")


async def test_one_of_two_racing_operations_wins(vendor: str) -> None:
    at = await subject("cpq", vendor)
    at.break_calls("latency", seconds=0.02, times=-1)
    marks = [mark(f"activation/{name}/r1") for name in ("one", "two", "three")]
    outcomes = await asyncio.gather(*(at.adapter.lock_quote(QUOTE, m) for m in marks), return_exceptions=True)
    standing = await at.adapter.read_mark(QUOTE)
    winners = [outcome for outcome in outcomes if isinstance(outcome, QuoteMark)]
    assert len(winners) <= 1
    assert all(winner == standing for winner in winners)
    assert all(isinstance(outcome, QuoteMark | Conflict) for outcome in outcomes)
    # Whoever lost may come again: the one whose mark stands gets it confirmed, the others are refused.
    again = await asyncio.gather(*(at.adapter.lock_quote(QUOTE, m) for m in marks), return_exceptions=True)
    assert [outcome for outcome in again if isinstance(outcome, QuoteMark)] == [standing]


async def test_the_result_is_written_back_once(vendor: str) -> None:
    at = await subject("cpq", vendor)
    await at.adapter.lock_quote(QUOTE, mark())
    done = mark(state="active", **DONE)
    assert await at.adapter.write_back(QUOTE, done) == done
    before = at.effects
    assert await at.adapter.write_back(QUOTE, done) == done
    assert at.effects == before
    assert await at.adapter.read_mark(QUOTE) == done
    quote, _ = await at.adapter.read_quote(QUOTE)
    assert quote.commercial() == deal(2).quote.commercial()


async def lock(at: Subject) -> None:
    await at.adapter.lock_quote(QUOTE, mark())


async def write_back(at: Subject) -> None:
    await at.adapter.write_back(QUOTE, mark(state="active", **DONE))


async def unlock(at: Subject) -> None:
    assert await at.adapter.unlock_quote(QUOTE, mark().operation_id) is None


@pytest.mark.parametrize("kind", LOST)
async def test_a_lost_answer_is_unknown_and_repeating_heals(vendor: str, kind: str) -> None:
    async for at in losing_answers("cpq", vendor, kind, (lock, write_back)):
        assert await at.adapter.read_mark(QUOTE) == mark(state="active", **DONE)
    async for at in losing_answers("cpq", vendor, kind, (lock, unlock)):
        assert await at.adapter.read_mark(QUOTE) is None


@pytest.mark.parametrize("kind", ["html", "empty", "truncated", "huge", "timeout_before", "status"])
async def test_a_damaged_answer_is_a_failure_and_never_a_free_quote(vendor: str, kind: str) -> None:
    at = await subject("cpq", vendor)
    await at.adapter.lock_quote(QUOTE, mark())
    at.break_calls(kind, times=-1)
    with pytest.raises(Failure):
        await at.adapter.read_quote(QUOTE)
    with pytest.raises(Failure):
        await at.adapter.read_mark(QUOTE)
    with pytest.raises(Failure):
        await at.adapter.unlock_quote(QUOTE, "activation/one/r1")


async def test_fields_of_a_later_release_change_nothing(vendor: str) -> None:
    at = await subject("cpq", vendor)
    at.break_calls("unknown_fields", times=-1)
    for number in (2, 3, 5, 6, 40, CYCLE):
        quote, _ = await at.adapter.read_quote(deal(number).quote.quote_id)
        assert quote == deal(number).quote
    await lock(at)
    await write_back(at)
