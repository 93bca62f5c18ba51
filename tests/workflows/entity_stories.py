"""A subscription entity that knows two kinds of operations, for tests: one is done at once, one waits to be told."""

from typing import ClassVar

from temporalio import workflow
from temporalio.common import VersioningBehavior

from activities.contracts.stories import (
    SUBSCRIPTION,
    EntityState,
    Operation,
    OperationEnded,
    SubscriptionView,
)
from canonical.subscription import SubscriptionState

with workflow.unsafe.imports_passed_through():
    from workflows.subscription import SubscriptionEntity

SHORT = 60  # events after which this entity goes on as new; the engine's own suggestion comes after thousands


@workflow.defn(name="TestOperation", versioning_behavior=VersioningBehavior.PINNED)
class TestOperation:
    """Ends as its reason says: `again` reports twice, `cancelled` ends the subscription, `wait` waits for a word."""

    __test__ = False

    def __init__(self) -> None:
        self._told = False

    @workflow.signal
    def go_on(self) -> None:
        """The word."""
        self._told = True

    @workflow.run
    async def run(self, subscription_number: str, version: int, operation: Operation) -> int:
        """Do nothing, then report back to the entity by its id, whatever run of it is alive by then."""
        if operation.kind == "wait":
            await workflow.wait_condition(lambda: self._told)
        state = SubscriptionState.CANCELLED if operation.reason == "cancelled" else None
        report = OperationEnded(
            operation_id=operation.operation_id, outcome="applied", state=state, version=version + 1
        )
        entity = workflow.get_external_workflow_handle(f"subscription/{subscription_number}")
        for _ in range(2 if operation.reason == "again" else 1):
            await entity.signal("ended", report)
        return version + 1


@workflow.defn(name=SUBSCRIPTION, versioning_behavior=VersioningBehavior.PINNED)
class BusyEntity(SubscriptionEntity):
    """The entity with operations, and with a short life of each run."""

    operations: ClassVar[dict[str, str]] = {"quick": "TestOperation", "wait": "TestOperation"}

    @workflow.init
    def __init__(self, start: EntityState) -> None:
        super().__init__(start)

    def _must_renew(self) -> bool:
        return super()._must_renew() or workflow.info().get_current_history_length() > SHORT

    @workflow.run
    async def run(self, start: EntityState) -> SubscriptionView:
        """As the entity does."""
        return await super().run(start)
