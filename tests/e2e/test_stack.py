"""The embedded stack as a user runs it: started, found, killed, started again, and nothing left behind."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.client import WorkflowExecutionStatus

from activities.contracts.manners import PACE_MEMO, Pace
from activities.contracts.stories import ActivationOrder
from activities.processes import Child, free_port
from activities.whereabouts import running, visit
from canonical.failures import Misconfigured
from canonical.quote import Deal
from commands.demo.book import world
from connectors import registry
from stack import AlreadyRunning, Ports, Stack
from tests.builders.embedded import clean_environment, command, revsaga_later
from worker import current_build
from workflows.quote_to_subscription import ActivateQuote

UP = ["up", "--port", "0", "--ui-port", "0", "--health-port", "0", "--metrics-port", "0"]


def _processes(folder: Path) -> list[str]:
    """Everything that still runs and has the folder on its command line."""
    listed = subprocess.run(["ps", "-axww", "-o", "pid=,args="], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if str(folder) in line and " ps " not in line]


async def _until_gone(folder: Path, pids: list[int], seconds: float = 20) -> list[str]:
    limit = time.monotonic() + seconds
    while True:
        left = _processes(folder) + [str(pid) for pid in pids if _lives(pid)]
        if not left or time.monotonic() > limit:
            return left
        await asyncio.sleep(0.1)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(state.stdout.strip()) and not state.stdout.strip().startswith("Z")


def _children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-ax", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
    pairs = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
    below = [child for child, parent in pairs if parent == pid]
    return below + [deeper for child in below for deeper in _children(child)]


@contextmanager
def _up(
    folder: Path, *more: str, before: Sequence[str] = (), user: str | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """`revsaga up` in a process of its own; whatever a test did not end is killed."""
    environment = clean_environment({"REVSAGA_DATA_DIR": str(folder), "HOME": str(folder.parent)})
    with (folder.parent / "up.log").open("wb") as log:
        made = subprocess.Popen(
            [*before, *command(), *UP, *more],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            cwd=folder.parent,
            user=user,
        )
    try:
        yield made
    finally:
        made.kill()
        made.wait()


async def _ready(folder: Path, process: subprocess.Popen[bytes], seconds: float = 90) -> dict[str, Any]:
    limit = time.monotonic() + seconds
    while True:
        said = (folder.parent / "up.log").read_text(encoding="utf-8")
        if "ctrl-C ends it all" in said:
            found: dict[str, Any] = json.loads((folder / "stack.json").read_text(encoding="utf-8"))
            return found
        assert process.poll() is None, said
        assert time.monotonic() < limit, said
        await asyncio.sleep(0.1)


def _ordinary() -> dict[str, Any]:
    """How to become an ordinary user. Root may be unable to let another one in: its Python may be in its own home."""
    if os.geteuid() != 0:
        return {}
    ways: list[dict[str, Any]] = [{"user": "nobody"}, {"before": ["unshare", "--user"]}]
    for way in ways:
        try:
            subprocess.run(
                [*way.get("before", ()), *command(), "--version"],
                capture_output=True,
                check=True,
                user=way.get("user"),
                env=clean_environment({}),
            )
        except (OSError, subprocess.CalledProcessError) as refused:
            print(f"not by {way}: {refused}")
        else:
            return way
    raise AssertionError("this machine lets root become nobody else")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder with a short path, as sockets want it, that anybody may pass."""
    made = Path(tempfile.mkdtemp(prefix="rs-"))
    made.chmod(0o755)
    yield made / "data"
    # What a failed test left behind may still be ending.
    shutil.rmtree(made, ignore_errors=True)


def _order(deal: Deal) -> tuple[ActivationOrder, str]:
    order = ActivationOrder(quote_id=deal.quote.quote_id, revision=deal.revision, actor="test")
    return order, f"activation/{order.quote_id}/r{order.revision}"


async def test_up_is_found_by_other_terminals_and_a_second_up_says_so(folder: Path) -> None:
    with _up(folder) as first:
        found = await _ready(folder, first)
        here = {"REVSAGA_DATA_DIR": str(folder)}
        doctor = await revsaga_later("doctor", "--json", environment=here)
        assert doctor.code == 0, doctor.out
        second = await revsaga_later(*UP, environment=here)
        assert second.code == 3
        assert f"process {first.pid}" in second.err
        assert "fix: " in second.err
        # Who names another installation gets nothing of this one mixed in.
        nowhere = f"127.0.0.1:{free_port()}"
        elsewhere = {f"REVSAGA_{v.upper()}_BASE_URL": f"http://{nowhere}" for v in registry.vendors()}
        other = await revsaga_later(
            "doctor", "--json", environment={**here, **elsewhere, "REVSAGA_TEMPORAL_ADDRESS": nowhere}
        )
        named = {c["name"]: c["state"] for c in other.json["checks"]}
        assert (other.code, named["postgresql"], named["temporal"]) == (4, "down", "down")
        assert (folder / "stack.json").stat().st_mode & 0o077 == 0
        async with httpx.AsyncClient(trust_env=False) as http:
            ui = await http.get(found["addresses"]["ui"])
            assert (ui.status_code, ui.headers["content-type"].split(";")[0]) == (200, "text/html")
        below = _children(first.pid)
        assert len(below) >= 4
        first.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(first.wait, 60) == 0
        assert await _until_gone(folder, below) == []
        assert running(folder) is None
        assert not (folder / "stack.json").exists()


async def test_a_killed_stack_leaves_nothing_running_and_its_data_live_on(folder: Path) -> None:
    deal = world().deals[0]
    order, workflow_id = _order(deal)
    with _up(folder, "--clock", "simulated") as first:
        await _ready(folder, first)
        async with visit(folder) as known:
            handle = await known.client.start_workflow(
                ActivateQuote.run, order, id=workflow_id, task_queue="revsaga-core"
            )
            assert (await handle.result()).outcome == "activated"
        below = _children(first.pid)
        first.kill()
        first.wait()
        assert await _until_gone(folder, below) == []
    with _up(folder) as again:
        await _ready(folder, again)
        async with visit(folder) as known:
            described = await known.client.get_workflow_handle(workflow_id).describe()
            assert described.status is WorkflowExecutionStatus.COMPLETED
            assert (await known.store.activations.of_quote(order.quote_id))[0].state == "completed"
            # The vendors remember as well, and the clock is still the one that the data was made under.
            effects = await known.sandbox("zuora").effects()
            assert sum(n for keys in effects.values() for n in keys.values()) >= 2
            assert await known.store.fetchval("SELECT count(*) FROM clock") == 1
        again.terminate()
        assert await asyncio.to_thread(again.wait, 60) == 0
    refused = await revsaga_later(*UP, "--clock", "system", environment={"REVSAGA_DATA_DIR": str(folder)})
    assert refused.code == 3
    assert "simulated" in refused.err
    assert _processes(folder) == []


async def test_an_ordinary_user_may_run_it(folder: Path) -> None:
    way = _ordinary()
    if "user" in way:
        shutil.chown(folder.parent, way["user"])
    with _up(folder, "--empty", **way) as first:
        await _ready(folder, first)
        # The database runs as whoever started it, and not, as for root, as a servant.
        owner = (folder / "pg").stat().st_uid
        assert owner == folder.stat().st_uid
        below = _children(first.pid)
        first.terminate()
        assert await asyncio.to_thread(first.wait, 60) == 0
        assert await _until_gone(folder, below) == []


async def test_a_port_that_is_taken_is_named_and_nothing_is_left(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for ports in (Ports(temporal=port), Ports(ui=port), Ports(health=port, ui=None)):
            with pytest.raises(Misconfigured) as failed:
                await Stack(folder, ports=ports, worker=False).start()
            assert failed.value.code == "port-taken"
            assert str(port) in failed.value.message
            assert await _until_gone(folder, []) == []
    assert running(folder) is None


async def test_two_stacks_on_one_folder_are_refused_and_the_first_lives_on(folder: Path) -> None:
    async with Stack(folder, ports=Ports(ui=None), worker=False) as first:
        with pytest.raises(AlreadyRunning):
            await Stack(folder).start()
        assert first.lost() == ""
        assert (found := running(folder)) is not None
        assert found.addresses["temporal"] == first.addresses["temporal"]


@pytest.fixture(scope="module")
async def own() -> AsyncIterator[Stack]:
    """A stack whose worker tests may kill."""
    async with Stack(world=world(), clock="simulated", ports=Ports(ui=None)) as found:
        yield found


async def test_a_killed_worker_leaves_its_sagas_to_the_next_one(own: Stack) -> None:
    client = await own.client()
    # Three deals hang in a vendor's answer when the power goes.
    await own.sandbox("zuora").arm({"match": "/v1/orders", "kind": "latency", "seconds": 2.0, "times": 6})
    assert own.world is not None
    handles = []
    for deal in own.world.deals[:3]:
        order, workflow_id = _order(deal)
        handles.append(
            await client.start_workflow(
                ActivateQuote.run,
                order,
                id=workflow_id,
                task_queue="revsaga-core",
                memo={PACE_MEMO: Pace(attempt=timedelta(seconds=8))},
            )
        )
    await asyncio.sleep(1.5)
    before = own.worker
    own.kill_worker()
    assert before is not None
    assert before.code == -signal.SIGKILL
    after = await own.start_worker()
    assert after.pid != before.pid
    results = await asyncio.wait_for(asyncio.gather(*(h.result() for h in handles)), 150)
    assert [r.outcome for r in results] == ["activated"] * 3
    effects = await own.sandbox("zuora").effects()
    assert {n for keys in effects.values() for n in keys.values()} == {1}


async def test_the_worker_tells_how_it_is_and_drains(own: Stack) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        page = own.addresses["health"]
        assert (await http.get(f"{page}/health")).json() == {"alive": True}
        ready = (await http.get(f"{page}/ready")).json()
        assert ready["ready"] is True
        assert len(ready["queues"]) == 6
        metrics = (await http.get(f"{page}/metrics")).text
        assert metrics.count("revsaga_worker_polling{") == 6
        assert "temporal_num_pollers" in (await http.get(f"{own.addresses['metrics']}/metrics")).text
    assert own.worker is not None
    assert await own.stop_worker() == 0
    lines = [json.loads(line) for line in own.worker.log.read_text(encoding="utf-8").splitlines()]
    assert lines[-1]["message"] == "drained"
    secrets = [v for n, v in own.environment.items() if n.endswith(("_SECRET", "_KEY", "TOKEN_ID"))]
    text = own.worker.log.read_text(encoding="utf-8")
    assert secrets
    assert [s for s in secrets if s in text] == []
    await own.start_worker()


async def test_a_worker_says_why_it_does_not_start(own: Stack) -> None:
    environment = {**own.environment, "REVSAGA_HEALTH_ADDRESS": "", "REVSAGA_METRICS_ADDRESS": ""}
    down = {**environment, "REVSAGA_TEMPORAL_ADDRESS": f"127.0.0.1:{free_port()}"}
    for wrong, words in (
        (["worker", "--queues", "core,nonsense"], "nonsense"),
        (["worker"], "REVSAGA_TEMPORAL_ADDRESS"),
    ):
        said = await revsaga_later(*wrong, environment=down)
        assert said.code == 4
        line = json.loads(said.err.splitlines()[-1])
        assert line["level"] == "error"
        assert words in line["message"]


async def _current_after(own: Stack, build: str, mode: str, log: Path) -> str:
    """The current build once a worker of `build` has come up and said what it did."""
    page = f"127.0.0.1:{free_port()}"
    environment = {**own.worker_environment(), "REVSAGA_BUILD": build, "REVSAGA_HEALTH_ADDRESS": page}
    environment["REVSAGA_METRICS_ADDRESS"] = ""
    with Child(
        "worker", [*command(), "worker", "--promote", mode], log=log, environment=environment
    ) as other:
        async with httpx.AsyncClient(trust_env=False) as http:
            for _ in range(600):
                assert other.alive, other.tail()
                try:
                    if (await http.get(f"http://{page}/ready")).status_code == httpx.codes.OK:
                        break
                except httpx.TransportError as not_yet:
                    print(not_yet)
                await asyncio.sleep(0.1)
        return (await current_build(await own.client(), "revsaga"))[0]


async def test_a_worker_promotes_its_build_once_and_going_back_is_a_decision(
    own: Stack, tmp_path: Path
) -> None:
    first = (await current_build(await own.client(), "revsaga"))[0]
    log = tmp_path / "log"
    assert await _current_after(own, "newer", "never", log) == first
    assert await _current_after(own, "newest", "new", log) == "newest"
    # A worker of the former build that restarts while it drains takes nothing back.
    assert await _current_after(own, first, "new", log) == "newest"
    assert await _current_after(own, first, "always", log) == first


async def test_a_program_ends_with_its_owner(tmp_path: Path) -> None:
    with Child("sleeper", ["sleep", "600"], log=tmp_path / "log") as child:
        assert child.alive
        child.kill()
        assert child.code == -signal.SIGKILL
    deaf = tmp_path / "deaf"
    stubborn = ["sh", "-c", f"trap '' TERM; touch {deaf}; while true; do sleep 0.1; done"]
    with Child("stubborn", stubborn, log=tmp_path / "log") as child:
        for _ in range(500):
            if deaf.exists():
                break
            await asyncio.sleep(0.02)
        child.stop(patience=0.3)
        assert child.code == -signal.SIGKILL
