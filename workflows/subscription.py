"""The subscription entity: one for each subscription, for life. It runs the operations on it one at a time.

An update takes an operation into the queue and answers with a ticket at once; it never waits for the operation. Each
operation is a workflow of its own that reports back by signal to this workflow id, so that the entity may continue as
new while one is parked for weeks.
"""

from typing import ClassVar

from temporalio import workflow
from temporalio.common import VersioningBehavior, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError

from activities.contracts.stories import (
    SUBSCRIPTION,
    EntityState,
    Operation,
    OperationEnded,
    SubscriptionView,
    Ticket,
)
from canonical.subscription import MACHINE, SubscriptionState
from workflows.kernel.people import REFUSED

MOST_QUEUED = 1000
MOST_REMEMBERED = 1500
"""Operation ids carried along; the store remembers all of them for life."""


@workflow.defn(name=SUBSCRIPTION, versioning_behavior=VersioningBehavior.PINNED)
class SubscriptionEntity:
    """One subscription."""

    operations: ClassVar[dict[str, str]] = {}
    """Kind of operation -> name of the workflow that does it."""

    @workflow.init
    def __init__(self, start: EntityState) -> None:
        self._s = start
        self._ended: list[OperationEnded] = []

    @workflow.update(description="Take an operation into the queue; answers with a ticket at once")
    def submit(self, operation: Operation) -> Ticket:
        """The same operation again gets the same ticket."""
        ids = [o.operation_id for o in self._s.queue]
        if operation.operation_id in self._s.known:
            place = self._place(ids.index(operation.operation_id)) if operation.operation_id in ids else 0
            return Ticket(operation_id=operation.operation_id, place=place, repeated=True)
        known = {**self._s.known, operation.operation_id: operation.content.hash}
        while len(known) > MOST_REMEMBERED:
            known.pop(next(iter(known)))
        self._set(queue=(*self._s.queue, operation), known=known)
        return Ticket(operation_id=operation.operation_id, place=self._place(len(ids)))

    def _place(self, index: int) -> int:
        """How many operations are before the one at `index` of the queue."""
        return index + (self._s.running is not None)

    @submit.validator
    def _may_submit(self, operation: Operation) -> None:
        held = self._s.known.get(operation.operation_id)
        if held is not None:
            if held != operation.content.hash:
                raise _refused(f"operation {operation.operation_id} is known with another content")
            return
        if operation.kind not in self.operations:
            known = ", ".join(sorted(self.operations)) or "none yet"
            raise _refused(f"a subscription cannot {operation.kind!r}; it knows: {known}")
        if len(self._s.queue) >= MOST_QUEUED:
            raise _refused(f"{MOST_QUEUED} operations are waiting already; try again later")
        if not MACHINE.moves.get(self._s.state):
            raise _refused(f"the subscription is {self._s.state}: that is final")

    @workflow.signal(description="An operation has ended")
    def ended(self, report: OperationEnded) -> None:
        """Reported by the operation's own workflow. A report that comes twice counts once."""
        if report.operation_id == self._s.running:
            self._ended.append(report)

    @workflow.query(description="State, version and queue")
    def view(self) -> SubscriptionView:
        """What it is and what waits."""
        s = self._s
        queued = tuple(o.operation_id for o in s.queue)
        return SubscriptionView(
            subscription_number=s.subscription_number,
            state=s.state,
            version=s.version,
            running=s.running,
            queued=queued,
        )

    @workflow.run
    async def run(self, start: EntityState) -> SubscriptionView:
        """Run what is queued, one at a time, until the subscription is final and nothing waits."""
        del start  # __init__ has it
        while MACHINE.moves.get(self._s.state) or self._s.queue or self._s.running:
            self._show()
            await workflow.wait_condition(
                lambda: (
                    bool(self._ended)
                    or (self._s.running is None and bool(self._s.queue))
                    or self._must_renew()
                )
            )
            if self._must_renew():
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(
                    self._carried(),
                    initial_versioning_behavior=workflow.ContinueAsNewVersioningBehavior.AUTO_UPGRADE,
                )
            while self._ended:
                self._apply(self._ended.pop(0))
            if self._s.running is None and self._s.queue:
                await self._begin(self._s.queue[0])
        return self.view()

    def _must_renew(self) -> bool:
        info = workflow.info()
        return info.is_continue_as_new_suggested() or info.is_target_worker_deployment_version_changed()

    def _carried(self) -> EntityState:
        """What has been reported but not applied is applied first, so that nothing is lost on the way."""
        while self._ended:
            self._apply(self._ended.pop(0))
        return self._s

    async def _begin(self, operation: Operation) -> None:
        self._set(queue=self._s.queue[1:], running=operation.operation_id)
        try:
            _ = await workflow.start_child_workflow(
                self.operations[operation.kind],
                args=[self._s.subscription_number, self._s.version, operation],
                id=f"{operation.kind}/{self._s.subscription_number}/{operation.operation_id}",
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                static_summary=f"{operation.kind} of {self._s.subscription_number}",
            )
        except WorkflowAlreadyStartedError:
            # Only this entity starts operations, one at a time: that one has ended, and reports no more.
            workflow.logger.warning("operation %s was done before", operation.operation_id)
            self._set(running=None)

    def _apply(self, report: OperationEnded) -> None:
        state = (
            SubscriptionState(MACHINE.move(self._s.state, report.state)) if report.state else self._s.state
        )
        self._set(
            running=None,
            state=state,
            version=report.version or self._s.version,
            subscription=report.subscription or self._s.subscription,
        )

    def _set(self, **changes: object) -> None:
        self._s = self._s.model_copy(update=changes)

    def _show(self) -> None:
        s = self._s
        waiting = f"\n- waiting: {len(s.queue)}" if s.queue else ""
        running = f"\n- running: `{s.running}`" if s.running else ""
        workflow.set_current_details(
            f"**{s.subscription_number}** is {s.state}, version {s.version}{running}{waiting}"
        )


def _refused(text: str) -> ApplicationError:
    return ApplicationError(text, type=REFUSED, non_retryable=True)
