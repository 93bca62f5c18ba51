"""A story that exists only to try the kernel: undos, a pair side by side, a comparison, a pivot, steps behind it."""

from datetime import timedelta

from pydantic import Field, JsonValue
from temporalio import activity, workflow
from temporalio.common import VersioningBehavior

from activities.contracts.kernel import Claim, Proof, Undone, UndoOf
from activities.contracts.manners import Manner, Role
from canonical.base import Model
from canonical.failures import Owner, Rejected
from workflows.kernel.people import Story
from workflows.kernel.step import OnRejected, Step, StepKind, checked

FAST = Manner(
    "fast",
    role=Role.BILLING,
    attempt=timedelta(seconds=30),
    budget=None,
    first_gap=timedelta(milliseconds=20),
    longest_gap=timedelta(milliseconds=100),
    tries=3,
)
BUDGETED = Manner(
    "budgeted",
    role=Role.BILLING,
    attempt=timedelta(seconds=30),
    budget=timedelta(seconds=2),
    first_gap=timedelta(milliseconds=300),
)
LOCAL = Manner(
    "near", local=True, attempt=timedelta(seconds=5), tries=3, first_gap=timedelta(milliseconds=10)
)
LEASED = Manner("leased", role=Role.ERP, attempt=timedelta(seconds=30), budget=None, leased=True)


class Put(Model):
    """Put an item on the shelf. `pad` makes it heavy."""

    item: str
    quantity: int = 1
    pad: str = ""


class Kept(Model):
    """The item as the world keeps it."""

    item: str
    number: str
    quantity: int
    pad: str = ""


@activity.defn
async def put(order: Put) -> Kept:
    """Put it there."""
    raise NotImplementedError


@activity.defn
async def take_away(undo: UndoOf[Put, Kept]) -> Undone:
    """Take it away, whether it is there or not."""
    raise NotImplementedError


@activity.defn
async def find(claim: Claim[Put, Kept]) -> Proof:
    """Look for it."""
    raise NotImplementedError


def _step(
    name: str,
    kind: StepKind = StepKind.COMPENSATABLE,
    *,
    manner: Manner = FAST,
    undo: bool = True,
    probe: bool = False,
    on_rejected: OnRejected = OnRejected.PARK,
    needs: tuple[str, ...] = (),
    group: str | None = None,
) -> Step[Put, Kept]:
    return Step(
        name=name,
        title=f"Put the {name}",
        kind=kind,
        owner=Owner.REVOPS,
        manner=manner,
        do=put,
        undo=take_away if undo and kind is StepKind.COMPENSATABLE else None,
        probe=find if probe else None,
        on_rejected=on_rejected,
        on_conflict=on_rejected,
        needs=needs,
        group=group,
    )


FIRST = _step("first")
NEAR = _step("near", manner=LOCAL, needs=("first",))
ALONE = _step("alone")
NEAR_ALONE = _step("near", manner=LOCAL)
STRICT = _step("strict", on_rejected=OnRejected.UNWIND, probe=True, needs=("first",))
BARE = _step("bare", undo=False, needs=("strict",))
LEFT = _step("left", manner=BUDGETED, needs=("bare",), group="pair")
RIGHT = _step("right", needs=("bare",), group="pair", on_rejected=OnRejected.UNWIND)
COMPARE: Step[None, str] = Step(
    name="compare",
    title="Compare both",
    kind=StepKind.COMPENSATABLE,
    owner=Owner.FINANCE_OPS,
    needs=("left", "right"),
)
PIVOT = _step("pivot", StepKind.PIVOT, needs=("compare",), probe=True)
AFTER = _step("after", StepKind.RETRIABLE, manner=LEASED, needs=("pivot",))
LAST = _step("last", StepKind.RETRIABLE, needs=("after",), probe=True)

STEPS = checked((FIRST, NEAR, STRICT, BARE, LEFT, RIGHT, COMPARE, PIVOT, AFTER, LAST))


class Plan(Model):
    """What a run is asked to do beside its steps."""

    items: dict[str, Put] = Field(default_factory=dict)
    differs: bool = False
    accept: str | None = None
    pause: int | None = None  # seconds of business time to wait before the pivot
    until_told: bool = False
    fault: bool = False  # the story itself is wrong, until it is mended


class Shelf(Story):
    """The whole story."""

    steps = STEPS


async def play(story: Story, plan: Plan) -> JsonValue:
    """The story; both workflow types share it."""
    async with story.saga(kind="shelf", correlation_id="Q-1", title="Shelf <b>1</b>") as saga:

        def got(step: Step[Put, Kept]) -> Put:
            return plan.items.get(step.name, Put(item=step.name))

        first = await saga.do(FIRST, got(FIRST))
        saga.about(customer_id="C-1", legal_entity="US01")
        await saga.do(NEAR, got(NEAR))
        await saga.do(STRICT, got(STRICT))
        if plan.fault:
            raise KeyError("the story is wrong")
        await saga.do(BARE, got(BARE))
        left, right = await saga.both((LEFT, got(LEFT)), (RIGHT, got(RIGHT)))

        def compare() -> str:
            if plan.differs:
                raise Rejected(
                    "left and right differ",
                    code="order-differs",
                    field="order.total",
                    fix="correct the quote",
                )
            return f"{left.number}={right.number}"

        said = await saga.check(COMPARE, compare, accept=plan.accept)
        if plan.pause is not None:
            await saga.wait_for(
                lambda: False, why="the start of the term", timeout=timedelta(seconds=plan.pause)
            )
        if plan.until_told:
            await saga.wait_for(lambda: getattr(story, "told", False), why="a word from the warehouse")
        pivot = await saga.do(PIVOT, got(PIVOT))
        await saga.do(AFTER, got(AFTER))
        last = await saga.do(LAST, got(LAST))
        return [first.number, said, pivot.number, last.number]


@workflow.defn(name="Shelf", versioning_behavior=VersioningBehavior.PINNED)
class ShelfSaga(Shelf):
    """The story as a workflow."""

    def __init__(self) -> None:
        super().__init__()
        self.told = False

    @workflow.signal
    def tell(self) -> None:
        """The word that it waits for."""
        self.told = True

    @workflow.run
    async def run(self, plan: Plan) -> JsonValue:
        """Play it."""
        return await play(self, plan)


@workflow.defn(name="Quick", versioning_behavior=VersioningBehavior.PINNED)
class QuickSaga(Shelf):
    """One step, then a word, then the end: a cancel that comes together with the word is easily lost."""

    steps = checked((NEAR_ALONE, ALONE))

    def __init__(self) -> None:
        super().__init__()
        self.told = False

    @workflow.signal
    def tell(self) -> None:
        """The word that it waits for."""
        self.told = True

    @workflow.run
    async def run(self, word: bool = True) -> str:
        """Play it, with or without the word."""
        async with self.saga(kind="quick", correlation_id="Q-2", title="Quick") as saga:
            if not word:
                await saga.do(ALONE, Put(item="first"))
                return "done"
            await saga.do(NEAR_ALONE, Put(item="near"))
            await saga.wait_for(lambda: self.told, why="a word")
            return "done"
