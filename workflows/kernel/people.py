"""What a story inherits: the updates by which people decide, and the queries by which they look.

Handlers never wait: they take an answer down and return, so that their result always arrives. Their validators refuse
with a text that says what to do instead; nothing is written to the history of a run for a refusal.
"""

from datetime import datetime
from typing import ClassVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows.kernel.desk import About, Desk
from workflows.kernel.details import BYTES_WARN, EVENTS_WARN
from workflows.kernel.parking import Answered, CancelRequest, Decision, Park, Resolution
from workflows.kernel.saga import Saga
from workflows.kernel.step import AnyStep, StepKind
from workflows.kernel.views import Explanation, Form, SagaView, explain, form, saga_view

REFUSED = "Refused"  # failure type of an update that was not accepted
_FULL = 4  # times the warning: nearly the engine's limit


class Story:
    """Base of every saga workflow. `steps` is the story as data, in order."""

    steps: ClassVar[tuple[AnyStep, ...]] = ()

    def __init__(self) -> None:
        self._saga: Saga | None = None
        self._told: datetime | None = None

    def saga(
        self, *, kind: str, correlation_id: str, title: str, customer_id: str = "", legal_entity: str = ""
    ) -> Saga:
        """The one saga of this run."""
        about = About(kind, title, correlation_id, customer_id, legal_entity)
        self._saga = Saga(about, self.steps)
        if self._told is not None:
            self._saga.desk.tick(self._told)
        return self._saga

    @workflow.update(description="Decide about a parked step: retry, retry with another input, skip, unwind")
    def resolve(self, resolution: Resolution) -> Answered:
        """Take a decision down."""
        park = _chosen(self._begun(), resolution)
        park.answer = resolution
        return Answered(
            text=f"{resolution.decision} of {park.entry.step.title}: taken down for {resolution.actor}"
        )

    @resolve.validator
    def _may_resolve(self, resolution: Resolution) -> None:
        desk = self._begun()
        refusal = _chosen(desk, resolution).refusal(resolution)
        if refusal is None and resolution.decision in {Decision.RETRY, Decision.RETRY_WITH} and _full():
            refusal = "the history of this run is full: resolve it by skip or unwind"
        if refusal is not None:
            raise _refused(refusal)

    @workflow.update(description="Stop at the next step and take everything back")
    def cancel(self, request: CancelRequest) -> Answered:
        """Take the request down; the first one counts."""
        asked = self._begun().asked_to_stop
        if asked is not None:
            return Answered(text=f"{asked.actor} has asked for that already")
        self._stop(request)
        return Answered(text="it stops at the next step and takes everything back")

    @cancel.validator
    def _may_cancel(self, request: CancelRequest) -> None:
        refusal = _too_late(self._begun(), request)
        if refusal is not None:
            raise _refused(refusal)

    @workflow.query(description="The saga with its steps and parked steps")
    def state(self) -> SagaView:
        """What it is doing."""
        return saga_view(self._saga.desk) if self._saga else SagaView()

    @workflow.query(description="Why it does not go on, and what waits for what")
    def explain(self) -> Explanation:
        """Which step blocks which."""
        return explain(self._saga.desk) if self._saga else Explanation(text="It has not begun yet.")

    @workflow.query(description="Input and schemas of the parked steps, for a decision by hand")
    def forms(self) -> tuple[Form, ...]:
        """What a person fills in."""
        return tuple(form(park) for park in self._saga.desk.parks) if self._saga else ()

    @workflow.signal(description="The business clock was moved by hand")
    def clock_moved(self, now: datetime) -> None:
        """Look at the clock again."""
        self._told = now
        if self._saga is not None:
            self._saga.desk.tick(now)

    def _stop(self, request: CancelRequest) -> bool:
        """For a story's own signals: ask it to stop, as a person would. False when too late, or asked already."""
        desk = self._saga.desk if self._saga is not None else None
        if desk is None or desk.asked_to_stop is not None or _too_late(desk, request) is not None:
            return False
        desk.asked_to_stop = request
        desk.show()
        return True

    def _begun(self) -> Desk:
        if self._saga is None:
            raise _refused("it has not begun yet: try again in a moment")
        return self._saga.desk


def _refused(text: str) -> ApplicationError:
    return ApplicationError(text, type=REFUSED, non_retryable=True)


def _chosen(desk: Desk, resolution: Resolution) -> Park:
    """The parked step that a decision is about."""
    if not desk.parks:
        raise _refused(f"no step is parked: it is {desk.state}")
    fitting = [p for p in desk.parks if resolution.step in {None, p.entry.step.name}]
    if resolution.case_id:
        fitting = [p for p in fitting if p.case_id == resolution.case_id]
    if len(fitting) == 1:
        return fitting[0]
    parked = ", ".join(f"{p.entry.step.name} (case {p.case_id or 'being opened'})" for p in desk.parks)
    if not fitting:
        raise _refused(f"{resolution.case_id or resolution.step} is not parked; parked: {parked}")
    raise _refused(f"several steps are parked, say which: {parked}")


def _too_late(desk: Desk, request: CancelRequest) -> str | None:
    if desk.ended is not None:
        return f"it has ended: {desk.ended}"
    if desk.unwinding or desk.doomed is not None:
        return "it is being taken back already"
    pivots = [e for e in desk.entries if e.step.kind is StepKind.PIVOT]
    title = pivots[-1].step.title if pivots else "the point of no return"
    if desk.forward_only:
        return f"too late for {request.actor} to stop it, amend instead: {title} is done and it only goes forward"
    if pivots:
        park = next((p for p in desk.parks if p.entry is pivots[-1]), None)
        if park is None:
            return f"too late to say: {title} is under way; ask again when it is done or parked"
        if not park.withdrawable:
            return f"too late to say: {title} may have happened; retry it, or skip it with the record that proves it"
    return None


def _full() -> bool:
    info = workflow.info()
    return (
        info.get_current_history_length() > EVENTS_WARN * _FULL
        or info.get_current_history_size() > BYTES_WARN * _FULL
    )
