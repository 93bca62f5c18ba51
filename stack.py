"""The embedded default: Temporal's dev server, PostgreSQL, the vendors on loopback and a worker, as one object."""

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

LOCK = "lock"
FILE = "stack.json"


@dataclass(frozen=True)
class Running:
    """A stack that runs in another process."""

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
                known = json.loads((folder / FILE).read_text(encoding="utf-8"))
                return Running(known["pid"], known["addresses"], known["environment"])
    except (FileNotFoundError, ValueError):
        return None
    return None
