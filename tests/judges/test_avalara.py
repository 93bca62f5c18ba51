"""The vendor's own AvaTax client drives our sandbox over HTTP and likes the answers."""

import asyncio
import json
import re
from pathlib import Path

from connectors.kit.sandbox import serve
from tests.connectors.avalara.data import engine

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-judges" / "bin" / "python"
SCRIPT = Path(__file__).with_name("avalara_judge.py")
# Endpoints of our client that this one cannot reach, each with its reason.
UNREACHABLE: dict[str, str] = {}


def endpoints() -> set[str]:
    """What our client calls, as its docstrings say."""
    source = (ROOT / "connectors" / "avalara" / "client.py").read_text(encoding="utf-8")
    return set(re.findall(r'"""`((?:GET|POST|PUT|PATCH|DELETE) /[^`\s]*)`', source))


async def test_the_avalara_client_is_content() -> None:
    assert PYTHON.exists(), "the judges' environment is missing: run `make setup-judges`"
    sandbox = engine()
    async with serve(sandbox) as url:
        process = await asyncio.create_subprocess_exec(
            PYTHON,
            "-W",
            "ignore",
            SCRIPT,
            url,
            json.dumps(sandbox.credentials()),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    verdict = json.loads(out)
    assert verdict["failed"] == [], "\n".join(verdict["failed"])
    assert len(verdict["checks"]) >= 60
    ours = endpoints()
    assert len(ours) == 6
    covered = ours & set(verdict["covered"])
    print(f"avalara client: {len(verdict['checks'])} checks, {len(covered)} of {len(ours)} endpoints")
    assert ours - covered == set(UNREACHABLE)
    assert (sandbox.state["documents"], dict(sandbox.effects)) == ({}, {})
