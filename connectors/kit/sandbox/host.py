"""All vendors on loopback in one process: `python -m connectors.kit.sandbox.host [--state FOLDER] [--ports JSON]`.

When all of them answer it writes one line of JSON to standard output: for each vendor its address and the settings with
which its adapter gets in. It ends on SIGTERM or SIGINT, after writing what is not yet written.
"""

import argparse
import asyncio
import json
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from connectors import registry
from connectors.kit.sandbox.core import Sandbox
from connectors.kit.sandbox.server import serve_many


def environment(vendor: str, sandbox: Sandbox, url: str) -> dict[str, str]:
    """Variables with which the adapter of `vendor` reaches `sandbox` at `url`."""
    known: Any = sandbox
    pairs = known.credentials() if hasattr(known, "credentials") else known.connection(url)
    return {
        f"REVSAGA_{vendor.upper()}_{name.upper()}": str(value)
        for name, value in {**pairs, "base_url": url}.items()
    }


def sandboxes(state: Path | None) -> dict[str, Sandbox]:
    """One for each vendor that is installed; `state` is the folder where they keep their books."""
    made: dict[str, Sandbox] = {}
    for vendor, manifest in registry.vendors().items():
        made[vendor] = manifest.sandbox_type()(data=None if state is None else state / f"{vendor}.json")
    return made


async def host(state: Path | None, ports: dict[str, int]) -> None:
    """Serve until a signal says stop."""
    boxes, stop = sandboxes(state), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serve_many(boxes, ports) as urls:
        answer = {
            vendor: {"url": url, "environment": environment(vendor, boxes[vendor], url)}
            for vendor, url in urls.items()
        }
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
        await stop.wait()


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry of the process."""
    parser = argparse.ArgumentParser(description="vendors on loopback")
    parser.add_argument("--state", type=Path, help="folder for their books; without it they are in memory")
    parser.add_argument("--ports", default="{}", help='JSON, such as {"acme": 9001}')
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(host(options.state, json.loads(options.ports)))


if __name__ == "__main__":
    main()
