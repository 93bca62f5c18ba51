"""The embedded default: Temporal's dev server, PostgreSQL, the vendors on loopback and a worker, as one object.

    async with Stack(folder, world=world(), clock="simulated") as stack:        # folder None: nothing is kept
        client = await stack.client()
        await stack.sandbox("acme").arm({"match": "POST /v1/orders", "kind": "timeout_after"})
        stack.kill_worker(); await stack.start_worker()

Everything listens on 127.0.0.1 or on a Unix socket, and ends with this process, however that ends. While a stack runs,
`<folder>/stack.json` says where everything is; the command line reads it.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, Self

from activities.processes import Child, free_port, is_taken
from activities.store.embedded import running as is_running
from activities.whereabouts import FILE, LOCK, Running, connect, open_store, running, write
from canonical.failures import Misconfigured, Rejected
from connectors.kit.remote import SandboxControl

if TYPE_CHECKING:
    from temporalio.client import Client

    from activities.engine import EmbeddedTemporal
    from activities.store.embedded import EmbeddedPostgres
    from activities.store.store import Store
    from connectors.kit.world import World

_ROOT = Path(__file__).parent
_OWN = (
    "REVSAGA_DATABASE_URL",
    "REVSAGA_DATABASE_URL_FILE",
    "REVSAGA_SECRETS_DIR",
    "REVSAGA_TEMPORAL_ADDRESS",
)
Clock = Literal["system", "simulated"]


@dataclass(frozen=True)
class Ports:
    """Where to listen on the loopback interface; 0 takes a free port. `ui` None: no Web UI. `vendors` by name."""

    temporal: int = 0
    ui: int | None = 0
    health: int = 0
    metrics: int = 0
    vendors: Mapping[str, int] = field(default_factory=dict)


class Stack:
    """See the module. `folder` None keeps everything in memory or in a folder that goes away with the stack.

    `clock` None means what the data says, else the system clock; `at` is where a new simulated clock starts (UTC),
    by default 09:00 on the day of `world`. `world` is loaded once, when the data is new. `environment` is added to the
    worker's. `say` is told of progress.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        world: "World | None" = None,
        clock: Clock | None = None,
        at: datetime | None = None,
        ports: Ports | None = None,
        worker: bool = True,
        environment: Mapping[str, str] | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._kept = folder is not None
        self.folder = folder.absolute() if folder is not None else Path(tempfile.mkdtemp(prefix="revsaga-"))
        self.world = world
        self.clock: Clock = clock or "system"
        self._asked_clock, self._at = clock, at
        self.ports = ports or Ports()
        self._wants_worker = worker
        self._more = dict(environment or {})
        self._say = say
        self.addresses: dict[str, str] = {}
        self.environment: dict[str, str] = {}
        self._lock: IO[bytes] | None = None
        self._postgres: EmbeddedPostgres | None = None
        self._temporal: EmbeddedTemporal | None = None
        self._sandboxes: Child | None = None
        self._worker: Child | None = None

    # Life

    async def start(self) -> Self:
        """Start everything. Raises Misconfigured (`stack-running`, `port-taken`, ...); nothing is left behind."""
        try:
            self._take()
            self._say(f"starting PostgreSQL, Temporal and the vendors on {self.folder}")
            await self._start_parts()
            await self._prepare()
            write(self.folder, Running(os.getpid(), self.addresses, self.environment))
            if self._wants_worker:
                self._say("starting the worker")
                await self.start_worker()
        except BaseException:
            await self.stop()
            raise
        return self

    async def _start_parts(self) -> None:
        """All at once. Nobody leaves before each has come up or failed: what is half started cannot be stopped."""
        parts = (self._start_postgres, self._start_temporal, self._start_sandboxes)
        starting = asyncio.gather(*(asyncio.to_thread(part) for part in parts), return_exceptions=True)
        try:
            ended = await asyncio.shield(starting)
        except asyncio.CancelledError:
            await starting
            raise
        for result in ended:
            if isinstance(result, BaseException):
                raise result

    async def stop(self) -> None:
        """Drain the worker and end everything, in order. Safe to call twice."""
        await asyncio.shield(asyncio.to_thread(self._stop))

    def _stop(self) -> None:
        for part in (self._worker, self._sandboxes, self._temporal, self._postgres):
            if part is not None:
                part.stop()
        self._worker = self._sandboxes = self._temporal = self._postgres = None
        if self._lock is not None:
            (self.folder / FILE).unlink(missing_ok=True)
            self._lock.close()
            self._lock = None
        if not self._kept:
            shutil.rmtree(self.folder, ignore_errors=True)

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    # The worker

    @property
    def worker(self) -> Child | None:
        """The worker's process, if one was started."""
        return self._worker

    async def start_worker(self, patience: float = 60.0, **more: str) -> Child:
        """Start the worker and return when it takes work; `more` is added to its environment (`REVSAGA_X="..."`).

        Raises Misconfigured `worker-failed` with the end of its log.
        """
        if self._worker is not None and self._worker.alive:
            return self._worker
        command = [sys.executable, str(_ROOT / "worker.py"), "--promote", "always"]
        log = self.folder / "log" / "worker.log"
        self._worker = Child(
            "worker", command, log=log, environment={**self.worker_environment(), **more}, folder=self.folder
        )
        limit = asyncio.get_running_loop().time() + patience
        while not await self._is_ready():
            if not self._worker.alive or asyncio.get_running_loop().time() > limit:
                tail = self._worker.tail()
                self._worker.kill()
                raise Misconfigured(
                    f"the worker does not come up; its last words: {tail[-600:]}",
                    code="worker-failed",
                    fix=f"read {log}",
                )
            await asyncio.sleep(0.1)
        return self._worker

    def kill_worker(self) -> None:
        """End the worker at once, as a power cut would."""
        if self._worker is not None:
            self._worker.kill()

    async def stop_worker(self) -> int | None:
        """Drain the worker; its exit code."""
        if self._worker is None:
            return None
        await asyncio.to_thread(self._worker.stop, 45.0)
        return self._worker.code

    def worker_environment(self) -> dict[str, str]:
        """What the worker runs in: this environment, without what points to another installation."""
        vendors = tuple(f"REVSAGA_{name.upper()}_" for name in self.addresses)
        kept = {n: v for n, v in os.environ.items() if n not in _OWN and not n.startswith(vendors)}
        return {**kept, **self.environment, **self._more, "PYTHONUNBUFFERED": "1"}

    def lost(self) -> str:
        """The part that ended by itself, by name; empty while all is well. The worker is not meant."""
        if self._temporal is not None and not self._temporal.alive:
            return "temporal"
        if self._sandboxes is not None and not self._sandboxes.alive:
            return "vendors"
        database = self._postgres is not None and is_running(self._postgres.data) is None
        return "postgresql" if database else ""

    async def _is_ready(self) -> bool:
        import httpx

        try:
            async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
                answer = await http.get(f"{self.addresses['health']}/ready")
        except httpx.TransportError:
            return False
        return answer.status_code == httpx.codes.OK

    # For those who work with it

    async def client(self) -> "Client":
        """A client of its Temporal."""
        return await connect(self.addresses["temporal"])

    async def store(self) -> "Store":
        """A connection to its store; close it."""
        return await open_store(self.environment)

    def sandbox(self, vendor: str) -> SandboxControl:
        """The control port of a vendor."""
        return SandboxControl(vendor, self.addresses[vendor])

    def vendors(self) -> tuple[str, ...]:
        """The vendors on loopback."""
        return tuple(n for n in self.addresses if n not in {"temporal", "ui", "health", "metrics"})

    # Parts

    def _take(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / LOCK).open("ab")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            self._lock = None
            found = running(self.folder)
            who = f" (process {found.pid})" if found else ""
            ui = f"; its Web UI: {found.addresses.get('ui', '')}" if found else ""
            raise AlreadyRunning(
                f"a stack runs on {self.folder} already{who}{ui}",
                code="stack-running",
                fix="use that one, stop it, or set REVSAGA_DATA_DIR to another folder",
            ) from None

    def _start_postgres(self) -> None:
        from activities.store.embedded import EmbeddedPostgres

        self._postgres = EmbeddedPostgres(self.folder / "pg", durable=self._kept)
        self._postgres.start()
        self.environment["REVSAGA_DATABASE_URL"] = self._postgres.uri()

    def _start_temporal(self) -> None:
        from activities.engine import EmbeddedTemporal
        from workflows.kernel import attributes

        self._temporal = EmbeddedTemporal(
            log=self.folder / "log" / "temporal.log",
            attributes=[key.name for key in attributes.ALL],
            data=self.folder / "temporal.db" if self._kept else None,
            port=self.ports.temporal,
            ui_port=self.ports.ui,
        )
        self._temporal.start()
        self.addresses |= {"temporal": self._temporal.address, "ui": self._temporal.ui}

    def _start_sandboxes(self) -> None:
        command = [
            sys.executable,
            "-m",
            "connectors.kit.sandbox.host",
            "--ports",
            json.dumps(dict(self.ports.vendors)),
        ]
        if self._kept:
            command += ["--state", str(self.folder / "vendors")]
        log = self.folder / "log" / "vendors.log"
        path = os.pathsep.join(p for p in (str(_ROOT), os.environ.get("PYTHONPATH")) if p)
        environment = {**os.environ, "PYTHONPATH": path}
        self._sandboxes = Child("vendors", command, log=log, environment=environment, answers=True)
        line = self._sandboxes.answers.readline()
        if not line:
            raise Misconfigured(
                f"the vendors do not come up; their last words: {self._sandboxes.tail()[-600:]}",
                code="vendors-failed",
                fix=f"read {log}",
            )
        for vendor, found in json.loads(line).items():
            self.addresses[vendor] = found["url"]
            self.environment |= found["environment"]

    async def _prepare(self) -> None:
        """Tables, clock, test data, master data and mappings."""
        from activities.store.migrate import migrate

        await migrate(self.environment["REVSAGA_DATABASE_URL"])
        for name, port in (("health", self.ports.health), ("metrics", self.ports.metrics)):
            if port and is_taken(port):
                raise Misconfigured(
                    f"port {port} is in use by another program", code="port-taken", fix="choose another port"
                )
            self.addresses[name] = f"http://127.0.0.1:{port or free_port()}"
        await self._set_clocks()
        self.environment |= {
            "REVSAGA_TEMPORAL_ADDRESS": self.addresses["temporal"],
            "REVSAGA_TEMPORAL_UI": self.addresses["ui"],
            "REVSAGA_CLOCK": self.clock,
            "REVSAGA_HEALTH_ADDRESS": self.addresses["health"].removeprefix("http://"),
            "REVSAGA_METRICS_ADDRESS": self.addresses["metrics"].removeprefix("http://"),
        }
        if self.world is not None:
            await self._load(self.world)

    async def _set_clocks(self) -> None:
        """The store says which clock it is; vendors follow."""
        store = await self.store()
        try:
            simulated = bool(await store.fetchval("SELECT count(*) FROM clock"))
            if simulated and self._asked_clock == "system":
                raise Rejected(
                    f"the data in {self.folder} was made under a simulated clock",
                    code="clock-simulated",
                    fix="leave out --clock, or set REVSAGA_DATA_DIR to another folder",
                )
            self.clock = "simulated" if simulated else self._asked_clock or "system"
            if self.clock == "system":
                return
            day = self.world.on if self.world is not None else datetime.now(UTC).date()
            now = await store.waits.simulate(self._at or datetime.combine(day, time(9), UTC))
            await asyncio.gather(*(self.sandbox(vendor).set_clock(now) for vendor in self.vendors()))
        finally:
            await store.close()

    async def _load(self, world: "World") -> None:
        """Once for each data folder: afterwards the data lives on by itself."""
        from activities.seeding import publish
        from activities.wiring import build

        done = self.folder / "seeded"
        if done.exists():
            return
        self._say(f"loading {len(world.deals)} deals, the price list and the mappings")
        data = world.model_dump(mode="json")
        for vendor in self.vendors():
            await self.sandbox(vendor).seed(data)
        with self._as_worker():
            from activities.settings import Settings

            wired = await build(Settings())
        try:
            await publish(wired, world, actor="stack", reason="the world that the stack was started with")
        finally:
            await wired.close()
        done.touch()

    @contextlib.contextmanager
    def _as_worker(self) -> Any:
        """Settings are read from the environment: for a moment it is the worker's."""
        before = dict(os.environ)
        os.environ.clear()
        os.environ.update(self.worker_environment())
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


class AlreadyRunning(Misconfigured):
    """Another stack has the folder; it is left as it is."""
