"""A campaign: many activations, and workers that are killed one after another while sagas stand at chosen points."""

import asyncio
import os
import random
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from temporalio.client import (
    Client,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from activities.contracts.manners import PACE_MEMO, Pace
from activities.contracts.stories import ActivationOrder
from activities.processes import Child
from activities.store.store import Store
from canonical.ids import number
from canonical.quote import Deal
from commands.demo.book import Item, Order, build, world
from connectors.kit.sandbox import Sandbox
from stack import Stack
from tests.builders.house import House, sandboxes
from tests.chaos.cells import cells
from tests.chaos.victim import PLAN, Hit, Plan, hits
from tests.workflows.invariants import check_activated, check_unwound
from tests.workflows.matrix import CALLS, REFUSALS
from workflows.kernel.parking import Decision, Resolution
from workflows.kernel.views import SagaView
from workflows.quote_to_subscription import ActivateQuote

ROOT = Path(__file__).resolve().parents[2]
PACE = Pace.model_validate(
    {"attempt": "PT5S", "beat": "PT2S", "budget": "PT3M", "first_gap": "PT0.1S", "longest_gap": "PT1S"}
)
QUEUE = "revsaga-core"
LEASE_SECONDS = 5
_LOST_AFTER = 8  # seconds after which what a killed worker had sent counts as lost; above the time of one try
_AT_A_POINT = "at a point"
_CELLS_AT_ONCE = 12
_QUIET = 12.0  # seconds without anybody at a planned point, after which a victim is killed wherever it is
_SHORT = {"CONNECT": 2, "READ": 3, "WRITE": 3, "POOL": 3, "TOTAL": 4}  # below the 5 s of one try
_LEASES = "SELECT count(*) FROM lease WHERE expires_at > clock_timestamp()"

Handle = WorkflowHandle[Any, Any]


def a_deal(n: int) -> Deal:
    """A deal that goes through every step: it is paid automatically."""
    return build(Order(n, f"Chaos {n}", "PA", "USD", (Item("PLATFORM"), Item("ONBOARDING")), autopay=True))


def short_timeouts(vendors: Sequence[str]) -> dict[str, str]:
    """HTTP time-outs of all vendors below the time that one try may take."""
    return {
        f"REVSAGA_{vendor.upper()}_{name}_TIMEOUT": str(seconds)
        for vendor in vendors
        for name, seconds in _SHORT.items()
    }


@dataclass
class Books:
    """What the vendors hold, fetched from their own process, in the form that the invariants read."""

    sandboxes: dict[str, Sandbox]
    store: Store


async def books(stack: Stack, store: Store) -> Books:
    """The books as they are now."""
    found = sandboxes(world(()))
    for vendor, box in found.items():
        box.restore(await stack.sandbox(vendor).state())
    return Books(found, store)


@dataclass
class Campaign:
    """`total` activations, every third of which billing refuses to activate, and `kills` workers killed at a point.

    A `thorough` one goes on until somebody was killed in every cell.
    """

    stack: Stack
    client: Client
    store: Store
    folder: Path
    total: int
    kills: int
    seed: int
    wanted: Sequence[str] = field(default_factory=cells)
    live: int = 24
    lease_seconds: int = LEASE_SECONDS
    thorough: bool = False
    handles: dict[int, Handle] = field(default_factory=dict)
    outcomes: dict[int, str] = field(default_factory=dict)
    killed: Counter[str] = field(default_factory=Counter)
    parks: Counter[str] = field(default_factory=Counter)
    _waiting: set["asyncio.Task[None]"] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.deals = [a_deal(n) for n in range(1000, 1000 + self.total)]
        self._rng = random.Random(self.seed)

    @property
    def log(self) -> Path:
        """Where victims write down whom they hold."""
        return self.folder / "held.jsonl"

    def histogram(self) -> Counter[str]:
        """How many sagas were killed in each cell."""
        found = Counter(dict.fromkeys(self.wanted, 0))
        found.update(hit.cell for hit in self.hits())
        return found

    def hits(self) -> list[Hit]:
        """Everybody who was held when the worker was killed."""
        return hits(self.log)

    def is_refused(self, n: int) -> bool:
        """Billing refuses to activate every third order, for good: that activation is taken back."""
        return self.kills > 0 and n % 3 == 1

    def workflow_id(self, n: int) -> str:
        """The id of the n-th activation."""
        deal = self.deals[n]
        return f"activation/{deal.quote.quote_id}/r{deal.revision}"

    # Parts

    async def refuse(self) -> None:
        """Arm the refusals at the pivot."""
        vendor, _ = CALLS["activate-order"]
        faults = []
        for n in filter(self.is_refused, range(self.total)):
            order = number("O", self.deals[n].quote.name, self.workflow_id(n))
            match = f"PUT /v1/orders/{order}/activate"
            faults.append({"kind": "status", "match": match, "times": -1, **REFUSALS[vendor]})
        await self.stack.sandbox(vendor).arm(*faults)

    async def start(self, n: int) -> None:
        """Start the n-th activation, and note how it ends."""
        deal = self.deals[n]
        order = ActivationOrder(quote_id=deal.quote.quote_id, revision=deal.revision, actor="chaos")
        self.handles[n] = await self.client.start_workflow(
            ActivateQuote.run, order, id=self.workflow_id(n), task_queue=QUEUE, memo={PACE_MEMO: PACE}
        )
        task = asyncio.create_task(self._end(n))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _end(self, n: int) -> None:
        try:
            self.outcomes[n] = (await self.handles[n].result()).outcome
        except WorkflowFailureError as failure:
            cause = failure.cause
            self.outcomes[n] = cause.type or "?" if isinstance(cause, ApplicationError) else repr(cause)

    async def feed(self) -> None:
        """Keep enough activations alive, and no more than the kills so far allow: some are left for the rest."""
        while len(self.handles) < self.total:
            share = self.live + self.total * sum(self.killed.values()) // max(self.kills, 1)
            alive = len(self.handles) - len(self.outcomes)
            for _ in range(min(self.live - alive, share - len(self.handles), self.total - len(self.handles))):
                await self.start(len(self.handles))
            await asyncio.sleep(0.2)

    async def decide(self) -> None:
        """The person who is called: takes back what billing refuses, tries everything else again."""
        by_id = {self.workflow_id(n): n for n in range(self.total)}
        while True:
            await asyncio.sleep(0.5)
            parked = [w.id async for w in self.client.list_workflows("SagaState = 'parked'")]
            known = [by_id[i] for i in parked if i in by_id and by_id[i] not in self.outcomes]
            await asyncio.gather(*(self._resolve(n) for n in known))

    async def _resolve(self, n: int) -> None:
        handle = self.handles[n]
        # No worker may be there to answer: then somebody asks again.
        nobody = (RPCError, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError, TimeoutError)
        with suppress(*nobody):
            async with asyncio.timeout(3):
                view: SagaView = await handle.query(ActivateQuote.state)
                for park in view.parks:
                    back = self.is_refused(n) and Decision.UNWIND in park.offers
                    decision = Decision.UNWIND if back else Decision.RETRY
                    answer = Resolution(decision=decision, actor="ann", reason="chaos", step=park.step)
                    await handle.execute_update(ActivateQuote.resolve, answer)
                    self.parks[f"{park.step}: {park.failure.code} -> {decision}"] += 1

    # Killing

    def plan(self, n: int) -> Plan:
        """The cells that were hit least, in random order among equals."""
        counted = self.histogram()
        order = sorted(self.wanted, key=lambda cell: (counted[cell], self._rng.random()))
        return Plan(number=n, cells=tuple(order[:_CELLS_AT_ONCE]), log=self.log)

    def worker(self, plan: Plan | None) -> Child:
        """A worker that follows the plan."""
        more = {PLAN: plan.model_dump_json()} if plan else {}
        environment = {
            **self.stack.worker_environment(),
            **short_timeouts(self.stack.vendors()),
            "REVSAGA_HEALTH_ADDRESS": "",
            "REVSAGA_METRICS_ADDRESS": "",
            "REVSAGA_LOST_AFTER_SECONDS": str(_LOST_AFTER),
            "REVSAGA_LEASE_SECONDS": str(self.lease_seconds),
            "PYTHONPATH": os.pathsep.join(p for p in (str(ROOT), os.environ.get("PYTHONPATH")) if p),
            **more,
        }
        command = [sys.executable, "-m", "tests.chaos.victim"]
        log = self.folder / "victims.log"
        return Child("victim", command, log=log, environment=environment, folder=ROOT)

    async def kill_one(self) -> None:
        """One victim from its start to its end."""
        n = sum(self.killed.values()) + 1
        plan = self.plan(n)
        victim = self.worker(plan)
        try:
            await asyncio.to_thread(victim.wait, _QUIET)
        finally:
            victim.kill()
        held = [hit for hit in self.hits() if hit.number == n]
        if victim.code != -9:
            raise AssertionError(f"victim {n} ended by itself ({victim.code}): {victim.tail()}")
        self.killed[_AT_A_POINT if held else "anywhere"] += 1

    def missing(self) -> list[str]:
        """Cells that nobody was killed in."""
        return [cell for cell, count in self.histogram().items() if not count]

    async def run(self, *, most: int) -> None:
        """Kill until there were enough kills (`most` at most, wherever), then let everybody finish."""
        await self.refuse()
        helpers = [asyncio.create_task(self.feed()), asyncio.create_task(self.decide())]
        last: Child | None = None
        try:
            while sum(self.killed.values()) < most:
                if self.killed[_AT_A_POINT] >= self.kills and not (self.thorough and self.missing()):
                    break
                if len(self.outcomes) == self.total:
                    break
                await self.kill_one()
                for helper in helpers:
                    if helper.done():
                        helper.result()
            last = self.worker(None)
            await helpers[0]
            while self._waiting:
                await asyncio.wait(self._waiting, timeout=120, return_when=asyncio.FIRST_COMPLETED)
                if not last.alive:
                    raise AssertionError(f"the last worker ended: {last.tail()}")
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            for task in tuple(self._waiting):
                task.cancel()
            if last is not None:
                await asyncio.to_thread(last.stop, 20.0)

    # Afterwards

    def told(self) -> str:
        """The histogram and the sums, to be printed."""
        counted = self.histogram()
        wide = max(len(cell) for cell in counted)
        lines = [f"{cell:<{wide}} {count:>4} {'#' * count}" for cell, count in counted.items()]
        ended = Counter(self.outcomes.values())
        kills, held = sum(self.killed.values()), len(self.hits())
        return "\n".join(
            [
                f"{kills} workers killed ({dict(self.killed)}), {held} sagas held at a point when it happened:",
                *lines,
                f"{len(self.outcomes)} of {self.total} activations ended: {dict(ended)}",
                f"decisions: {dict(self.parks)}",
            ]
        )

    async def findings(self) -> list[str]:
        """Everything that is not as it must be, deal by deal."""
        house = cast("House", await books(self.stack, self.store))
        found = []
        for n, deal in enumerate(self.deals):
            outcome = self.outcomes.get(n, "missing")
            check = {"activated": check_activated, "Unwound": check_unwound}.get(outcome)
            if check is None:
                found.append(f"{deal.quote.name}: {outcome}")
                continue
            if (outcome == "Unwound") is not self.is_refused(n):
                found.append(f"{deal.quote.name}: {outcome}")
            try:
                await check(house, deal, self.workflow_id(n))
            except AssertionError as wrong:
                found.append(f"{deal.quote.name} {outcome}: {wrong}")
        return found + await self._left_behind()

    async def _left_behind(self) -> list[str]:
        """Leases, turns, effects and sagas that somebody still holds or waits for; a broken chain of events."""
        for _ in range(self.lease_seconds * 10):
            if not await self.store.fetchval(_LEASES):
                break
            await asyncio.sleep(0.2)
        questions = {
            "leases": _LEASES,
            "turns": "SELECT count(*) FROM account_turn WHERE holder IS NOT NULL",
            "effects in doubt": "SELECT count(*) FROM effect WHERE state IN ('intent', 'sent', 'uncertain')",
            "waits": "SELECT count(*) FROM business_wait",
            "live activations": "SELECT count(*) FROM activation WHERE state = 'live'",
        }
        found = [f"{n} {what}" for what, sql in questions.items() if (n := await self.store.fetchval(sql))]
        running = "WorkflowType = 'ActivateQuote' AND ExecutionStatus = 'Running'"
        if count := (await self.client.count_workflows(running)).count:
            found.append(f"{count} sagas still run")
        chain = await self.store.events.verify()
        return found if chain.whole else [*found, chain.why]
