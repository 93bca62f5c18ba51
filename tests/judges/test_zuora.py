"""The vendor's own client drives our Zuora sandbox over HTTP and likes the answers."""

import asyncio
import json
import re
from pathlib import Path

from connectors.kit.sandbox import serve
from connectors.zuora.sandbox import Tenant, ZuoraSandbox
from tests.connectors.zuora.data import fill

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-judges" / "bin" / "python"
SCRIPT = Path(__file__).with_name("zuora_judge.py")
# Endpoints of our client that this one cannot reach, each with its reason.
UNREACHABLE: dict[str, str] = {}


class Invoiced(ZuoraSandbox):
    """Bills the account as soon as its last order of the story is complete."""

    def effect(self, kind: str, key: str) -> None:
        super().effect(kind, key)
        if (kind, key) == ("order-completed", "O-3"):
            self.add_document("A-JUDGE", "INV-1")


def endpoints() -> set[str]:
    """What our client calls, as its docstrings say."""
    source = (ROOT / "connectors" / "zuora" / "client.py").read_text(encoding="utf-8")
    found = re.findall(r'"""((?:GET|POST|PUT|PATCH|DELETE) /[^\s:,]*?)[.,]?(?:"""|\s)', source)
    return {re.sub(r"{[^}]*}", "{}", one) for one in found} | {"POST /oauth/token"}


async def test_the_vendors_own_client_is_content() -> None:
    assert PYTHON.exists(), "the judges' environment is missing: run `make setup-judges`"
    sandbox = Invoiced(tenant=Tenant(require_service_activation=True))
    fill(sandbox)
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
        out, errors = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, errors.decode()
    verdict = json.loads(out)
    assert verdict["failed"] == []
    assert len(verdict["checks"]) >= 45
    ours = endpoints()
    assert len(ours) == 19
    covered = ours & set(verdict["covered"])
    print(f"zuora-sdk: {len(verdict['checks'])} checks, {len(covered)} of {len(ours)} endpoints")
    assert ours - covered == set(UNREACHABLE)
    assert sandbox.effects["account", "A-JUDGE"] == 1
