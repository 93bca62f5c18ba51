"""Where an embedded stack is: the note that it leaves in its folder while it runs, for the command line."""

import fcntl
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from canonical.failures import Misconfigured
from connectors.kit.remote import SandboxControl

if TYPE_CHECKING:
    from temporalio.client import Client

    from activities.store.store import Store

LOCK = "lock"
FILE = "stack.json"


@dataclass(frozen=True)
class Running:
    """A stack that runs, in this process or in another one."""

    pid: int
    addresses: Mapping[str, str]
    environment: Mapping[str, str] = field(repr=False)


def data_folder() -> Path:
    """Where the embedded stack keeps its data: `REVSAGA_DATA_DIR`, else `.revsaga` here."""
    return Path(os.environ.get("REVSAGA_DATA_DIR") or ".revsaga").absolute()


def running(folder: Path) -> Running | None:
    """The stack that runs on `folder`, or None. The kernel frees its lock however it ends."""
    try:
        with (folder / LOCK).open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return Running(**json.loads((folder / FILE).read_text(encoding="utf-8")))
    except (FileNotFoundError, PermissionError, ValueError, TypeError):
        return None  # none was ever here, it is another user's, or it is only just starting
    return None


def write(folder: Path, found: Running) -> None:
    """Leave the note. Credentials stand in it, though only those of vendors on loopback: nobody else may read it."""
    draft = folder / f"{FILE}.part"
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(asdict(found), indent=2), encoding="utf-8")
    draft.replace(folder / FILE)


async def connect(address: str) -> "Client":
    """A client of the Temporal at `address`."""
    from temporalio.client import Client
    from temporalio.contrib.pydantic import pydantic_data_converter

    return await Client.connect(address, data_converter=pydantic_data_converter)


async def open_store(environment: Mapping[str, str]) -> "Store":
    """A connection to the store that `environment` names; close it."""
    from activities.store.store import Store

    return await Store.connect(environment["REVSAGA_DATABASE_URL"], pool=4)


@dataclass(frozen=True)
class Visit:
    """A stack in another process, and connections to it."""

    known: Running
    client: "Client"
    store: "Store"

    def sandbox(self, vendor: str) -> SandboxControl:
        """The control port of a vendor."""
        return SandboxControl(vendor, self.known.addresses[vendor])


@asynccontextmanager
async def visit(folder: Path) -> AsyncIterator[Visit]:
    """Work with a stack that runs on `folder` in another process. Raises Misconfigured `stack-not-running`."""
    known = running(folder)
    if known is None:
        raise Misconfigured(
            f"no stack runs on {folder}", code="stack-not-running", fix="start one: revsaga up"
        )
    found = Visit(known, await connect(known.addresses["temporal"]), await open_store(known.environment))
    try:
        yield found
    finally:
        await found.store.close()
