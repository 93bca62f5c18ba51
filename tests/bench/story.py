"""The empty story: every step of the activation, on the same queues and in the same manner, with nothing behind it."""

from dataclasses import replace

from temporalio import activity, workflow
from temporalio.common import VersioningBehavior

from activities.contracts.kernel import Undone, UndoOf
from canonical.base import Model
from workflows.kernel.people import Story
from workflows.kernel.step import AnyStep

# Only the steps as data are read: they hold no state.
with workflow.unsafe.imports_passed_through():
    from workflows.quote_to_subscription import CRM_CONTRACT, STEPS


class Nothing(Model):
    """What an empty step takes."""

    text: str = "nothing"


class NothingDone(Model):
    """What an empty step gives."""

    text: str


@activity.defn
async def empty_work(order: Nothing) -> NothingDone:
    """Nothing."""
    raise NotImplementedError


@activity.defn
async def empty_take_back(undo: UndoOf[Nothing, NothingDone]) -> Undone:
    """Nothing either."""
    raise NotImplementedError


class Empty(Model):
    """What the empty story takes."""

    customer_id: str = "001"


def _emptied(step: AnyStep) -> AnyStep:
    undo = empty_take_back if step.undo is not None else None
    return replace(step, do=empty_work, undo=undo, probe=None)


EMPTY_STEPS = tuple(_emptied(step) for step in STEPS if step.name != CRM_CONTRACT.name)
"""Everything that the activation of an automatically paid deal does."""


@workflow.defn(name="EmptyStory", versioning_behavior=VersioningBehavior.PINNED)
class EmptyStory(Story):
    """Does every step of the activation without doing anything."""

    steps = EMPTY_STEPS

    @workflow.run
    async def run(self, order: Empty) -> str:
        """The story."""
        me = workflow.info().workflow_id
        async with self.saga(kind="empty", title=f"Empty {me}", correlation_id=me) as saga:
            for step in EMPTY_STEPS:
                await saga.do(step, Nothing())
                if step.name == "read-deal":
                    saga.about(customer_id=order.customer_id)
                if step.name == "validate-deal":
                    saga.about(legal_entity="NONE")
        return "done"
