"""The embedded stack for tests, and the command line as a user runs it: in a process of its own.

async def test_something(stack: Stack) -> None: ...      # one for the whole run, simulated clock, nothing kept
said = revsaga("doctor", "--json", environment=stack.environment)
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from stack import Stack

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Said:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def command() -> list[str]:
    """The command line, with the Python of this run."""
    return [sys.executable, str(ROOT / "cli.py")]


def clean_environment(more: Mapping[str, str]) -> dict[str, str]:
    """This environment without anything of ours, and `more`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REVSAGA_")}
    return {**kept, "REVSAGA_DATA_DIR": "/nonexistent/revsaga", **more}


def revsaga(*arguments: str, environment: Mapping[str, str], timeout: float = 120) -> Said:
    """Run a command to its end. A trace is a failure of the test, whatever the exit code."""
    done = subprocess.run(
        [*command(), *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=clean_environment(environment),
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Said(done.returncode, done.stdout, done.stderr)


async def revsaga_later(*arguments: str, environment: Mapping[str, str], timeout: float = 120) -> Said:
    """The same beside a running loop."""
    return await asyncio.to_thread(revsaga, *arguments, environment=environment, timeout=timeout)


@pytest.fixture(scope="session")
async def stack() -> "AsyncIterator[Stack]":
    """The embedded stack, loaded with the book of the demonstration; its business clock is simulated."""
    from commands.demo.book import world
    from stack import Ports, Stack

    async with Stack(world=world(), clock="simulated", ports=Ports(ui=None)) as found:
        yield found
