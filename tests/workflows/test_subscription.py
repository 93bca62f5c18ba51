"""The subscription entity: takes operations in, runs them one at a time, and loses none when it goes on as new."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer, Worker

from activities.contracts.stories import EntityState, Operation, OperationEnded, SubscriptionView, Ticket
from canonical.document import DocumentRef
from canonical.subscription import SubscriptionState
from tests.builders.house import _deployment, _promote
from tests.workflows.entity_stories import BusyEntity, TestOperation
from tests.workflows.play import eventually
from workflows.kernel.runner import DATA_CONVERTER, RUNNER
from workflows.subscription import MOST_QUEUED, MOST_REMEMBERED, SubscriptionEntity

REF = DocumentRef(kind="change", hash="0" * 64, size=2)


def operation(name: str, kind: str = "quick", *, reason: str = "", content: str = "0") -> Operation:
    """An operation as a caller would submit it."""
    ref = REF.model_copy(update={"hash": content * 64})
    return Operation(
        operation_id=name, kind=kind, against_version=1, content=ref, actor="ann", reason=reason or "test"
    )


@dataclass
class Held:
    """One entity."""

    client: Client
    number: str
    handle: WorkflowHandle[Any, Any]

    async def submit(self, asked: Operation) -> Ticket:
        """Hand an operation in."""
        return await self.handle.execute_update(BusyEntity.submit, asked)

    async def view(self) -> SubscriptionView:
        """The entity as people see it."""
        return await self.handle.query(BusyEntity.view)

    def child(self, asked: Operation) -> WorkflowHandle[Any, Any]:
        """The workflow of an operation."""
        return self.client.get_workflow_handle(f"{asked.kind}/{self.number}/{asked.operation_id}")

    async def version(self, wanted: int) -> None:
        """Wait until the subscription has this version."""

        async def there() -> bool:
            return (await self.view()).version == wanted

        await eventually(there, f"version {wanted}")


@asynccontextmanager
async def an_entity(
    client: Client, entity: type = BusyEntity, state: EntityState | None = None
) -> AsyncIterator[Held]:
    """A running entity with a worker of its own."""
    number, queue = f"S-{uuid4().hex[:8]}", f"entity-{uuid4().hex[:8]}"
    start = state or EntityState(subscription_number=number, subscription=REF)
    async with Worker(
        client, task_queue=queue, workflows=[entity, TestOperation], workflow_runner=RUNNER,
        deployment_config=_deployment(queue),
    ):  # fmt: skip
        await _promote(client, queue)
        handle: WorkflowHandle[Any, Any] = await client.start_workflow(
            "Subscription", start.model_copy(update={"subscription_number": number}),
            id=f"subscription/{number}", task_queue=queue,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        )  # fmt: skip
        yield Held(client, number, handle)


@pytest.fixture
async def held(dev_server: WorkflowEnvironment) -> AsyncIterator[Held]:
    """An entity that knows two kinds of operations."""
    async with an_entity(dev_server.client) as entity:
        yield entity


def words(refusal: "pytest.ExceptionInfo[WorkflowUpdateFailedError]") -> str:
    """What the caller is told."""
    cause = refusal.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == "Refused"
    return cause.message


async def test_an_operation_gets_a_ticket_at_once_and_is_done(held: Held) -> None:
    ticket = await held.submit(operation("op-1"))
    assert ticket == Ticket(operation_id="op-1", place=0)
    await held.version(2)
    view = await held.view()
    assert (view.running, view.queued, view.state) == (None, (), SubscriptionState.ACTIVE)


async def test_a_ticket_never_waits_for_the_operation_and_operations_run_in_turn(held: Held) -> None:
    asked = [operation(f"op-{n}", "wait") for n in range(3)]
    tickets = [await held.submit(one) for one in asked]
    assert [t.place for t in tickets] == [0, 1, 2]
    again = await held.submit(asked[2])
    assert again == Ticket(operation_id="op-2", place=2, repeated=True), "the same place as the first time"
    for n, one in enumerate(asked):
        view = await held.view()
        assert view.running == one.operation_id
        assert view.queued == tuple(o.operation_id for o in asked[n + 1 :])
        await held.child(one).signal(TestOperation.go_on)
        await held.version(n + 2)
    assert (await held.submit(asked[0])).repeated


async def test_the_same_id_with_another_content_is_refused(held: Held) -> None:
    await held.submit(operation("op-1"))
    with pytest.raises(WorkflowUpdateFailedError) as refusal:
        await held.submit(operation("op-1", content="1"))
    assert "another content" in words(refusal)
    assert (await held.submit(operation("op-1"))).repeated


async def test_a_kind_that_is_not_known_is_refused_by_name(
    dev_server: WorkflowEnvironment, held: Held
) -> None:
    with pytest.raises(WorkflowUpdateFailedError) as refusal:
        await held.submit(operation("op-1", "suspend"))
    assert "'suspend'" in words(refusal)
    assert "quick, wait" in words(refusal)
    async with an_entity(dev_server.client, SubscriptionEntity) as real:
        with pytest.raises(WorkflowUpdateFailedError) as refusal:
            await real.submit(operation("op-1", "suspend"))
        assert "none yet" in words(refusal)


async def test_a_queue_that_is_full_and_a_state_that_is_final_refuse(dev_server: WorkflowEnvironment) -> None:
    many = tuple(operation(f"w-{n}", "wait") for n in range(MOST_QUEUED + 1))
    state = EntityState(subscription_number="", subscription=REF, queue=many)
    async with an_entity(dev_server.client, BusyEntity, state) as full:
        with pytest.raises(WorkflowUpdateFailedError) as refusal:
            await full.submit(operation("one-more"))
        assert "waiting already" in words(refusal)
    async with an_entity(dev_server.client) as done:
        await done.submit(operation("wait-1", "wait"))
        await done.submit(operation("end", reason="cancelled"))
        await done.submit(operation("late"))
        await done.child(operation("wait-1", "wait")).signal(TestOperation.go_on)
        view = SubscriptionView.model_validate(await asyncio.wait_for(done.handle.result(), 20))
        assert view.state is SubscriptionState.CANCELLED
        assert (view.queued, view.running) == ((), None), "what was taken in before the end is not lost"


async def test_a_report_that_comes_twice_counts_once(held: Held) -> None:
    await held.submit(operation("op-1", reason="again"))
    await held.version(2)
    await held.handle.signal(
        BusyEntity.ended, OperationEnded(operation_id="op-1", outcome="applied", version=9)
    )
    await held.submit(operation("op-2"))
    await held.version(3)


async def test_nothing_is_lost_when_it_goes_on_as_new_under_load(held: Held) -> None:
    first = (await held.handle.describe()).run_id
    names = [f"op-{n}" for n in range(40)]
    tickets = []
    for start in range(0, 40, 5):  # at most ten updates may be under way at once
        tickets += await asyncio.gather(*(_handed_in(held, operation(n)) for n in names[start : start + 5]))
    assert {t.operation_id for t in tickets} == set(names)
    await held.version(41)
    assert (await held.handle.describe()).run_id != first
    for name in names:
        assert await held.child(operation(name)).result() > 1
    assert (await held.submit(operation("op-0"))).repeated, "what was known before is known after"
    replayer = Replayer(
        workflows=[BusyEntity, TestOperation], workflow_runner=RUNNER, data_converter=DATA_CONVERTER
    )
    for run in {first, (await held.handle.describe()).run_id}:
        history = await held.client.get_workflow_handle(held.handle.id, run_id=run).fetch_history()
        await replayer.replay_workflow(history)


async def _handed_in(held: Held, asked: Operation) -> Ticket:
    """As a client does it: an update that met the change of runs is sent again."""
    for _ in range(20):
        try:
            return await held.submit(asked)
        except RPCError as busy:
            if (
                busy.status is not RPCStatusCode.FAILED_PRECONDITION
            ):  # the task that took it in was refused: say it again
                raise
            await asyncio.sleep(0.05)
        except WorkflowUpdateFailedError as failed:
            cause = failed.cause
            if not (isinstance(cause, ApplicationError) and cause.type == "AcceptedUpdateCompletedWorkflow"):
                raise
    raise AssertionError(f"{asked.operation_id} was never taken in")


async def test_a_parked_operation_outlives_the_run_that_started_it(held: Held) -> None:
    slow = operation("slow", "wait")
    await held.submit(slow)
    first = (await held.handle.describe()).run_id
    for n in range(40):
        await held.submit(operation(f"behind-{n}"))

    async def renewed() -> bool:
        return (await held.handle.describe()).run_id != first

    await eventually(renewed, "a new run")
    view = await held.view()
    assert view.running == "slow"
    assert len(view.queued) == 40
    await held.child(slow).signal(TestOperation.go_on)
    await held.version(42)


async def test_an_operation_that_was_done_before_does_not_stop_the_queue(
    dev_server: WorkflowEnvironment,
) -> None:
    """Its id has left the memory of the entity long ago, but not that of the engine."""
    async with an_entity(dev_server.client) as held:
        old = operation("old")
        await held.submit(old)
        await held.version(2)
        forgotten = EntityState(
            subscription_number=held.number, subscription=REF, version=2, queue=(old, operation("next"))
        )
        await held.handle.terminate("test")
        queue = (await held.handle.describe()).task_queue
        handle: WorkflowHandle[Any, Any] = await held.client.start_workflow(
            "Subscription", forgotten, id=f"subscription/{held.number}", task_queue=queue
        )
        await Held(held.client, held.number, handle).version(3)


async def test_the_memory_of_ids_is_bounded(dev_server: WorkflowEnvironment) -> None:
    known = {f"old-{n}": "0" * 64 for n in range(MOST_REMEMBERED)}
    state = EntityState(subscription_number="", subscription=REF, known=known)
    async with an_entity(dev_server.client, BusyEntity, state) as held:
        assert (await held.submit(operation("old-0"))).repeated
        await held.submit(operation("new"))
        await held.version(2)
        assert (await held.submit(operation("old-1"))).repeated


async def test_a_subscription_has_one_entity_for_life(held: Held) -> None:
    queue = (await held.handle.describe()).task_queue
    start = EntityState(subscription_number=held.number, subscription=REF)
    for end in (False, True):
        if end:
            await held.handle.terminate("test")
        with pytest.raises(WorkflowAlreadyStartedError):
            await held.client.start_workflow(
                "Subscription", start, id=held.handle.id, task_queue=queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            )  # fmt: skip
