"""Where a kill can hit the activation saga: each step and undo with an effect, at each point around that effect."""

from activities.store.effect_entry import AFTER_RECORD, BEFORE_SEND, KILL_POINTS
from workflows.kernel.step import AnyStep
from workflows.quote_to_subscription import STEPS

READS = frozenset(
    {
        "read-deal",
        "validate-deal",
        "check-method",
        "preview-order",
        "estimate-tax",
        "compare-order",
        "read-subscription",
        "find-contract",
    }
)
"""Steps that change nothing anywhere but in our own documents and events. Every other step has cells."""
STORE_POINTS = (BEFORE_SEND, AFTER_RECORD)
"""Work on the store alone is its own record: one transaction, with no point between the two."""


def is_store(step: AnyStep) -> bool:
    """Whether the step works on the store alone."""
    return step.manner is not None and step.manner.local


def cells() -> tuple[str, ...]:
    """All cells as `step/phase@point`, from the Step data: a new step with an effect is asked for at once."""
    known = {step.name for step in STEPS}
    if unknown := READS - known:
        raise AssertionError(f"there is no step {', '.join(sorted(unknown))}")
    return tuple(
        f"{step.name}/{phase}@{point}"
        for step in STEPS
        if step.name not in READS
        for phase in (("do", "undo") if step.undo is not None else ("do",))
        for point in (STORE_POINTS if is_store(step) else KILL_POINTS)
    )
