"""Speed and size of the activation: `python -m tests.bench [--sagas N] [--flight N] [--rounds N] [--profile]`.

In one run: the empty story (the same steps on the same queues with nothing behind them: the ceiling), then real
activations against the vendors over HTTP and PostgreSQL, one at a time and many at a time. Everything shares this
machine; the figures say what the product adds to its engine, not how fast a machine is. Nothing is asserted.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle

from activities.contracts.stories import ActivationOrder
from activities.processes import Child
from activities.store.embedded import running
from canonical.catalog import Frequency
from canonical.quote import Deal
from commands.demo.book import Item, Order, build, orders, world
from stack import Stack
from tests.bench.processes import cpu_seconds
from tests.bench.sampler import PROFILE
from tests.bench.story import Empty, EmptyStory
from workflows.quote_to_subscription import ActivateQuote

ROOT = Path(__file__).resolve().parents[2]
REAL, EMPTY = "revsaga-core", "ceiling-core"
WARM = 6  # sagas before anything is measured

Start = Callable[[int], Awaitable[WorkflowHandle[Any, Any]]]


@dataclass
class Figures:
    """One measurement. Seconds, and CPU seconds by process."""

    what: str
    flight: int
    sagas: int
    seconds: float
    per_second: float
    p50: float
    p95: float
    cpu: dict[str, float]
    cpu_per_saga_ms: dict[str, float] = field(default_factory=dict)
    vendor_calls_per_saga: dict[str, float] = field(default_factory=dict)


@dataclass
class Size:
    """What one activation of a deal with ten lines leaves in the engine."""

    lines: int
    remote_activities: int
    local_activities: int
    events: int
    kilobytes: float


def ten_lines() -> Deal:
    """A deal with ten lines that goes through every step."""
    codes = ("PLATFORM", "SUPPORT", "ONBOARDING", "TRAINING", "API", "STORAGE")
    seats = [Item("SEATS", frequency=frequency) for frequency in (Frequency.ANNUAL, Frequency.QUARTERLY)]
    items = (
        *(Item(code) for code in codes),
        *seats,
        Item("PLATFORM", frequency=Frequency.ANNUAL),
        Item("SEATS"),
    )
    return build(Order(1999, "Ten Lines Inc", "PA", "USD", items, autopay=True))


def deals(count: int) -> list[Deal]:
    """Deals of the shapes, places and currencies of the demo's book, all of them paid automatically."""
    shapes = orders()
    return [
        build(replace(shapes[n % len(shapes)], n=2000 + n, name=f"Bench {n}", autopay=True, parent=None))
        for n in range(count)
    ]


class Bench:
    """One run."""

    def __init__(self, stack: Stack, client: Client, folder: Path, options: argparse.Namespace) -> None:
        self.stack, self.client, self.folder, self.options = stack, client, folder, options
        self._worker: Child | None = None
        per_round = WARM + options.single + WARM + options.sagas
        self.deals = deals(per_round * options.rounds)
        self._next_deal = 0
        self._next_empty = 0

    async def start_real(self, deal: Deal) -> WorkflowHandle[Any, Any]:
        """Start the activation of a deal."""
        order = ActivationOrder(quote_id=deal.quote.quote_id, revision=deal.revision, actor="bench")
        return await self.client.start_workflow(
            ActivateQuote.run, order, id=f"activation/{deal.quote.quote_id}/r{deal.revision}", task_queue=REAL
        )

    async def next_real(self, _: int) -> WorkflowHandle[Any, Any]:
        """Start the next deal of the book."""
        self._next_deal += 1
        return await self.start_real(self.deals[self._next_deal - 1])

    async def next_empty(self, _: int) -> WorkflowHandle[Any, Any]:
        """Start the empty story once more."""
        self._next_empty += 1
        return await self.client.start_workflow(
            EmptyStory.run, Empty(), id=f"empty/{self._next_empty}", task_queue=EMPTY
        )

    @asynccontextmanager
    async def worker(self, what: str) -> Any:
        """A worker process for the real story or the empty one."""
        environment = {
            **self.stack.worker_environment(),
            "REVSAGA_HEALTH_ADDRESS": "",
            "REVSAGA_METRICS_ADDRESS": "",
            "PYTHONPATH": os.pathsep.join(p for p in (str(ROOT), os.environ.get("PYTHONPATH")) if p),
        }
        command = [sys.executable, "-m", "tests.bench.ceiling" if what == "ceiling" else "worker"]
        if what == "ceiling":
            environment |= {"REVSAGA_QUEUE": EMPTY, "REVSAGA_DEPLOYMENT": "ceiling"}
        else:
            command += ["--promote", "always"]
        if self.options.profile:
            environment[PROFILE] = str(self.folder / f"{what}.json")
            command = [
                sys.executable,
                "-m",
                "tests.bench.sampler",
                *(["ceiling"] if what == "ceiling" else []),
            ]
        self._worker = Child(
            "worker", command, log=self.folder / f"{what}.log", environment=environment, folder=ROOT
        )
        try:
            yield
        finally:
            await asyncio.to_thread(self._worker.stop, 20.0)
            self._worker = None

    def _processes(self) -> dict[str, int]:
        stack: Any = self.stack
        found = {
            "temporal": stack._temporal.pid,
            "postgresql": running(stack._postgres.data),
            "vendors": stack._sandboxes.pid,
            "worker": self._worker.pid if self._worker else None,
            "bench itself": os.getpid(),
        }
        return {name: pid for name, pid in found.items() if pid is not None}

    async def _calls(self) -> dict[str, int]:
        """Calls that each vendor has answered so far."""
        boxes = {name: self.stack.sandbox(name) for name in self.stack.vendors()}
        return {name: int((await box.figures())["calls"]) for name, box in boxes.items()}

    async def measure(self, what: str, start: Start, count: int, flight: int) -> Figures:
        """`count` sagas, `flight` at a time."""
        slots, took = asyncio.Semaphore(flight), list[float]()

        async def one(n: int) -> None:
            async with slots:
                begun = time.perf_counter()
                await (await start(n)).result()
                took.append(time.perf_counter() - begun)

        await self._alive(asyncio.gather(*(one(n) for n in range(WARM))))
        took.clear()
        pids = self._processes()
        pids.pop("bench itself")  # its tree holds the others; it is told apart below
        calls = await self._calls()
        before, own, begun = cpu_seconds(pids), time.process_time(), time.perf_counter()
        await self._alive(asyncio.gather(*(one(n) for n in range(count))))
        seconds, after = time.perf_counter() - begun, cpu_seconds(pids)
        cpu = {name: round(after[name] - before[name], 2) for name in pids}
        cpu["bench itself"] = round(time.process_time() - own, 2)
        took.sort()
        return Figures(
            what, flight, count, round(seconds, 2), round(count / seconds, 2),
            round(statistics.median(took), 3), round(took[int(len(took) * 0.95) - 1], 3), cpu,
            {name: round(1000 * used / count, 1) for name, used in cpu.items()},
            {name: round((n - calls[name]) / count, 2) for name, n in (await self._calls()).items()},
        )  # fmt: skip

    async def _alive(self, work: "asyncio.Future[Any]") -> None:
        """Wait for the sagas; a worker that has ended, or a parked saga, would keep us waiting for ever."""
        while not work.done():
            await asyncio.wait([work], timeout=2)
            parked = [w.id async for w in self.client.list_workflows("SagaState = 'parked'", limit=3)]
            ended = self._worker is None or not self._worker.alive
            if not work.done() and (ended or parked):
                work.cancel()
                await asyncio.wait([work])
                why = [await self._reason(workflow_id) for workflow_id in parked]
                raise RuntimeError(f"parked: {'; '.join(why)}" if why else "the worker ended")
        await work

    async def _reason(self, workflow_id: str) -> str:
        view = await self.client.get_workflow_handle(workflow_id).query(ActivateQuote.state)
        return f"{workflow_id}: {'; '.join(p.failure.message for p in view.parks)}"

    async def size(self, deal: Deal) -> Size:
        """Events and bytes of one activation."""
        handle = await self.start_real(deal)
        await handle.result()
        info = (await handle.describe()).raw_description.workflow_execution_info
        kinds = [event.event_type async for event in handle.fetch_history_events()]
        return Size(
            lines=len(deal.quote.lines),
            remote_activities=kinds.count(EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED),
            local_activities=kinds.count(EventType.EVENT_TYPE_MARKER_RECORDED),
            events=info.history_length,
            kilobytes=round(info.history_size_bytes / 1024, 1),
        )

    async def round(self) -> list[Figures]:
        """Ceiling and real, one at a time and many at a time."""
        o, found = self.options, list[Figures]()
        for what, start in (("ceiling", self.next_empty), ("real", self.next_real)):
            async with self.worker(what):
                found.append(await self.measure(what, start, o.single, 1))
                found.append(await self.measure(what, start, o.sagas, o.flight))
        for one in found:
            tell(one)
        return found


def tell(one: Figures) -> None:
    """One line of the table."""
    cpu = "  ".join(f"{name} {ms:.0f}" for name, ms in one.cpu_per_saga_ms.items())
    print(
        f"{one.what:<8}{one.flight:>3} in flight {one.per_second:>7.2f}/s  p50 {one.p50:.3f} s  p95 {one.p95:.3f} s"
        f"  CPU ms a saga: {cpu}  vendor calls {sum(one.vendor_calls_per_saga.values()):.1f}",
        flush=True,
    )


def summary(rounds: list[list[Figures]], size: Size) -> dict[str, Any]:
    """Medians over the rounds, and what they are to be compared with."""

    def middle(what: str, single: bool, name: str) -> float:
        values = [getattr(f, name) for r in rounds for f in r if f.what == what and (f.flight == 1) is single]
        return float(statistics.median(values))

    ratios = [
        real.per_second / empty.per_second
        for r in rounds
        for real in r
        for empty in r
        if real.what == "real" and empty.what == "ceiling" and real.flight == empty.flight > 1
    ]
    return {
        "throughput_ratio": {"measured": round(statistics.median(ratios), 3), "aim": "at least 0.5"},
        "p50_ratio_one_in_flight": {
            "measured": round(middle("real", True, "p50") / middle("ceiling", True, "p50"), 3),
            "aim": "at most 2.5",
        },
        "remote_activities": {"measured": size.remote_activities, "aim": "at most 14"},
        "events": {"measured": size.events, "aim": "at most 160"},
        "kilobytes": {"measured": size.kilobytes, "aim": "at most 250"},
        "real_per_second": middle("real", False, "per_second"),
        "ceiling_per_second": middle("ceiling", False, "per_second"),
    }


def show_profile(folder: Path) -> None:
    """Functions of ours and of others in which the real worker was found most often."""
    found = json.loads((folder / "real.json").read_text(encoding="utf-8"))
    for title, key, ours in (("on the stack, ours", "all", True), ("at work", "own", False)):
        print(f"\n{title} ({found['looks']} looks)")
        rooms = ("activities/", "connectors/", "workflows/", "canonical/", "worker.py")
        rows = [(place, n) for place, n in found[key] if not ours or place.startswith(rooms)]
        for place, n in rows[:45]:
            print(f"{n:>7}  {place}")


async def run(options: argparse.Namespace) -> None:
    """The whole run."""
    folder = Path(tempfile.mkdtemp(prefix="revsaga-bench-"))
    async with Stack(None, world=world([]), clock=options.clock, worker=False, say=print) as stack:
        bench = Bench(stack, await stack.client(), folder, options)
        ten = ten_lines()
        everything = world([*bench.deals, ten]).model_dump(mode="json")
        for vendor in stack.vendors():
            await stack.sandbox(vendor).seed(everything)
        rounds = [await bench.round() for _ in range(options.rounds)]
        async with bench.worker("real" if not options.profile else "size"):
            size = await bench.size(ten)
    found = {
        "summary": summary(rounds, size),
        "size": asdict(size),
        "rounds": [[asdict(one) for one in r] for r in rounds],
        "machine": {"cores": os.cpu_count(), "python": sys.version.split()[0]},
    }
    print(json.dumps(found["summary"], indent=2))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"written to {options.out}; logs in {folder}")
    if options.profile:
        show_profile(folder)


def main() -> None:
    """Entry of the program."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sagas", type=int, default=120, help="sagas measured with many in flight")
    parser.add_argument("--flight", type=int, default=50)
    parser.add_argument("--single", type=int, default=20, help="sagas measured one at a time")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--clock", choices=("system", "simulated"), default="system")
    parser.add_argument(
        "--profile", action="store_true", help="look into the worker; figures are then worth less"
    )
    parser.add_argument("--out", type=Path, default=Path("bench-results/activation.json"))
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
