"""Where an embedded stack is: the note that it leaves in its folder while it runs, for the command line."""

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

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
