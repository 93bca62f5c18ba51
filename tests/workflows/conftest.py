"""The engines that saga tests run on: the time-skipping test server, and a real dev server for what needs one."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import WorkerDeploymentConfig

from workflows.kernel import attributes
from workflows.kernel.runner import DATA_CONVERTER


def program(name: str) -> str:
    """A server's program, from the environment that the tests run in."""
    beside = Path(sys.executable).parent
    found = shutil.which(name, path=str(beside)) or shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed: run `make setup`")
    return found


@pytest.fixture(scope="session")
async def skipping() -> AsyncIterator[WorkflowEnvironment]:
    """The time-skipping test server. It knows our search attributes: without them workflow tasks fail for ever."""
    env = await WorkflowEnvironment.start_time_skipping(
        data_converter=DATA_CONVERTER, test_server_existing_path=program("temporal-test-server")
    )
    async with env:
        await env.client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(
                namespace=env.client.namespace,
                search_attributes={
                    key.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD for key in attributes.ALL
                },
            )
        )
        yield env


@pytest.fixture(scope="session")
async def dev_server() -> AsyncIterator[WorkflowEnvironment]:
    """A real server with visibility and the search attributes, on a free port."""
    env = await WorkflowEnvironment.start_local(
        data_converter=DATA_CONVERTER,
        dev_server_existing_path=program("temporal"),
        search_attributes=attributes.ALL,
        dev_server_extra_args=["--dynamic-config-value", "history.transferProcessorMaxPollRPS=1000"],
        ui=False,
    )
    async with env:
        yield env


@pytest.fixture(scope="session")
def client(skipping: WorkflowEnvironment) -> Client:
    """A client of the time-skipping server."""
    return skipping.client


def versioned(name: str, build: str = "1") -> WorkerDeploymentConfig:
    """A worker's deployment: pinned stories run only on versioned workers of a real server."""
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment_name=name, build_id=build), use_worker_versioning=True
    )


async def promote(client: Client, name: str, build: str = "1") -> None:
    """Make a version current; it is not found until its pollers have registered."""
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace, deployment_name=name, build_id=build, ignore_missing_task_queues=True
    )
    for _ in range(300):
        try:
            await client.workflow_service.set_worker_deployment_current_version(request)
        except RPCError as error:
            if error.status not in {RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION}:
                raise
            await asyncio.sleep(0.1)
        else:
            return
    raise AssertionError(f"version {build} of {name} never registered")
