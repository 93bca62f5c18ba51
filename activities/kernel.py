"""Activities that the saga kernel itself needs: cases, and waits on the business clock."""

from datetime import datetime

from temporalio import activity

from activities.contracts.kernel import CaseAnswer, CaseOpened, ClockReading, EndWait, OpenCase, RegisterWait
from activities.tools import Tools
from canonical import event_types
from canonical.case import CaseNote, CaseState
from canonical.case import open_case as new_case
from canonical.event import emit

_WITHDRAWN = ("gave-up", "withdrawn")


class KernelActivities:
    """Works on our own store only."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    @activity.defn
    async def open_case(self, case: OpenCase) -> CaseOpened:
        """See the contract."""
        now = await self._tools.clock.now()
        deadline = now + case.give_up_after if case.give_up_after else None
        step = case.step if case.phase == "do" else f"{case.step}/undo"
        made = new_case(
            case.failure,
            workflow_id=case.workflow_id,
            saga=case.saga,
            step=step,
            title=case.step_title,
            episode=case.episode,
            since=now,
            owner=case.owner,
            deadline=deadline,
            choices=case.offers,
            correlation_id=case.correlation_id,
            customer_id=case.customer_id,
            entity=case.legal_entity,
        )
        stored = await self._tools.store.cases.open(made)
        if stored.deadline is not None:
            await self._tools.store.waits.register(case.workflow_id, stored.case_id, stored.deadline)
        parked = event_types.ActivationParked(
            quote_id=_subject(case.workflow_id),
            step=step,
            code=stored.code,
            owner=stored.owner.value,
            case_id=stored.case_id,
        )
        await self._append(
            parked,
            stored.case_id,
            stored.since,
            case.workflow_id,
            case.correlation_id,
            case.legal_entity,
            "revsaga",
        )
        return CaseOpened(
            case_id=stored.case_id,
            since=stored.since,
            give_up_at=stored.deadline,
            simulated=self._tools.clock.simulated,
        )

    async def _append(
        self,
        payload: event_types.Operational,
        key: str,
        at: datetime,
        workflow_id: str,
        correlation: str,
        entity: str,
        actor: str,
    ) -> None:
        event = emit(
            payload, key=key, subject=_subject(workflow_id), time=at, correlation_id=correlation, actor=actor,
            entity=entity, causation_id=workflow_id,
        )  # fmt: skip
        await self._tools.store.events.append([event])

    @activity.defn
    async def resolve_case(self, answer: CaseAnswer) -> None:
        """See the contract."""
        now = await self._tools.clock.now()
        text = f"{answer.decision}: {answer.reason}" + (f" ({answer.evidence})" if answer.evidence else "")
        note = CaseNote(case_id=answer.case_id, at=now, actor=answer.actor, text=text)
        case = await self._tools.store.cases.show(answer.case_id)
        if not answer.final:
            await self._tools.store.cases.note(note)
            return
        state = CaseState.WITHDRAWN if answer.decision in _WITHDRAWN else CaseState.RESOLVED
        await self._tools.store.cases.resolve(
            answer.case_id, resolution=answer.decision, note=note, state=state
        )
        await self._tools.store.waits.end(case.workflow_id, answer.case_id)
        resolved = event_types.ActivationResolved(
            quote_id=_subject(case.workflow_id),
            step=case.step,
            case_id=answer.case_id,
            resolution=answer.decision,
            reason=answer.reason,
        )
        key = f"{answer.case_id}/{answer.decision}"
        await self._append(
            resolved, key, now, case.workflow_id, case.correlation_id, case.entity, answer.actor
        )

    @activity.defn
    async def register_wait(self, wait: RegisterWait) -> ClockReading:
        """See the contract."""
        now = await self._tools.clock.now()
        due = wait.due or now + (wait.after or (now - now))
        reading = await self._tools.store.waits.register(wait.workflow_id, wait.wait_id, due)
        return ClockReading(now=reading.now, due=due, simulated=reading.simulated)

    @activity.defn
    async def end_wait(self, wait: EndWait) -> None:
        """See the contract."""
        await self._tools.store.waits.end(wait.workflow_id, wait.wait_id)


def _subject(workflow_id: str) -> str:
    """The business id in a workflow id: `activation/{quote}/r...` is about the quote."""
    parts = workflow_id.split("/")
    return parts[1] if len(parts) > 1 else workflow_id
