"""Parked steps: who owns them, what may be decided, what becomes of a decision, and what if nobody decides."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import WorkflowUpdateFailedError
from temporalio.testing import WorkflowEnvironment

from activities.contracts.manners import Pace
from canonical.failures import Conflict, Finding, Misconfigured, OutcomeUnknown, Owner, Rejected, Transient
from tests.workflows.kernel.conftest import Handle, Stage
from tests.workflows.kernel.stories import Kept, Plan, ShelfSaga
from tests.workflows.kernel.world import World, always, text, times
from workflows.kernel.parking import Decision, Resolution, SagaState
from workflows.kernel.views import Form

NO = Rejected(
    "the quote has no purchase order", code="quote-x", field="quote.purchase_order", fix="ask the customer"
)
UNKNOWN = OutcomeUnknown("the answer was lost", code="outcome-unknown")


async def _refused(stage: Stage, handle: Handle, decision: Decision, actor: str = "ann", **more: str) -> str:
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await stage.resolve(handle, decision, actor, **more)
    return str(caught.value.cause)


async def _details(handle: Handle) -> str:
    metadata: WorkflowMetadata = await handle.query(
        "__temporal_workflow_metadata", result_type=WorkflowMetadata
    )
    return metadata.current_details


async def test_a_parked_step_tells_the_whole_story_in_the_web_ui(stage: Stage, world: World) -> None:
    world.faults["bare/do"] = always(NO)
    handle = await stage.start()
    view = await stage.parked(handle, "bare")
    details = await _details(handle)
    for said in (
        "Parked: a person must decide",
        "Shelf &lt;b&gt;1&lt;/b&gt;",  # foreign text is text
        "### Put the bare",
        "the quote has no purchase order",
        "`quote.purchase_order`",
        "**Owner:** revops",
        "**Since:** 2026-03-01 09:00 UTC",
        "**Unless decided by:** 2026-03-04 09:00 UTC",
        "**Suggested fix:** ask the customer",
        f"revsaga saga retry {handle.id} --reason",
        f"revsaga saga unwind {handle.id} --reason",
        "### Done so far\n\n- Put the first\n- Put the near\n- Put the strict",
        "### An unwind would take back\n\n- Put the strict\n- Put the near\n- Put the first",
    ):
        assert said in details, details
    case = world.cases[view.parks[0].case_id]
    assert (case.owner, case.step_title, case.correlation_id) == (Owner.REVOPS, "Put the bare", "Q-1")
    assert case.offers == ("retry", "retry_with", "skip_with", "unwind")
    await stage.resolve(handle, Decision.UNWIND)
    await stage.unwound(handle)


async def test_a_parked_saga_adds_no_events_while_it_waits(stage: Stage, world: World) -> None:
    world.faults["first/do"] = times(1, NO)
    handle = await stage.start()
    await stage.parked(handle, "first")
    before = (await handle.describe()).history_length
    for _ in range(20):
        await handle.query(ShelfSaga.state)
    assert (await handle.describe()).history_length == before
    await stage.resolve(handle, Decision.RETRY)
    await handle.result()


async def test_retry_uses_the_same_key_and_each_parking_is_an_episode(stage: Stage, world: World) -> None:
    world.faults["first/do"] = times(2, NO)
    handle = await stage.start()
    await stage.parked(handle, "first")
    await stage.resolve(handle, Decision.RETRY)
    await stage.until(
        handle, lambda v: bool(v.parks) and v.parks[0].episode == 2 and bool(v.parks[0].case_id)
    )
    await stage.resolve(handle, Decision.RETRY, "ben")
    await handle.result()
    assert world.calls["first/do"] == 3
    assert sorted(world.cases) == ["CASE-first-do-1", "CASE-first-do-2"]
    assert world.decisions() == [("retry", "ann"), ("retry", "ben")]


async def test_retry_with_takes_the_old_edition_back_first(stage: Stage, world: World) -> None:
    world.after["strict/do"] = always(UNKNOWN)
    handle = await stage.start()
    await stage.parked(handle, "strict")
    forms: tuple[Form, ...] = await handle.query(ShelfSaga.forms)
    assert json.loads(forms[0].input) == {"item": "strict", "quantity": 1, "pad": ""}
    assert "quantity" in json.loads(forms[0].input_schema)["properties"]
    await stage.resolve(handle, Decision.RETRY_WITH, input='{"item": "strict", "quantity": 7}')
    await handle.result()
    deeds = [d for d in world.done if d.startswith("strict")]
    assert deeds[-2:] == ["strict/undo", "strict/do/e1"]
    assert {k.split("/", 2)[2]: v.quantity for k, v in world.shelf.items() if "strict" in k} == {
        "strict/do/e1": 7
    }


async def test_an_edited_edition_is_taken_back_under_its_own_key(stage: Stage, world: World) -> None:
    world.faults["strict/do"] = always(Transient("busy", code="limit-reached"))
    world.faults["bare/do"] = always(NO)
    handle = await stage.start()
    await stage.parked(handle, "strict")
    await stage.resolve(handle, Decision.RETRY_WITH, input='{"item": "strict", "quantity": 7}')
    await stage.parked(handle, "bare")
    await stage.resolve(handle, Decision.UNWIND)
    await stage.unwound(handle)
    assert world.shelf == {}
    assert [d for d in world.done if "strict" in d] == ["strict/undo", "strict/do/e1", "strict/undo/e1"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "the input is missing"),
        ("{}", "item: Field required"),
        ('{"item": "x", "quantity": "many"}', "quantity: Input should be a valid integer"),
        ('{"item": "x", "colour": "red"}', "colour: Extra inputs are not permitted"),
        ("{", "Invalid JSON"),
    ],
)
async def test_an_input_that_does_not_fit_is_refused_by_field(
    stage: Stage, world: World, given: str | None, said: str
) -> None:
    world.faults["first/do"] = times(1, NO)
    handle = await stage.start()
    await stage.parked(handle, "first")
    more = {} if given is None else {"input": given}
    assert said in await _refused(stage, handle, Decision.RETRY_WITH, **more)
    await stage.resolve(handle, Decision.RETRY)
    await handle.result()


async def test_without_an_undo_an_edit_needs_the_certainty_that_nothing_happened(
    stage: Stage, world: World
) -> None:
    world.after["bare/do"] = always(UNKNOWN)
    handle = await stage.start()
    view = await stage.parked(handle, "bare")
    assert Decision.RETRY_WITH not in view.parks[0].offers
    said = await _refused(stage, handle, Decision.RETRY_WITH, input='{"item": "bare"}')
    assert "may have happened and nothing could take it back" in said
    await stage.resolve(handle, Decision.UNWIND)
    await stage.unwound(handle)


async def test_a_skip_that_a_probe_proves_takes_one_person(stage: Stage, world: World) -> None:
    world.faults["strict/do"] = always(Transient("busy", code="limit-reached"))
    handle = await stage.start()
    await stage.parked(handle, "strict")
    made = Kept(item="strict", number="BY-HAND", quantity=1)
    world.shelf[f"{handle.id}/strict/do"] = made
    await stage.resolve(handle, Decision.SKIP_WITH, result=text(made))
    await handle.result()
    assert world.answers[-1].evidence == "BY-HAND"


@pytest.mark.parametrize("step", ["bare", "strict"])  # without a probe, and with one that finds nothing
async def test_a_skip_that_nothing_proves_takes_two_people(stage: Stage, world: World, step: str) -> None:
    world.faults[f"{step}/do"] = always(Transient("busy", code="limit-reached"))
    handle = await stage.start()
    await stage.parked(handle, step)
    claimed = text(Kept(item=step, number="BY-HAND", quantity=1))
    await stage.resolve(handle, Decision.SKIP_WITH, result=claimed)
    view = await stage.until(handle, lambda v: bool(v.parks) and v.parks[0].proposal is not None)
    assert "another person must approve" in view.parks[0].notes[0]
    assert "somebody else must approve" in await _refused(stage, handle, Decision.SKIP_WITH, result=claimed)
    other = text(Kept(item=step, number="ANOTHER", quantity=1))
    assert "this is not the result" in await _refused(stage, handle, Decision.SKIP_WITH, "ben", result=other)
    await stage.resolve(handle, Decision.SKIP_WITH, "ben")
    await handle.result()
    assert [(a.decision, a.actor, a.final) for a in world.answers] == [
        ("skip_with", "ann", False),
        ("skip_with", "ben", True),
    ]
    assert "proposed by ann" in world.answers[1].evidence


async def test_what_was_skipped_by_hand_is_taken_back_by_its_result(stage: Stage, world: World) -> None:
    world.faults["strict/do"] = always(Transient("busy", code="limit-reached"))
    world.faults["bare/do"] = always(NO)
    handle = await stage.start()
    await stage.parked(handle, "strict")
    made = Kept(item="strict", number="BY-HAND", quantity=1)
    world.shelf[f"{handle.id}/strict/do"] = made
    await stage.resolve(handle, Decision.SKIP_WITH, result=text(made))
    await stage.parked(handle, "bare")
    await stage.resolve(handle, Decision.UNWIND)
    await stage.unwound(handle)
    assert world.shelf == {}


async def test_nobody_decides_for_72_hours_and_it_unwinds_with_notice(stage: Stage, world: World) -> None:
    world.faults["bare/do"] = always(NO)
    handle = await stage.start()
    report = await stage.unwound(handle)  # the test server skips the three days
    assert report.cause == "expired"
    assert world.cases["CASE-bare-do-1"].give_up_after == timedelta(hours=72)
    assert world.decisions() == [("gave-up", "revsaga")]
    assert world.shelf == {}


async def test_under_a_clock_moved_by_hand_it_gives_up_at_the_business_time(
    stage: Stage, world: World
) -> None:
    world.simulated = datetime(2026, 3, 1, tzinfo=UTC)
    world.faults["bare/do"] = always(NO)
    handle = await stage.start()
    await stage.parked(handle, "bare")
    await handle.signal(ShelfSaga.clock_moved, datetime(2026, 3, 3, 23, tzinfo=UTC))
    assert (await stage.parked(handle, "bare")).state is SagaState.PARKED
    await handle.signal(ShelfSaga.clock_moved, datetime(2026, 3, 4, tzinfo=UTC))
    await stage.ended(handle, SagaState.UNWOUND)  # the test server's own clock stands still meanwhile
    assert (await stage.unwound(handle)).cause == "expired"


@pytest.mark.parametrize(
    ("step", "failure"),
    [
        (
            "bare",
            Misconfigured("wrong key", code="credential-refused"),
        ),  # a wrong set-up is no reason to undo a sale
        ("pivot", UNKNOWN),  # it may have happened
        ("last", NO),  # only forward
    ],
)
async def test_some_parked_steps_wait_without_limit(
    stage: Stage, world: World, step: str, failure: Exception
) -> None:
    world.faults[f"{step}/do"] = lambda call: failure if step != "pivot" or call < 50 else None
    handle = await stage.start()
    view = await stage.parked(handle, step)
    assert view.parks[0].give_up_at is None
    assert world.cases[view.parks[0].case_id].give_up_after is None
    world.faults.clear()
    await stage.resolve(handle, Decision.RETRY)
    await handle.result()


async def test_a_step_whose_policy_is_to_unwind_parks_when_the_set_up_is_wrong(
    stage: Stage, world: World
) -> None:
    world.faults["strict/do"] = times(1, Misconfigured("wrong key", code="credential-refused"))
    handle = await stage.start()
    view = await stage.parked(handle, "strict")
    assert view.parks[0].owner is Owner.INTEGRATION
    await stage.resolve(handle, Decision.RETRY)
    await handle.result()


async def test_findings_decide_whose_case_it_is(stage: Stage, world: World) -> None:
    finding = Finding(
        code="tax-x", field="quote.x", message="no tax code", fix="add one", owner=Owner.FINANCE_OPS
    )
    world.faults["first/do"] = times(1, Rejected("one finding", code="quote-invalid", findings=(finding,)))
    handle = await stage.start()
    assert (await stage.parked(handle, "first")).parks[0].owner is Owner.FINANCE_OPS
    assert "`quote.x`: no tax code. add one" in await _details(handle)
    await stage.resolve(handle, Decision.RETRY)
    await handle.result()


async def test_a_comparison_parks_and_two_people_may_accept_the_deviation(stage: Stage, world: World) -> None:
    handle = await stage.start(Plan(differs=True, accept="agreed"))
    view = await stage.parked(handle, "compare")
    assert view.parks[0].offers == (Decision.RETRY, Decision.SKIP_WITH, Decision.UNWIND)
    await stage.resolve(handle, Decision.SKIP_WITH)
    await stage.until(handle, lambda v: bool(v.parks) and v.parks[0].proposal is not None)
    await stage.resolve(handle, Decision.SKIP_WITH, "ben")
    assert (await handle.result())[1] == "agreed"
    assert world.cases[view.parks[0].case_id].failure.field == "order.total"


async def test_a_comparison_without_an_agreed_way_out_cannot_be_skipped(stage: Stage) -> None:
    handle = await stage.start(Plan(differs=True))
    view = await stage.parked(handle, "compare")
    assert view.parks[0].offers == (Decision.RETRY, Decision.UNWIND)
    assert "cannot be skipped" in await _refused(stage, handle, Decision.SKIP_WITH)
    await stage.resolve(handle, Decision.RETRY)
    await stage.until(
        handle, lambda v: bool(v.parks) and v.parks[0].episode == 2 and bool(v.parks[0].case_id)
    )
    await stage.resolve(handle, Decision.UNWIND)
    await stage.unwound(handle)


async def test_answers_that_do_not_apply_are_refused_in_words(stage: Stage, world: World) -> None:
    world.faults["left/do"] = times(1, NO)
    world.faults["right/do"] = times(1, Misconfigured("wrong key", code="credential-refused"))
    world.gates["first/do"] = asyncio.Event()
    handle = await stage.start()
    await world.reached["first/do"].wait()
    assert "no step is parked: it is running" in await _refused(stage, handle, Decision.RETRY)
    world.gates["first/do"].set()
    await stage.parked(handle, "left", "right")
    assert "several steps are parked, say which" in await _refused(stage, handle, Decision.RETRY)
    assert "is not parked" in await _refused(stage, handle, Decision.RETRY, step="first")
    assert "is not parked" in await _refused(stage, handle, Decision.RETRY, case_id="CASE-left-do-9")
    assert "revsaga saga retry CASE-left-do-1" in await _details(handle)
    await stage.resolve(handle, Decision.RETRY, case_id="CASE-left-do-1")
    await stage.resolve(handle, Decision.RETRY, step="right")
    await handle.result()


async def test_the_same_answer_sent_twice_under_one_update_id_counts_once(stage: Stage, world: World) -> None:
    """E12."""
    world.faults["first/do"] = times(1, NO)
    handle = await stage.start()
    await stage.parked(handle, "first")
    retry = Resolution(decision=Decision.RETRY, actor="ann", reason="mended")
    first = await handle.execute_update(ShelfSaga.resolve, retry, id="one")
    again = await handle.execute_update(ShelfSaga.resolve, retry, id="one")
    assert first == again
    await handle.result()
    assert world.decisions() == [("retry", "ann")]


async def test_a_store_that_is_away_delays_the_case_but_loses_nothing(
    stage: Stage, world: World, skipping: WorkflowEnvironment
) -> None:
    world.faults["last/do"] = times(1, NO)
    world.store_away = 3  # more than the tries of one call at this pace
    handle = await stage.start(pace=Pace(tries=2, first_gap=timedelta(milliseconds=10)))
    view = await stage.until(handle, lambda v: bool(v.trouble))
    assert view.state is SagaState.PARKED
    assert "cannot be written down" in await _details(handle)
    await skipping.sleep(timedelta(seconds=6))  # the gap before the next try
    await stage.parked(handle, "last")
    assert not (await handle.query(ShelfSaga.state)).trouble
    await stage.resolve(handle, Decision.RETRY)
    await handle.result()
    assert sorted(world.cases) == ["CASE-last-do-1"]


async def test_explain_names_what_blocks_what(stage: Stage, world: World) -> None:
    world.faults["left/do"] = times(1, NO)
    handle = await stage.start()
    await stage.parked(handle, "left")
    told = await handle.query(ShelfSaga.explain)
    assert set(told.blocking) == {"left"}
    assert told.blocked == dict.fromkeys(("compare", "pivot", "after", "last"), ("left",))
    assert "Put the pivot waits for Put the left" in told.text
    await stage.resolve(handle, Decision.RETRY)
    await handle.result()


async def test_a_conflict_follows_its_own_policy(stage: Stage, world: World) -> None:
    world.faults["strict/do"] = always(Conflict("the content changed", code="content-changed"))
    handle = await stage.start()
    assert (await stage.unwound(handle)).cause == "refused"
    assert world.shelf == {}


async def test_a_history_that_is_nearly_full_says_so_and_takes_no_more_retries(
    stage: Stage, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.faults["bare/do"] = always(NO)
    handle = await stage.start()
    await stage.parked(handle, "bare")
    for module in ("details", "people"):
        monkeypatch.setattr(f"workflows.kernel.{module}.EVENTS_WARN", 5)
    assert "history of this run is full" in await _refused(stage, handle, Decision.RETRY)
    await handle.signal(ShelfSaga.clock_moved, world.now())
    await stage.resolve(handle, Decision.SKIP_WITH, result=text(Kept(item="bare", number="X", quantity=1)))
    await stage.until(handle, lambda v: bool(v.parks) and v.parks[0].proposal is not None)
    assert "the history of this run is nearly full" in await _details(handle)
    await stage.resolve(handle, Decision.UNWIND)
    await stage.unwound(handle)
