"""Cases: a parked step gets an owner and waits; a decision is written down before it is carried out."""

from collections.abc import Awaitable, Callable
from typing import Any

from temporalio import workflow

from activities.contracts.kernel import (
    CaseAnswer,
    CaseOpened,
    Claim,
    OpenCase,
    Proof,
    open_case,
    resolve_case,
)
from workflows.kernel import parking
from workflows.kernel.calls import Failed, call
from workflows.kernel.desk import Clock, Desk
from workflows.kernel.parking import Decision, Entry, Park, Phase, Resolution
from workflows.kernel.reading import Caught

ITSELF = "revsaga"  # who decided, when no person did


class Cases:
    """The parked steps of one saga."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._episodes: dict[tuple[str, Phase], int] = {}

    async def park(
        self, entry: Entry, phase: Phase, failure: Caught, *, acceptable: bool = False
    ) -> Resolution:
        """Wait for a decision and return it. Raises GiveUp when the saga withdraws instead."""
        desk = self._desk
        park = self._new(entry, phase, failure, acceptable=acceptable)
        if self._must_leave(park):
            raise desk.stopped()
        entry.status = "parked" if phase is Phase.DO else "undo-parked"
        desk.parks.append(park)
        desk.show()
        opened: CaseOpened = await desk.keep(
            open_case,
            self._opening(park),
            activity_id=f"{self._id(park)}/open",
            summary=f"Open a case: {entry.step.title}",
        )
        park.case_id, park.since, park.give_up_at = opened.case_id, opened.since, opened.give_up_at
        desk.show()
        answer = await self._answer(park, Clock(opened.since, workflow.now(), simulated=opened.simulated))
        desk.parks.remove(park)
        desk.show()
        if answer is None:
            raise desk.stopped()
        return answer

    def _new(self, entry: Entry, phase: Phase, failure: Caught, *, acceptable: bool) -> Park:
        step, forward_only = entry.step, self._desk.forward_only
        episode = self._episodes[step.name, phase] = self._episodes.get((step.name, phase), 0) + 1
        withdrawable = phase is Phase.DO and parking.may_withdraw(step, failure, forward_only=forward_only)
        return Park(
            entry=entry,
            phase=phase,
            caught=failure,
            episode=episode,
            owner=failure.owner(step.owner),
            offers=parking.offers(step, phase, failure, forward_only=forward_only, acceptable=acceptable),
            since=workflow.now(),
            give_up_after=parking.patience(step, failure, withdrawable=withdrawable),
            withdrawable=withdrawable,
        )

    def _id(self, park: Park) -> str:
        return f"{park.entry.step.name}/{park.phase}/case/{park.episode}"

    def _opening(self, park: Park) -> OpenCase:
        about = self._desk.about
        return OpenCase(
            workflow_id=workflow.info().workflow_id,
            saga=about.kind,
            title=about.title,
            correlation_id=about.correlation_id,
            customer_id=about.customer_id,
            legal_entity=about.legal_entity,
            step=park.entry.step.name,
            step_title=park.entry.step.title,
            phase=park.phase,
            episode=park.episode,
            owner=park.owner,
            failure=park.caught.record,
            offers=tuple(park.offers),
            give_up_after=park.give_up_after,
        )

    def _must_leave(self, park: Park) -> bool:
        """The saga withdraws, so this step need not wait for a person. Once it is unwinding, a parked undo must."""
        desk = self._desk
        if desk.unwinding:
            return False
        return desk.doomed is not None or (desk.stopping and (park.phase is Phase.UNDO or park.withdrawable))

    async def _answer(self, park: Park, clock: Clock) -> Resolution | None:
        """The decision that counts, written into the case; None when the saga withdraws instead."""
        title = park.entry.step.title
        while True:
            in_time = await self._desk.wait(
                lambda: park.answer is not None or self._must_leave(park),
                due=park.give_up_at,
                clock=clock,
                why=f"give up waiting for a decision: {title}",
            )
            answer = park.answer
            if answer is None:
                if in_time:
                    why = self._desk.stopped()
                    await self._write(park, "withdrawn", ITSELF, why.text)
                else:
                    why = self._desk.give_up(
                        "expired", f"nobody decided in time: {title}", step=park.entry.step.name
                    )
                    await self._write(park, "gave-up", ITSELF, f"{why.text}; everything is taken back")
                return None
            if answer.decision is Decision.SKIP_WITH:
                whole = await self._skip(park, answer)
                if whole is not None:
                    return whole
                continue
            await self._write(park, answer.decision, answer.actor, answer.reason)
            if answer.decision is Decision.UNWIND:
                text = f"{answer.actor} decided to unwind: {answer.reason}"
                self._desk.give_up("decided", text, step=park.entry.step.name, actor=answer.actor)
                return None
            return answer

    async def _skip(self, park: Park, answer: Resolution) -> Resolution | None:
        """A skip counts when a probe finds the record or a second person approves; else it is kept as a proposal."""
        first = park.proposal
        if first is not None:
            evidence = f"proposed by {first.actor}: {first.reason}"
            await self._write(park, answer.decision, answer.actor, answer.reason, evidence=evidence)
            return answer.model_copy(update={"result": first.result})
        proof = await self._probe(park, answer)
        if proof.found and proof.matches:
            await self._write(park, answer.decision, answer.actor, answer.reason, evidence=proof.read_back)
            return answer
        note = f"{answer.actor} proposes to skip it ({answer.reason}); {proof.read_back}; another person must approve"
        await self._write(
            park, answer.decision, answer.actor, answer.reason, evidence=proof.read_back, final=False
        )
        park.notes.append(note)
        park.proposal, park.answer = answer, None
        self._desk.show()
        return None

    async def _probe(self, park: Park, answer: Resolution) -> Proof:
        step, entry = park.entry.step, park.entry
        if step.probe is None or step.manner is None or park.phase is Phase.UNDO:
            return Proof(found=False, read_back="no probe can prove it")
        claim: Claim[Any, Any] = Claim(
            input=entry.input, result=parking.decoded(park.brings(), answer.result)
        )
        contract: Callable[..., Awaitable[Any]] = step.probe
        try:
            proof: Proof = await call(
                contract,
                claim,
                step.manner,
                activity_id=entry.activity_id("probe"),
                summary=f"Look for the record: {step.title}",
                groups=[workflow.create_event_group(step.name, label=step.title)],
            )
        except Failed as failed:
            return Proof(found=False, read_back=f"the probe failed: {failed.caught.record.message}")
        if proof.matches:
            return proof
        what = "what was found does not match" if proof.found else "nothing was found"
        return Proof(found=proof.found, read_back=f"{what} ({proof.read_back})" if proof.read_back else what)

    async def _write(
        self, park: Park, decision: str, actor: str, reason: str, *, evidence: str = "", final: bool = True
    ) -> None:
        answer = CaseAnswer(
            case_id=park.case_id,
            decision=decision,
            actor=actor,
            reason=reason,
            final=final,
            evidence=evidence,
        )
        await self._desk.keep(
            resolve_case,
            answer,
            activity_id=f"{self._id(park)}/{'close' if final else 'note'}",
            summary=f"Write down: {decision} by {actor}",
        )
