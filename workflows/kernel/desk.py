"""The desk of one saga: what it knows of itself, what it shows, and how it waits for people and for business time."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

from activities.contracts.kernel import ClockReading, EndWait, RegisterWait, end_wait, register_wait
from activities.contracts.manners import STORE
from workflows.kernel import attributes
from workflows.kernel.calls import Failed, call
from workflows.kernel.parking import CancelRequest, Entry, Park, SagaState
from workflows.kernel.step import AnyStep, StepKind

_LONGEST_GAP = timedelta(minutes=10)
_MOMENT = timedelta(milliseconds=1)


@dataclass
class About:
    """Who a saga is about. Opaque ids only: they are stored in the engine as plain text."""

    kind: str
    title: str
    correlation_id: str
    customer_id: str = ""
    legal_entity: str = ""


@dataclass(frozen=True)
class Clock:
    """A reading of the business clock, and when in this run it was read."""

    now: datetime
    read_at: datetime
    simulated: bool = False


class GiveUp(Exception):
    """This saga withdraws: everything is taken back."""

    def __init__(self, cause: str, text: str, *, step: str = "", actor: str = "") -> None:
        super().__init__(text)
        self.cause = cause
        self.text = text
        self.step = step
        self.actor = actor


class Desk:
    """State of one saga, shared by its steps and by the people who look at it."""

    def __init__(self, about: About, steps: tuple[AnyStep, ...], render: Callable[["Desk"], str]) -> None:
        self.render = render
        self.about = about
        self.steps = steps
        self.entries: list[Entry] = []
        self.parks: list[Park] = []
        self.asked_to_stop: CancelRequest | None = None
        self.doomed: GiveUp | None = None
        self.unwinding = False
        self.ended: SagaState | None = None
        self.waiting = ""
        self.trouble = ""
        self._crossed = False
        self._only_forward = bool(steps) and all(step.kind is StepKind.RETRIABLE for step in steps)
        self._told: datetime | None = None
        self._shown: dict[str, str] = {}
        self._waits = 0

    # What is so

    @property
    def forward_only(self) -> bool:
        """The point of no return is passed."""
        return self._crossed or self._only_forward

    @property
    def cancelled(self) -> bool:
        """The engine was asked to cancel this run. Read from the run itself, since the exception can be lost (E9)."""
        return workflow.cancellation_reason() is not None

    @property
    def stopping(self) -> bool:
        """Somebody asked to stop, and that is still possible."""
        return not self.forward_only and (self.asked_to_stop is not None or self.cancelled)

    @property
    def state(self) -> SagaState:
        """What the saga is doing."""
        if self.ended:
            return self.ended
        if self.parks:
            return SagaState.PARKED
        if self.unwinding:
            return SagaState.UNWINDING
        return SagaState.WAITING if self.waiting else SagaState.RUNNING

    def cross(self) -> None:
        """The pivot is done."""
        self._crossed = True

    def give_up(self, cause: str, text: str, *, step: str = "", actor: str = "") -> GiveUp:
        """Withdraw, for the first reason that came up."""
        if self.doomed is None:
            self.doomed = GiveUp(cause, text, step=step, actor=actor)
        return self.doomed

    def stopped(self) -> GiveUp:
        """Withdraw because somebody asked for it."""
        asked = self.asked_to_stop
        if asked is not None:
            return self.give_up("cancelled", f"cancelled by {asked.actor}: {asked.reason}", actor=asked.actor)
        reason = workflow.cancellation_reason()
        return self.give_up("cancelled", f"cancelled in the engine: {reason or 'no reason given'}")

    def boundary(self) -> None:
        """The only places at which a stop is acted on."""
        if self.doomed is not None:
            raise self.doomed
        if self.stopping:
            raise self.stopped()

    # What is shown

    def show(self) -> None:
        """Publish the state: search attributes when they changed (an upsert is an event), the text always."""
        first = self.parks[0] if self.parks else None
        wanted: dict[SearchAttributeKey[str], str] = {
            attributes.SAGA_KIND: self.about.kind,
            attributes.SAGA_STATE: self.state,
            attributes.SAGA_STEP: first.entry.step.name if first else "",
            attributes.EXCEPTION_OWNER: first.owner if first else "",
            attributes.CORRELATION_ID: self.about.correlation_id,
            attributes.CUSTOMER_ID: self.about.customer_id,
            attributes.LEGAL_ENTITY: self.about.legal_entity,
        }
        changes: list[SearchAttributeUpdate[Any]] = []
        for key, value in wanted.items():
            if self._shown.get(key.name, "") != value:
                changes.append(key.value_set(str(value)) if value else key.value_unset())
                self._shown[key.name] = value
        if changes:
            workflow.upsert_search_attributes(changes)
        workflow.set_current_details(self.render(self))

    # How it waits

    def tick(self, now: datetime) -> None:
        """The business clock was moved by hand."""
        self._told = now

    async def wait_in_business_time(
        self, condition: Callable[[], bool], *, why: str, due: datetime | None, after: timedelta | None
    ) -> bool:
        """Wait until `condition` (True) or until a business time (False); a stop ends it early, with True."""
        self._waits += 1
        name = f"wait/{self._waits}"
        clock = Clock(workflow.now(), workflow.now())
        if due is not None or after is not None:
            wait = RegisterWait(
                workflow_id=workflow.info().workflow_id, wait_id=name, due=due, after=after, why=why
            )
            read: ClockReading = await self.keep(
                register_wait, wait, activity_id=name, summary=f"Wait: {why}"
            )
            due, clock = read.due, Clock(read.now, workflow.now(), simulated=read.simulated)
        self.waiting = why
        self.show()
        held = await self.wait(lambda: condition() or self.stopping, due=due, clock=clock, why=why)
        self.waiting = ""
        self.show()
        if held and due is not None:
            ended = EndWait(workflow_id=workflow.info().workflow_id, wait_id=name)
            await self.keep(end_wait, ended, activity_id=f"{name}/end", summary=f"Waited long enough: {why}")
        elif held and not self.stopping:
            # A cancel that came in the same task as the word is told to the run only after it has acted on the word; a
            # saga that ends there would lose it (E9). One more task brings it out.
            await workflow.sleep(_MOMENT, summary=f"Look round: {why}")
        return held

    async def wait(self, done: Callable[[], bool], *, due: datetime | None, clock: "Clock", why: str) -> bool:
        """Wait until `done` (True) or until the business time `due` (False)."""
        while not done():
            if due is None:
                await workflow.wait_condition(done)
                continue
            left = due - self._business_now(clock)
            if left <= timedelta(0):
                return False
            if clock.simulated:
                await workflow.wait_condition(lambda: done() or due <= self._business_now(clock))
                continue
            try:
                await workflow.wait_condition(done, timeout=left, timeout_summary=why)
            except TimeoutError:
                return done()
        return True

    def _business_now(self, clock: "Clock") -> datetime:
        if clock.simulated:
            return max(self._told or clock.now, clock.now)
        return clock.now + (workflow.now() - clock.read_at)

    async def keep(
        self, contract: Callable[..., Awaitable[Any]], argument: Any, *, activity_id: str, summary: str
    ) -> Any:
        """Write into our own store, however long it is away: what must be written down must not be lost."""
        gap = timedelta(seconds=5)
        while True:
            try:
                result = await call(contract, argument, STORE, activity_id=activity_id, summary=summary)
            except Failed as failed:
                self.trouble = f"cannot be written down: {failed.caught.record.message}"
                self.show()
            else:
                self.trouble = ""
                return result
            await workflow.sleep(gap, summary=f"{summary}: try again")
            gap = min(gap * 2, _LONGEST_GAP)
