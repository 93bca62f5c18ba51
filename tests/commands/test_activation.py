"""Starting activations, the watch, and the lists."""

from pathlib import Path

import pytest
from temporalio.client import Client

from activities.contracts.stories import ActivationResult
from activities.store.store import Store
from activities.store.turns import ConnectorMode
from canonical.failures import Rejected
from commands._shared import Stop
from commands.demo.book import world
from commands.inner import activations, starting
from commands.inner.starting import quotes_in, start, start_all
from tests.builders.house import a_house
from tests.commands.conftest import run
from tests.workflows.play import a_deal, activated, parked, unwound
from workflows.kernel.parking import Decision

NO = {"status": 200, "body": {"success": False, "reasons": [{"code": 53100330, "message": "a rule says no"}]}}


async def test_what_is_live_active_or_unwound_is_not_started_again(indexed: Client, store: Store) -> None:
    deal = a_deal(80)
    quote = deal.quote.quote_id
    async with a_house(indexed, store, world([deal]), versioned=True) as house:
        house.fault(house.wired.settings.billing, "POST /v1/orders$", "status", times=1, **NO)
        first = await start(house.wired, indexed, quote, actor="ann")
        assert (first.outcome, first.workflow_id) == ("started", f"activation/{quote}/r{deal.revision}")
        handle = indexed.get_workflow_handle(first.workflow_id)
        park = await parked(house, handle, "draft-order")
        live = await start(house.wired, indexed, quote, actor="bob", again=True)
        assert (live.outcome, live.workflow_id) == ("refused", first.workflow_id)
        assert "is being activated" in live.why
        (row,) = await activations.activations(store, indexed)
        assert (row.state, row.case_id, row.owner) == ("live", park.case_id, park.owner)
        assert row.saga == "parked: Create the draft order in billing"
        await house.resolve(handle, Decision.UNWIND)
        await unwound(handle)
        known = await start(house.wired, indexed, quote, actor="bob")
        assert known.outcome == "refused"
        assert "unwound" in known.why
        assert "--again" in known.fix
        again = await start(house.wired, indexed, quote, actor="bob", again=True, reason="it is right now")
        assert again.workflow_id == f"{first.workflow_id}/n1"
        second = indexed.get_workflow_handle(again.workflow_id, result_type=ActivationResult)
        await activated(second)
        done = await start(house.wired, indexed, quote, actor="bob", again=True)
        assert (done.outcome, done.workflow_id) == ("refused", again.workflow_id)
        assert "was activated" in done.why
        rows = await activations.of_quote(store, indexed, quote)
        assert [(r.state, r.again, r.actor, r.reason) for r in rows] == [
            ("unwound", 0, "ann", ""),
            ("completed", 1, "bob", "it is right now"),
        ]


async def test_many_are_started_from_a_file_and_an_unreadable_one_holds_up_nobody(
    client: Client, store: Store, tmp_path: Path
) -> None:
    deals = [a_deal(83), a_deal(84)]
    file = tmp_path / "quotes.txt"
    ids = [deal.quote.quote_id for deal in deals]
    file.write_text(f"# today's deals\n{ids[0]}\n\nNOBODY   # typed by hand\n{ids[1]}\n{ids[0]}\n")
    assert quotes_in(file) == [ids[0], "NOBODY", ids[1]]
    async with a_house(client, store, world(deals)) as house:
        found = await start_all(house.wired, client, quotes_in(file), actor="ann", reason="")
        assert [one.outcome for one in found] == ["started", "refused", "started"]
        assert "NOBODY" in found[1].why
        for one in (found[0], found[2]):
            await client.get_workflow_handle(one.workflow_id).result()
    for text in ("", "# nothing\n", "two words\n"):
        file.write_text(text)
        with pytest.raises(Stop) as caught:
            quotes_in(file)
        assert caught.value.code == 2


async def test_nothing_new_is_started_for_a_connector_that_drains(client: Client, store: Store) -> None:
    deal = a_deal(85)
    async with a_house(client, store, world([deal])) as house:
        billing = house.wired.settings.billing
        for mode in (ConnectorMode.DRAINING, ConnectorMode.PAUSED):
            await store.connectors.set(billing, mode, actor="ann", reason="tonight")
            with pytest.raises(Stop) as caught:
                await start(house.wired, client, deal.quote.quote_id, actor="ann")
            assert caught.value.code == 3
            assert billing in caught.value.fix
        await store.connectors.set(billing, ConnectorMode.RUNNING, actor="ann", reason="done")
        assert (await start(house.wired, client, deal.quote.quote_id, actor="ann")).outcome == "started"
        with pytest.raises(Rejected):
            await start(house.wired, client, "NOBODY", actor="ann")


async def test_the_watch_is_switched_on_and_off_and_run_by_hand(indexed: Client, store: Store) -> None:
    deals = [a_deal(81), a_deal(82)]
    async with a_house(indexed, store, world(deals), versioned=True, watch_minutes=7) as house:
        settings = house.wired.settings
        before = await starting.watch_state(indexed, settings)
        assert before.state == "off"
        assert (await starting.watch_off(indexed, settings, actor="ann", reason="never on")).state == "off"
        on = await starting.watch_on(indexed, settings, actor="ann", reason="go live")
        assert (on.state, on.every_minutes) == ("on", 7)
        assert on.next_at is not None
        assert "go live" in on.note
        faster = settings.model_copy(update={"watch_minutes": 3})
        assert (await starting.watch_on(indexed, faster, actor="ann", reason="faster")).every_minutes == 3
        off = await starting.watch_off(indexed, settings, actor="bob", reason="freeze")
        assert (off.state, off.next_at) == ("off", None)
        assert "freeze" in off.note
        first = await starting.watch_now(indexed, settings, actor="ann")
        assert (first.seen, first.started, first.known) == (2, 2, 0)
        for deal in deals:
            workflow_id = f"activation/{deal.quote.quote_id}/r{deal.revision}"
            await indexed.get_workflow_handle(workflow_id).result()
        again = await starting.watch_now(indexed, settings, actor="ann", full=True)
        assert (again.started, again.known) == (0, 2)
        await indexed.get_schedule_handle(starting.WATCH).delete()


async def test_the_lists_speak_json_and_a_quote_never_tried_is_refused(client: Client, store: Store) -> None:
    deal = a_deal(86)
    async with a_house(client, store, world([deal])) as house:
        await (await house.start(deal)).result()
        listed = await run(store, client, "activation", "list", "--json")
        assert listed.code == 0
        assert [(row["quote_id"], row["state"]) for row in listed.json] == [
            (deal.quote.quote_id, "completed")
        ]
        shown = await run(store, client, "activation", "show", deal.quote.quote_id)
        assert "completed" in shown.out
        nobody = await run(store, client, "activation", "show", "NOBODY", "--json")
        assert nobody.code == 3
        assert "activation start" in nobody.json["error"]["fix"]
        followed = await run(store, client, "activation", "watch", deal.quote.quote_id)
        assert followed.code == 0, followed.err
        assert "done" in followed.out


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("Q", "--file", "pyproject.toml"),
        ("Q", "--again"),
        ("--file", "nowhere.txt"),
    ],
)
async def test_usage_errors(store: Store, arguments: tuple[str, ...]) -> None:
    said = await run(store, None, "activation", "start", *arguments)
    assert said.code == 2
    assert "Error:" in said.err


async def test_an_engine_that_is_away_is_named(store: Store) -> None:
    said = await run(store, None, "activation", "list", "--json")
    assert (said.code, said.json["error"]["code"]) == (4, "temporal-unavailable")
