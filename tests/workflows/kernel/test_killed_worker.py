"""On a real server: a worker is killed while many sagas are held, each at another step; and what only it shows."""

import asyncio
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import CancelledError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer, Worker

from activities.contracts.manners import PACE_MEMO, Pace, Role, queue
from tests.workflows.conftest import promote, versioned
from tests.workflows.kernel.conftest import Handle
from tests.workflows.kernel.stories import Kept, Plan, Put, ShelfSaga
from tests.workflows.kernel.worker_process import place
from tests.workflows.kernel.world import World
from workflows.kernel.runner import DATA_CONVERTER, RUNNER
from workflows.kernel.views import SagaView

ROOT = Path(__file__).resolve().parents[3]
PACE = Pace(attempt=timedelta(seconds=5), budget=timedelta(seconds=60), first_gap=timedelta(milliseconds=100))
HELD = "first strict bare left right pivot after last".split()
HELD_UNDO = ["first", "strict"]


@contextmanager
def _process(
    env: WorkflowEnvironment, core: str, folder: Path, *, hold: bool
) -> Iterator[subprocess.Popen[bytes]]:
    address = env.client.service_client.config.target_host
    arguments = [address, core, str(folder), "yes" if hold else "no"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.workflows.kernel.worker_process", *arguments], cwd=ROOT
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@asynccontextmanager
async def _workers(client: Client, core: str, world: World) -> AsyncIterator[None]:
    """Without the boundary, so that the engine's own limits are met."""
    async with AsyncExitStack() as stack:
        for role in (Role.CORE, Role.BILLING, Role.ERP):
            worker = Worker(
                client,
                task_queue=queue(role, beside=core),
                workflows=[ShelfSaga] if role is Role.CORE else [],
                activities=world.activities,
                workflow_runner=RUNNER,
                deployment_config=versioned(core),
            )
            await stack.enter_async_context(worker)
        await promote(client, core)
        yield


async def _eventually(what: str, holds: Callable[[], bool], seconds: float = 30) -> None:
    for _ in range(int(seconds / 0.05)):
        if holds():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"never so: {what}")


async def _parked(handle: Handle) -> SagaView:
    view = SagaView()
    for _ in range(300):
        view = await handle.query(ShelfSaga.state)
        if view.parks and view.parks[0].case_id:
            return view
        await asyncio.sleep(0.05)
    raise AssertionError(f"never parked: {view.model_dump_json(indent=1)}")


async def _cancelled(handle: Handle) -> None:
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    assert isinstance(failed.value.cause, CancelledError)


async def test_a_killed_worker_loses_nothing_wherever_it_was(
    dev_server: WorkflowEnvironment, tmp_path: Path
) -> None:
    client, core = dev_server.client, f"killed-{uuid.uuid4().hex[:6]}-core"

    async def start(name: str, plan: Plan) -> Handle:
        return await client.start_workflow(
            ShelfSaga.run, plan, id=f"{core}/{name}", task_queue=core, memo={PACE_MEMO: PACE}
        )

    def held(*names: str) -> bool:
        return all(place(tmp_path, f"held-{core}/{name}").exists() for name in names)

    with _process(dev_server, core, tmp_path, hold=True) as first:
        await promote(client, core)
        forward = {s: await start(f"do-{s}", Plan(items={s: Put(item=s, pad="hold")})) for s in HELD}
        backward = {
            s: await start(f"undo-{s}", Plan(items={s: Put(item=s, pad="hold-undo")}, differs=True))
            for s in HELD_UNDO
        }
        for handle in backward.values():
            await _parked(handle)
            await handle.cancel()
        await _eventually("undos held", lambda: held(*(f"undo-{s}-{s}/undo" for s in HELD_UNDO)))
        await _eventually("all held", lambda: held(*(f"do-{s}-{s}/do" for s in HELD)))
        first.kill()
        first.wait()
    with _process(dev_server, core, tmp_path, hold=False):
        for handle in forward.values():
            assert (await handle.result())[3] == "N-last"
        for handle in backward.values():
            await _cancelled(handle)
    for step, handle in forward.items():
        missing = [s for s in HELD if not place(tmp_path, f"{handle.id}/{s}/do").exists()]
        assert not missing, f"held at {step}"
    for handle in backward.values():
        left = [s for s in HELD if place(tmp_path, f"{handle.id}/{s}/do").exists()]
        assert left == ["bare"], "only what needs no undo stays"
    replayer = Replayer(workflows=[ShelfSaga], workflow_runner=RUNNER, data_converter=DATA_CONVERTER)
    for handle in [*forward.values(), *backward.values()]:
        await replayer.replay_workflow(await handle.fetch_history())


async def _groups(handle: Handle) -> set[tuple[str, str]]:
    """Which activity stands in which event group."""
    return {
        (event.activity_task_scheduled_event_attributes.activity_id, group.label.id)
        async for event in handle.fetch_history_events()
        if event.HasField("activity_task_scheduled_event_attributes")
        for group in event.event_group_markers
    }


async def test_lists_and_the_web_ui_of_a_real_server_tell_the_story(dev_server: WorkflowEnvironment) -> None:
    client, core = dev_server.client, f"seen-{uuid.uuid4().hex[:6]}-core"
    async with _workers(client, core, World()):
        handle = await client.start_workflow(
            ShelfSaga.run, Plan(differs=True), id=f"{core}/x", task_queue=core
        )
        await _parked(handle)
        query = f"SagaState = 'parked' AND SagaStep = 'compare' AND WorkflowId = '{core}/x'"
        for _ in range(200):
            if (await client.count_workflows(query)).count:
                break
            await asyncio.sleep(0.05)
        assert [w.id async for w in client.list_workflows(query)] == [handle.id]
        assert {("first/do", "first"), ("left/do", "left"), ("right/do", "right")} <= await _groups(handle)
        await handle.cancel()
        await _cancelled(handle)
        assert {("first/undo", "unwind"), ("first/undo", "first")} <= await _groups(handle)


class Heavy(World):
    """Its results are larger than the engine carries."""

    @activity.defn(name="put")
    async def put(self, order: Put) -> Kept:
        self.calls[order.item] += 1
        return Kept(
            item=order.item, number="1", quantity=1, pad="x" * 2_300_000 if order.item == "bare" else ""
        )


async def test_e14_the_engines_own_limit_is_not_tried_again(dev_server: WorkflowEnvironment) -> None:
    client, core, world = dev_server.client, f"heavy-{uuid.uuid4().hex[:6]}-core", Heavy()
    async with _workers(client, core, world):
        handle = await client.start_workflow(ShelfSaga.run, Plan(), id=f"{core}/x", task_queue=core)
        view = await _parked(handle)
        assert view.parks[0].failure.code == "payload-too-large"
        assert world.calls["bare"] == 1
        await handle.cancel()
        await _cancelled(handle)
