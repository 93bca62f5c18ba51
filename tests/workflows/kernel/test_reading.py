"""How the engine's failures are read back, each brought about for real; waiting that is none; payload sizes."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.client import WithStartWorkflowOperation, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError

from activities.boundary import PAYLOAD_LIMIT, NotYet, Spent
from activities.contracts.manners import Pace
from canonical.failures import Failure, OutcomeUnknown, Owner, Rejected, Transient
from tests.workflows.kernel.conftest import Stage
from tests.workflows.kernel.stories import Plan, Put, ShelfSaga
from tests.workflows.kernel.world import World, always, times
from workflows.kernel.parking import CancelRequest, Decision

BUSY = Transient("the other side is busy", code="limit-reached", fix="wait")


async def test_tries_that_end_carry_the_last_failure(stage: Stage, world: World) -> None:
    world.faults["first/do"] = times(3, BUSY)
    handle = await stage.start()
    park = (await stage.parked(handle, "first")).parks[0]
    assert (park.failure.kind, park.failure.message) == ("Transient", "the other side is busy")
    await stage.resolve(handle, Decision.RETRY)
    await handle.result()


async def test_a_budget_that_ends_between_tries_carries_the_last_failure(stage: Stage, world: World) -> None:
    world.faults["left/do"] = always(BUSY)
    handle = await stage.start()
    park = (await stage.parked(handle, "left")).parks[0]
    assert park.failure.kind == "Transient"
    assert park.failure.code == "limit-reached"
    assert "the other side is busy" in park.failure.message
    world.faults.clear()
    await stage.resolve(handle, Decision.RETRY)  # the budget starts afresh
    await handle.result()


async def test_a_budget_that_ends_during_a_try_is_read_through_to_the_failure_before(
    stage: Stage, world: World
) -> None:
    gate = asyncio.Event()
    world.faults["left/do"] = lambda call: BUSY if call == 1 else None
    handle = await stage.start()
    await world.reached["left/do"].wait()
    world.gates["left/do"] = gate  # the second try hangs until the budget is over
    park = (await stage.parked(handle, "left")).parks[0]
    gate.set()
    assert "gave up after several tries; the last said: the other side is busy" in park.failure.message
    await stage.resolve(handle, Decision.RETRY)
    await handle.result()


async def test_a_pivot_that_runs_into_its_time_limit_is_unknown(stage: Stage, world: World) -> None:
    gate = world.gates["pivot/do"] = asyncio.Event()
    handle = await stage.start(pace=Pace(attempt=timedelta(milliseconds=200), tries=1))
    park = (await stage.parked(handle, "pivot")).parks[0]
    assert (park.failure.kind, park.failure.code) == ("OutcomeUnknown", "timed-out")
    assert Decision.UNWIND not in park.offers
    gate.set()
    await stage.resolve(handle, Decision.RETRY)
    await handle.result()


async def test_a_fault_in_an_activity_parks_after_its_tries(stage: Stage, world: World) -> None:
    world.faults["bare/do"] = times(3, KeyError("colour"))
    handle = await stage.start()
    park = (await stage.parked(handle, "bare")).parks[0]
    assert world.calls["bare/do"] == 3
    assert (park.failure.kind, park.failure.code, park.owner) == (
        "OutcomeUnknown",
        "fault",
        Owner.INTEGRATION,
    )
    assert "KeyError" in park.failure.message
    assert Decision.RETRY_WITH not in park.offers, "nothing is certain after a fault"
    await stage.resolve(handle, Decision.RETRY)
    await handle.result()


async def test_a_refusal_without_a_readable_record_is_no_certainty(stage: Stage, world: World) -> None:
    world.faults["bare/do"] = times(
        1, ApplicationError("odd", {"kind": "?"}, type="Rejected", non_retryable=True)
    )
    handle = await stage.start()
    park = (await stage.parked(handle, "bare")).parks[0]
    assert park.failure.code == "failure-unreadable"
    assert Decision.RETRY_WITH not in park.offers
    await stage.resolve(handle, Decision.RETRY)
    await handle.result()


async def test_waiting_for_a_lease_spends_neither_tries_nor_budget(stage: Stage, world: World) -> None:
    world.faults["after/do"] = times(12, NotYet("all five are taken", after=timedelta(milliseconds=5)))
    handle = await stage.start()
    await handle.result()
    assert world.calls["after/do"] == 13
    assert not world.cases


@pytest.mark.parametrize("failure", [BUSY, OutcomeUnknown("lost", code="outcome-unknown")])
async def test_an_activity_that_counts_its_own_tries_ends_them_itself(
    stage: Stage, world: World, failure: Failure
) -> None:
    world.faults["after/do"] = lambda call: Spent(failure) if call == 1 else None
    handle = await stage.start()
    park = (await stage.parked(handle, "after")).parks[0]
    assert park.failure.kind == failure.kind
    assert world.calls["after/do"] == 1
    await stage.resolve(handle, Decision.RETRY)
    await handle.result()


async def test_e14_a_result_that_is_too_large_is_not_tried_again(stage: Stage, world: World) -> None:
    heavy = Put(item="bare", pad="x" * (PAYLOAD_LIMIT - 500))  # light enough to send; the result is heavier
    handle = await stage.start(Plan(items={"bare": heavy.model_copy(update={"item": "b" * 300})}))
    park = (await stage.parked(handle, "bare")).parks[0]
    assert (park.failure.kind, park.failure.code) == ("OutcomeUnknown", "payload-too-large")
    assert world.calls["bare/do"] == 1
    assert park.offers == (Decision.RETRY, Decision.SKIP_WITH, Decision.UNWIND), (
        "its deed is done: no blind edit"
    )
    await stage.resolve(handle, Decision.UNWIND)
    await stage.unwound(handle)


async def test_e11_a_refused_first_update_leaves_no_idle_run(stage: Stage, world: World) -> None:
    start = WithStartWorkflowOperation(
        ShelfSaga.run,
        Plan(),
        id=f"shelf/{stage.core}/e11",
        task_queue=stage.core,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
    )
    world.faults["first/do"] = times(1, Rejected("no", code="quote-x"))
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await stage.client.execute_update_with_start_workflow(
            ShelfSaga.cancel, CancelRequest(actor="ann", reason="too early"), start_workflow_operation=start
        )
    assert "it has not begun yet" in str(caught.value.cause)
    handle = await start.workflow_handle()
    stage.handles.append(handle)
    await stage.parked(handle, "first")
    await stage.resolve(handle, Decision.RETRY)
    await handle.result()
