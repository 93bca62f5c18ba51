"""One worker with its world for each test, and every history that a test produced is replayed at its end."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.worker import Replayer, Worker

from activities.boundary import Boundary
from activities.contracts.manners import PACE_MEMO, Pace, Role, queue
from tests.workflows.kernel.stories import Plan, QuickSaga, ShelfSaga
from tests.workflows.kernel.world import World
from workflows.kernel.parking import Answered, CancelRequest, Decision, Resolution, SagaState
from workflows.kernel.runner import DATA_CONVERTER, RUNNER
from workflows.kernel.views import SagaView, Unwound

Handle = WorkflowHandle[Any, Any]


@dataclass
class Stage:
    """A running saga and everything that a test wants of it."""

    client: Client
    world: World
    core: str
    handles: list[Handle] = field(default_factory=list)

    async def start(self, plan: Plan | None = None, *, pace: Pace | None = None) -> Handle:
        handle = await self.client.start_workflow(
            ShelfSaga.run,
            plan or Plan(),
            id=f"shelf/{uuid.uuid4().hex[:8]}",
            task_queue=self.core,
            memo={PACE_MEMO: pace} if pace else None,
        )
        self.handles.append(handle)
        return handle

    async def until(self, handle: Handle, holds: Callable[[SagaView], bool]) -> SagaView:
        """Look until it is so."""
        view = SagaView()
        for _ in range(600):
            view = await handle.query(ShelfSaga.state)
            if holds(view):
                return view
            await asyncio.sleep(0.02)
        raise AssertionError(f"never so: {view.model_dump_json(indent=1)}")

    async def unwound(self, handle: Handle) -> Unwound:
        """The report of a run that took everything back by itself."""
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
        cause = caught.value.cause
        assert isinstance(cause, ApplicationError), cause
        assert cause.type == "Unwound"
        return Unwound.model_validate(cause.details[0])

    async def cancelled(self, handle: Handle) -> None:
        """The run closes as cancelled."""
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
        assert isinstance(caught.value.cause, CancelledError), caught.value.cause

    async def parked(self, handle: Handle, *steps: str) -> SagaView:
        """Look until exactly these steps are parked, with their cases open."""
        return await self.until(
            handle, lambda v: {p.step for p in v.parks} == set(steps) and all(p.case_id for p in v.parks)
        )

    async def ended(self, handle: Handle, state: SagaState) -> SagaView:
        return await self.until(handle, lambda v: v.state is state)

    async def resolve(self, handle: Handle, decision: Decision, actor: str = "ann", **more: Any) -> Answered:
        resolution = Resolution(decision=decision, actor=actor, reason=f"{actor} says so", **more)
        answered: Answered = await handle.execute_update(ShelfSaga.resolve, resolution)
        return answered

    async def cancel(self, handle: Handle, actor: str = "ann") -> Answered:
        answered: Answered = await handle.execute_update(
            ShelfSaga.cancel, CancelRequest(actor=actor, reason="the customer withdrew")
        )
        return answered


@pytest.fixture
def world() -> World:
    return World()


@asynccontextmanager
async def workers(client: Client, world: World, core: str, *, cached: int = 1000) -> AsyncIterator[None]:
    """All workers of one installation."""
    async with AsyncExitStack() as stack:
        for role in (Role.CORE, Role.BILLING, Role.ERP):
            await stack.enter_async_context(
                Worker(
                    client,
                    task_queue=queue(role, beside=core),
                    workflows=[ShelfSaga, QuickSaga] if role is Role.CORE else [],
                    activities=world.activities,
                    workflow_runner=RUNNER,
                    interceptors=[Boundary()],
                    max_cached_workflows=cached,
                )
            )
        yield


@pytest.fixture
async def stage(client: Client, world: World) -> AsyncIterator[Stage]:
    made = Stage(client, world, f"kernel-{uuid.uuid4().hex[:8]}-core")
    async with workers(client, world, made.core):
        yield made
        await _replays(made)
        for handle in made.handles:
            # A run that a failed test left behind would hold up the time of the next one.
            if (await handle.describe()).status is WorkflowExecutionStatus.RUNNING:
                await handle.terminate("the test is over")


async def _replays(stage: Stage) -> None:
    """Whatever a run went through must replay on the same code."""
    replayer = Replayer(
        workflows=[ShelfSaga, QuickSaga], workflow_runner=RUNNER, data_converter=DATA_CONVERTER
    )
    for handle in stage.handles:
        await replayer.replay_workflow(await handle.fetch_history())
