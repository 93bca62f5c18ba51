"""Sagas as people meet them: list, look, decide. Every answer of the engine that is no data becomes words."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import Field
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    ListWorkflowExecutionsRequest,
)
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.contracts.stories import SUBSCRIPTION, WATCH_DEALS
from activities.store.store import Store
from canonical.base import Model
from canonical.ids import digest
from commands._shared import REFUSED, UNAVAILABLE, Stop
from workflows.kernel.parking import Answered, CancelRequest, Decision, Resolution, SagaState
from workflows.kernel.views import Explanation, Form, ParkView, SagaView

PATIENCE = timedelta(seconds=10)
"""How long a worker has to answer a question or take a decision down."""
_LIST = timedelta(seconds=10)
_STATUS: Mapping[int, str] = {
    1: "running", 2: "completed", 3: "failed", 4: "canceled", 5: "terminated", 6: "continued-as-new",
    7: "timed-out", 8: "paused",
}  # fmt: skip
"""The engine's states by number. The client's own enumeration ends before `paused`, and fails on it."""
_PAUSED = "paused"
_NO_SAGAS = (SUBSCRIPTION, WATCH_DEALS)


class SagaRow(Model):
    """One saga in a list, as the engine's index knows it."""

    workflow_id: str
    kind: str = ""
    state: str = Field(
        description="running, waiting, parked, unwinding, unwound, done; `starting` before all these"
    )
    step: str = Field(default="", description="the step that is parked")
    owner: str = Field(default="", description="the team that a parked step waits for")
    correlation_id: str = ""
    customer_id: str = ""
    entity: str = ""
    status: str = Field(description="what the engine says: running, paused, completed, failed, ...")
    started_at: datetime
    closed_at: datetime | None = None


class SagaReport(Model):
    """One saga, whole."""

    workflow_id: str
    status: str
    started_at: datetime | None
    closed_at: datetime | None
    saga: SagaView
    forms: tuple[Form, ...] = ()
    commands: tuple[str, ...] = Field(default=(), description="what can be done now, ready to be typed")


def _row(info: WorkflowExecutionInfo) -> SagaRow:
    known = {name: _text(p.data) for name, p in info.search_attributes.indexed_fields.items()}
    return SagaRow(
        workflow_id=info.execution.workflow_id,
        kind=known.get("SagaKind", ""),
        state=known.get("SagaState") or "starting",
        step=known.get("SagaStep", ""),
        owner=known.get("ExceptionOwner", ""),
        correlation_id=known.get("CorrelationId", ""),
        customer_id=known.get("CustomerId", ""),
        entity=known.get("LegalEntity", ""),
        status=_status(int(info.status)),
        started_at=info.start_time.ToDatetime(UTC),
        closed_at=info.close_time.ToDatetime(UTC) if info.HasField("close_time") else None,
    )


def _text(data: bytes) -> str:
    value = json.loads(data) if data else ""
    return str(value[0] if isinstance(value, list) and value else value or "")


def _status(number: int) -> str:
    return _STATUS.get(number, f"engine state {number}")


async def list_sagas(client: Client, filters: Mapping[str, str], limit: int = 200) -> list[SagaRow]:
    """Sagas by search attributes, newest first. The request is made by hand: one paused run must not end the list."""
    wanted = [f"WorkflowType != '{name}'" for name in _NO_SAGAS]
    for name, value in filters.items():
        if "'" in value or "\\" in value:
            raise Stop(
                f"{value!r} is no value of {name}", fix="see `revsaga saga list` without filters", code=2
            )
        wanted.append(f"{name} = '{value}'")
    rows: list[SagaRow] = []
    token = b""
    while len(rows) < limit:
        answer = await client.workflow_service.list_workflow_executions(
            ListWorkflowExecutionsRequest(
                namespace=client.namespace,
                page_size=min(limit, 500),
                next_page_token=token,
                query=" AND ".join(wanted),
            ),
            retry=True,
            timeout=_LIST,
        )
        rows += [_row(info) for info in answer.executions]
        token = answer.next_page_token
        if not token:
            break
    return rows[:limit]


async def workflow_of(store: Store, any_id: str) -> str:
    """The workflow that a workflow id, a case id or a quote id means (of a quote: its latest activation)."""
    if any_id.startswith("CASE-"):
        return (await store.cases.show(any_id)).workflow_id
    if "/" not in any_id:
        rows = await store.activations.of_quote(any_id)
        if not rows:
            raise Stop(
                f"{any_id} is neither a workflow, nor a case, nor a quote that was ever activated",
                fix="see `revsaga saga list` and `revsaga case list`",
            )
        return rows[-1].workflow_id
    return any_id


async def _described(client: Client, workflow_id: str) -> WorkflowExecutionInfo | None:
    """The head of the latest run, or None when the engine has never heard of it or has forgotten it."""
    try:
        answer = await client.workflow_service.describe_workflow_execution(
            DescribeWorkflowExecutionRequest(
                namespace=client.namespace, execution=WorkflowExecution(workflow_id=workflow_id)
            ),
            retry=True,
            timeout=_LIST,
        )
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    return answer.workflow_execution_info


def _from_index(row: SagaRow) -> SagaView:
    """What the index knows of a saga that cannot be asked, because somebody paused it in the engine."""
    known = SagaState(row.state) if row.state in set(SagaState) else SagaState.RUNNING
    return SagaView(
        kind=row.kind, title=row.workflow_id, state=known, correlation_id=row.correlation_id,
        customer_id=row.customer_id, legal_entity=row.entity,
    )  # fmt: skip


async def _ask(client: Client, store: Store, workflow_id: str, query: str, kind: type[Any]) -> Any:
    """The answer of a saga that can be asked. Stop when it is paused in the engine, or unknown to it."""
    info = await _described(client, workflow_id)
    if info is None:
        raise await _forgotten(store, workflow_id)
    if _status(int(info.status)) == _PAUSED:
        raise _nothing_there(workflow_id, _PAUSED)
    return await _query(client, workflow_id, query, kind)


async def _query(client: Client, workflow_id: str, query: str, kind: type[Any]) -> Any:
    """The answer of a saga to a query. Stop with code 4 when no worker gives one in time."""
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            return await client.get_workflow_handle(workflow_id).query(query, result_type=kind)
    except (TimeoutError, RPCError) as error:
        if isinstance(error, RPCError) and error.status not in _SILENT:
            raise
        raise _no_worker(workflow_id) from error


_SILENT = frozenset(
    {RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED, RPCStatusCode.FAILED_PRECONDITION}
)


def _no_worker(workflow_id: str) -> Stop:
    return Stop(
        f"no worker answered for {workflow_id} within {PATIENCE.total_seconds():.0f} s",
        fix="start a worker (`revsaga worker`), or see `revsaga doctor`",
        code=UNAVAILABLE,
    )


async def show(client: Client, store: Store, any_id: str) -> SagaReport:
    """Everything about one saga. Stop when the engine does not know it."""
    workflow_id = await workflow_of(store, any_id)
    info = await _described(client, workflow_id)
    if info is None:
        raise await _forgotten(store, workflow_id)
    row = _row(info)
    forms: tuple[Form, ...] = ()
    if row.status == _PAUSED:
        saga = _from_index(row)
    else:
        saga = await _query(client, workflow_id, "state", SagaView)
        if saga.parks:
            forms = tuple(await _query(client, workflow_id, "forms", tuple[Form, ...]))
    return SagaReport(
        workflow_id=workflow_id,
        status=row.status,
        started_at=row.started_at,
        closed_at=row.closed_at,
        saga=saga,
        forms=forms,
        commands=next_commands(workflow_id, row.status, saga),
    )


async def _forgotten(store: Store, workflow_id: str) -> Stop:
    row = await store.activations.show(workflow_id)
    if row is None:
        return Stop(f"there is no saga {workflow_id}", fix="see `revsaga saga list`")
    ended = f", ended {row.finished_at:%Y-%m-%d %H:%M}" if row.finished_at else ""
    return Stop(
        f"Temporal does not know {workflow_id} any more; the ledger says: {row.state.value}{ended}",
        fix=f"revsaga trace {workflow_id}",
    )


def next_commands(workflow_id: str, status: str, saga: SagaView) -> tuple[str, ...]:
    """What can be decided now, ready to be typed."""
    if status == _PAUSED:
        return (f"temporal workflow unpause --workflow-id {workflow_id}",)
    if status != "running":
        return (f"revsaga trace {workflow_id}",)
    found = [line for park in saga.parks for line in _for_park(workflow_id, park, len(saga.parks) > 1)]
    if saga.waiting and "catalog" in saga.waiting:
        found.append("revsaga mapping activate catalog --file FILE --reason TEXT")
    if not saga.forward_only and saga.cancel is None and saga.state not in ("unwinding", "unwound", "done"):
        found.append(f"revsaga saga cancel {workflow_id} --reason TEXT")
    return tuple(found)


def _for_park(workflow_id: str, park: ParkView, several: bool) -> list[str]:
    where = park.case_id or workflow_id + (f" --step {park.step}" if several else "")
    if park.proposal is not None:
        approve = f"REVSAGA_ACTOR=SOMEBODY-ELSE revsaga saga skip {where} --reason TEXT"
        return [approve, *[_for_offer(o, where) for o in park.offers if o is not Decision.SKIP_WITH]]
    return [_for_offer(offer, where) for offer in park.offers]


def _for_offer(offer: Decision, where: str) -> str:
    more = {Decision.RETRY_WITH: "--input FILE ", Decision.SKIP_WITH: "--result FILE "}.get(offer, "")
    verb = {Decision.RETRY_WITH: "retry-with", Decision.SKIP_WITH: "skip"}.get(offer, offer.value)
    return f"revsaga saga {verb} {where} {more}--reason TEXT"


async def explain(client: Client, store: Store, any_id: str) -> Explanation:
    """Which step blocks which."""
    found: Explanation = await _ask(client, store, await workflow_of(store, any_id), "explain", Explanation)
    return found


async def decide(
    client: Client,
    store: Store,
    any_id: str,
    decision: Decision,
    *,
    actor: str,
    reason: str,
    step: str | None = None,
    given: str | None = None,
    result: str | None = None,
) -> tuple[str, Answered]:
    """Resolve a parked step: (workflow id, what the saga said). Stop with the saga's own words when it refuses.

    The same decision by the same person about the same case has the same update id: a command that is repeated because
    its answer was lost gets that answer, and nothing is taken down twice.
    """
    workflow_id = await workflow_of(store, any_id)
    case_id, proposer = any_id if any_id.startswith("CASE-") else "", ""
    if not case_id or decision is Decision.SKIP_WITH:
        saga: SagaView = await _ask(client, store, workflow_id, "state", SagaView)
        park = _chosen(saga.parks, any_id, step)
        case_id = case_id or (park.case_id if park else "")
        # A second skip is another act, an approval, even in the same words.
        proposer = park.proposal.actor if park is not None and park.proposal is not None else ""
    resolution = Resolution(
        decision=decision, actor=actor, reason=reason, step=step, case_id=case_id or None, input=given, result=result
    )  # fmt: skip
    key = digest([workflow_id, proposer, resolution.model_dump(mode="json")])[:32]
    return workflow_id, await _update(client, workflow_id, "resolve", resolution, f"resolve-{key}")


def _chosen(parks: Sequence[ParkView], any_id: str, step: str | None) -> ParkView | None:
    fitting = [
        p for p in parks if step in (None, p.step) and (not any_id.startswith("CASE-") or p.case_id == any_id)
    ]
    return fitting[0] if len(fitting) == 1 else None


async def cancel(
    client: Client, store: Store, any_id: str, *, actor: str, reason: str
) -> tuple[str, Answered]:
    """Ask a saga to stop and take everything back."""
    workflow_id = await workflow_of(store, any_id)
    request = CancelRequest(actor=actor, reason=reason)
    key = digest([workflow_id, request.model_dump(mode="json")])[:32]
    return workflow_id, await _update(client, workflow_id, "cancel", request, f"cancel-{key}")


async def _update(client: Client, workflow_id: str, name: str, argument: Model, update_id: str) -> Answered:
    handle = client.get_workflow_handle(workflow_id)
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            found: Answered = await handle.execute_update(name, argument, id=update_id, result_type=Answered)
    except WorkflowUpdateFailedError as failed:
        said = failed.cause.message if isinstance(failed.cause, ApplicationError) else str(failed.cause)
        raise Stop(said, fix=f"revsaga saga show {workflow_id}", code=REFUSED) from failed
    except TimeoutError as error:
        raise await _silence(client, workflow_id) from error
    except RPCError as error:
        raise await _engine_said(client, workflow_id, error) from error
    return found


async def _silence(client: Client, workflow_id: str) -> Stop:
    """Nobody answered: no worker, or the run is paused."""
    info = await _described(client, workflow_id)
    paused = info is not None and _status(int(info.status)) == _PAUSED
    return _nothing_there(workflow_id, _PAUSED) if paused else _no_worker(workflow_id)


async def _engine_said(client: Client, workflow_id: str, error: RPCError) -> Exception:
    """The engine itself refused: the run has ended, or somebody paused it there."""
    info = await _described(client, workflow_id)
    status = "unknown to Temporal" if info is None else _status(int(info.status))
    if status == "running":
        return error
    return _nothing_there(workflow_id, status)


def _nothing_there(workflow_id: str, status: str) -> Stop:
    fix = f"revsaga saga show {workflow_id}"
    if status == _PAUSED:
        fix = f"temporal workflow unpause --workflow-id {workflow_id}, then do it again"
    return Stop(f"{workflow_id} is {status}: nothing can be decided there", fix=fix, code=REFUSED)
