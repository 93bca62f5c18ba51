"""The activation success rate: hand-made events with figures counted by hand, and a recomputation of real ones."""

import itertools
import json
from datetime import UTC, date, datetime, timedelta

from temporalio.client import Client

from activities.store.events import StoredEvent
from activities.store.store import Store
from canonical.event import Event, Payload, emit
from canonical.event_types import (
    ActivationCancelled,
    ActivationCompleted,
    ActivationParked,
    ActivationResolved,
    ActivationStarted,
    ActivationUnwound,
    QuoteRefused,
)
from commands.demo.book import mistaken, world
from commands.inner.scoring import DealScore, Rate, of_events, score
from tests.builders.house import a_house
from tests.commands.conftest import run
from tests.workflows.play import a_deal, activated, parked
from workflows.kernel.parking import Decision

NOON = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)
_count = itertools.count(1)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def stored(payload: Payload, when: datetime, actor: str = "revsaga") -> StoredEvent:
    seq = next(_count)
    event = emit(payload, key=str(seq), subject="x", time=when, correlation_id="c", actor=actor)
    return StoredEvent(seq=seq, event=event, recorded_at=when, hash="")


def started(quote: str, when: datetime, by: str = "deal-watch", approved: str | None = None) -> StoredEvent:
    payload = ActivationStarted(
        quote_id=quote, revision="r", opportunity_id="", started_by=by, approved_at=approved
    )
    return stored(payload, when)


def completed(quote: str, when: datetime) -> StoredEvent:
    return stored(ActivationCompleted(quote_id=quote, revision="r", subscription_number="S"), when)


def resolved(quote: str, when: datetime, actor: str) -> StoredEvent:
    payload = ActivationResolved(
        quote_id=quote, step="lock-quote", case_id="C", resolution="retry", reason="r"
    )
    return stored(payload, when, actor)


def parked_event(quote: str, when: datetime) -> StoredEvent:
    return stored(
        ActivationParked(quote_id=quote, step="lock-quote", code="x", owner="revops", case_id="C"), when
    )


def test_two_cohorts_counted_by_hand() -> None:
    events = [
        # 1 February: five approved. A and B are prompt; C was helped; D took 15 minutes and a second; E never ended.
        started("A", at(0)), completed("A", at(3)),
        started("B", at(1)), completed("B", at(16)),  # 15 minutes to the second
        started("C", at(2)), parked_event("C", at(3)), resolved("C", at(5), "ann"), completed("C", at(6)),
        started("D", at(2)), completed("D", at(17) + timedelta(seconds=1)),
        started("E", at(2)), parked_event("E", at(9)),
        # 2 February: three approved. F took exactly a day, G a second longer, H went by itself after a park.
        started("F", at(1440)), completed("F", at(2880)),
        started("G", at(1440)), completed("G", at(2880) + timedelta(seconds=1)),
        started("H", at(1441)), parked_event("H", at(1442)), resolved("H", at(1443), "revsaga"),
        completed("H", at(1444)),
    ]  # fmt: skip
    found = of_events(events)
    figures = [(c.day, c.approved, c.prompt.numerator, c.in_a_day.numerator) for c in found.cohorts]
    assert figures == [(date(2026, 2, 1), 5, 2, 4), (date(2026, 2, 2), 3, 1, 2)]
    assert (found.prompt, found.in_a_day) == (
        Rate(numerator=3, denominator=8),
        Rate(numerator=6, denominator=8),
    )
    assert (found.prompt.percent, found.in_a_day.percent) == ("37.50", "75.00")
    why = {deal.quote_id: deal.why for deal in found.deals}
    assert why["A"] == why["B"] == why["H"] == ""
    assert why["C"] == "helped by a person: retry of lock-quote by ann"
    assert why["D"] == "took 0:15:01"
    assert why["E"] == "parked: lock-quote, x, revops"
    only = of_events(events, since=date(2026, 2, 2))
    assert [deal.quote_id for deal in only.deals] == ["F", "G", "H"]
    assert [c.day for c in of_events(events, until=date(2026, 2, 2)).cohorts] == [date(2026, 2, 1)]


def test_the_day_of_approval_decides_and_older_records_are_read() -> None:
    late = started("A", at(0), approved="2026-01-31T23:50:00+00:00")
    old = started("B", at(0))
    data = {"quote_id": "B", "revision": "r", "opportunity_id": "", "by_watch": True}
    schema = ActivationStarted.dataschema(1)
    old = old.model_copy(
        update={"event": Event.model_validate({**old.event.model_dump(), "data": data, "dataschema": schema})}
    )
    found = of_events([late, old, completed("A", at(2)), completed("B", at(2))])
    assert [(d.quote_id, d.cohort, d.seconds) for d in found.deals] == [
        ("A", date(2026, 1, 31), 12 * 3600 + 12 * 60),
        ("B", date(2026, 2, 1), 120),
    ]


def test_a_second_try_counts_once_and_as_help() -> None:
    unwound = stored(
        ActivationUnwound(quote_id="A", revision="r", because="expired", undone=()), at(2), "revsaga"
    )
    cancelled = stored(
        ActivationCancelled(quote_id="B", revision="r", reason="signed twice", undone=()), at(2)
    )
    events = [started("A", at(0)), unwound, started("A", at(3), "ann"), completed("A", at(4))]
    found = of_events([*events, started("B", at(0)), cancelled])
    one, two = found.deals
    assert (one.prompt, one.in_a_day, one.human_actions) == (False, True, ("started again by ann",))
    assert (two.prompt, two.in_a_day, two.why) == (False, False, "cancelled: signed twice")
    assert found.prompt.denominator == 2


def test_a_deal_that_was_not_approved_is_none_until_it_is() -> None:
    refused = stored(QuoteRefused(quote_id="A", revision="r", codes=("quote-not-approved", "x")), at(1))
    assert of_events([started("A", at(0)), refused]).deals == ()
    assert of_events([started("A", at(0)), refused, completed("A", at(5))]).prompt.denominator == 1


def test_a_rate_is_never_rounded_up_to_everything() -> None:
    assert Rate(numerator=99_999, denominator=100_000).percent == "99.99"
    assert Rate(numerator=2, denominator=3).percent == "66.67"
    assert Rate(numerator=0, denominator=0).percent == ""
    assert Rate(numerator=7, denominator=7).percent == "100.00"


async def test_the_figures_of_real_activations_are_recomputed(indexed: Client, store: Store) -> None:
    clean = [a_deal(n) for n in (70, 71, 72)]
    helped, stuck = a_deal(73), a_deal(74)
    deals = [*clean, helped, stuck, mistaken()]
    async with a_house(indexed, store, world(deals), versioned=True) as house:
        for deal in clean:
            await activated(await house.start(deal))
        no = {"status": 200, "body": {"success": False, "reasons": [{"code": 53100330, "message": "no"}]}}
        house.fault(house.wired.settings.billing, "POST /v1/orders$", "status", times=2, **no)
        one = await house.start(helped)
        await parked(house, one, "draft-order")
        two = await house.start(stuck)
        await parked(house, two, "draft-order")
        await house.resolve(one, Decision.RETRY)
        await activated(one)
        await parked(house, await house.start(deals[-1]), "validate-deal")
        found = await score(store)
        # The same, counted in another way: straight from the stored records.
        rows = [json.loads(r["record"]) for r in await store.fetch("SELECT record FROM event ORDER BY seq")]
        names = {kind: [r for r in rows if r["type"].endswith(kind)] for kind in _KINDS}
        approved = {r["subject"] for r in names["activation.started"]}
        approved -= {
            r["subject"] for r in names["quote.refused"] if "quote-not-approved" in r["data"]["codes"]
        }
        done = {r["subject"] for r in names["activation.completed"]}
        touched = {r["subject"] for r in names["activation.resolved"] if r["actor"] != "revsaga"}
        assert (
            (found.prompt.numerator, found.prompt.denominator)
            == (len(done - touched), len(approved))
            == (3, 5)
        )
        assert (found.in_a_day.numerator, found.in_a_day.denominator) == (len(done), len(approved)) == (4, 5)
        said = await run(store, None, "kpi", "show", "--json")
        assert (said.code, said.json["prompt"]) == (0, {"numerator": 3, "denominator": 5, "percent": "60.00"})
        assert [DealScore.model_validate(deal) for deal in said.json["deals"]] == list(found.deals)
        table = await run(store, None, "kpi", "show", "--deals")
        assert "3/5 = 60.00 %" in table.out
        assert stuck.quote.quote_id in table.out


_KINDS = ("activation.started", "activation.completed", "activation.resolved", "quote.refused")
