"""Exception cases in the store."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from activities.store import Store
from canonical.case import CaseNote, CaseState, ExceptionCase, open_case
from canonical.failures import Conflict, Finding, Owner, Rejected

SINCE = datetime(2026, 5, 1, 8, tzinfo=UTC)


def case(
    workflow_id: str = "activation/Q-1/r1", episode: int = 0, code: str = "quote-not-approved"
) -> ExceptionCase:
    failure = Rejected(
        "the quote's status is \x00 'draft' 🦀",
        code=code,
        field="quote.status",
        fix="have it approved",
        evidence={"status": "draft"},
        findings=(Finding(code=code, field="quote.status", message="m", fix="f", owner=Owner.REVOPS),),
    )
    return open_case(
        failure.record(),
        workflow_id=workflow_id,
        saga="activation",
        step="validate",
        title="Check the quote",
        episode=episode,
        since=SINCE + timedelta(hours=episode),
        choices=("retry", "unwind"),
        correlation_id="C-1",
    )


def note(case_id: str, text: str = "because", actor: str = "ann") -> CaseNote:
    return CaseNote(case_id=case_id, at=SINCE, actor=actor, text=text)


async def test_opening_twice_is_one_case_and_a_new_episode_another(store: Store) -> None:
    first = await store.cases.open(case())
    assert first == case()
    found = await asyncio.gather(*(store.cases.open(case()) for _ in range(10)))
    assert set(map(str, found)) == {str(first)}
    second = await store.cases.open(case(episode=1))
    assert second.case_id != first.case_id
    assert await store.cases.list() == (first, second)
    assert await store.cases.show(first.case_id) == first


async def test_filters(store: Store) -> None:
    await store.cases.open(case())
    other = await store.cases.open(case("activation/Q-2/r1", code="tax-nexus-missing"))
    assert await store.cases.list(owner="revops", workflow_id=other.workflow_id) == (other,)
    assert await store.cases.list(code_prefix="tax-") == (other,)
    assert len(await store.cases.list(correlation_id="C-1")) == 2
    assert await store.cases.list(owner="finance-operations") == ()


async def test_assign_note_resolve(store: Store) -> None:
    made = await store.cases.open(case())
    held = await store.cases.assign(made.case_id, "bob", note(made.case_id, "please look"))
    assert (held.assignee, held.state) == ("bob", CaseState.IN_PROGRESS)
    assert await store.cases.list(assignee="bob") == (held,)
    await store.cases.note(note(made.case_id, "asked sales", "bob"))
    done = await store.cases.resolve(
        made.case_id, resolution="retry", note=note(made.case_id, "approved", "bob")
    )
    assert (done.state, done.resolution, done.resolved_by) == (CaseState.RESOLVED, "retry", "bob")
    assert await store.cases.list() == ()
    assert await store.cases.list(all_states=True) == (done,)
    assert [n.text for n in await store.cases.notes(made.case_id)] == [
        "please look",
        "asked sales",
        "approved",
    ]
    again = await store.cases.resolve(made.case_id, resolution="retry", note=note(made.case_id, "again"))
    assert again == done
    assert await store.cases.open(case()) == done, "a repeated report does not open it again"


async def test_a_closed_case_takes_no_other_decision(store: Store) -> None:
    made = await store.cases.open(case())
    await store.cases.resolve(made.case_id, resolution="unwind", note=note(made.case_id))
    with pytest.raises(Conflict) as caught:
        await store.cases.resolve(made.case_id, resolution="retry", note=note(made.case_id))
    assert caught.value.code == "case-closed"
    with pytest.raises(Conflict):
        await store.cases.assign(made.case_id, "bob", note(made.case_id))


async def test_an_unknown_case_is_refused_by_name(store: Store) -> None:
    for call in (
        store.cases.show("CASE-x"),
        store.cases.note(note("CASE-x")),
        store.cases.assign("CASE-x", "bob", note("CASE-x")),
    ):
        with pytest.raises(Rejected) as caught:
            await call
        assert caught.value.code == "case-unknown"


async def test_of_two_decisions_at_once_one_holds(store: Store) -> None:
    made = await store.cases.open(case())
    found = await asyncio.gather(
        *(
            store.cases.resolve(made.case_id, resolution=r, note=note(made.case_id))
            for r in ("retry", "unwind")
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(f, Conflict) for f in found) == 1
