"""A Temporal server for one machine: the engine of the embedded stack. It keeps its state in one file, or in memory."""

import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from activities.processes import Child, free_port, is_taken
from canonical.failures import Misconfigured

SETTINGS = (
    # Without it an idle saga waits 50 ms at each step; without the second, fairness keys are silently ignored.
    "history.transferProcessorMaxPollRPS=1000",
    "matching.enableFairness=true",
)


def program() -> str:
    """The server's program: beside this Python, or on the path. Raises Misconfigured `engine-missing`."""
    found = shutil.which("temporal", path=str(Path(sys.executable).parent)) or shutil.which("temporal")
    if found is None:
        raise Misconfigured(
            "the program `temporal` is not installed",
            code="engine-missing",
            fix="install this distribution with its dependencies, or set REVSAGA_TEMPORAL_ADDRESS",
        )
    return found


class EmbeddedTemporal:
    """One server on the loopback interface. `data` is its file (None: in memory); port 0 takes a free one."""

    def __init__(
        self,
        *,
        log: Path,
        attributes: Sequence[str],
        data: Path | None = None,
        port: int = 0,
        ui_port: int | None = None,
    ) -> None:
        self._data = data
        self._log = log
        self._attributes = tuple(attributes)
        self.port = port or free_port()
        self.ui_port = None if ui_port is None else ui_port or free_port()
        self._child: Child | None = None

    @property
    def address(self) -> str:
        """`host:port` for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def ui(self) -> str:
        """The address of the Web UI, empty when it has none."""
        return f"http://127.0.0.1:{self.ui_port}" if self.ui_port else ""

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._child is not None and self._child.alive

    @property
    def pid(self) -> int | None:
        """Its process id."""
        return self._child.pid if self._child is not None else None

    def start(self, wait: float = 30.0) -> Self:
        """Start it and return when its port answers (`wait` in seconds).

        Raises Misconfigured `port-taken`, or `engine-failed` with the end of its log.
        """
        for port in (self.port, self.ui_port):
            if port is not None and is_taken(port):
                raise Misconfigured(
                    f"port {port} is in use by another program",
                    code="port-taken",
                    fix="stop that program, or choose another port (`revsaga up --port`)",
                )
        self._child = Child("temporal", self._command(), log=self._log)
        limit = time.monotonic() + wait
        while not is_taken(self.port):
            if not self._child.alive or time.monotonic() > limit:
                tail = self._child.tail()
                self.stop()
                raise Misconfigured(
                    "the embedded Temporal server does not come up",
                    code="engine-failed",
                    fix=f"read {self._log}",
                    evidence={"log": tail},
                )
            time.sleep(0.03)
        return self

    def stop(self) -> None:
        """End it. Safe to call twice."""
        child, self._child = self._child, None
        if child is not None:
            child.stop()

    def kill(self) -> None:
        """End it at once."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()

    def _command(self) -> list[str]:
        command = [program(), "server", "start-dev", "--ip", "127.0.0.1", "--port", str(self.port)]
        command += ["--http-port", str(free_port()), "--metrics-port", str(free_port())]
        command += ["--log-level", "warn", "--log-format", "json"]
        if self.ui_port is None:
            command += ["--headless"]
        else:
            command += ["--ui-ip", "127.0.0.1", "--ui-port", str(self.ui_port), "--ui-disable-news-fetch"]
        if self._data is not None:
            self._data.parent.mkdir(parents=True, exist_ok=True)
            command += ["--db-filename", str(self._data), "--sqlite-pragma", "synchronous=0"]
        for setting in SETTINGS:
            command += ["--dynamic-config-value", setting]
        for name in self._attributes:
            command += ["--search-attribute", f"{name}=Keyword"]
        return command
