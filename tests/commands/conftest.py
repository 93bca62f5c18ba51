"""Commands are tested on the same engines as the sagas that they speak to, and through the command line itself."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from activities.store.store import Store
from cli import cli
from tests.workflows.conftest import client, program, skipping
from workflows.kernel import attributes
from workflows.kernel.runner import DATA_CONVERTER

__all__ = ["client", "skipping"]


@pytest.fixture(scope="session")
async def indexed() -> AsyncIterator[Client]:
    """A real server: it lists workflows, keeps schedules, and may pause a workflow."""
    flags = ("history.transferProcessorMaxPollRPS=1000", "frontend.WorkflowPauseEnabled=true")
    env = await WorkflowEnvironment.start_local(
        data_converter=DATA_CONVERTER,
        dev_server_existing_path=program("temporal"),
        search_attributes=attributes.ALL,
        dev_server_extra_args=[word for flag in flags for word in ("--dynamic-config-value", flag)],
        ui=False,
    )
    async with env:
        yield env.client


@dataclass
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


async def run(
    store: Store,
    client: Client | None,
    *arguments: str,
    actor: str = "ann",
    more: Mapping[str, str] | None = None,
) -> Said:
    """`revsaga ...` against this store and this engine."""
    environment = {
        "REVSAGA_DATABASE_URL": store.url,
        "REVSAGA_TEMPORAL_ADDRESS": client.service_client.config.target_host if client else "127.0.0.1:9",
        "REVSAGA_ACTOR": actor,
        **(more or {}),
    }
    result = await asyncio.to_thread(CliRunner().invoke, cli, arguments, env=environment)
    return Said(result.exit_code, result.stdout, result.stderr)
