"""The deal watch: reads closed deals by cursor and starts the activation of each, exactly once.

It is the gap filler: whatever brought a deal first, the ledger and the workflow id let only one activation begin.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import Field
from temporalio import workflow
from temporalio.common import VersioningBehavior, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, FailureError, WorkflowAlreadyStartedError

from activities.contracts import crm, manners
from activities.contracts.crm import DealsFound, DealToStart, FindDeals, MoveCursor
from activities.contracts.manners import PACE_MEMO
from activities.contracts.stories import ACTIVATE_QUOTE, WATCH_DEALS, ActivationOrder
from canonical.base import Model
from workflows.kernel.calls import Failed, call, pace

NAME = "closed-won"


class WatchOrder(Model):
    """One round of the watch; a round with many pages goes on as new, and carries its counts."""

    actor: str = "deal-watch"
    full: bool = Field(default=False, description="read from the beginning, not from the cursor")
    seen: int = 0
    started: int = 0
    known: int = 0
    superseded: int = 0
    unreadable: tuple[str, ...] = ()


class WatchReport(Model):
    """What a round came to."""

    seen: int
    started: int
    known: int
    superseded: int
    unreadable: tuple[str, ...] = Field(
        default=(), description="deals that could not be read; they are tried again"
    )


@workflow.defn(name=WATCH_DEALS, versioning_behavior=VersioningBehavior.AUTO_UPGRADE)
class WatchDeals:
    """One round over the deals that changed."""

    @workflow.run
    async def run(self, order: WatchOrder) -> WatchReport:
        """Read a page, start what nobody has taken, move the cursor; the cursor never runs ahead of the starts."""
        found: DealsFound = await _called(
            crm.find_deals,
            FindDeals(name=NAME, full=order.full),
            "find-deals",
            "Read closed deals from the CRM",
        )
        started = 0
        for deal in found.start:
            started += await self._start(deal, order.actor)
        lost = [text for live in found.superseded if (text := await self._tell(live))]
        if found.cursor is not None:
            move = MoveCursor(name=NAME, cursor=found.cursor, again=found.again)
            await _called(crm.move_cursor, move, "move-cursor", "Keep the place")
        sums = WatchOrder(
            actor=order.actor,
            full=order.full and found.more,
            seen=order.seen + found.seen,
            started=order.started + started,
            known=order.known + found.known,
            superseded=order.superseded + len(found.superseded),
            unreadable=(*order.unreadable, *found.unreadable, *lost)[:100],
        )
        if found.more:
            workflow.continue_as_new(sums.model_copy(update={"full": False}))
        return WatchReport.model_validate(sums.model_dump(exclude={"actor", "full"}))

    async def _tell(self, live: DealToStart) -> str:
        """Tell a live activation that its quote has another content; what is wrong when it cannot be told."""
        handle = workflow.get_external_workflow_handle(live.workflow_id)
        try:
            await handle.signal("superseded", live.revision)
        except FailureError as error:
            return (
                f"{live.quote_id}: {live.workflow_id} is live in the ledger and cannot be told of the new content: "
                f"{error}"
            )
        return ""

    async def _start(self, deal: DealToStart, actor: str) -> int:
        try:
            _ = await workflow.start_child_workflow(
                ACTIVATE_QUOTE,
                ActivationOrder(quote_id=deal.quote_id, revision=deal.revision, actor=actor),
                id=deal.workflow_id,
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                static_summary=f"Activate quote {deal.quote_id}",
                # Whoever set a pace for the watch means what it starts, too.
                memo={PACE_MEMO: pace()} if workflow.memo_value(PACE_MEMO, None) else None,
            )
        except WorkflowAlreadyStartedError:
            return 0
        return 1


async def _called(contract: Callable[..., Awaitable[Any]], argument: Any, name: str, summary: str) -> Any:
    """The contract's result. A round that cannot go on fails as a whole: the next one begins where this one did."""
    try:
        return await call(contract, argument, manners.CRM, activity_id=name, summary=summary, groups=[])
    except Failed as failed:
        record = failed.caught.record
        raise ApplicationError(
            f"{summary}: {record.message}",
            record.model_dump(mode="json"),
            type=record.kind,
            non_retryable=True,
        ) from failed
