"""Deciding about parked steps from the command line: what is shown, what is accepted, what is refused and how."""

import json
from pathlib import Path

import pytest
from temporalio.api.workflowservice.v1 import (
    PauseWorkflowExecutionRequest,
    UnpauseWorkflowExecutionRequest,
)
from temporalio.client import Client

from activities.store.store import Store
from commands._shared import Stop
from commands.demo.book import world
from commands.inner import sagas
from tests.builders.house import House, a_house
from tests.commands.conftest import Said, run
from tests.workflows.play import a_deal, activated, eventually, parked, unwound
from workflows.kernel.parking import Decision
from workflows.kernel.views import ParkView

NO = {"status": 200, "body": {"success": False, "reasons": [{"code": 53100330, "message": "a rule says no"}]}}


def _refuse_drafts(house: House, times: int = 1) -> None:
    house.fault(house.wired.settings.billing, "POST /v1/orders$", "status", times=times, **NO)


async def test_what_a_parked_saga_shows_is_enough_to_decide(indexed: Client, store: Store) -> None:
    deal = a_deal(90)
    async with a_house(indexed, store, world([deal]), versioned=True) as house:
        _refuse_drafts(house)
        handle = await house.start(deal)
        park = await parked(house, handle, "draft-order")
        report = await sagas.show(indexed, store, park.case_id)
        assert (report.workflow_id, report.status) == (handle.id, "running")
        assert f"revsaga saga retry {park.case_id} --reason TEXT" in report.commands
        assert f"revsaga saga cancel {handle.id} --reason TEXT" in report.commands
        for any_id in (handle.id, deal.quote.quote_id):
            assert (await sagas.show(indexed, store, any_id)).saga == report.saga
        said = await run(store, indexed, "saga", "show", park.case_id)
        assert said.code == 0
        for text in ("Create the draft order in billing", "a rule says no", park.owner, "since: 2026-02-01 09:00:00",
                     "deadline: 2026-02-04", f"revsaga saga skip {park.case_id} --result FILE"):  # fmt: skip
            assert text in said.out
        schema = await run(store, indexed, "saga", "show", park.case_id, "--schema", "draft-order")
        assert set(schema.json) == {"step", "input", "input_schema", "result_schema"}
        assert "order_number" in schema.json["input_schema"]["properties"]
        other = await run(store, indexed, "saga", "show", park.case_id, "--input", "lock-quote")
        assert other.code == 3
        why = await run(store, indexed, "saga", "explain", handle.id, "--json")
        assert why.json["blocked"]["record-customer"] == ["draft-order"]
        # Every printed command is one that exists, with options that it knows.
        for line in report.commands:
            verb = line.split()[2]
            assert (await run(store, indexed, "saga", verb, "--help")).code == 0
        done = await run(
            store, indexed, "saga", "retry", park.case_id, "--reason", "the rule is gone", "--json"
        )
        assert done.code == 0, done.err
        assert done.json["workflow_id"] == handle.id
        await activated(handle)
        late = await run(store, indexed, "saga", "retry", park.case_id, "--reason", "again", "--json")
        assert (late.code, "completed" in late.json["error"]["message"]) == (3, True)
        (note,) = await store.cases.notes(park.case_id)
        assert (note.actor, note.text) == ("ann", "retry: the rule is gone")


async def test_the_same_decision_twice_is_one(indexed: Client, store: Store) -> None:
    """A command that is repeated because its answer was lost takes nothing down twice, and is told the same."""
    deal = a_deal(91)
    async with a_house(indexed, store, world([deal]), versioned=True) as house:
        _refuse_drafts(house, times=2)
        handle = await house.start(deal)
        first = await parked(house, handle, "draft-order")
        told = [await _retry(indexed, store, first.case_id) for _ in range(2)]
        second = await eventually(lambda: _other_case(house, handle, first))
        told.append(await _retry(indexed, store, first.case_id))
        assert len(set(told)) == 1
        with pytest.raises(Stop) as stale:
            await _retry(indexed, store, first.case_id, actor="bob")
        assert stale.value.code == 3
        assert second.case_id in str(stale.value)
        assert "taken down" in await _retry(indexed, store, second.case_id)
        await activated(handle)
    notes = [await store.cases.notes(case_id) for case_id in (first.case_id, second.case_id)]
    assert [len(found) for found in notes] == [1, 1]


async def _retry(client: Client, store: Store, case_id: str, actor: str = "ann") -> str:
    _, said = await sagas.decide(client, store, case_id, Decision.RETRY, actor=actor, reason="r")
    return said.text


async def _other_case(house: House, handle: object, first: ParkView) -> ParkView | None:
    view = await house.state(handle)  # type: ignore[arg-type]
    return next((p for p in view.parks if p.case_id not in ("", first.case_id)), None)


async def test_an_edited_input_must_fit(indexed: Client, store: Store, tmp_path: Path) -> None:
    deal = a_deal(92, autopay=True)
    fine = a_deal(93, autopay=True)
    lost = world([fine]).methods[0]
    loaded = world([deal, fine])
    methods = tuple(m.model_copy(update={"attached": m == lost}) for m in loaded.methods)
    async with a_house(
        indexed, store, loaded.model_copy(update={"methods": methods}), versioned=True
    ) as house:
        handle = await house.start(deal)
        park = await parked(house, handle, "check-method")
        shown = await run(store, indexed, "saga", "show", park.case_id, "--input", "check-method")
        file = tmp_path / "input.json"
        for content, code, words in (("{", 2, "is not JSON"), ("{}", 3, "Field required")):
            file.write_text(content)
            bad = await _retry_with(store, indexed, park.case_id, file)
            assert bad.code == code
            assert words in bad.err
        file.write_text(json.dumps({**shown.json, "gateway_customer": lost.gateway_customer,
                                    "payment_method": lost.payment_method}))  # fmt: skip
        assert (await _retry_with(store, indexed, park.case_id, file)).code == 0
        await activated(handle)


async def _retry_with(store: Store, client: Client, case_id: str, file: Path) -> Said:
    return await run(
        store, client, "saga", "retry-with", case_id, "--input", str(file), "--reason", "another card"
    )


async def test_a_skip_that_nothing_proves_takes_two_people(
    indexed: Client, store: Store, tmp_path: Path
) -> None:
    deal = a_deal(94, autopay=True)
    loaded = world([deal])
    methods = tuple(m.model_copy(update={"attached": False}) for m in loaded.methods)
    async with a_house(
        indexed, store, loaded.model_copy(update={"methods": methods}), versioned=True
    ) as house:
        handle = await house.start(deal)
        park = await parked(house, handle, "check-method")
        file = tmp_path / "made.json"
        file.write_text('{"usable": true, "why": "", "kind": "card"}')
        skip = ("saga", "skip", park.case_id, "--reason", "seen at the gateway")
        missing = await run(store, indexed, *skip)
        assert (missing.code, "the result is missing" in missing.err) == (3, True)
        assert (await run(store, indexed, *skip, "--result", str(file))).code == 0

        async def proposed() -> bool:
            return bool((await house.state(handle)).parks[0].proposal)

        await eventually(proposed)
        again = await run(store, indexed, *skip, "--result", str(file))
        assert (again.code, "somebody else must approve" in again.err) == (3, True)
        report = await sagas.show(indexed, store, park.case_id)
        assert report.commands[0].startswith("REVSAGA_ACTOR=SOMEBODY-ELSE revsaga saga skip")
        file.write_text('{"usable": true, "why": "", "kind": "other"}')
        other = await run(store, indexed, *skip, "--result", str(file), actor="bob")
        assert (other.code, "not the result that ann proposed" in other.err) == (3, True)
        assert (await run(store, indexed, *skip, actor="bob")).code == 0
        await activated(handle)
    case = await store.cases.show(park.case_id)
    assert (case.resolution, case.resolved_by) == ("skip_with", "bob")


async def test_unwind_and_cancel(indexed: Client, store: Store) -> None:
    deals = [a_deal(95), a_deal(96)]
    async with a_house(indexed, store, world(deals), versioned=True) as house:
        _refuse_drafts(house, times=2)
        one, two = [await house.start(deal) for deal in deals]
        park = await parked(house, one, "draft-order")
        await parked(house, two, "draft-order")
        assert (await run(store, indexed, "saga", "unwind", park.case_id)).code == 2, "a reason is required"
        assert (await run(store, indexed, "saga", "unwind", park.case_id, "--reason", "no")).code == 0
        assert (await unwound(one)).actor == "ann"
        assert (await run(store, indexed, "saga", "cancel", two.id, "--reason", "twice")).code == 0
        assert (await unwound(two)).cause == "cancelled"
        ended = await run(store, indexed, "saga", "show", two.id, "--json")
        assert ended.json["saga"]["state"] == "unwound"
        assert ended.json["commands"] == [f"revsaga trace {two.id}"]


async def test_the_list_survives_a_paused_workflow_and_says_so(indexed: Client, store: Store) -> None:
    deal = a_deal(97)
    async with a_house(indexed, store, world([deal]), versioned=True) as house:
        _refuse_drafts(house)
        handle = await house.start(deal)
        park = await parked(house, handle, "draft-order")
        pausing = PauseWorkflowExecutionRequest(
            namespace=indexed.namespace, workflow_id=handle.id, identity="test", reason="looking"
        )
        await indexed.workflow_service.pause_workflow_execution(pausing)

        async def row() -> dict[str, str] | None:
            said = await run(
                store, indexed, "saga", "list", "--customer", deal.parties.customer.customer_id, "--json"
            )
            assert said.code == 0, said.err
            found = [r for r in said.json if r["workflow_id"] == handle.id and r["status"] == "paused"]
            return found[0] if found else None

        found = await eventually(row)
        assert (found["state"], found["step"], found["owner"]) == ("parked", "draft-order", park.owner)
        assert found["customer_id"] == deal.parties.customer.customer_id
        # The client's own listing would have failed on it.
        with pytest.raises(ValueError, match="8 is not a valid"):
            await handle.describe()
        refused = await run(store, indexed, "saga", "retry", park.case_id, "--reason", "r", "--json")
        assert (refused.code, "is paused" in refused.json["error"]["message"]) == (3, True)
        assert "temporal workflow unpause" in refused.json["error"]["fix"]
        shown = await run(store, indexed, "saga", "show", handle.id, "--json")
        assert (shown.json["status"], shown.json["saga"]["state"]) == ("paused", "parked")
        assert shown.json["commands"] == [f"temporal workflow unpause --workflow-id {handle.id}"]
        unpausing = UnpauseWorkflowExecutionRequest(
            namespace=indexed.namespace, workflow_id=handle.id, identity="test"
        )
        await indexed.workflow_service.unpause_workflow_execution(unpausing)
        filtered = await sagas.list_sagas(
            indexed, {"SagaState": "parked", "CustomerId": found["customer_id"]}
        )
        assert [r.workflow_id for r in filtered] == [handle.id]
        await house.resolve(handle, Decision.RETRY)
        await activated(handle)


async def test_what_is_not_there_is_refused_in_words(indexed: Client, store: Store) -> None:
    for arguments in (
        ("saga", "show", "NOBODY"),
        ("saga", "show", "activation/NOBODY/r1"),
        ("saga", "retry", "CASE-NOBODY", "--reason", "r"),
        ("saga", "cancel", "activation/NOBODY/r1", "--reason", "r"),
    ):
        said = await run(store, indexed, *arguments, "--json")
        assert said.code == 3, arguments
        assert said.json["error"]["fix"], arguments
    odd = await run(store, indexed, "saga", "list", "--customer", "x' OR 'a'='a")
    assert odd.code == 2


def test_a_state_of_the_engine_that_nobody_knows_yet_is_shown_by_its_number() -> None:
    assert sagas._status(8) == "paused"
    assert sagas._status(99) == "engine state 99"
