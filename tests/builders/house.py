"""The whole house in one process: five sandboxes, a real database, the real activities, workers on a real engine."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker, WorkerDeploymentConfig

from activities.boundary import Boundary
from activities.contracts.manners import PACE_MEMO, Pace, Role, queue
from activities.contracts.stories import ActivationOrder, ActivationResult
from activities.settings import Settings
from activities.store.effect_entry import KillPoint
from activities.store.store import Store
from activities.wiring import Wired, build
from canonical.entity import LegalEntity
from canonical.quote import Deal
from connectors import registry
from connectors.kit.sandbox import Sandbox, SandboxTransport
from connectors.kit.sandbox.faults import Fault
from connectors.kit.world import World
from workflows.kernel.parking import CancelRequest, Decision, Resolution
from workflows.kernel.runner import RUNNER
from workflows.kernel.views import SagaView
from workflows.quote_to_subscription import ActivateQuote
from workflows.roll import ROLL

MORNING = datetime(2026, 2, 1, 9, 0, tzinfo=UTC)
URL = "http://127.0.0.1:9"
_LONGEST_SHUTDOWN = 20.0  # seconds


def environment(vendor: str, sandbox: Sandbox, url: str) -> dict[str, str]:
    """Environment variables with which an adapter reaches a sandbox."""
    known: Any = sandbox
    pairs = known.credentials() if hasattr(known, "credentials") else known.connection(url)
    return {f"REVSAGA_{vendor.upper()}_{k.upper()}": str(v) for k, v in {**pairs, "base_url": url}.items()}


def sandboxes(world: World) -> dict[str, Sandbox]:
    """One sandbox for each vendor, loaded with the world."""
    made: dict[str, Sandbox] = {}
    for vendor, manifest in registry.vendors().items():
        made[vendor] = manifest.sandbox_type()(clock=lambda: MORNING)
        made[vendor].seed(world.model_dump(mode="json"))
    return made


@dataclass
class House:
    """Everything a saga test touches."""

    client: Client
    world: World
    sandboxes: Mapping[str, Sandbox]
    wired: Wired
    core: str
    handles: list[WorkflowHandle[Any, Any]] = field(default_factory=list)

    @property
    def store(self) -> Store:
        """The database."""
        return self.wired.store

    def deal(self, n: int = 0) -> Deal:
        """The n-th deal of the world."""
        return self.world.deals[n]

    async def start(
        self, deal: Deal, *, pace: Pace | None = None, again: int = 0
    ) -> WorkflowHandle[ActivateQuote, ActivationResult]:
        """Start the activation of a deal."""
        suffix = f"/n{again}" if again else ""
        handle = await self.client.start_workflow(
            ActivateQuote.run,
            ActivationOrder(quote_id=deal.quote.quote_id, revision=deal.revision, actor="test", again=again),
            id=f"activation/{deal.quote.quote_id}/r{deal.revision}{suffix}",
            task_queue=self.core,
            memo={PACE_MEMO: pace} if pace else None,
        )
        self.handles.append(handle)
        return handle

    async def state(self, handle: WorkflowHandle[Any, Any]) -> SagaView:
        """The saga as people see it."""
        return await handle.query(ActivateQuote.state)

    async def resolve(self, handle: WorkflowHandle[Any, Any], decision: Decision, **more: Any) -> None:
        """A decision by a person."""
        actor = more.pop("actor", "ann")
        await handle.execute_update(
            ActivateQuote.resolve, Resolution(decision=decision, actor=actor, reason="test", **more)
        )

    async def cancel(self, handle: WorkflowHandle[Any, Any]) -> None:
        """Somebody asks it to stop."""
        await handle.execute_update(ActivateQuote.cancel, CancelRequest(actor="ann", reason="changed mind"))

    def fault(self, vendor: str, match: str, kind: Any, **more: Any) -> None:
        """Arm a fault in a sandbox."""
        self.sandboxes[vendor].faults.add(Fault(match=match, kind=kind, **more))

    def calls(self, vendor: str) -> list[str]:
        """Vendor calls so far, as `METHOD path`."""
        return [f"{e['method']} {e['path']}" for e in self.sandboxes[vendor].log]


def _deployment(core: str) -> WorkerDeploymentConfig:
    version = WorkerDeploymentVersion(deployment_name=core, build_id="test")
    return WorkerDeploymentConfig(version=version, use_worker_versioning=True)


async def _promote(client: Client, core: str) -> None:
    """Make the workers' version current; the server knows it only once their pollers have arrived."""
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace,
        deployment_name=core,
        build_id="test",
        identity="test",
        ignore_missing_task_queues=True,
    )
    for _ in range(200):
        try:
            await client.workflow_service.set_worker_deployment_current_version(request)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            await asyncio.sleep(0.05)
        else:
            return
    raise AssertionError("the workers never arrived")


async def load_master(wired: Wired, world: World, entities: Sequence[LegalEntity] | None = None) -> None:
    """Publish master data and activate every vendor's mapping, as `up` does."""
    master = wired.store.master
    await master.publish("entities", entities or world.entities, actor="test", reason="test")
    await master.publish("routing", world.rules, actor="test", reason="test")
    await master.publish("catalog", world.catalog.products, actor="test", reason="test")
    seen: set[str] = set()
    for role, adapter in wired.adapters.items():
        vendor = wired.settings.roles()[role]
        if vendor not in seen:
            seen.add(vendor)
            await wired.store.mappings.activate(
                vendor, await adapter.references(), actor="test", reason="test"
            )


@asynccontextmanager
async def _working(worker: Worker) -> AsyncIterator[None]:
    """Run a worker, and leave it after a while even if its shutdown never ends (seen while a saga was mid-flight)."""
    running = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        stopping = asyncio.create_task(worker.shutdown())
        await asyncio.wait([stopping, running], timeout=_LONGEST_SHUTDOWN, return_when=asyncio.ALL_COMPLETED)
        for task in (stopping, running):
            task.cancel()
        await asyncio.wait([stopping, running], timeout=1)
        if running.done() and not running.cancelled() and (failed := running.exception()) is not None:
            raise failed


@asynccontextmanager
async def a_house(
    client: Client,
    store: Store,
    world: World,
    *,
    versioned: bool = False,
    kill_point: KillPoint | None = None,
    rewire: Callable[[Wired], None] | None = None,
    **settings: Any,
) -> AsyncIterator[House]:
    """Open the house. Workers poll queues of this house alone; a real server wants them `versioned`.

    `rewire` may change what was wired before anybody works with it.
    """
    core = f"house-{uuid.uuid4().hex[:8]}-core"
    boxes = sandboxes(world)
    old = dict(os.environ)
    for vendor, box in boxes.items():
        os.environ.update(environment(vendor, box, URL))
    await store.waits.simulate(MORNING)
    try:
        wired = await build(
            Settings(queue=core, clock="simulated", **settings),
            transports={vendor: SandboxTransport(box) for vendor, box in boxes.items()},
            store=store,
            temporal=client,
            kill_point=kill_point,
        )
    finally:
        os.environ.clear()
        os.environ.update(old)
    if rewire is not None:
        rewire(wired)
    await load_master(wired, world)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(wired.close)
        for role in Role:
            await stack.enter_async_context(
                _working(
                    Worker(
                        client,
                        task_queue=queue(role, beside=core),
                        workflows=ROLL if role is Role.CORE else [],
                        activities=wired.activities[role],
                        workflow_runner=RUNNER,
                        interceptors=[Boundary()],
                        deployment_config=_deployment(core) if versioned else None,
                    )
                )
            )
        if versioned:
            await _promote(client, core)
        yield House(client, world, boxes, wired, core)
