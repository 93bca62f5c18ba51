"""Every step failed in every way; afterwards everything is done, or undone, or parked with an owner."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer

from activities.contracts.manners import Pace
from activities.store.store import Store
from canonical.quote import Deal
from commands.demo.book import Item, Order, build, world
from tests.builders.house import House, a_house
from tests.workflows.invariants import check_activated, check_unwound
from tests.workflows.matrix import CALLS, REFUSALS, UNDO_CALLS, Case, generate
from workflows.kernel.parking import Decision, SagaState
from workflows.kernel.runner import DATA_CONVERTER, RUNNER
from workflows.kernel.views import SagaView
from workflows.quote_to_subscription import ActivateQuote
from workflows.subscription import SubscriptionEntity

MATRIX = generate()
PACE = Pace.model_validate({"first_gap": "PT0.05S", "longest_gap": "PT0.2S", "budget": "PT5S"})


def _slice() -> list[Case]:
    """Each step with each fault once, each undo with each outcome once, and a printed random handful."""
    chosen: dict[tuple[str, ...], Case] = {}
    rng = random.Random(20261)
    for case in rng.sample(MATRIX.cases, len(MATRIX.cases)):
        chosen.setdefault((case.step, case.fault), case)
        if case.undone:
            chosen.setdefault((case.undone, case.undo), case)
    return list(dict.fromkeys(chosen.values()))


def _deal(n: int) -> Deal:
    return build(Order(n, f"Matrix {n}", "PA", "USD", (Item("PLATFORM"), Item("ONBOARDING")), autopay=True))


class Player:
    """Plays one case on one deal."""

    def __init__(self, house: House) -> None:
        self.house = house

    async def until(self, handle: WorkflowHandle[Any, Any], *states: SagaState) -> SagaView:
        """Wait until the saga is in one of these states."""
        view = SagaView()
        for _ in range(400):
            view = await self.house.state(handle)
            if view.state in states and all(p.case_id for p in view.parks):
                return view
            await asyncio.sleep(0.025)
        raise AssertionError(f"never {states}: {view.model_dump_json(indent=1)}")

    def arm(self, case: Case) -> None:
        """The fault of the case, at the call of its step."""
        vendor, match = CALLS[case.step]
        if case.fault == "rejected":
            self.house.fault(vendor, match, "status", times=1, **REFUSALS[vendor])
        elif case.fault == "fails-before":
            self.house.fault(vendor, match, "status", times=1, status=503, body={})
        elif case.fault == "fails-after":
            self.house.fault(vendor, match, "error_after", times=1)
        elif case.fault == "times-out-after":
            self.house.fault(vendor, match, "timeout_after", times=1)
        else:
            self.house.fault(vendor, match, "latency", times=1, seconds=0.6)
        if case.undone and case.fault not in ("rejected", "cancelled"):
            # The fault heals by itself: the order is refused at the pivot, so that everything is taken back after all.
            self.house.fault("zuora", CALLS["activate-order"][1], "status", times=1, **REFUSALS["zuora"])

    def arm_undo(self, case: Case) -> None:
        """The outcome of the undo that the case is about."""
        if case.undone is None or case.undo == "fine":
            return
        vendor, match = UNDO_CALLS[case.undone]
        refusal = {"status": 503, "body": {}} if case.undo == "fails-once" else REFUSALS[vendor]
        self.house.fault(vendor, match, "status", times=1, **refusal)

    async def play(self, case: Case, deal: Deal) -> None:
        """Start, let the fault happen, decide what a person would, and check the books."""
        self.arm(case)
        handle = await self.house.start(deal, pace=PACE)
        if case.fault == "cancelled":
            await self.cancel_at(handle, case)
        await self.decide(handle, case)
        box = self.house.sandboxes
        try:
            await asyncio.wait_for(handle.result(), 20)
        except WorkflowFailureError:
            await check_unwound(self.house, deal, handle.id)
        else:
            await check_activated(self.house, deal, handle.id)
        unspent = [f.match for b in box.values() for f in b.faults.armed if not f.struck]
        assert _spare(case) or not unspent, f"{case.name}: never struck: {unspent}"
        for one in box.values():
            one.faults.clear()

    async def cancel_at(self, handle: WorkflowHandle[Any, Any], case: Case) -> None:
        """Ask to stop while the step is under way; behind the pivot that is refused, and everything gets done."""
        vendor, _ = CALLS[case.step]
        for _ in range(400):
            if any(f.struck for f in self.house.sandboxes[vendor].faults.armed):
                break
            await asyncio.sleep(0.01)
        self.arm_undo(case)
        try:
            await self.house.cancel(handle)
        except WorkflowUpdateFailedError as refused:
            assert not case.before_pivot, f"{case.name}: {refused.cause}"  # noqa: PT017

    async def decide(self, handle: WorkflowHandle[Any, Any], case: Case) -> None:
        """Whoever is called decides: unwind before the pivot, retry behind it, retry a refused undo."""
        for _ in range(6):
            view = await self.until(handle, SagaState.PARKED, SagaState.DONE, SagaState.UNWOUND)
            if view.state is not SagaState.PARKED:
                return
            park = view.parks[0]
            if Decision.UNWIND in park.offers:
                self.arm_undo(case)
                await self.house.resolve(handle, Decision.UNWIND, step=park.step)
            else:
                await self.house.resolve(handle, Decision.RETRY, step=park.step)
            await self._left(handle, park.case_id)
        raise AssertionError(f"{case.name}: still parked after six decisions")

    async def _left(self, handle: WorkflowHandle[Any, Any], case_id: str) -> None:
        for _ in range(400):
            if all(p.case_id != case_id for p in (await self.house.state(handle)).parks):
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"case {case_id} was never left")


def _spare(case: Case) -> bool:
    """A fault that a rejected or cancelled case never reaches is no finding."""
    return case.fault in ("rejected", "cancelled")


@pytest.fixture(scope="module")
def slice_() -> list[Case]:
    return _slice()


async def _play(env: WorkflowEnvironment, store: Store, cases: list[Case]) -> AsyncIterator[tuple[Case, str]]:
    deals = [_deal(n) for n in range(100, 100 + len(cases))]
    async with a_house(env.client, store, world(deals), versioned=True) as house:
        player = Player(house)
        for case, deal in zip(cases, deals, strict=True):
            try:
                await player.play(case, deal)
            except Exception as error:  # noqa: BLE001 -- every bad case is to be told, not only the first
                yield case, f"{type(error).__name__}: {error}"
                for box in house.sandboxes.values():
                    box.faults.clear()
            else:
                yield case, ""
        replayer = Replayer(
            workflows=[ActivateQuote, SubscriptionEntity],
            workflow_runner=RUNNER,
            data_converter=DATA_CONVERTER,
        )
        for handle in house.handles:
            await replayer.replay_workflow(await handle.fetch_history())


def test_the_matrix_covers_every_step_fault_and_undo() -> None:
    """Generated, so that a new step without a row in the matrix is seen at once."""
    print(f"{len(MATRIX.cases)} cases; work on the store alone: {', '.join(MATRIX.without_call)}")
    assert {c.step for c in MATRIX.cases} == set(CALLS)
    assert {c.undone for c in MATRIX.cases if c.undone} == set(UNDO_CALLS)


async def test_a_slice_of_the_matrix_ends_done_or_undone(
    dev_server: WorkflowEnvironment, store: Store
) -> None:
    bad = [f"{c.name}: {e}" async for c, e in _play(dev_server, store, _slice()) if e]
    assert not bad, "\n".join(bad)


@pytest.mark.chaos
async def test_the_whole_matrix_ends_done_or_undone(dev_server: WorkflowEnvironment, store: Store) -> None:
    bad = [f"{c.name}: {e}" async for c, e in _play(dev_server, store, MATRIX.cases) if e]
    assert not bad, "\n".join(bad)
