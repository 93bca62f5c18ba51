"""A client that nobody here wrote drives our org on loopback over HTTP, signs in both ways and likes the answers."""

import asyncio
import json
import re
from datetime import UTC, datetime
from pathlib import Path

from connectors.kit.sandbox import serve
from tests.builders.deals import a_deal
from tests.connectors.salesforce.harness import an_org

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-judges" / "bin" / "python"
SCRIPT = Path(__file__).with_name("salesforce_judge.py")
# Endpoints of our client that this one cannot reach, each with its reason.
UNREACHABLE: dict[str, str] = {}


def endpoints() -> set[str]:
    """What our client calls, as its docstrings say."""
    source = (ROOT / "connectors" / "salesforce" / "client.py").read_text(encoding="utf-8")
    return set(re.findall(r'"""`((?:GET|POST|PUT|PATCH|DELETE) /[^`?]*)', source))


async def test_simple_salesforce_is_content() -> None:
    assert PYTHON.exists(), "the judges' environment is missing: run `make setup-judges`"
    org = an_org(
        *(a_deal(f"j{n}") for n in range(450)),
        clock=lambda: datetime.now(UTC),
        page_size=200,
        daily_limit=15_000,
    )
    async with serve(org) as url:
        process = await asyncio.create_subprocess_exec(
            PYTHON,
            "-W",
            "ignore",
            SCRIPT,
            url,
            json.dumps(org.connection(url)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    verdict = json.loads(out)
    assert verdict["failed"] == []
    assert len(verdict["checks"]) >= 35
    ours = endpoints()
    assert len(ours) == 8
    covered = ours & set(verdict["covered"])
    print(f"salesforce client: {len(verdict['checks'])} checks, {len(covered)} of {len(ours)} endpoints")
    assert ours - covered == set(UNREACHABLE)
