"""Cancelling in every phase. A cancel is a request: it loses nothing, overtakes nothing and is never swallowed."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest
from temporalio.client import WorkflowUpdateFailedError

from activities.contracts.manners import Pace
from canonical.failures import OutcomeUnknown, Rejected, Transient
from tests.workflows.kernel.conftest import Handle, Stage, workers
from tests.workflows.kernel.stories import Plan, QuickSaga, ShelfSaga
from tests.workflows.kernel.world import World, always, times
from workflows.kernel.parking import Decision, SagaState

NO = Rejected("no", code="quote-x")
UNKNOWN = OutcomeUnknown("the answer was lost", code="outcome-unknown")
BEFORE = ["first", "strict", "bare", "left", "right"]


def _hold(world: World, name: str) -> asyncio.Event:
    gate = world.gates[name] = asyncio.Event()
    return gate


async def _native(handle: Handle) -> None:
    """A cancel from the engine, seen by the run before the test goes on."""
    await handle.cancel(reason="from the web page")


async def _refused(stage: Stage, handle: Handle) -> str:
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await stage.cancel(handle)
    return str(caught.value.cause)


def _nothing_overtook(world: World) -> None:
    """E5: no undo began before its deed had ended."""
    for name in [entry for entry in world.log if entry.endswith("/undo begins")]:
        step = name.split("/")[0]
        assert f"{step}/do" in world.log[: world.log.index(name)], world.log


@pytest.mark.parametrize("step", BEFORE)
@pytest.mark.parametrize("native", [False, True], ids=["asked", "native"])
async def test_e5_e6_e7_a_cancel_during_a_step_lets_it_end_and_then_takes_it_back(
    stage: Stage, world: World, step: str, native: bool
) -> None:
    gate = _hold(world, f"{step}/do")
    handle = await stage.start()
    await world.reached[f"{step}/do"].wait()
    if native:
        await _native(handle)
    else:
        await stage.cancel(handle)
    await asyncio.sleep(0.1)
    assert not [d for d in world.log if "undo" in d], "nothing is taken back while the step is under way"
    gate.set()
    if native:
        await stage.cancelled(handle)
    else:
        assert (await stage.unwound(handle)).actor == "ann"
    assert f"{step}/do" in world.done
    assert world.shelf.keys() <= {f"{handle.id}/bare/do"}, "only what needs no undo stays"
    assert "pivot/do" not in world.done, "E6: the cancel was not swallowed"
    _nothing_overtook(world)


async def test_a_cancel_during_a_local_step_is_kept_until_it_ends(stage: Stage, world: World) -> None:
    gate = _hold(world, "near/do")
    handle = await stage.start()
    await world.reached["near/do"].wait()
    await _native(handle)
    gate.set()
    await stage.cancelled(handle)
    # The engine delivers the cancel with the next task, when the next step has begun already: that one ends first.
    assert world.done == ["first/do", "near/do", "strict/do", "strict/undo", "near/undo", "first/undo"]


@pytest.mark.parametrize("cancels", ["native", "native twice", "asked, native", "asked twice"])
@pytest.mark.parametrize("during", ["strict", "near", "first"])
async def test_e1_to_e4_cancels_during_the_unwind_lose_no_undo(
    stage: Stage, world: World, during: str, cancels: str
) -> None:
    world.faults["bare/do"] = always(NO)
    gate = _hold(world, f"{during}/undo")
    handle = await stage.start()
    await stage.parked(handle, "bare")
    if cancels.startswith("asked"):
        await stage.cancel(handle)
    else:
        await _native(handle)
    await world.reached[f"{during}/undo"].wait()
    if cancels == "asked twice":
        gate.set()
        with suppress(WorkflowUpdateFailedError):
            await stage.cancel(handle, "ben")
    elif cancels != "native":
        await _native(handle)
    gate.set()
    if "native" in cancels:
        await stage.cancelled(handle)
    else:
        await stage.unwound(handle)
    assert [d for d in world.done if "undo" in d] == ["strict/undo", "near/undo", "first/undo"]
    assert world.shelf == {}
    assert world.decisions() == [("withdrawn", "revsaga")]


async def test_e1_a_refusal_unwinds_and_a_cancel_comes_during_the_first_undo(
    stage: Stage, world: World
) -> None:
    world.faults["strict/do"] = always(NO)
    gate = _hold(world, "strict/undo")
    handle = await stage.start()
    await world.reached["strict/undo"].wait()
    await _native(handle)
    gate.set()
    await stage.cancelled(handle)
    assert [d for d in world.done if "undo" in d] == ["strict/undo", "near/undo", "first/undo"]


async def test_a_parked_undo_holds_up_nobody_and_survives_a_cancel(stage: Stage, world: World) -> None:
    world.faults["strict/do"] = always(NO)
    world.faults["near/undo"] = lambda call: NO if call <= 1 else None
    handle = await stage.start()
    view = await stage.parked(handle, "near")
    await stage.until(handle, lambda v: any(s.name == "first" and s.status == "undone" for s in v.steps))
    assert view.parks[0].offers == (Decision.RETRY, Decision.SKIP_WITH)
    assert view.parks[0].give_up_at is None
    await _native(handle)
    await stage.parked(handle, "near")
    assert "being taken back already" in await _refused(stage, handle)
    await stage.resolve(handle, Decision.RETRY)
    await stage.cancelled(handle)
    assert world.shelf == {}


async def test_an_undo_that_was_done_by_hand_takes_two_people(stage: Stage, world: World) -> None:
    world.faults["strict/do"] = always(NO)
    world.faults["first/undo"] = always(NO)
    handle = await stage.start()
    await stage.parked(handle, "first")
    await stage.resolve(handle, Decision.SKIP_WITH, result='{"read_back": "removed by hand"}')
    await stage.until(handle, lambda v: bool(v.parks) and v.parks[0].proposal is not None)
    await stage.resolve(handle, Decision.SKIP_WITH, "ben")
    assert (await stage.unwound(handle)).undone["first"] == "removed by hand"


async def test_a_cancel_while_the_old_edition_cannot_be_taken_back_goes_on_to_the_unwind(
    stage: Stage, world: World
) -> None:
    world.faults["strict/do"] = always(Transient("busy", code="limit-reached"))
    world.faults["strict/undo"] = times(1, NO)
    handle = await stage.start()
    await stage.parked(handle, "strict")
    await stage.resolve(handle, Decision.RETRY_WITH, input='{"item": "strict", "quantity": 2}')
    await stage.until(
        handle, lambda v: bool(v.parks) and v.parks[0].phase == "undo" and bool(v.parks[0].case_id)
    )
    await stage.cancel(handle)
    await stage.unwound(handle)
    assert world.calls["strict/undo"] == 2
    assert world.shelf == {}


@pytest.mark.parametrize("native", [False, True], ids=["asked", "native"])
async def test_a_cancel_while_parked_is_acted_on_at_once_and_closes_the_case(
    stage: Stage, world: World, native: bool
) -> None:
    world.faults["bare/do"] = always(NO)
    handle = await stage.start()
    await stage.parked(handle, "bare")
    if native:
        await _native(handle)
        await stage.cancelled(handle)
    else:
        await stage.cancel(handle)
        await stage.unwound(handle)
    assert world.decisions() == [("withdrawn", "revsaga")]
    assert world.shelf == {}


@pytest.mark.parametrize("native", [False, True], ids=["asked", "native"])
async def test_a_cancel_while_it_waits_loses_no_frame(stage: Stage, world: World, native: bool) -> None:
    handle = await stage.start(Plan(pause=3600))
    await stage.ended(handle, SagaState.WAITING)
    if native:
        await _native(handle)
        await stage.cancelled(handle)
    else:
        await stage.cancel(handle)
        await stage.unwound(handle)
    assert world.ended_waits == ["wait/1"], "the clock need not stop there any more"
    assert world.shelf.keys() == {f"{handle.id}/bare/do"}


async def test_e8_a_sibling_under_way_is_settled_before_anything_is_decided(
    stage: Stage, world: World
) -> None:
    gate = _hold(world, "left/do")
    world.faults["right/do"] = always(NO)
    handle = await stage.start()
    await world.reached["left/do"].wait()
    await asyncio.sleep(0.1)
    assert not [d for d in world.log if "undo" in d]
    gate.set()
    await stage.unwound(handle)
    assert {"left/undo", "right/undo"} <= set(world.done)
    assert world.shelf.keys() == {f"{handle.id}/bare/do"}
    _nothing_overtook_except(world, "right")


def _nothing_overtook_except(world: World, refused: str) -> None:
    world.log.insert(0, f"{refused}/do")  # it never got so far as to end
    _nothing_overtook(world)


async def test_a_parked_sibling_gives_up_when_its_twin_is_refused(stage: Stage, world: World) -> None:
    gate = _hold(world, "right/do")
    world.faults["left/do"] = always(NO)
    world.faults["right/do"] = always(NO)
    handle = await stage.start()
    await stage.parked(handle, "left")
    gate.set()
    report = await stage.unwound(handle)
    assert report.step == "right"
    assert world.decisions() == [("withdrawn", "revsaga")]


@pytest.mark.parametrize("first", ["word", "cancel"])
async def test_e9_a_cancel_that_comes_together_with_the_last_word_is_not_lost(
    stage: Stage, world: World, first: str
) -> None:
    gate = _hold(world, "near/do")
    handle = await stage.client.start_workflow(
        QuickSaga.run, True, id=f"quick/{stage.core}/{first}", task_queue=stage.core
    )
    stage.handles.append(handle)
    await world.reached["near/do"].wait()  # while a local step runs, messages pile up for one task
    for message in ("word", "cancel") if first == "word" else ("cancel", "word"):
        if message == "word":
            await handle.signal(QuickSaga.tell)
        else:
            await handle.cancel()
    gate.set()
    await stage.cancelled(handle)
    events = [e async for e in handle.fetch_history_events()]
    came = [
        n
        for n, e in enumerate(events)
        if e.HasField("workflow_execution_signaled_event_attributes")
        or e.HasField("workflow_execution_cancel_requested_event_attributes")
    ]
    assert came[1] == came[0] + 1, "both in one task"
    assert world.shelf == {}


@pytest.mark.parametrize("native", [False, True], ids=["asked", "native"])
async def test_e9_a_cancel_during_the_last_step_of_a_saga_without_a_pivot_is_not_lost(
    stage: Stage, world: World, native: bool
) -> None:
    gate = _hold(world, "alone/do")
    handle = await stage.client.start_workflow(
        QuickSaga.run, False, id=f"quick/{stage.core}", task_queue=stage.core
    )
    stage.handles.append(handle)
    await world.reached["alone/do"].wait()
    if native:
        await _native(handle)
        gate.set()
        await stage.cancelled(handle)
    else:
        await stage.cancel(handle)
        gate.set()
        await stage.unwound(handle)
    assert world.done == ["alone/do", "alone/undo"]


async def test_a_cancel_during_the_pivot_is_refused_in_words(stage: Stage, world: World) -> None:
    gate = _hold(world, "pivot/do")
    handle = await stage.start()
    await world.reached["pivot/do"].wait()
    assert "Put the pivot is under way" in await _refused(stage, handle)
    gate.set()
    await handle.result()


@pytest.mark.parametrize("outcome", ["done", "refused", "unknown"])
async def test_a_native_cancel_during_the_pivot(stage: Stage, world: World, outcome: str) -> None:
    gate = _hold(world, "pivot/do")
    if outcome == "refused":
        world.faults["pivot/do"] = always(NO)
    if outcome == "unknown":
        world.after["pivot/do"] = times(3, UNKNOWN)
    handle = await stage.start()
    await world.reached["pivot/do"].wait()
    await _native(handle)
    gate.set()
    if outcome == "refused":
        await stage.cancelled(handle)
        assert world.shelf.keys() == {f"{handle.id}/bare/do"}
        return
    if outcome == "unknown":
        view = await stage.parked(handle, "pivot")
        assert Decision.UNWIND not in view.parks[0].offers
        await stage.resolve(handle, Decision.RETRY)
    assert (await handle.result())[3] == "N-last-1", "only forward: the run completes"


async def test_a_pivot_that_may_have_happened_offers_no_way_back(stage: Stage, world: World) -> None:
    world.after["pivot/do"] = always(UNKNOWN)
    handle = await stage.start()
    view = await stage.parked(handle, "pivot")
    assert view.parks[0].offers == (Decision.RETRY, Decision.SKIP_WITH)
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await stage.resolve(handle, Decision.UNWIND)
    assert "may have happened; retry it, or skip it with the record that proves it" in str(caught.value.cause)
    assert "may have happened" in await _refused(stage, handle)
    kept = world.shelf[f"{handle.id}/pivot/do"]
    await stage.resolve(handle, Decision.SKIP_WITH, result=kept.model_dump_json())
    await handle.result()


async def test_a_pivot_that_certainly_did_not_happen_may_be_unwound(stage: Stage, world: World) -> None:
    world.faults["pivot/do"] = always(NO)
    handle = await stage.start()
    await stage.parked(handle, "pivot")
    await stage.cancel(handle)
    await stage.unwound(handle)
    assert world.shelf.keys() == {f"{handle.id}/bare/do"}


async def test_behind_the_pivot_it_is_too_late(stage: Stage, world: World) -> None:
    world.faults["after/do"] = times(1, NO)
    handle = await stage.start()
    view = await stage.parked(handle, "after")
    assert view.forward_only
    assert Decision.UNWIND not in view.parks[0].offers
    assert "amend instead: Put the pivot is done" in await _refused(stage, handle)
    await _native(handle)
    await stage.resolve(handle, Decision.RETRY)
    await handle.result()
    assert not [d for d in world.done if "undo" in d]


async def test_a_late_deed_is_refused_by_the_tombstone_of_its_undo(stage: Stage, world: World) -> None:
    """The deed hangs, is given up, taken back, and then wakes up."""
    gate = _hold(world, "strict/do")
    handle = await stage.start(pace=Pace(attempt=timedelta(milliseconds=300), tries=1))
    await stage.parked(handle, "strict")
    await stage.resolve(handle, Decision.UNWIND)
    await stage.unwound(handle)
    gate.set()
    await asyncio.sleep(0.1)
    assert world.shelf == {}


async def test_updates_sent_while_it_ends_are_all_answered(stage: Stage, world: World) -> None:
    """E15: handlers never wait, so none is open when the run ends."""
    gate = _hold(world, "last/do")
    handle = await stage.start()
    await world.reached["last/do"].wait()
    asked = [asyncio.create_task(_refused(stage, handle)) for _ in range(9)]
    gate.set()
    said = await asyncio.gather(*asked)
    assert all("amend instead" in text for text in said)
    await handle.result()


async def test_dropping_runs_from_memory_neither_cancels_nor_undoes_them(stage: Stage, world: World) -> None:
    core = f"{stage.core.removesuffix('-core')}-small-core"
    world.faults["bare/do"] = lambda call: NO if call <= 3 else None
    async with workers(stage.client, world, core, cached=1):
        handles = [
            await stage.client.start_workflow(ShelfSaga.run, Plan(), id=f"shelf/{core}-{n}", task_queue=core)
            for n in range(3)
        ]
        stage.handles += handles
        for handle in handles:
            await stage.parked(handle, "bare")
        assert not [d for d in world.log if "undo" in d]
        for handle in handles:
            await stage.resolve(handle, Decision.RETRY)
        for handle in handles:
            await handle.result()
    assert not [d for d in world.log if "undo" in d]
