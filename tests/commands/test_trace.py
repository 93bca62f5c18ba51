"""The trail: one chain, whatever the entry, and every gap by name."""

import json
from typing import Any

import pytest
from temporalio.client import Client

from activities.store.store import Store
from canonical.failures import Rejected
from commands._shared import plain
from commands.demo.book import Item, Order, build, orders, world
from commands.inner.trail import trace
from tests.builders.house import a_house
from tests.commands.conftest import run
from tests.workflows.play import a_deal, activated, parked, unwound
from workflows.kernel.parking import Decision

NO = {"status": 200, "body": {"success": False, "reasons": [{"code": 53100330, "message": "a rule says no"}]}}

REQUIRED = {
    "quote", "validation", "lock", "billing-account", "order", "tax-estimate", "subscription", "erp-customer",
    "erp-contract", "write-back", "lineage", "effects", "events",
}  # fmt: skip


def _same(found: Any) -> str:
    whole = plain(found)
    del whole["entry"]
    return json.dumps(whole, sort_keys=True)


def _ids(found: Any) -> set[str]:
    ids: set[str] = set()
    for attempt in found.chains[0].attempts:
        ids |= {attempt.workflow_id, attempt.correlation_id, f"subscription/{attempt.nodes[6].id}"}
        ids |= {event.id for event in attempt.events} | {line.lineage_id for line in attempt.lines}
        ids |= {node.id for node in attempt.nodes}
        ids |= {ref.id for node in attempt.nodes for ref in node.refs}
    return ids


async def test_the_chain_is_the_same_from_every_entry(client: Client, store: Store) -> None:
    deals = [build(orders()[n]) for n in (1, 2, 4)]
    async with a_house(client, store, world(deals)) as house:
        for deal in deals:
            await (await house.start(deal)).result()
        found = await trace(store, deals[1].quote.quote_id)
        ids = _ids(found)
        assert len(ids) > 30
        for any_id in sorted(ids):
            again = await trace(store, any_id)
            assert again.entry == any_id
            assert _same(again) == _same(found), any_id


async def test_a_finished_trail_has_every_required_kind_and_no_gap(client: Client, store: Store) -> None:
    deal = build(orders()[2])
    assert deal.quote.payment.autopay
    async with a_house(client, store, world([deal])) as house:
        await (await house.start(deal)).result()
    found = await trace(store, deal.quote.quote_id)
    assert found.verdict == "no gap"
    (attempt,) = found.chains[0].attempts
    assert {r.kind for r in attempt.required if r.status == "present"} == REQUIRED | {"payment-reference"}
    assert all(r.text == "no gap" for r in attempt.required)
    # Each node names its cause, and the cause is an effect or a step of this very saga.
    assert all(node.cause.startswith(attempt.workflow_id) and node.event for node in attempt.nodes)
    systems = {ref.system for node in attempt.nodes for ref in node.refs}
    assert {house.wired.settings.crm, house.wired.settings.billing, house.wired.settings.erp} <= systems
    assert attempt.lines
    for line in attempt.lines:
        assert line.whole
        assert line.contract is not None
        assert line.contract.obligation.endswith(line.lineage_id)


async def test_the_command_prints_it_and_tells_a_gap_by_its_exit_code(client: Client, store: Store) -> None:
    deal = build(orders()[1])
    async with a_house(client, store, world([deal])) as house:
        await (await house.start(deal)).result()
    said = await run(store, None, "trace", deal.quote.quote_id, "--json")
    assert (said.code, said.json["verdict"]) == (0, "no gap")
    table = await run(store, None, "trace", deal.quote.quote_id)
    assert table.code == 0
    assert "verdict: no gap" in table.out
    await store.execute("DELETE FROM document WHERE kind = 'deal'")
    broken = await run(store, None, "trace", deal.quote.quote_id, "--json")
    assert broken.code == 1
    assert "lineage: the lines of the deal are unknown" in broken.json["verdict"]
    await store.execute("UPDATE effect SET state = 'uncertain' WHERE key LIKE '%record-contract/do'")
    assert "record-contract/do" in (await trace(store, deal.quote.quote_id)).verdict


async def test_what_was_unwound_and_done_again_is_one_chain(indexed: Client, store: Store) -> None:
    deal = a_deal(60)
    async with a_house(indexed, store, world([deal]), versioned=True) as house:
        house.fault(house.wired.settings.billing, "POST /v1/orders$", "status", times=1, **NO)
        first_try = await house.start(deal)
        park = await parked(house, first_try, "draft-order")
        live = await trace(store, park.case_id)
        assert live.verdict == "no gap"
        assert live.chains[0].attempts[0].state == "live"
        await house.resolve(first_try, Decision.UNWIND)
        await unwound(first_try)
        once = await trace(store, deal.quote.quote_id)
        assert once.verdict == "no gap"
        (first,) = once.chains[0].attempts
        assert first.state == "unwound"
        states = {node.kind: node.state for node in first.nodes}
        assert (states["lock"], states["billing-account"]) == ("released", "cancelled")
        assert {r.status for r in first.required} == {"present", "not-reached", "not-needed"}
        assert [(case.case_id, case.resolution) for case in first.cases] == [(park.case_id, "unwind")]
        assert _same(await trace(store, park.case_id)) == _same(once)
        await activated(await house.start(deal, again=1))
    both = await trace(store, deal.quote.quote_id)
    assert [a.state for a in both.chains[0].attempts] == ["unwound", "completed"]
    assert both.verdict == "no gap"
    number = next(node.id for node in both.chains[0].attempts[1].nodes if node.kind == "subscription")
    assert _same(await trace(store, number)) == _same(both)


async def test_a_lock_that_an_unwind_left_behind_is_a_gap(client: Client, store: Store) -> None:
    deal = build(orders()[1])
    async with a_house(client, store, world([deal])) as house:
        await (await house.start(deal)).result()
    # As if the saga had ended here: its row says unwound, and nothing tells that the order was taken back.
    await store.execute("UPDATE activation SET state = 'unwound'")
    assert "order: taken back, but still active" in (await trace(store, deal.quote.quote_id)).verdict


async def test_an_account_of_two_deals_leads_to_both(client: Client, store: Store) -> None:
    first = build(Order(1, "Twice Ltd", "GB", "GBP", (Item("PLATFORM"),)))
    second = build(Order(2, "Twice Ltd", "GB", "GBP", (Item("SUPPORT"),)))
    customer = first.parties.customer
    second = second.model_copy(
        update={
            "parties": second.parties.model_copy(update={"customer": customer}),
            "opportunity": second.opportunity.model_copy(update={"customer_id": customer.customer_id}),
            "parents": first.parents,
        }
    )
    async with a_house(client, store, world([first, second])) as house:
        for deal in (first, second):
            await (await house.start(deal)).result()
    one, two = [await trace(store, deal.quote.quote_id) for deal in (first, second)]
    assert (one.verdict, two.verdict) == ("no gap", "no gap")
    account = next(node for node in two.chains[0].attempts[0].nodes if node.kind == "billing-account")
    assert account.facts["opened_by"] == "an earlier one"
    for shared in (account.id, customer.customer_id, account.refs[0].id):
        assert (await trace(store, shared)).chains == (*one.chains, *two.chains), shared


async def test_what_nobody_knows_is_refused(store: Store) -> None:
    for odd in ("nobody", "", "1", "x' OR 'a'='a", "🚀\n", '"', "%"):
        with pytest.raises(Rejected) as caught:
            await trace(store, odd)
        assert caught.value.code == "trace-unknown"
    said = await run(store, None, "trace", "nobody", "--json")
    assert said.code == 3
    assert said.json["error"]["fix"]
