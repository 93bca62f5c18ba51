"""A world of fakes for the kernel alone: a shelf that obeys, fails or hangs as the test says, and a case store."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity

from activities import boundary
from activities.contracts.kernel import (
    CaseAnswer,
    CaseOpened,
    Claim,
    ClockReading,
    EndWait,
    OpenCase,
    Proof,
    RegisterWait,
    Undone,
    UndoOf,
)
from canonical.failures import Conflict
from tests.workflows.kernel.stories import Kept, Put

Deed = Callable[[int], BaseException | None]


@dataclass
class World:
    """What happened, in order, and what is to go wrong.

    `faults[activity id]` answers the n-th call (from 1) with an exception or None. `after[activity id]` does the same
    once the effect has taken place. `gates[activity id]` holds a call until the test opens it.
    """

    log: list[str] = field(default_factory=list)
    shelf: dict[str, Kept] = field(default_factory=dict)
    faults: dict[str, Deed] = field(default_factory=dict)
    after: dict[str, Deed] = field(default_factory=dict)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    reached: defaultdict[str, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))
    calls: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    tombs: set[str] = field(default_factory=set)
    cases: dict[str, OpenCase] = field(default_factory=dict)
    answers: list[CaseAnswer] = field(default_factory=list)
    waits: dict[str, datetime] = field(default_factory=dict)
    ended_waits: list[str] = field(default_factory=list)
    simulated: datetime | None = None
    store_away: int = 0
    refuse_late: bool = True

    async def _enter(self, name: str) -> int:
        self.calls[name] += 1
        self.log.append(f"{name} begins")
        self.reached[name].set()
        if gate := self.gates.get(name):
            await gate.wait()
        fault = self.faults.get(name, never)(self.calls[name])
        if fault is not None:
            raise fault
        return self.calls[name]

    @activity.defn(name="put")
    async def put(self, order: Put) -> Kept:
        info = activity.info()
        name = info.activity_id
        number = await self._enter(name)
        if self.refuse_late and name in self.tombs:
            raise Conflict("it was taken back already", code="undone")
        kept = Kept(
            item=order.item, number=f"N-{order.item}-{order.quantity}", quantity=order.quantity, pad=order.pad
        )
        self.shelf[boundary.effect_key()] = kept
        self.log.append(name)
        late = self.after.get(name, never)(number)
        if late is not None:
            raise late
        return kept

    @activity.defn(name="take_away")
    async def take_away(self, undo: UndoOf[Put, Kept]) -> Undone:
        name = activity.info().activity_id
        await self._enter(name)
        assert isinstance(undo.input, Put)
        assert undo.result is None or isinstance(undo.result, Kept)
        self.tombs.add(name.replace("/undo", "/do"))
        was = self.shelf.pop(boundary.forward_key(), None)
        self.log.append(name)
        return Undone(read_back="absent", already_absent=was is None)

    @activity.defn(name="find")
    async def find(self, claim: Claim[Put, Kept]) -> Proof:
        await self._enter(activity.info().activity_id)
        known = [k for k in self.shelf.values() if k.number == claim.result.number]
        return Proof(
            found=bool(known), matches=claim.result in known, read_back=", ".join(k.number for k in known)
        )

    def now(self) -> datetime:
        return self.simulated or datetime(2026, 3, 1, 9, tzinfo=UTC)

    @activity.defn(name="open_case")
    async def open_case(self, case: OpenCase) -> CaseOpened:
        if self.store_away:
            self.store_away -= 1
            raise ConnectionError("the database is away")
        number = f"CASE-{case.step}-{case.phase}-{case.episode}"
        self.cases[number] = case
        at = self.now()
        give_up_at = at + case.give_up_after if case.give_up_after is not None else None
        return CaseOpened(
            case_id=number, since=at, give_up_at=give_up_at, simulated=self.simulated is not None
        )

    @activity.defn(name="resolve_case")
    async def resolve_case(self, answer: CaseAnswer) -> None:
        self.answers.append(answer)

    @activity.defn(name="register_wait")
    async def register_wait(self, wait: RegisterWait) -> ClockReading:
        due = wait.due or self.now() + (wait.after or timedelta())
        self.waits[wait.wait_id] = due
        return ClockReading(now=self.now(), due=due, simulated=self.simulated is not None)

    @activity.defn(name="end_wait")
    async def end_wait(self, wait: EndWait) -> None:
        self.ended_waits.append(wait.wait_id)

    @property
    def activities(self) -> list[Any]:
        return [
            self.put,
            self.take_away,
            self.find,
            self.open_case,
            self.resolve_case,
            self.register_wait,
            self.end_wait,
        ]

    @property
    def done(self) -> list[str]:
        """Deeds, in order."""
        return [entry for entry in self.log if not entry.endswith(" begins")]

    def decisions(self) -> list[tuple[str, str]]:
        return [(a.decision, a.actor) for a in self.answers]


def never(_: int) -> BaseException | None:
    return None


def always(failure: BaseException) -> Deed:
    return lambda _: failure


def times(count: int, failure: BaseException) -> Deed:
    return lambda call: failure if call <= count else None


def text(model: Any) -> str:
    return json.dumps(model.model_dump(mode="json"))
