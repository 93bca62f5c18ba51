"""The worker: connect, wire, poll, drain. `python worker.py [--queues core,crm] [--promote always|new|never]`.

Each task queue has pollers of its own, so that a slow vendor holds up nobody else. SIGTERM or SIGINT drains: what runs
may finish within 30 s, nothing new is taken; a second signal ends the process at once.
"""

import argparse
import asyncio
import logging
import os
import platform
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from importlib.metadata import version as package_version
from typing import Any, Literal, NoReturn, cast, get_args

from prometheus_client import CollectorRegistry, Gauge
from temporalio.api.workflowservice.v1 import (
    DescribeWorkerDeploymentRequest,
    SetWorkerDeploymentCurrentVersionRequest,
)
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.runtime import LoggingConfig, PrometheusConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import PollerBehaviorSimpleMaximum, Worker, WorkerDeploymentConfig

from activities.boundary import Boundary
from activities.contracts.manners import Role, queue
from activities.settings import Settings, adopt_secrets
from activities.store.migrate import status
from activities.telemetry import Correlation, health_server, host_and_port, log_as_json
from activities.wiring import Wired, build
from canonical.failures import Failure, Misconfigured, Transient
from workflows.kernel.runner import DATA_CONVERTER, RUNNER
from workflows.roll import ROLL

log = logging.getLogger("revsaga.worker")
Promote = Literal["always", "new", "never"]
GRACE = timedelta(seconds=30)
_CACHED = 500  # sagas whose state is kept; each is 0.3 to 1 MB with its sandbox
_TASKS, _CALLS = 20, 20  # workflow tasks and activities at a time; a vendor's pool has 10 connections
_CONNECT = timedelta(seconds=10)
_PATIENCE = 60.0  # seconds until our pollers must be known to the server
_SOON = frozenset({RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION, RPCStatusCode.UNAVAILABLE})


def deployed(settings: Settings) -> WorkerDeploymentVersion:
    """The deployment and build that this program registers as."""
    return WorkerDeploymentVersion(settings.deployment, settings.build or package_version("revsaga"))


def parse_roles(text: str) -> tuple[Role, ...]:
    """`core,crm` as roles; all of them for an empty text. Raises Misconfigured `queue-unknown`."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    known = {role.value for role in Role}
    wrong = [name for name in names if name not in known]
    if wrong:
        raise Misconfigured(
            f"there is no queue {', '.join(wrong)}",
            code="queue-unknown",
            field="--queues",
            fix=f"choose among {', '.join(sorted(known))}",
        )
    return tuple(Role(name) for name in dict.fromkeys(names)) or tuple(Role)


def runtime(settings: Settings) -> Runtime:
    """The engine's client core, with its own metrics when an address is set."""
    metrics = None
    if settings.metrics_address:
        host_and_port(settings.metrics_address, "REVSAGA_METRICS_ADDRESS")
        metrics = PrometheusConfig(bind_address=settings.metrics_address, durations_as_seconds=True)
    quiet = LoggingConfig(filter=TelemetryFilter(core_level="ERROR", other_level="ERROR"))
    return Runtime(telemetry=TelemetryConfig(metrics=metrics, logging=quiet))


async def connect(settings: Settings) -> Client:
    """Connect to Temporal. Raises Transient `temporal-unavailable`."""
    try:
        return await Client.connect(
            settings.temporal_address,
            namespace=settings.temporal_namespace,
            data_converter=DATA_CONVERTER,
            identity=f"{os.getpid()}@{platform.node()}",
            runtime=runtime(settings),
            connect_timeout=_CONNECT,
        )
    except (RuntimeError, OSError) as error:
        raise Transient(
            f"Temporal at {settings.temporal_address} does not answer: {error}",
            code="temporal-unavailable",
            field="REVSAGA_TEMPORAL_ADDRESS",
            fix="start the server, or correct REVSAGA_TEMPORAL_ADDRESS (or REVSAGA_METRICS_ADDRESS, if it is in use)",
        ) from error


def make(client: Client, wired: Wired, role: Role) -> Worker:
    """The worker of one queue."""
    version, core = deployed(wired.settings), role is Role.CORE
    rates = [
        capability.rate_per_second
        for name, capability in wired.tools.capabilities.items()
        if name == role.value and capability.rate_per_second
    ]
    return Worker(
        client,
        task_queue=queue(role, wired.settings.queue),
        workflows=ROLL if core else [],
        activities=wired.activities[role],
        workflow_runner=RUNNER,
        interceptors=[Boundary(), Correlation()],
        deployment_config=WorkerDeploymentConfig(version=version, use_worker_versioning=True),
        max_cached_workflows=_CACHED if core else 0,
        max_concurrent_workflow_tasks=_TASKS if core else None,
        max_concurrent_activities=_CALLS,
        max_task_queue_activities_per_second=min(rates) if rates else None,
        workflow_task_poller_behavior=PollerBehaviorSimpleMaximum(4 if core else 2),
        activity_task_poller_behavior=PollerBehaviorSimpleMaximum(2),
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
        graceful_shutdown_timeout=GRACE,
        max_heartbeat_throttle_interval=timedelta(seconds=10),
    )


async def current_build(client: Client, deployment: str) -> tuple[str, frozenset[str]]:
    """(the build that new sagas run on, every build known); empty when the deployment is unknown."""
    request = DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=deployment)
    try:
        found = (await client.workflow_service.describe_worker_deployment(request)).worker_deployment_info
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return "", frozenset()
        raise
    known = frozenset(summary.deployment_version.build_id for summary in found.version_summaries)
    return found.routing_config.current_deployment_version.build_id, known


async def promote(client: Client, version: WorkerDeploymentVersion, patience: float = _PATIENCE) -> None:
    """Make `version` the one that new sagas run on; waits up to `patience` seconds until its pollers are known."""
    loop = asyncio.get_running_loop()
    limit = loop.time() + patience
    while True:
        try:
            await client.workflow_service.set_worker_deployment_current_version(
                SetWorkerDeploymentCurrentVersionRequest(
                    namespace=client.namespace,
                    deployment_name=version.deployment_name,
                    build_id=version.build_id,
                    identity=client.identity,
                )
            )
        except RPCError as error:
            if error.status not in _SOON or loop.time() > limit:
                raise
            await asyncio.sleep(0.1)
        else:
            log.info("new sagas run on build %s of %s", version.build_id, version.deployment_name)
            return


@dataclass
class Running:
    """One worker process."""

    settings: Settings
    roles: tuple[Role, ...]
    client: Client
    wired: Wired
    workers: dict[Role, Worker]
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    promoted: bool = False

    async def look(self) -> dict[str, Any]:
        """The answer of `/ready`."""
        problems: list[str] = []
        try:
            await asyncio.wait_for(self.wired.store.fetchval("SELECT 1"), 3)
        except (Failure, TimeoutError) as failure:
            problems.append(f"store: {failure!s}" if str(failure) else "store: no answer in 3 s")
        try:
            await asyncio.wait_for(self.client.service_client.check_health(), 3)
        except (RPCError, TimeoutError) as error:
            problems.append(f"temporal: {error!s}" if str(error) else "temporal: no answer in 3 s")
        draining, version = self.stop.is_set(), deployed(self.settings)
        return {
            "ready": not problems and not draining and self.promoted,
            "draining": draining,
            "promoted": self.promoted,
            "problems": problems,
            "deployment": version.deployment_name,
            "build": version.build_id,
            "queues": [queue(role, self.settings.queue) for role in self.roles],
        }

    async def drain(self) -> None:
        """Take nothing new, and let what runs finish within the grace."""
        log.info("draining: what runs may finish within %d s", GRACE.total_seconds())
        await asyncio.gather(*(w.shutdown() for w in self.workers.values() if w.is_running))

    async def rise(self, mode: Promote, known: frozenset[str], current: str) -> None:
        """Promote this version if it is to be: a build that was seen before is left as somebody decided it."""
        version = deployed(self.settings)
        wanted = mode == "always" or (mode == "new" and (not current or version.build_id not in known))
        if Role.CORE in self.roles and wanted and current != version.build_id:
            await promote(self.client, version)
        self.promoted = True


def _polls(worker: Worker) -> float:
    return float(worker.is_running)


def _metrics(running: Running) -> CollectorRegistry:
    registry, version = CollectorRegistry(), deployed(running.settings)
    labels = ["deployment", "build", "queue"]
    gauge = Gauge("revsaga_worker_polling", "1 while this process polls the queue", labels, registry=registry)
    for role, worker in running.workers.items():
        place = gauge.labels(version.deployment_name, version.build_id, queue(role, running.settings.queue))
        place.set_function(partial(_polls, worker))
    return registry


async def poll(running: Running, mode: Promote) -> None:
    """Poll until told to stop, or until a worker ends by itself; then drain. Raises what ended a worker."""
    current, known = await current_build(running.client, running.settings.deployment)
    tasks = [asyncio.create_task(w.run(), name=f"poll {role}") for role, w in running.workers.items()]
    rising = asyncio.create_task(running.rise(mode, known, current), name="promote")
    waiting = asyncio.create_task(running.stop.wait(), name="stop")
    server = page = None
    if running.settings.health_address:
        server, socket = health_server(running.settings.health_address, running.look, _metrics(running))
        page = asyncio.create_task(server.serve(sockets=[socket]), name="health page")
    pending: set[asyncio.Task[Any]] = {*tasks, rising, waiting, *([page] if page else [])}
    try:
        while True:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            if done != {rising} or rising.exception() is not None:
                break
    finally:
        running.stop.set()
        rising.cancel()
        await running.drain()
        ended = await asyncio.gather(*tasks, rising, return_exceptions=True)
        if server is not None and page is not None:
            server.should_exit = True
            await page
    for result in ended:
        if isinstance(result, Exception):
            raise result


async def serve(roles: tuple[Role, ...], mode: Promote) -> None:
    """The whole life of a worker. Raises Failure for what is missing or away at the start."""
    adopt_secrets()
    settings = Settings()
    async with AsyncExitStack() as stack:
        state = await status(settings.database_url) if settings.database_url else None
        if state is not None and state.pending:
            raise Misconfigured(
                f"migrations are pending: {', '.join(state.pending)}",
                code="store-not-migrated",
                fix="revsaga db migrate",
            )
        client = await connect(settings)
        wired = await build(settings, temporal=client)
        stack.push_async_callback(wired.close)
        running = Running(settings, roles, client, wired, {role: make(client, wired, role) for role in roles})
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _stop, running.stop)
        log.info("polling %s as build %s", ", ".join(roles), deployed(settings).build_id)
        await poll(running, mode)
    log.info("drained")


def _stop(stop: asyncio.Event) -> None:
    if stop.is_set():
        leave(130)
    stop.set()


def run(queues: str = "", mode: Promote = "new") -> int:
    """Run until a signal; the exit code: 0 drained, 4 something that it needs is missing or away, 1 it broke."""
    log_as_json()
    try:
        asyncio.run(serve(parse_roles(queues), mode))
    except Failure as failure:
        log.error("%s (fix: %s)", failure.message, failure.fix or "see the message")
        return 4
    except Exception:
        log.exception("the worker broke")
        return 1
    return 0


def leave(code: int) -> NoReturn:
    """End at once: a plain exit of an interpreter with the engine's client may crash after all work is done."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main(arguments: Sequence[str] | None = None) -> None:
    """The console entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queues", default="", help="comma separated: " + ", ".join(Role))
    parser.add_argument("--promote", default="new", choices=get_args(Promote))
    options = parser.parse_args(arguments)
    leave(run(options.queues, cast("Promote", options.promote)))


if __name__ == "__main__":
    main()
