"""Programs that this process starts and that end with it, however it ends: ctrl-C, an error, or SIGKILL.

Each runs in a session of its own, so that a ctrl-C in the terminal reaches only the owner, who then ends them in good
order. Beside each stands a shell that waits for the end of its standard input: the kernel closes that with the owner,
and the shell ends the program's whole group. That works alike on Linux and macOS, for root and for anybody else, and
from any thread (a parent-death signal would follow the thread that started the program).
"""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Self

_WATCH = 'cat >/dev/null; kill -s TERM -- "-$0" 2>/dev/null; sleep 3; kill -s KILL -- "-$0" 2>/dev/null'


class Child:
    """One program. What it says goes to `log`; with `answers=True` its standard output is kept for the owner."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        answers: bool = False,
    ) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if answers else out,
                stderr=out,
                env=None if environment is None else dict(environment),
                cwd=folder,
                start_new_session=True,
            )
        self._watch = subprocess.Popen(
            ["/bin/sh", "-c", _WATCH, str(self.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Its process id, which is also the id of its group."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    @property
    def code(self) -> int | None:
        """Its exit code (negative: the signal that ended it), or None while it runs."""
        return self._process.poll()

    @property
    def answers(self) -> IO[bytes]:
        """Its standard output, if the owner keeps it."""
        if self._process.stdout is None:
            raise RuntimeError(f"{self.name} writes to its log")
        return self._process.stdout

    def tail(self, lines: int = 8) -> str:
        """The last lines that it said."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def wait(self, seconds: float) -> int | None:
        """Wait for its end, `seconds` at most; its exit code, or None when it still runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self.code

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._signal(signal.SIGKILL)
        self._end()

    def stop(self, patience: float = 10.0) -> None:
        """Ask it to end, wait `patience` seconds, then end it. Safe to call twice."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        self.kill()

    def _signal(self, number: int) -> None:
        # The group outlives its leader while a member is left: it is told even when the leader is gone already.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def _end(self) -> None:
        self._process.wait()
        self._watch.kill()
        self._watch.wait()
        for pipe in (self._process.stdout, self._watch.stdin):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


def free_port() -> int:
    """A port of the loopback interface that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_taken(port: int) -> bool:
    """Whether somebody listens on a port of the loopback interface."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
