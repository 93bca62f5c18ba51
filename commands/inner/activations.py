"""Activations in lists: the ledger's rows, and what the engine says of the live ones."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import Field
from rich.console import Group
from rich.text import Text
from temporalio.client import Client
from temporalio.service import RPCError

from activities.contracts.stories import ACTIVATE_QUOTE
from activities.store.activations import Activation, ActivationState
from activities.store.store import Store
from canonical.base import Model
from canonical.case import ExceptionCase
from commands import _shared
from commands.inner import sagas
from commands.inner.saga_text import step_table
from commands.inner.sagas import SagaRow
from workflows.kernel.views import SagaView


class ActivationRow(Model):
    """One activation."""

    quote_id: str
    revision: str
    again: int
    workflow_id: str
    state: str = Field(description="live, completed, unwound or cancelled")
    saga: str = Field(default="", description="what a live one is doing")
    owner: str = Field(default="", description="the team that a parked one waits for")
    case_id: str = ""
    actor: str
    reason: str
    started_at: datetime
    finished_at: datetime | None


async def activations(
    store: Store, client: Client, *, state: str | None = None, limit: int = 200
) -> list[ActivationRow]:
    """The ledger, newest first."""
    found = await store.activations.list(state=ActivationState(state) if state else None, limit=limit)
    return await _with_state(store, client, found)


async def of_quote(store: Store, client: Client, any_id: str) -> list[ActivationRow]:
    """All activations of a quote, oldest first; of a workflow id, that one. Stop when there is none."""
    row = await store.activations.show(any_id)
    rows = (row,) if row is not None else await store.activations.of_quote(any_id)
    if not rows:
        raise _shared.Stop(
            f"{any_id} was never activated", fix=f"revsaga activation start {any_id}", code=_shared.REFUSED
        )
    return await _with_state(store, client, rows)


async def _with_state(store: Store, client: Client, rows: Sequence[Activation]) -> list[ActivationRow]:
    live = any(row.state is ActivationState.LIVE for row in rows)
    cases = {case.workflow_id: case for case in await store.cases.list(limit=5000)} if live else {}
    running = {row.workflow_id: row for row in await _running(client)} if live else {}
    return [_joined(row, cases.get(row.workflow_id), running.get(row.workflow_id)) for row in rows]


async def _running(client: Client) -> list[SagaRow]:
    """What the engine's index says. The ledger is shown without it when the engine cannot list."""
    try:
        return await sagas.list_sagas(
            client, {"WorkflowType": ACTIVATE_QUOTE, "ExecutionStatus": "Running"}, 5000
        )
    except RPCError as error:
        _shared.progress(f"the engine cannot list its sagas ({error.message}); shown from the ledger alone")
        return []


def _joined(row: Activation, case: ExceptionCase | None, saga: SagaRow | None) -> ActivationRow:
    doing = ""
    if row.state is ActivationState.LIVE:
        # The case is written before the index shows it, so it is believed first.
        doing = f"parked: {case.title}" if case is not None else saga.state if saga is not None else "running"
    return ActivationRow(
        quote_id=row.quote_id,
        revision=row.revision,
        again=row.again,
        workflow_id=row.workflow_id,
        state=row.state.value,
        saga=doing,
        owner=case.owner.value if case is not None else "",
        case_id=case.case_id if case is not None else "",
        actor=row.actor,
        reason=row.reason,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


async def follow(client: Client, store: Store, workflow_id: str) -> str:
    """Show one saga until it ends or parks; its state then."""
    last = SagaView()

    async def look() -> tuple[Any, bool]:
        nonlocal last
        report = await sagas.show(client, store, workflow_id)
        last = report.saga
        over = last.state in ("done", "unwound", "parked") or report.status not in ("running", "paused")
        parts: list[Any] = [step_table(last), Text(f"{workflow_id}: {last.state.value}")]
        parts += [Text(f"  {line}") for line in report.commands if last.parks]
        return Group(*parts), over

    await _shared.watch(look, every=0.5)
    return last.state.value
