"""What people and programs see of a saga: parks, steps, what blocks what."""

import json
from datetime import datetime
from typing import Any

from pydantic import Field, TypeAdapter

from canonical.base import Model
from canonical.failures import FailureRecord, Owner
from workflows.kernel.desk import Desk
from workflows.kernel.parking import (
    CancelRequest,
    Decision,
    Entry,
    Park,
    Phase,
    Resolution,
    SagaState,
    input_type,
)
from workflows.kernel.step import StepKind


class Form(Model):
    """What a person fills in to resolve a parked step by hand."""

    step: str
    input: str = Field(description="the input as it was, JSON text")
    input_schema: str = Field(description="JSON schema of the input, JSON text")
    result_schema: str


class ParkView(Model):
    """A parked step, as people and programs see it."""

    step: str
    title: str
    phase: Phase
    case_id: str
    episode: int
    owner: Owner
    failure: FailureRecord
    since: datetime
    give_up_at: datetime | None
    offers: tuple[Decision, ...]
    proposal: Resolution | None
    notes: tuple[str, ...]


def park_view(park: Park) -> ParkView:
    """The park as data."""
    return ParkView(
        step=park.entry.step.name,
        title=park.entry.step.title,
        phase=park.phase,
        case_id=park.case_id,
        episode=park.episode,
        owner=park.owner,
        failure=park.caught.record,
        since=park.since,
        give_up_at=park.give_up_at,
        offers=park.offers,
        proposal=park.proposal,
        notes=tuple(park.notes),
    )


def form(park: Park) -> Form:
    """The form of a parked step."""
    step = park.entry.step
    kind = input_type(step) if step.do is not None else type(None)
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    return Form(
        step=step.name,
        input=adapter.dump_json(park.entry.input).decode() if step.do is not None else "null",
        input_schema=json.dumps(adapter.json_schema()),
        result_schema=json.dumps(TypeAdapter(park.brings()).json_schema()),
    )


class StepView(Model):
    """One step of the story and how far it is."""

    name: str
    title: str
    kind: StepKind
    owner: Owner
    status: str = Field(
        description="ahead, running, parked, done, skipped, failed, replaced, undoing, undone, undo-parked"
    )
    edition: int = 0
    undo: bool = Field(description="it would be taken back by an undo")
    read_back: str = Field(default="", description="what the system said after the undo")
    waits_for: tuple[str, ...] = Field(default=(), description="steps that must be done before it")


class SagaView(Model):
    """A saga at this moment."""

    kind: str = ""
    title: str = ""
    state: SagaState = SagaState.RUNNING
    correlation_id: str = ""
    customer_id: str = ""
    legal_entity: str = ""
    forward_only: bool = Field(default=False, description="the point of no return is passed")
    waiting: str = ""
    trouble: str = ""
    cancel: CancelRequest | None = None
    withdrawing: str = Field(default="", description="why everything is taken back; empty when it is not")
    steps: tuple[StepView, ...] = ()
    parks: tuple[ParkView, ...] = ()


class Unwound(Model):
    """Why and how a saga was taken back: the detail of its failure."""

    cause: str = Field(description="refused, decided, expired, cancelled or failed")
    text: str
    step: str
    actor: str
    undone: dict[str, str] = Field(description="step -> what was read back")


def unwound(desk: Desk) -> Unwound:
    """The report of a saga whose undos are all done."""
    why = desk.doomed
    return Unwound(
        cause=why.cause if why else "",
        text=why.text if why else "",
        step=why.step if why else "",
        actor=why.actor if why else "",
        undone={e.step.name: e.undone.read_back for e in desk.entries if e.undone is not None},
    )


def _latest(desk: Desk) -> dict[str, Entry]:
    return {entry.step.name: entry for entry in desk.entries}


def steps(desk: Desk) -> tuple[StepView, ...]:
    """Every step of the story; those that are ahead name what they wait for."""
    latest = _latest(desk)
    settled = {name for name, entry in latest.items() if entry.status in {"done", "skipped"}}
    found = []
    for step in desk.steps:
        entry = latest.get(step.name)
        found.append(
            StepView(
                name=step.name,
                title=step.title,
                kind=step.kind,
                owner=step.owner,
                status=entry.status if entry else "ahead",
                edition=entry.edition if entry else 0,
                undo=step.undo is not None,
                read_back=entry.undone.read_back if entry and entry.undone else "",
                waits_for=() if entry else tuple(need for need in step.needs if need not in settled),
            )
        )
    return tuple(found)


def saga_view(desk: Desk) -> SagaView:
    """The saga as data."""
    about = desk.about
    return SagaView(
        kind=about.kind,
        title=about.title,
        state=desk.state,
        correlation_id=about.correlation_id,
        customer_id=about.customer_id,
        legal_entity=about.legal_entity,
        forward_only=desk.forward_only,
        waiting=desk.waiting,
        trouble=desk.trouble,
        cancel=desk.asked_to_stop,
        withdrawing=desk.doomed.text if desk.doomed else "",
        steps=steps(desk),
        parks=tuple(park_view(park) for park in desk.parks),
    )


class Explanation(Model):
    """Why a saga does not go on."""

    text: str
    blocking: dict[str, str] = Field(default_factory=dict, description="step -> why it blocks")
    blocked: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="step ahead -> the blocking steps that it needs, directly or not"
    )


def explain(desk: Desk) -> Explanation:
    """Which step blocks which, through the graph of needs."""
    blocking = {}
    for park in desk.parks:
        what = "taking it back is parked" if park.phase is Phase.UNDO else "parked"
        blocking[park.entry.step.name] = f"{what}: {park.caught.record.message} ({park.owner})"
    for entry in desk.entries:
        if entry.status in {"running", "undoing"}:
            blocking.setdefault(entry.step.name, "under way")
    ahead = {s.name for s in desk.steps} - {e.step.name for e in desk.entries}
    reach: dict[str, set[str]] = {}
    for step in desk.steps:
        reach[step.name] = {step.name} if step.name in blocking else set()
        for need in step.needs:
            reach[step.name] |= reach[need]
    blocked = {s.name: tuple(sorted(reach[s.name])) for s in desk.steps if s.name in ahead and reach[s.name]}
    titles = {s.name: s.title for s in desk.steps}
    lines = [f"{titles.get(name, name)}: {why}" for name, why in blocking.items()]
    lines += [
        f"{titles[name]} waits for {', '.join(titles[n] for n in needs)}" for name, needs in blocked.items()
    ]
    if desk.waiting:
        lines.insert(0, f"Waiting for: {desk.waiting}")
    if desk.doomed is not None:
        lines.insert(0, f"Everything is taken back: {desk.doomed.text}")
    return Explanation(
        text="\n".join(lines) or f"Nothing blocks it: {desk.state}.", blocking=blocking, blocked=blocked
    )
