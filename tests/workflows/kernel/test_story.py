"""The plain course: done, refused and unwound, waited; and what the Web UI and lists show meanwhile."""

from datetime import UTC, datetime, timedelta

from temporalio.client import WorkflowHandle

from canonical.failures import Rejected, Transient
from tests.workflows.kernel.conftest import Stage
from tests.workflows.kernel.stories import Plan, Put, ShelfSaga
from tests.workflows.kernel.world import World, always, times
from workflows.kernel.parking import Decision, SagaState

ALL = "first near strict bare left right pivot after last".split()


async def _attributes(handle: WorkflowHandle[object, object]) -> dict[str, object]:
    found = (await handle.describe()).typed_search_attributes
    return {pair.key.name: pair.value for pair in found}


async def test_a_clean_run_does_every_step_and_undoes_nothing(stage: Stage, world: World) -> None:
    handle = await stage.start()
    assert await handle.result() == ["N-first-1", "N-left-1=N-right-1", "N-pivot-1", "N-last-1"]
    assert sorted(world.done) == sorted(f"{step}/do" for step in ALL)
    assert [d for d in world.done if d.split("/")[0] not in {"left", "right"}] == [
        f"{step}/do" for step in ALL if step not in {"left", "right"}
    ]
    assert not world.cases


async def test_the_undo_of_the_failing_step_runs_too_and_order_is_reversed(
    stage: Stage, world: World
) -> None:
    world.faults["strict/do"] = always(Rejected("no room", code="room-none"))
    handle = await stage.start()
    report = await stage.unwound(handle)
    assert (report.cause, report.step) == ("refused", "strict")
    assert report.undone == {"strict": "absent", "near": "absent", "first": "absent"}
    assert world.done == ["first/do", "near/do", "strict/undo", "near/undo", "first/undo"]
    assert world.shelf == {}
    assert not world.cases, "a refusal that unwinds needs nobody"


async def test_a_passing_failure_needs_nobody(stage: Stage, world: World) -> None:
    for step in ("first", "near", "pivot", "after"):
        world.faults[f"{step}/do"] = times(2, Transient("busy", code="limit", retry_after=0.01))
    handle = await stage.start()
    await handle.result()
    assert world.calls["first/do"] == world.calls["near/do"] == world.calls["after/do"] == 3
    assert not world.cases


async def test_local_failures_arrive_bare_and_are_read_all_the_same(stage: Stage, world: World) -> None:
    world.faults["near/do"] = times(1, Rejected("not so", code="quote-x", field="a.b", fix="do this"))
    handle = await stage.start()
    view = await stage.parked(handle, "near")
    assert view.parks[0].failure.field == "a.b"
    await stage.resolve(handle, Decision.RETRY)
    await handle.result()


async def test_a_local_manner_ends_its_retries_by_tries(stage: Stage, world: World) -> None:
    world.faults["near/do"] = always(Transient("away", code="network-down"))
    handle = await stage.start()
    view = await stage.parked(handle, "near")
    assert world.calls["near/do"] == 3
    assert view.parks[0].failure.message == "away"
    await stage.resolve(handle, Decision.UNWIND)
    await stage.unwound(handle)


async def test_lists_find_it_by_state_step_and_owner(stage: Stage, world: World) -> None:
    world.faults["strict/do"] = times(1, Transient("away", code="network-down"))
    world.faults["bare/do"] = always(Rejected("no such product", code="product-unknown"))
    handle = await stage.start()
    await stage.parked(handle, "bare")
    seen = await _attributes(handle)
    assert seen == {
        "SagaKind": "shelf",
        "SagaState": "parked",
        "SagaStep": "bare",
        "ExceptionOwner": "revops",
        "CorrelationId": "Q-1",
        "CustomerId": "C-1",
        "LegalEntity": "US01",
    }
    await stage.resolve(handle, Decision.UNWIND)
    await stage.unwound(handle)
    seen = await _attributes(handle)
    assert seen["SagaState"] == "unwound"
    assert "SagaStep" not in seen
    assert "ExceptionOwner" not in seen


async def test_attributes_are_written_only_when_the_state_changes(stage: Stage) -> None:
    handle = await stage.start()
    await handle.result()
    events = [e async for e in handle.fetch_history_events()]
    upserts = [e for e in events if e.HasField("upsert_workflow_search_attributes_event_attributes")]
    assert len(upserts) == 3, "begun, what it is about, done"


async def test_every_activity_has_a_summary_a_group_and_the_name_of_its_step(
    stage: Stage, world: World
) -> None:
    world.faults["strict/do"] = always(Rejected("no", code="room-none"))
    handle = await stage.start()
    await stage.unwound(handle)
    scheduled = [
        event
        async for event in handle.fetch_history_events()
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    ids = [e.activity_task_scheduled_event_attributes.activity_id for e in scheduled]
    assert ids == ["first/do", "strict/do", "strict/undo", "first/undo"]
    assert [e.user_metadata.summary.data.decode() for e in scheduled] == [
        '"Put the first"',
        '"Put the strict"',
        '"Take back: Put the strict"',
        '"Take back: Put the first"',
    ]
    queues = {e.activity_task_scheduled_event_attributes.task_queue.name for e in scheduled}
    assert queues == {stage.core.replace("-core", "-billing")}


async def test_it_waits_for_a_business_time_by_a_timer(stage: Stage, world: World) -> None:
    handle = await stage.start(Plan(pause=30 * 24 * 3600))
    view = await stage.ended(handle, SagaState.WAITING)
    assert view.waiting == "the start of the term"
    await handle.result()  # the test server skips the thirty days
    assert world.waits["wait/1"] == world.now() + timedelta(days=30)
    assert world.ended_waits == []


async def test_under_a_clock_moved_by_hand_it_waits_until_it_is_told(stage: Stage, world: World) -> None:
    world.simulated = datetime(2026, 3, 1, tzinfo=UTC)
    handle = await stage.start(Plan(pause=48 * 3600))
    await stage.ended(handle, SagaState.WAITING)
    await handle.signal(ShelfSaga.clock_moved, world.simulated + timedelta(hours=47))
    view = await stage.until(handle, lambda v: v.state is SagaState.WAITING)
    assert "pivot/do" not in world.done
    assert view.state is SagaState.WAITING
    await handle.signal(ShelfSaga.clock_moved, world.simulated + timedelta(hours=48))
    await stage.ended(
        handle, SagaState.DONE
    )  # while nothing awaits the result, the test server's clock stands still
    await handle.result()


async def test_a_wait_for_a_word_ends_with_the_word(stage: Stage, world: World) -> None:
    handle = await stage.start(Plan(until_told=True))
    await stage.ended(handle, SagaState.WAITING)
    await handle.signal(ShelfSaga.tell)
    await handle.result()
    assert not world.waits, "without a due time the clock has nothing to stop at"


async def test_the_input_of_a_step_that_is_too_large_parks_with_the_way_out(
    stage: Stage, world: World
) -> None:
    # The plan itself travels once; only steps are guarded, so the heavy item is made large by the limit of a step.
    handle = await stage.start(Plan(items={"first": Put(item="first", pad="x" * 300_000)}))
    view = await stage.parked(handle, "first")
    failure = view.parks[0].failure
    assert (failure.kind, failure.code) == ("Misconfigured", "payload-too-large")
    assert "reference" in (failure.fix or "")
    assert world.calls["first/do"] == 0, "nothing was sent"
    await stage.resolve(handle, Decision.RETRY_WITH, input='{"item": "first", "quantity": 2}')
    await handle.result()
