"""What `doctor` asks of Temporal: does it answer, are the queues polled, does a worker serve every running saga."""

import time
from collections.abc import Sequence

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeWorkerDeploymentRequest,
    GetSystemInfoRequest,
    ListWorkflowExecutionsRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.contracts.manners import Role, queue
from activities.settings import Settings
from commands._checks import Check, State
from worker import deployed
from workflows.kernel import attributes

_FRESH = 90.0
"""Seconds since its last poll after which a poller counts as gone; one poll lasts up to 60."""
_NAMED = 5


async def engine_checks(client: Client, settings: Settings) -> list[Check]:
    """Everything about Temporal. Raises RPCError when it goes away meanwhile."""
    info = await client.workflow_service.get_system_info(GetSystemInfoRequest())
    checks = [
        Check.ok("temporal", f"server {info.server_version} at {settings.temporal_address}", area="system"),
        await _attributes(client, settings),
    ]
    builds: dict[Role, set[str]] = {}
    for role in Role:
        pollers = await _pollers(client, queue(role, settings.queue), core=role is Role.CORE)
        builds[role] = {p.deployment_options.build_id for p in pollers}
        checks.append(_queue(settings, role, pollers))
    checks += await _versions(client, settings, builds[Role.CORE])
    return checks


async def _attributes(client: Client, settings: Settings) -> Check:
    found = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=settings.temporal_namespace)
    )
    missing = [key.name for key in attributes.ALL if key.name not in found.custom_attributes]
    if not missing:
        return Check.ok("search attributes", f"{len(attributes.ALL)} registered", area="temporal")
    create = (
        f"temporal operator search-attribute create --namespace {settings.temporal_namespace} --type Keyword"
    )
    create += "".join(f" --name {name}" for name in missing)
    return Check.down("search attributes", f"missing: {', '.join(missing)}", create, area="temporal")


async def _pollers(client: Client, name: str, *, core: bool) -> list[PollerInfo]:
    kind = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW if core else TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
    answer = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace, task_queue=TaskQueue(name=name), task_queue_type=kind
        )
    )
    now = time.time()
    return [p for p in answer.pollers if now - p.last_access_time.seconds < _FRESH]


def _queue(settings: Settings, role: Role, pollers: Sequence[PollerInfo]) -> Check:
    name = queue(role, settings.queue)
    if not pollers:
        return Check.down(
            f"queue {name}", "nobody polls it", f"revsaga worker --queues {role.value}", area="queues"
        )
    who = sorted({p.identity for p in pollers})
    return Check.ok(f"queue {name}", f"polled by {', '.join(who)}", area="queues")


async def _versions(client: Client, settings: Settings, served: set[str]) -> list[Check]:
    """The version that new sagas run on, and runs that are pinned to a version which no worker serves."""
    mine = deployed(settings)
    request = DescribeWorkerDeploymentRequest(
        namespace=client.namespace, deployment_name=mine.deployment_name
    )
    try:
        found = (await client.workflow_service.describe_worker_deployment(request)).worker_deployment_info
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        fix = "revsaga worker"
        return [
            Check.down(
                "worker version", f"no worker of {mine.deployment_name} was ever here", fix, area="workers"
            )
        ]
    current = found.routing_config.current_deployment_version.build_id
    known = [summary.deployment_version.build_id for summary in found.version_summaries]
    checks = [_current(current, mine.build_id, served)]
    lost = [build for build in known if build not in served]
    for build in lost:
        runs, more = await _pinned(client, mine.deployment_name, build)
        if runs:
            checks.append(_stranded(mine.deployment_name, build, runs, more, current))
    if not any(check.name.startswith("pinned runs") for check in checks):
        checks.append(
            Check.ok("pinned runs", "every running saga has a worker of its version", area="workers")
        )
    return checks


def _current(current: str, mine: str, served: set[str]) -> Check:
    name = "worker version"
    if not current:
        fix = "revsaga worker --promote always"
        return Check.down(name, "no version is current: new sagas do not begin", fix, area="workers")
    if current not in served:
        fix = f"start a worker of build {current}, or `revsaga worker --promote always`"
        return Check.down(
            name, f"new sagas run on build {current}, which no worker serves", fix, area="workers"
        )
    if current != mine:
        fix = "upgrade this program or the workers, so that both are of one build"
        return Check.warn(
            name, f"new sagas run on build {current}; this program is {mine}", fix, area="workers"
        )
    return Check.ok(name, f"new sagas run on build {current}", area="workers")


async def _pinned(client: Client, deployment: str, build: str) -> tuple[list[str], bool]:
    """Running sagas of one version, a few of them by id. Asked raw: a paused run breaks the client's own listing."""
    version = f"{deployment}:{build}"
    query = f'TemporalWorkerDeploymentVersion = "{version}" AND ExecutionStatus = "Running"'
    answer = await client.workflow_service.list_workflow_executions(
        ListWorkflowExecutionsRequest(namespace=client.namespace, query=query, page_size=_NAMED + 1)
    )
    ids = [found.execution.workflow_id for found in answer.executions]
    return ids[:_NAMED], len(ids) > _NAMED


def _stranded(deployment: str, build: str, runs: Sequence[str], more: bool, current: str) -> Check:
    named = ", ".join(runs) + (", and more" if more else "")
    move = (
        f"start a worker of build {build}; or, once its history replays on the current code: "
        f"temporal workflow update-options --workflow-id {runs[0]} --versioning-override-behavior pinned "
        f"--versioning-override-deployment-name {deployment} --versioning-override-build-id {current}"
    )
    return Check(
        area="workers",
        name=f"pinned runs of {build}",
        state=State.WARN,
        fix=move,
        detail=f"no worker serves: {named}",
    )
