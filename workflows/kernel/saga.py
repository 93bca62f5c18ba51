"""The saga: steps are done in order, taken back in reverse, and never left half way without an owner.

Each step runs in a task of its own that no cancel reaches. A cancel is a request: it is noted, and acted on at the next
boundary (before a step, while one is parked, while the saga waits), which keeps an undo from overtaking its step.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, TypeVar, overload

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from activities.contracts.kernel import Undone, UndoOf
from canonical.failures import Failure, Kind
from workflows.kernel import parking
from workflows.kernel.calls import Failed, call
from workflows.kernel.cases import Cases
from workflows.kernel.desk import About, Desk, GiveUp
from workflows.kernel.details import render
from workflows.kernel.parking import Decision, Entry, Phase, SagaState
from workflows.kernel.reading import Caught, caught
from workflows.kernel.step import AnyStep, OnRejected, Step, StepKind
from workflows.kernel.views import unwound

A = TypeVar("A")
R = TypeVar("R")
A2 = TypeVar("A2")
R2 = TypeVar("R2")
T = TypeVar("T")

UNWOUND = "Unwound"  # failure type of a run that took everything back

Try = Callable[[Entry], Awaitable[Any]]


class Saga:
    """One run of a story. Used as `async with self.saga(...) as saga`; leaving the block ends or unwinds it."""

    def __init__(self, about: About, steps: tuple[AnyStep, ...]) -> None:
        self.desk = Desk(about, steps, render)
        self._cases = Cases(self.desk)
        self._batches = 0

    # What a story says

    async def do(self, step: Step[A, R], argument: A) -> R:
        """Do one step. Returns its result, however long that takes and whoever had to help."""
        (result,) = await self._group([(step, argument)])
        result_: R = result
        return result_

    @overload
    async def both(self, first: tuple[Step[A, R], A], second: tuple[Step[A2, R2], A2], /) -> tuple[R, R2]: ...

    @overload
    async def both(self, *steps: tuple[AnyStep, Any]) -> tuple[Any, ...]: ...

    async def both(self, *steps: tuple[AnyStep, Any]) -> tuple[Any, ...]:
        """Do steps side by side; all of them are settled before anything is decided."""
        return await self._group(list(steps))

    async def check(
        self, step: Step[Any, R], compare: Callable[[], R | Awaitable[R]], *, accept: R | None = None
    ) -> R:
        """A comparison made inside the saga: a canonical Failure raised by `compare` parks (or unwinds) under `step`.

        `retry` runs `compare` again, so let it read anew what a person may have mended. With `accept`, two people may
        agree to go on with that value instead.
        """

        async def attempt(_: Entry) -> R:
            try:
                found = compare()
                return await found if inspect.isawaitable(found) else found
            except Failure as failure:
                raise Failed(caught(failure.record())) from failure

        self.desk.boundary()
        self._batches += 1
        (result,) = await self._settle(self._carry(step, None, self._batches, attempt, accept=accept))
        result_: R = result
        return result_

    async def until(self, due: datetime, *, why: str) -> None:
        """Wait for a business time."""
        await self.wait_for(lambda: False, why=why, due=due)

    async def wait_for(
        self,
        condition: Callable[[], bool],
        *,
        why: str,
        due: datetime | None = None,
        timeout: timedelta | None = None,
    ) -> bool:
        """Wait until `condition` holds (True), or until a business time has come or passed by (False)."""
        self.desk.boundary()
        (held,) = await self._settle(
            self.desk.wait_in_business_time(condition, why=why, due=due, after=timeout)
        )
        self.desk.boundary()
        return bool(held)

    async def settled(self, work: Coroutine[Any, Any, T]) -> T:
        """Await something that is no step (the start of another workflow) so that no cancel interrupts it."""
        (result,) = await self._settle(work)
        result_: T = result
        return result_

    def about(self, *, customer_id: str | None = None, legal_entity: str | None = None) -> None:
        """What was learned about the deal, for lists and cases."""
        about = self.desk.about
        about.customer_id = customer_id if customer_id is not None else about.customer_id
        about.legal_entity = legal_entity if legal_entity is not None else about.legal_entity
        self.desk.show()

    # Begin and end

    async def __aenter__(self) -> "Saga":
        self.desk.show()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        desk = self.desk
        if isinstance(error, GeneratorExit):
            return  # what was left of this run is thrown away, outside the engine's loop; nothing is decided
        if error is None:
            if not desk.stopping:
                desk.ended = SagaState.DONE
                self.desk.show()
                return
            # The cancel came while the last step was settling: nobody may leave with it unanswered (E9).
            error = desk.stopped()
        if isinstance(error, asyncio.CancelledError):
            if not desk.cancelled:
                return  # the worker drops this run from its memory; nothing is decided
            error = desk.stopped()
        if not isinstance(error, GiveUp):
            if not workflow.is_failure_exception(error):
                return  # a fault in the story: the task fails and waits for its mending, nothing is undone
            desk.give_up("failed", str(error))
        if desk.forward_only:
            raise RuntimeError(
                "behind the pivot a saga only goes forward: the story must not fail there"
            ) from error
        await self._settle(self._unwind())
        desk.ended = SagaState.UNWOUND
        self.desk.show()
        why = desk.doomed or desk.stopped()
        if desk.cancelled:
            raise asyncio.CancelledError(why.text)
        raise ApplicationError(
            f"everything was taken back: {why.text}", unwound(desk), type=UNWOUND, non_retryable=True
        ) from None

    # Steps

    async def _group(self, steps: list[tuple[AnyStep, Any]]) -> tuple[Any, ...]:
        self.desk.boundary()
        if len(steps) > 1 and any(step.kind is StepKind.PIVOT for step, _ in steps):
            raise ValueError("a pivot stands alone")
        self._batches += 1
        carried = [self._carry(step, argument, self._batches, self._call) for step, argument in steps]
        return tuple(await self._settle(*carried))

    async def _settle(self, *work: Coroutine[Any, Any, Any]) -> list[Any]:
        """Wait for all of `work`, whatever is cancelled meanwhile. A fault in the story is raised at once."""
        tasks = [asyncio.create_task(one) for one in work]
        pending = set(tasks)
        while pending:
            try:
                await workflow.wait([t for t in tasks if not t.done()], return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                if not self.desk.cancelled:
                    raise  # dropped from the worker's memory, not cancelled
            for task in tasks:
                if task in pending and task.done():
                    pending.discard(task)
                    _raise_fault(task)
        if self.desk.doomed is not None and not self.desk.unwinding:
            for task in tasks:
                task.exception()
            raise self.desk.doomed
        return [task.result() for task in tasks]

    async def _carry(self, step: AnyStep, argument: Any, batch: int, attempt: Try, accept: Any = None) -> Any:
        """One step until it is done, skipped by a person, or the saga gives up."""
        entry = self._register(step, argument, batch, edition=0)
        while True:
            entry.status = "running"
            self.desk.show()
            try:
                return self._done(entry, await attempt(entry), "done")
            except Failed as failed:
                failure = failed.caught
                entry.sent = entry.sent or failed.sent
            entry.status = "failed"
            if self._unwinds_at_once(step, failure):
                raise self.desk.give_up("refused", f"{step.title}: {failure.record.message}", step=step.name)
            answer = await self._cases.park(entry, Phase.DO, failure, acceptable=accept is not None)
            if answer.decision is Decision.SKIP_WITH:
                result = (
                    accept if step.do is None else parking.decoded(parking.result_type(step), answer.result)
                )
                return self._done(entry, result, "skipped")
            if answer.decision is Decision.RETRY_WITH:
                edited = parking.decoded(parking.input_type(step), answer.input)
                if entry.owes_undo:
                    await self._take_back(entry)
                entry.status = "replaced"
                entry = self._register(step, edited, batch, edition=entry.edition + 1)

    def _register(self, step: AnyStep, argument: Any, batch: int, edition: int) -> Entry:
        entry = Entry(step, argument, edition=edition, batch=batch)
        self.desk.entries.append(entry)
        return entry

    def _done(self, entry: Entry, result: Any, status: str) -> Any:
        entry.result, entry.status, entry.sent = result, status, True
        if entry.step.kind is StepKind.PIVOT:
            self.desk.cross()
        self.desk.show()
        return result

    async def _call(self, entry: Entry) -> Any:
        step = entry.step
        if step.do is None or step.manner is None:
            raise ValueError(f"step {step.name} is a comparison: use check")
        return await call(
            step.do,
            entry.input,
            step.manner,
            activity_id=entry.activity_id(Phase.DO),
            summary=step.title,
            groups=[workflow.create_event_group(step.name, label=step.title)],
        )

    def _unwinds_at_once(self, step: AnyStep, failure: Caught) -> bool:
        how = {Kind.REJECTED: step.on_rejected, Kind.CONFLICT: step.on_conflict}.get(failure.record.kind)
        withdrawable = parking.may_withdraw(step, failure, forward_only=self.desk.forward_only)
        return how is OnRejected.UNWIND and failure.certain and withdrawable

    # Taking back

    async def _unwind(self) -> None:
        """In reverse order, steps of one group together; a parked undo holds up only those that come last."""
        desk = self.desk
        desk.unwinding = True
        self.desk.show()
        begun: list[tuple[Entry, asyncio.Task[None]]] = []
        last: list[Entry] = []

        def moved_on() -> bool:
            return all(task.done() or self._is_parked(entry) for entry, task in begun)

        for batch in range(self._batches, 0, -1):
            owed = [e for e in desk.entries if e.batch == batch and e.owes_undo]
            if not all(task.done() for _, task in begun):
                last += [e for e in owed if e.step.undo_last]
                owed = [e for e in owed if not e.step.undo_last]
            begun.extend((entry, asyncio.create_task(self._take_back(entry))) for entry in reversed(owed))
            await workflow.wait_condition(moved_on)
            for _, task in begun:
                if task.done():
                    task.result()
        for _, task in begun:
            await task
        for entry in last:
            await self._take_back(entry)

    def _is_parked(self, entry: Entry) -> bool:
        return any(park.entry is entry for park in self.desk.parks)

    async def _take_back(self, entry: Entry) -> None:
        step = entry.step
        if step.undo is None:
            return
        why = self.desk.doomed
        while True:
            entry.status = "undoing"
            self.desk.show()
            try:
                entry.undone = await call(
                    step.undo,
                    UndoOf(input=entry.input, result=entry.result, because=why.text if why else ""),
                    step.to_undo,
                    activity_id=entry.activity_id(Phase.UNDO),
                    summary=f"Take back: {step.title}",
                    groups=[
                        workflow.create_event_group("unwind", label="Taking everything back"),
                        workflow.create_event_group(step.name, label=step.title),
                    ],
                )
            except Failed as failed:
                entry.status = "undo-failed"
                answer = await self._cases.park(entry, Phase.UNDO, failed.caught)
                if answer.decision is Decision.SKIP_WITH:
                    entry.undone = parking.decoded(Undone, answer.result)
            if entry.undone is not None:
                entry.status = "undone"
                self.desk.show()
                return


def _raise_fault(task: asyncio.Task[Any]) -> None:
    """A fault in the story itself is nobody's decision: the task of the workflow fails until it is mended."""
    fault = task.exception()
    if fault is not None and not isinstance(fault, GiveUp):
        raise fault
