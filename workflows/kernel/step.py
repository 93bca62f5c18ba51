"""Steps as data: what a story does, how it is taken back, who owns it when it fails."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Generic, TypeVar

from activities.contracts.kernel import Claim, Proof, Undone, UndoOf
from activities.contracts.manners import Manner
from canonical.failures import Owner

A = TypeVar("A")
R = TypeVar("R")

PARK_FOR = timedelta(hours=72)


class StepKind(StrEnum):
    """Where a step stands to the point of no return."""

    COMPENSATABLE = "compensatable"
    PIVOT = "pivot"
    RETRIABLE = "retriable"


class OnRejected(StrEnum):
    """What a saga does when the other side says no before the pivot."""

    PARK = "park"
    UNWIND = "unwind"


@dataclass(frozen=True, kw_only=True)
class Step(Generic[A, R]):
    """One step of a story, as plain data.

    `do` and `undo` are contracts; a step without `do` is a comparison that the story makes itself (`saga.check`).
    `needs` names the steps whose results it uses. `probe` looks for a record that a person claims to have made by hand.
    `undo_last`: the undo lets others in (a turn, a claim), so it waits for the other undos, parked ones too.
    `park_for` limits how long a parked step before the pivot waits for a person; afterwards the saga withdraws.
    """

    name: str
    title: str
    kind: StepKind
    owner: Owner
    manner: Manner | None = None
    do: Callable[[A], Awaitable[R]] | None = None
    undo: Callable[[UndoOf[A, R]], Awaitable[Undone]] | None = None
    probe: Callable[[Claim[A, R]], Awaitable[Proof]] | None = None
    undo_manner: Manner | None = None
    undo_last: bool = False
    on_rejected: OnRejected = OnRejected.PARK
    on_conflict: OnRejected = OnRejected.PARK
    park_for: timedelta = PARK_FOR
    needs: tuple[str, ...] = ()
    group: str | None = None

    def __post_init__(self) -> None:
        if not all(part.isalnum() for part in self.name.split("-")) or self.name != self.name.lower():
            raise ValueError(f"a step's name is kebab-case, not {self.name!r}")
        if self.do is not None and self.manner is None:
            raise ValueError(f"step {self.name}: a contract is called in some manner")
        if self.undo is not None and (self.do is None or self.kind is not StepKind.COMPENSATABLE):
            raise ValueError(f"step {self.name}: only a compensatable step that does something has an undo")

    @property
    def to_undo(self) -> Manner:
        """The manner of the undo."""
        manner = self.undo_manner or (self.manner and self.manner.to_undo())
        if manner is None:
            raise ValueError(f"step {self.name} is not called at all")
        return manner


AnyStep = Step[Any, Any]


def checked(steps: Sequence[AnyStep]) -> tuple[AnyStep, ...]:
    """The steps of a story, if they can be one: names are unique, needs come before, one pivot, kinds in order."""
    seen: list[str] = []
    crossed = False
    for step in steps:
        if step.name in seen:
            raise ValueError(f"two steps are called {step.name}")
        unknown = [need for need in step.needs if need not in seen]
        if unknown:
            raise ValueError(f"step {step.name} needs {', '.join(unknown)}, which come later or not at all")
        if step.kind is not StepKind.RETRIABLE and crossed:
            raise ValueError(f"step {step.name} is {step.kind} but stands behind the pivot")
        if step.kind is StepKind.PIVOT:
            if step.group is not None:
                raise ValueError(f"step {step.name}: a pivot stands alone, never in a group")
            crossed = True
        seen.append(step.name)
    if not crossed and len({step.kind for step in steps}) > 1:
        raise ValueError("retriable steps stand behind a pivot, and there is none")
    return tuple(steps)


def picture(steps: Sequence[AnyStep]) -> str:
    """The steps as a Mermaid diagram and a Markdown table, for the documentation."""
    lines = ["```mermaid", "flowchart TD"]
    shapes = {
        StepKind.COMPENSATABLE: '["{}"]',
        StepKind.PIVOT: '{{{{"{}"}}}}',
        StepKind.RETRIABLE: '(["{}"])',
    }
    lines += [f"    {step.name}{shapes[step.kind].format(step.title)}" for step in steps]
    for index, step in enumerate(steps):
        before = step.needs or ((steps[index - 1].name,) if index else ())
        lines += [f"    {need} --> {step.name}" for need in before]
    lines += [
        "```",
        "",
        "| # | step | what | kind | undo | called | when refused | owner |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for number, step in enumerate(steps, 1):
        undo = (
            _name(step.undo)
            if step.undo
            else "nothing to take back"
            if step.kind is StepKind.COMPENSATABLE
            else "-"
        )
        called = (
            f"{_name(step.do)} ({step.manner.name})" if step.do and step.manner else "compared in the saga"
        )
        lines.append(
            f"| {number} | `{step.name}` | {step.title} | {step.kind} | {undo} | {called} "
            f"| {step.on_rejected} | {step.owner} |"
        )
    return "\n".join(lines) + "\n"


def _name(contract: Callable[..., Any]) -> str:
    return f"`{contract.__name__}`"
