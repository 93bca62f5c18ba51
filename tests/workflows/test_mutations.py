"""The mutation run: an undo that does nothing but claims to is found by what is read from the books afterwards.

Each undo of the activation saga in turn answers `Undone` and leaves everything as it is; then a later step is refused
and everything is taken back. If the invariants of the fault matrix find nothing wrong, they see nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from activities.contracts.kernel import Undone
from activities.contracts.manners import Pace
from activities.store.store import Store
from activities.wiring import Wired
from canonical.quote import Deal
from commands.demo.book import Item, Order, build, world
from tests.builders.house import House, a_house
from tests.chaos.wrapping import Implementation, name_of, wrapped
from tests.workflows.invariants import check_unwound
from tests.workflows.matrix import CALLS, REFUSALS
from tests.workflows.play import eventually, reached
from workflows.kernel.parking import Decision, SagaState
from workflows.kernel.step import StepKind
from workflows.quote_to_subscription import STEPS

PACE = Pace.model_validate({"first_gap": "PT0.05S", "longest_gap": "PT0.2S", "budget": "PT1S"})
CONTROL = "nothing is mutated"
PIVOT = "activate-order"
NAMES = [step.name for step in STEPS]
UNDOS = {step.name: name_of(step.undo) for step in STEPS if step.undo is not None}
"""Step -> its undo."""
REFUSED = [s.name for s in STEPS if s.name in CALLS and s.kind in (StepKind.COMPENSATABLE, StepKind.PIVOT)]
"""Steps that somebody can refuse, up to the pivot."""


@dataclass(frozen=True)
class Mutant:
    """The undo of `step` does nothing (of no step: the control), and `refused` is what goes wrong."""

    step: str
    refused: str

    @property
    def name(self) -> str:
        """A readable id."""
        undo = f"{UNDOS[self.step]} does nothing" if self.step in UNDOS else CONTROL
        return f"{undo}, {self.refused} refused"


def mutants(refused: Sequence[str]) -> list[Mutant]:
    """Each undo with each of these refusals that comes after its step, and the control with each."""
    found = [Mutant(CONTROL, one) for one in refused]
    for step in UNDOS:
        found += [Mutant(step, one) for one in refused if NAMES.index(one) > NAMES.index(step)]
    return found


async def left(house: House, handle: WorkflowHandle[Any, Any], case_id: str) -> None:
    """Wait until the decision about a case is carried out."""

    async def gone() -> bool:
        return all(park.case_id != case_id for park in (await house.state(handle)).parks)

    await eventually(gone, f"case {case_id} is left")


class Laboratory:
    """One house in which one undo at a time is switched off."""

    def __init__(self) -> None:
        self.off = ""
        self.skipped = 0

    def rewire(self, wired: Wired) -> None:
        """Put the switch around every undo."""
        for role, implementations in wired.activities.items():
            changed = [
                wrapped(one, self._around) if name_of(one) in UNDOS.values() else one
                for one in implementations
            ]
            wired.activities = {**wired.activities, role: changed}

    async def _around(self, implementation: Implementation, argument: Any) -> Any:
        if name_of(implementation) != self.off:
            return await implementation(argument)
        self.skipped += 1
        assert activity.info().activity_id.endswith("/undo")
        return Undone(read_back="all well")

    async def play(self, house: House, mutant: Mutant, deal: Deal) -> str:
        """What the invariants find after this mutant; empty when they find nothing."""
        self.off, self.skipped = UNDOS.get(mutant.step, ""), 0
        vendor, match = CALLS[mutant.refused]
        house.fault(vendor, match, "status", times=1, **REFUSALS[vendor])
        handle = await house.start(deal, pace=PACE)
        view = await reached(house, handle, SagaState.PARKED, SagaState.DONE, SagaState.UNWOUND)
        if view.parks:
            await house.resolve(handle, Decision.UNWIND, step=view.parks[0].step)
            await left(house, handle, view.parks[0].case_id)
        view = await reached(house, handle, SagaState.PARKED, SagaState.UNWOUND)
        for box in house.sandboxes.values():
            box.faults.clear()
        assert self.skipped == (mutant.step in UNDOS), f"{mutant.name}: the undo was not asked for"
        if view.parks:
            # Another undo looks at what it stands on, and stops there: a person is called.
            await handle.terminate("found")
            return f"{view.parks[0].step} is parked: {view.parks[0].failure.message}"
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        try:
            await check_unwound(house, deal, handle.id)
        except AssertionError as finding:
            return str(finding) or "found"
        return ""


async def _run(env: WorkflowEnvironment, store: Store, cases: Sequence[Mutant]) -> list[str]:
    """Mutants that nobody noticed, and false alarms."""
    items = (Item("PLATFORM"), Item("ONBOARDING"))
    numbers = range(400, 400 + len(cases))
    deals = [build(Order(n, f"Mutant {n}", "PA", "USD", items, autopay=True)) for n in numbers]
    laboratory, wrong = Laboratory(), []
    async with a_house(env.client, store, world(deals), versioned=True, rewire=laboratory.rewire) as house:
        for mutant, deal in zip(cases, deals, strict=True):
            found = await laboratory.play(house, mutant, deal)
            print(f"{mutant.name}: {found or 'nothing found'}")
            if bool(found) is (mutant.step == CONTROL):
                wrong.append(f"{mutant.name}: {found or 'survived'}")
    return wrong


def test_every_undo_has_its_mutants() -> None:
    """From the Step data, so that the undo of a new step is not forgotten."""
    assert {m.step for m in mutants([PIVOT])} == {CONTROL, *UNDOS}
    assert len(UNDOS) == 6
    print(
        f"{len(mutants(REFUSED)) - len(REFUSED)} mutants of {len(UNDOS)} undos: {', '.join(UNDOS.values())}"
    )


async def test_an_undo_that_does_nothing_is_noticed(dev_server: WorkflowEnvironment, store: Store) -> None:
    wrong = await _run(dev_server, store, mutants([PIVOT]))
    assert not wrong, "\n".join(wrong)


@pytest.mark.chaos
async def test_it_is_noticed_whatever_was_refused(dev_server: WorkflowEnvironment, store: Store) -> None:
    wrong = await _run(dev_server, store, mutants(REFUSED))
    assert not wrong, "\n".join(wrong)
