"""Moves the simulated business clock: the store, the vendors on loopback, the sagas that wait, and the schedules.

clock = Clockwork(store, temporal, sandboxes, say=progress)
stops = await clock.advance(timedelta(days=30))
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest
from temporalio.client import Client, ScheduleOverlapPolicy
from temporalio.service import RPCError, RPCStatusCode

from activities.clock import Stop, StoreClock
from activities.settings import Settings
from activities.store.store import Store
from canonical.failures import Misconfigured, Transient
from connectors import registry
from connectors.kit.remote import SandboxControl
from connectors.kit.settings import is_loopback
from workflows.kernel.attributes import SAGA_STATE

_QUIET = frozenset({"waiting", "parked", "unwound", "done"})
_LOOK = 0.1


def vendors_on_loopback(settings: Settings) -> tuple[SandboxControl, ...]:
    """The control ports of the vendors that the adapters speak to, as far as they are on this machine."""
    found: list[SandboxControl] = []
    for vendor in dict.fromkeys(settings.roles().values()):
        base = registry.vendor(vendor).settings().base_url
        if is_loopback(base.split("//", 1)[1].split("/", 1)[0].rsplit(":", 1)[0]):
            found.append(SandboxControl(vendor, base.rstrip("/")))
    return tuple(found)


class Clockwork:
    """Moves everything that follows the business clock. `patience` is how long (real seconds) work due may take."""

    def __init__(
        self,
        store: Store,
        temporal: Client,
        vendors: Sequence[SandboxControl],
        *,
        patience: float = 120.0,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._temporal = temporal
        self._vendors = vendors
        self._patience = patience
        self._say = say

    async def advance(self, by: timedelta) -> tuple[Stop, ...]:
        """Go on by `by`, stopping at every due time in order; the stops at which somebody waited.

        Raises Misconfigured `clock-not-simulated`, or Transient `work-not-settled` with the clock standing at the stop.
        """
        await self._store.waits.simulated_now()
        stops = await StoreClock(self._store).advance(by, self._tell)
        now = await self._store.waits.simulated_now()
        await self._move_vendors(now)
        await self._trigger(now)
        return stops

    async def _tell(self, stop: Stop) -> None:
        await self._move_vendors(stop.at)
        ids = tuple(dict.fromkeys(wait.workflow_id for wait in stop.waits))
        self._say(f"{stop.at:%Y-%m-%d %H:%M}: {', '.join(ids)}")
        told = [workflow_id for workflow_id in ids if await self._signal(workflow_id, stop.at)]
        await self._trigger(stop.at)
        await self._settle(told)

    async def _move_vendors(self, now: datetime) -> None:
        await asyncio.gather(*(vendor.set_clock(now) for vendor in self._vendors))

    async def _signal(self, workflow_id: str, now: datetime) -> bool:
        """False for a saga that is not there any more: its waits are forgotten."""
        try:
            await self._temporal.get_workflow_handle(workflow_id).signal("clock_moved", now)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            await self._store.waits.end_all(workflow_id)
            return False
        return True

    async def _trigger(self, now: datetime) -> None:
        """Every schedule that is on runs once: its interval, a few minutes, lies behind at any stop."""
        async for found in await self._temporal.list_schedules():
            if found.schedule is not None and not found.schedule.state.paused:
                self._say(f"{now:%Y-%m-%d %H:%M}: schedule {found.id}")
                await self._temporal.get_schedule_handle(found.id).trigger(overlap=ScheduleOverlapPolicy.SKIP)

    async def _settle(self, workflow_ids: Sequence[str]) -> None:
        limit, left = time.monotonic() + self._patience, list(workflow_ids)
        while left:
            left = [workflow_id for workflow_id in left if not await self._is_quiet(workflow_id)]
            if left and time.monotonic() > limit:
                raise Transient(
                    f"{', '.join(left)} still works after {self._patience:.0f} s; the clock stands where it is",
                    code="work-not-settled",
                    fix="see `revsaga doctor` (does a worker run?) and `revsaga saga show`, then advance again",
                )
            if left:
                await asyncio.sleep(_LOOK)

    async def _is_quiet(self, workflow_id: str) -> bool:
        """Closed, or waiting for something with no task and no call under way. Asked raw: it may be paused."""
        request = DescribeWorkflowExecutionRequest(
            namespace=self._temporal.namespace, execution=WorkflowExecution(workflow_id=workflow_id)
        )
        found = await self._temporal.workflow_service.describe_workflow_execution(request)
        info = found.workflow_execution_info
        if info.status != WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING:
            return True
        if found.HasField("pending_workflow_task") or found.pending_activities:
            return False
        state = info.search_attributes.indexed_fields.get(SAGA_STATE.name)
        return state is not None and state.data.decode().strip('"') in _QUIET


async def business_now(store: Store) -> tuple[datetime, bool]:
    """(the business time, whether it is simulated)."""
    try:
        return await store.waits.simulated_now(), True
    except Misconfigured as other:
        if other.code != "clock-not-simulated":
            raise
        return datetime.now(UTC), False
