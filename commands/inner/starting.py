"""Starting activations, and the watch that starts them by itself."""

from datetime import datetime, timedelta
from pathlib import Path

from pydantic import Field
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities.contracts.manners import PACE_MEMO, Pace
from activities.contracts.stories import ACTIVATE_QUOTE, WATCH_DEALS, ActivationOrder
from activities.settings import Settings
from activities.store.activations import Activation, ActivationState
from activities.store.store import Store
from activities.store.turns import ConnectorMode
from activities.wiring import Wired
from canonical.base import Model
from canonical.failures import Failure
from commands._shared import REFUSED, USAGE, Stop
from workflows.deal_watch import WatchOrder, WatchReport

WATCH = "deal-watch"
"""The id of the schedule, and what the watch calls itself in the ledger."""


class Started(Model):
    """What came of the wish to activate one quote."""

    quote_id: str
    outcome: str = Field(description="started, or refused")
    workflow_id: str = Field(
        default="", description="the activation that was started, or that stands in the way"
    )
    revision: str = ""
    why: str = ""
    fix: str = ""


def quotes_in(file: Path) -> list[str]:
    """The quote ids in a file: one on each line, `#` begins a comment. Each is taken once."""
    lines = [line.partition("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines()]
    odd = [line for line in lines if len(line.split()) > 1]
    if odd:
        raise Stop(
            f"{file.name}: {odd[0]!r} is no quote id", fix="write one quote id on each line", code=USAGE
        )
    found = list(dict.fromkeys(line for line in lines if line))
    if not found:
        raise Stop(f"{file.name} names no quote", fix="write one quote id on each line", code=USAGE)
    return found


async def start(
    wired: Wired, client: Client, quote_id: str, *, actor: str, reason: str = "", again: bool = False
) -> Started:
    """Start the activation of what the quote says now. Refusals are told in words; failures of systems are raised."""
    rows = await wired.store.activations.of_quote(quote_id)
    held = next((r for r in rows if r.state in (ActivationState.LIVE, ActivationState.COMPLETED)), None)
    if held is not None:
        return _refused(held)
    await _not_stopped(wired.store, wired.settings)
    deal = await wired.crm.deal(quote_id)
    tried = [r for r in rows if r.revision == deal.revision]
    if tried and not again:
        return _refused(tried[-1])
    number = await wired.store.activations.next_again(quote_id, deal.revision) if again else 0
    workflow_id = f"activation/{quote_id}/r{deal.revision}" + (f"/n{number}" if number else "")
    order = ActivationOrder(
        quote_id=quote_id, revision=deal.revision, again=number, actor=actor, reason=reason
    )
    try:
        await client.start_workflow(
            ACTIVATE_QUOTE,
            order,
            id=workflow_id,
            task_queue=wired.settings.queue,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            static_summary=f"Activate quote {quote_id}",
        )
    except WorkflowAlreadyStartedError:
        # Its own first step writes the ledger row, so for a moment only the engine knows it.
        return Started(
            quote_id=quote_id, outcome="refused", workflow_id=workflow_id, revision=deal.revision,
            why="this revision has been started already", fix=f"revsaga saga show {workflow_id}",
        )  # fmt: skip
    return Started(quote_id=quote_id, outcome="started", workflow_id=workflow_id, revision=deal.revision)


async def start_all(
    wired: Wired, client: Client, quote_ids: list[str], *, actor: str, reason: str
) -> list[Started]:
    """Start many; one that cannot be read holds up nobody."""
    found = []
    for quote_id in quote_ids:
        try:
            found.append(await start(wired, client, quote_id, actor=actor, reason=reason))
        except Failure as failure:
            found.append(
                Started(quote_id=quote_id, outcome="refused", why=failure.message, fix=failure.fix or "")
            )
    return found


def _refused(row: Activation) -> Started:
    when = f"{row.finished_at or row.started_at:%Y-%m-%d %H:%M}"
    why, fix = {
        ActivationState.LIVE: (f"is being activated since {when}", f"revsaga saga show {row.workflow_id}"),
        ActivationState.COMPLETED: (
            f"was activated on {when}; a change of it is an amendment", f"revsaga trace {row.quote_id}",
        ),
        ActivationState.UNWOUND: (
            f"this revision was unwound on {when} and is never started again by itself",
            f"revsaga activation start {row.quote_id} --again --reason TEXT",
        ),
        ActivationState.CANCELLED: (
            f"this revision was cancelled on {when} and is never started again by itself",
            f"revsaga activation start {row.quote_id} --again --reason TEXT",
        ),
    }[row.state]  # fmt: skip
    return Started(
        quote_id=row.quote_id,
        outcome="refused",
        workflow_id=row.workflow_id,
        revision=row.revision,
        why=why,
        fix=fix,
    )


async def _not_stopped(store: Store, settings: Settings) -> None:
    """A connector that drains takes nothing new."""
    for state in await store.connectors.list():
        if state.vendor in settings.roles().values() and state.state is not ConnectorMode.RUNNING:
            raise Stop(
                f"the connector {state.vendor} is {state.state.value} ({state.actor}: {state.reason})",
                fix=f"revsaga connector resume {state.vendor} --reason TEXT",
                code=REFUSED,
            )


# The watch


class WatchState(Model):
    """The schedule of the watch."""

    schedule: str = WATCH
    state: str = Field(description="on or off")
    every_minutes: int
    next_at: datetime | None = None
    note: str = ""


def _schedule(settings: Settings, note: str) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            WATCH_DEALS,
            WatchOrder(),
            id=WATCH,
            task_queue=settings.queue,
            static_summary="Look for closed deals",
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(minutes=settings.watch_minutes))]),
        # A round that is still at it finds what the next one would have found.
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(minutes=1)),
        state=ScheduleState(note=note[:400]),
    )


async def watch_on(client: Client, settings: Settings, *, actor: str, reason: str) -> WatchState:
    """Let the watch look every `watch_minutes`. Safe to repeat; a changed setting takes effect."""
    schedule = _schedule(settings, f"on by {actor}: {reason}")
    try:
        await client.create_schedule(WATCH, schedule)
    except ScheduleAlreadyRunningError:

        def change(_: ScheduleUpdateInput) -> ScheduleUpdate:
            return ScheduleUpdate(schedule=schedule)

        await client.get_schedule_handle(WATCH).update(change)
    return await watch_state(client, settings)


async def watch_off(client: Client, settings: Settings, *, actor: str, reason: str) -> WatchState:
    """Let the watch rest. Safe to repeat."""
    try:
        await client.get_schedule_handle(WATCH).pause(note=f"off by {actor}: {reason}"[:400])
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
    return await watch_state(client, settings)


async def watch_state(client: Client, settings: Settings) -> WatchState:
    """Whether the watch looks, and when next."""
    try:
        found = await client.get_schedule_handle(WATCH).describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return WatchState(state="off", every_minutes=settings.watch_minutes, note="was never switched on")
    state, spec = found.schedule.state, found.schedule.spec
    minutes = int(spec.intervals[0].every.total_seconds() // 60) if spec.intervals else settings.watch_minutes
    upcoming = None if state.paused else next(iter(found.info.next_action_times), None)
    return WatchState(
        state="off" if state.paused else "on", every_minutes=minutes, next_at=upcoming, note=state.note or ""
    )


async def watch_now(
    client: Client, settings: Settings, *, actor: str, full: bool = False, pace: Pace | None = None
) -> WatchReport:
    """Run one round now and wait for its end. Two who ask at once get the same round.

    `pace` is that of the round and of the activations that it starts.
    """
    handle = await client.start_workflow(
        WATCH_DEALS,
        WatchOrder(actor=f"{WATCH}, asked by {actor}", full=full),
        id=f"{WATCH}/now",
        task_queue=settings.queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        result_type=WatchReport,
        memo={PACE_MEMO: pace} if pace is not None else None,
        static_summary="Look for closed deals, asked for by a person",
    )
    report: WatchReport = await handle.result()
    return report
