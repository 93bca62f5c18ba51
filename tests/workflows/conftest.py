"""The engines that saga tests run on: the time-skipping test server, and a real dev server for what needs one."""

import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from workflows.kernel import attributes
from workflows.kernel.runner import DATA_CONVERTER


def _program(name: str) -> str:
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
        data_converter=DATA_CONVERTER, test_server_existing_path=_program("temporal-test-server")
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
        dev_server_existing_path=_program("temporal"),
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
