"""One effect per key, whatever crashes: the ledger against a vendor that keeps books of what really happened."""

import asyncio
import itertools
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.clock import StoreClock
from activities.effects import KILL_POINTS, Effects, Sending
from activities.store import Store, Xref
from canonical.base import Model
from canonical.event import emit
from canonical.event_types import OrderDrafted
from canonical.failures import Conflict, Failure, Misconfigured, OutcomeUnknown, Rejected, Transient

WINDOW = timedelta(hours=24)


class Thing(Model):
    number: str
    vendor_id: str = ""


class Kill(BaseException):
    """The process ends here."""


@dataclass
class Vendor:
    """Keeps one record per real effect, remembers headers, and replays what it answered under one (failures too)."""

    books: list[str] = field(default_factory=list)
    answers: dict[str, Failure | str] = field(default_factory=dict)
    plan: list[str] = field(default_factory=list)
    calls: int = 0
    headers: list[str] = field(default_factory=list)
    probe_down: bool = False
    prefix: str = "v"

    def find(self, number: str) -> Thing | None:
        ids = [i for i, known in enumerate(self.books) if known == number]
        return Thing(number=number, vendor_id=f"{self.prefix}{ids[0]}") if ids else None

    async def probe(self, number: str) -> Thing | None:
        await asyncio.sleep(0)
        if self.probe_down:
            raise Transient("the vendor is away", code="unavailable")
        return self.find(number)

    async def create(self, number: str, header: str) -> Thing:
        """Not idempotent by number: a second create under a new header makes a second record."""
        self.calls += 1
        self.headers.append(header)
        await asyncio.sleep(0)
        stored = self.answers.get(header)
        if isinstance(stored, Failure):
            raise Failure.of(stored.record())
        if stored is not None:
            return Thing(number=number, vendor_id=stored)
        what = self.plan.pop(0) if self.plan else "ok"
        if what in ("ok", "lost-after", "500-after", "cancel-after", "bug-after"):
            self.books.append(number)
            self.answers[header] = f"{self.prefix}{len(self.books) - 1}"
        failure = self._failure(what)
        if failure is not None:
            if what in ("reject", "500-before"):
                self.answers[header] = failure
            raise failure
        if what == "cancel-after":
            raise asyncio.CancelledError
        if what == "bug-after":
            raise KeyError("surprise")
        return Thing(number=number, vendor_id=f"{self.prefix}{len(self.books) - 1}")

    def _failure(self, what: str) -> Failure | None:
        read = {"status": "500"}
        return {
            "reject": Rejected("locked", code="locked", evidence={"status": "423"}),
            "limit": Transient("slow down", code="rate-limited", evidence={"status": "429"}),
            "refused": Transient("not reached", code="not-reached"),
            "credential": Misconfigured("no", code="credential-refused", evidence={"status": "401"}),
            "conflict": Conflict("moved", code="moved", evidence={"status": "409"}),
            "lost-before": OutcomeUnknown("no answer", code="answer-lost"),
            "lost-after": OutcomeUnknown("no answer", code="answer-lost"),
            "500-before": OutcomeUnknown("500", code="server", evidence=read),
            "500-after": OutcomeUnknown("500", code="server", evidence=read),
            "running-before": OutcomeUnknown("409", code="key-in-flight", evidence={"status": "409"}),
        }.get(what)


Once = Callable[..., Coroutine[Any, Any, Thing]]


def doer(effects: Effects, vendor: Vendor, number: str = "N-1", *, blind: bool = False) -> Once:
    async def once(key: str = "wf/step/do", fingerprint: str = "f") -> Thing:
        async def send(sending: Sending) -> Thing:
            return await vendor.create(number, sending.header)

        return await effects.once(
            key,
            fingerprint=fingerprint,
            send=send,
            probe=None if blind else lambda: vendor.probe(number),
            result=Thing,
            window=WINDOW,
            events=lambda thing: [
                emit(
                    OrderDrafted(order_number=thing.number, subscription_number="S-1"),
                    key=key,
                    subject=thing.number,
                    time=datetime(2026, 1, 1, tzinfo=UTC),
                    correlation_id="C-1",
                    actor="saga",
                    causation_id=key,
                )
            ],
            xrefs=lambda thing: [
                Xref(
                    canonical_type="order",
                    canonical_id=thing.number,
                    system="billing",
                    external_type="order",
                    external_id=thing.vendor_id,
                )
            ],
        )

    return once


async def state(effects: Effects, key: str = "wf/step/do") -> str:
    entry = await effects.entry(key)
    assert entry is not None
    return entry.state


async def test_done_once_and_remembered_with_its_event_and_reference(store: Store) -> None:
    effects, vendor = Effects(store), Vendor()
    first = await doer(effects, vendor)()
    again = await doer(Effects(store), vendor)()
    assert first == again == Thing(number="N-1", vendor_id="v0")
    assert vendor.books == ["N-1"]
    assert await state(effects) == "done"
    assert [e.event.data["order_number"] for e in await store.events.list()] == ["N-1"]
    assert [x.external_id for x in await store.xrefs.show("N-1")] == ["v0"]


async def test_another_content_under_the_same_key_is_a_conflict(store: Store) -> None:
    once = doer(Effects(store), Vendor())
    await once()
    with pytest.raises(Conflict) as caught:
        await once(fingerprint="other")
    assert caught.value.code == "key-reused"


async def test_fifty_at_once_make_one_effect(store: Store) -> None:
    effects, vendor = Effects(store), Vendor()
    found = await asyncio.gather(*(doer(effects, vendor)() for _ in range(50)))
    assert set(found) == {Thing(number="N-1", vendor_id="v0")}
    assert vendor.calls == 1


async def test_five_processes_at_once_make_one_effect(database_url: str) -> None:
    stores = [await Store.connect(database_url, pool=2) for _ in range(5)]
    vendor = Vendor()
    try:
        calls = [doer(Effects(store), vendor)() for store in stores for _ in range(10)]
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert vendor.calls == 1
        assert all(isinstance(f, Thing) or getattr(f, "code", "") == "effect-in-flight" for f in found)
        assert await doer(Effects(stores[0]), vendor)() == Thing(number="N-1", vendor_id="v0")
        assert vendor.calls == 1
    finally:
        for store in stores:
            await store.close()


async def test_what_is_in_flight_elsewhere_is_waited_for_and_then_told(database_url: str) -> None:
    ours, theirs = await Store.connect(database_url, pool=2), await Store.connect(database_url, pool=2)
    vendor, gate, sent = Vendor(), asyncio.Event(), asyncio.Event()

    async def slow(sending: Sending) -> Thing:
        sent.set()
        await gate.wait()
        return await vendor.create("N-1", sending.header)

    running = asyncio.create_task(
        Effects(theirs).once(
            "wf/step/do",
            fingerprint="f",
            send=slow,
            probe=lambda: vendor.probe("N-1"),
            result=Thing,
            window=None,
        )
    )
    await sent.wait()
    impatient = Effects(ours, patience=0.2)
    with pytest.raises(OutcomeUnknown) as caught:
        await doer(impatient, vendor)()
    assert caught.value.code == "effect-in-flight"
    with pytest.raises(OutcomeUnknown) as caught:
        await impatient.void("wf/step/do")
    assert caught.value.code == "effect-in-flight"
    waiting = asyncio.create_task(doer(Effects(ours), vendor)())
    await asyncio.sleep(0.1)
    gate.set()
    assert await waiting == await running
    assert vendor.books == ["N-1"]
    await ours.close()
    await theirs.close()


@pytest.mark.parametrize("point", KILL_POINTS)
@pytest.mark.parametrize("same_process", [True, False])
async def test_killed_at_each_point_it_completes_with_one_effect(
    database_url: str, point: str, same_process: bool
) -> None:
    def kill(name: str, key: str) -> None:
        if name == point:
            raise Kill(key)

    dying, living = await Store.connect(database_url, pool=2), await Store.connect(database_url, pool=2)
    vendor = Vendor()
    with pytest.raises(Kill):
        await doer(Effects(dying, kill_point=kill), vendor)()
    if same_process:
        after = Effects(dying)
    else:
        await dying.holder.close()
        after = Effects(living)
    assert await doer(after, vendor)() == Thing(number="N-1", vendor_id="v0")
    assert vendor.books == ["N-1"]
    assert await state(after) == "done"
    assert len(await living.events.list()) == 1
    await dying.close()
    await living.close()


DOOMED = """
import asyncio, sys
from activities.clock import StoreClock
from activities.effects import Effects
from activities.store import Store
from canonical.base import Model

class Thing(Model):
    number: str
    vendor_id: str = ""

async def main():
    store = await Store.connect(sys.argv[1], pool=2)

    async def send(sending):
        if sys.argv[2] == "after":
            await store.execute("INSERT INTO books VALUES ('N-1')")
        print("sent", flush=True)
        await asyncio.sleep(60)
        return Thing(number="N-1")

    await Effects(store).once("k", fingerprint="f", send=send, probe=lambda: None, result=Thing, window=None)

asyncio.run(main())
"""


@pytest.mark.parametrize("when", ["before", "after"])
async def test_after_a_real_kill_the_next_process_goes_on_at_once(store: Store, when: str) -> None:
    """SIGKILL in the middle of a call: the dead process's lock is gone with it, so nobody waits for a time-out."""
    await store.execute("CREATE TABLE books (number text)")
    root = Path(__file__).parents[2]
    doomed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", DOOMED, store.url, when, stdout=asyncio.subprocess.PIPE, cwd=root
    )
    assert doomed.stdout is not None
    assert await doomed.stdout.readline() == b"sent\n"

    async def send(sending: Sending) -> Thing:
        await store.execute("INSERT INTO books VALUES ('N-1')")
        return Thing(number="N-1")

    async def probe() -> Thing | None:
        found = await store.fetchval("SELECT number FROM books")
        return None if found is None else Thing(number=found)

    async def once(patience: float) -> Thing:
        return await Effects(store, patience=patience).once(
            "k", fingerprint="f", send=send, probe=probe, result=Thing, window=None
        )

    with pytest.raises(OutcomeUnknown) as caught:
        await once(0.2)
    assert caught.value.code == "effect-in-flight", "while it lives it is waited for"
    doomed.kill()
    await doomed.wait()
    assert await once(2.0) == Thing(number="N-1")
    assert await store.fetchval("SELECT count(*) FROM books") == 1


async def test_without_a_probe_a_lost_answer_stays_unknown(store: Store) -> None:
    effects, vendor = Effects(store), Vendor(plan=["lost-after"])
    once = doer(effects, vendor, blind=True)
    for _ in range(3):
        with pytest.raises(OutcomeUnknown):
            await once()
    assert vendor.calls == 1
    assert await state(effects) == "uncertain"


async def test_without_a_probe_a_kill_before_sending_is_no_doubt(store: Store) -> None:
    vendor = Vendor()

    def kill(name: str, key: str) -> None:
        raise Kill(key)

    with pytest.raises(Kill):
        await doer(Effects(store, kill_point=kill), vendor, blind=True)()
    # The row says `sent`, since the kill came after it: only a crash between the two statements is no doubt.
    with pytest.raises(OutcomeUnknown):
        await doer(Effects(store), vendor, blind=True)()
    await store.execute("UPDATE effect SET state = 'intent', tries = 0")
    assert await doer(Effects(store), vendor, blind=True)() == Thing(number="N-1", vendor_id="v0")


async def test_a_refusal_raises_the_generation_so_that_a_stored_failure_is_not_replayed(store: Store) -> None:
    effects, vendor = Effects(store), Vendor(plan=["reject"])
    once = doer(effects, vendor)
    with pytest.raises(Rejected):
        await once()
    assert await state(effects) == "not_done"
    assert (await once()).vendor_id == "v0"
    assert len(set(vendor.headers)) == 2


async def test_a_500_that_the_probe_found_absent_raises_the_generation(store: Store) -> None:
    effects, vendor = Effects(store), Vendor(plan=["500-before"])
    once = doer(effects, vendor)
    with pytest.raises(OutcomeUnknown):
        await once()
    assert (await once()).vendor_id == "v0"
    assert len(set(vendor.headers)) == 2


@pytest.mark.parametrize("plan", ["lost-before", "running-before"])
async def test_a_lost_answer_keeps_the_header_so_that_a_late_landing_is_caught(
    store: Store, plan: str
) -> None:
    effects, vendor = Effects(store), Vendor(plan=[plan])
    once = doer(effects, vendor)
    with pytest.raises(OutcomeUnknown):
        await once()
    await once()
    assert len(set(vendor.headers)) == 1


async def test_a_lost_answer_whose_effect_is_found_is_a_success_at_once(store: Store) -> None:
    effects, vendor = Effects(store), Vendor(plan=["lost-after"])
    assert (await doer(effects, vendor)()).vendor_id == "v0"
    assert vendor.calls == 1


async def test_while_uncertain_no_probe_failure_hides_it(store: Store) -> None:
    effects, vendor = Effects(store), Vendor(plan=["lost-after"], probe_down=True)
    once = doer(effects, vendor)
    for _ in range(2):
        with pytest.raises(OutcomeUnknown) as caught:
            await once()
        assert caught.value.evidence["probe-code"] == "unavailable"
    assert await state(effects) == "uncertain"
    vendor.probe_down = False
    assert (await once()).vendor_id == "v0"
    assert vendor.calls == 1


@pytest.mark.parametrize(("days", "calls"), [(0, 2), (3, 1)])
async def test_beyond_the_vendors_window_even_a_refusal_is_looked_up_first(
    store: Store, days: int, calls: int
) -> None:
    """A person made the record by hand while the step was parked for days of business time."""
    clock = await StoreClock.start(store, datetime(2026, 1, 1, tzinfo=UTC))
    effects, vendor = Effects(store, clock), Vendor(plan=["reject"])
    with pytest.raises(Rejected):
        await doer(effects, vendor)()
    if days:
        vendor.books.append("N-1")
        await store.waits.step(datetime(2026, 1, 1 + days, tzinfo=UTC))
    assert (await doer(effects, vendor)()).vendor_id == "v0"
    assert vendor.calls == calls
    assert vendor.books == ["N-1"]


async def test_a_refusal_after_a_lost_answer_is_not_trusted(store: Store) -> None:
    """The first try lands late, after the probe; the second is refused as a duplicate: it was done."""
    effects, vendor = Effects(store), Vendor(plan=["lost-before"])
    with pytest.raises(OutcomeUnknown):
        await doer(effects, vendor)()

    async def late(sending: Sending) -> Thing:
        vendor.books.append("N-1")
        raise Rejected("the number is taken", code="number-taken", evidence={"status": "400"})

    found = await effects.once(
        "wf/step/do",
        fingerprint="f",
        send=late,
        probe=lambda: vendor.probe("N-1"),
        result=Thing,
        window=WINDOW,
    )
    assert found.vendor_id == "v0"


async def test_a_repeatable_effect_is_sent_again_but_its_refusal_stays_unknown_after_doubt(
    store: Store,
) -> None:
    effects, calls = Effects(store), itertools.count()

    async def send(sending: Sending) -> Thing:
        outcome = next(calls)
        if outcome == 0:
            raise OutcomeUnknown("no answer", code="answer-lost")
        if outcome == 1:
            raise Rejected("no", code="no", evidence={"status": "400"})
        return Thing(number="N-1")

    async def once() -> Thing:
        return await effects.once(
            "wf/step/do", fingerprint="f", send=send, probe=None, result=Thing, window=None, repeatable=True
        )

    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await once()
    assert await once() == Thing(number="N-1")


async def test_a_late_forward_effect_is_refused_by_the_tombstone(store: Store) -> None:
    effects, vendor = Effects(store), Vendor()
    former = await effects.void("wf/step/do")
    assert (former.state, former.happened) == ("absent", False)
    with pytest.raises(Rejected) as caught:
        await doer(effects, vendor)()
    assert caught.value.code == "undone"
    assert vendor.books == []


@pytest.mark.parametrize(
    ("plan", "happened"),
    [("ok", True), ("reject", False), ("lost-before", None), ("500-before", None), ("limit", False)],
)
async def test_void_says_what_the_row_said_every_time(store: Store, plan: str, happened: bool | None) -> None:
    effects, vendor = Effects(store), Vendor(plan=[plan])
    await asyncio.gather(doer(effects, vendor)(), return_exceptions=True)
    first = await effects.void("wf/step/do")
    assert first.happened is happened
    assert await effects.void("wf/step/do") == first
    assert (first.result is not None) is (happened is True)


async def test_undo_voids_first_and_runs_once(store: Store) -> None:
    effects, vendor = Effects(store), Vendor()
    await doer(effects, vendor)()
    seen: list[object] = []

    async def take_back(sending: Sending, former: object) -> Thing:
        seen.append(former)
        vendor.books.remove("N-1")
        return Thing(number="gone")

    for _ in range(2):
        await effects.undo(
            "wf/step/undo", of="wf/step/do", fingerprint="u", send=take_back, probe=None, result=Thing
        )
    assert len(seen) == 1
    assert vendor.books == []


async def test_a_foreign_cross_reference_leaves_the_effect_unknown_and_names_both(store: Store) -> None:
    taken = Xref(
        canonical_type="order",
        canonical_id="OTHER",
        system="billing",
        external_type="order",
        external_id="v0",
    )
    await store.xrefs.add([taken])
    effects, vendor = Effects(store), Vendor()
    with pytest.raises(Conflict) as caught:
        await doer(effects, vendor)()
    assert "OTHER" in str(caught.value)
    assert await state(effects) == "sent"
    assert await store.events.list() == ()


async def test_a_cancelled_or_broken_try_is_on_record_as_uncertain(store: Store) -> None:
    for number, (plan, error) in enumerate(
        {"cancel-after": asyncio.CancelledError, "bug-after": KeyError}.items()
    ):
        effects, vendor, key = Effects(store), Vendor(plan=[plan]), f"wf/{plan}/do"
        with pytest.raises(error):
            await doer(effects, vendor, f"N-{number}", blind=True)(key)
        assert await state(effects, key) == "uncertain"


async def test_a_hung_try_ends_at_the_limit(store: Store) -> None:
    async def hang(sending: Sending) -> Thing:
        await asyncio.Event().wait()
        return Thing(number="never")

    effects = Effects(store, send_limit=0.1)
    with pytest.raises(OutcomeUnknown):
        await effects.once("k", fingerprint="f", send=hang, probe=None, result=Thing, window=None)
    assert await state(effects, "k") == "uncertain"


async def test_a_doubt_ends_when_the_lost_try_can_no_longer_land(store: Store) -> None:
    """Until then a refusal of a later try proves nothing about it; afterwards refusal and probe together do."""
    vendor, key = Vendor(plan=["lost-before", "reject", "reject"]), "wf/step/do"
    young, old = Effects(store), Effects(store, send_limit=0.05)
    with pytest.raises(OutcomeUnknown):
        await doer(young, vendor)()
    with pytest.raises(Rejected) as refusal:
        await doer(young, vendor)()
    assert isinstance(await young.truth(key, refusal.value), OutcomeUnknown)
    await asyncio.sleep(0.1)
    with pytest.raises(Rejected) as refusal:
        await doer(old, vendor)()
    assert await old.truth(key, refusal.value) is refusal.value
    await doer(old, vendor)()
    assert vendor.books == ["N-1"]


async def test_real_tries_are_counted_and_named_in_the_failure(store: Store) -> None:
    effects, vendor = Effects(store), Vendor(plan=["limit", "refused", "reject"])
    once = doer(effects, vendor)
    for expected in ("1", "2", "3"):
        with pytest.raises(Failure) as caught:
            await once()
        assert caught.value.evidence["tries"] == expected
    await once()
    entry = await effects.entry("wf/step/do")
    assert entry is not None
    assert (entry.tries, entry.generation) == (4, 4)


async def test_a_store_that_fails_after_the_effect_leaves_it_unknown_and_not_undone(store: Store) -> None:
    effects, vendor = Effects(store), Vendor()

    async def then_break(sending: Sending) -> Thing:
        made = await vendor.create("N-1", sending.header)
        await store.execute("ALTER TABLE effect RENAME TO effect_away")
        return made

    async def once() -> Thing:
        return await effects.once(
            "k",
            fingerprint="f",
            send=then_break,
            probe=lambda: vendor.probe("N-1"),
            result=Thing,
            window=None,
        )

    for _ in range(2):
        with pytest.raises(OutcomeUnknown) as caught:
            await once()
        assert (caught.value.code, caught.value.fix) == ("store-not-migrated", "revsaga db migrate")
    assert isinstance(await effects.truth("k", Transient("x", code="x")), OutcomeUnknown)
    await store.execute("ALTER TABLE effect_away RENAME TO effect")
    assert (await once()).vendor_id == "v0"
    assert vendor.books == ["N-1"]


async def test_only_a_certain_absence_lets_a_later_failure_stand(store: Store) -> None:
    effects, later = Effects(store), Transient("paused", code="connector-paused", fix="resume it")
    assert await effects.truth("never", later) is later
    for plan, certain in (("ok", False), ("reject", True), ("lost-before", False), ("500-before", False)):
        vendor, key = Vendor(plan=[plan], prefix=f"{plan}-"), f"wf/{plan}/do"
        await asyncio.gather(doer(effects, vendor, plan)(key), return_exceptions=True)
        told = await effects.truth(key, later)
        assert (told is later) is certain
        assert isinstance(told, Transient if certain else OutcomeUnknown)
    assert [e.key for e in await effects.open_entries()] == ["wf/lost-before/do", "wf/500-before/do"]
    assert len(await effects.entries("wf/")) == 4


async def test_cancelled_statements_poison_no_connection(database_url: str) -> None:
    store = await Store.connect(database_url, pool=3)
    for _ in range(5):
        slow = [asyncio.create_task(store.fetchval("SELECT pg_sleep(5)")) for _ in range(6)]
        await asyncio.sleep(0.05)
        for task in slow:
            task.cancel()
        ended = await asyncio.gather(*slow, return_exceptions=True)
        assert all(isinstance(e, asyncio.CancelledError) for e in ended)
        answers = await asyncio.gather(*(store.fetchval("SELECT $1::int", n) for n in range(12)))
        assert answers == list(range(12))
    await store.close()


OUTCOMES = [
    "ok",
    "reject",
    "limit",
    "refused",
    "credential",
    "conflict",
    "lost-before",
    "lost-after",
    "500-before",
    "500-after",
    "running-before",
    "cancel-after",
    "bug-after",
]
_keys = itertools.count()


async def _any_history(
    store: Store, plan: list[tuple[str, str | None, bool]], blind: bool, undo_at: int | None
) -> None:
    key = f"wf{next(_keys)}/step/do"
    number = key.replace("/", "-")
    vendor = Vendor(prefix=f"{number}-")
    for turn, (outcome, kill_at, probe_down) in enumerate([*plan, ("ok", None, False), ("ok", None, False)]):
        vendor.plan, vendor.probe_down = [outcome], probe_down

        def kill(name: str, _: str, point: str | None = kill_at) -> None:
            if name == point:
                raise Kill(name)

        effects = Effects(store, kill_point=kill)
        if undo_at == turn:
            await effects.void(key)
        try:
            await doer(effects, vendor, number, blind=blind)(key)
        except (Failure, Kill, KeyError, asyncio.CancelledError) as error:
            last: BaseException | None = error
        else:
            last = None
        entry = await effects.entry(key)
        assert entry is not None
        assert vendor.books.count(number) <= 1
        if entry.state == "done":
            assert vendor.books.count(number) == 1
        if entry.state == "not_done":
            assert vendor.books.count(number) == 0
        if entry.state == "uncertain" and isinstance(last, Failure):
            assert isinstance(last, OutcomeUnknown)
        if undo_at is not None and turn >= undo_at:
            assert isinstance(last, Rejected)
            assert last.code == "undone"
    if not blind and undo_at is None:
        assert vendor.books.count(number) == 1


async def test_any_history_leaves_at_most_one_effect(store: Store) -> None:
    """Failures, kills and undos in any order: never two effects, and `done` is the truth."""
    loop = asyncio.get_running_loop()
    turns = st.tuples(st.sampled_from(OUTCOMES), st.sampled_from([None, *KILL_POINTS]), st.booleans())

    @settings(max_examples=150)
    @given(plan=st.lists(turns, max_size=7), blind=st.booleans(), undo_at=st.none() | st.integers(0, 7))
    def play(plan: list[tuple[str, str | None, bool]], blind: bool, undo_at: int | None) -> None:
        asyncio.run_coroutine_threadsafe(_any_history(store, plan, blind, undo_at), loop).result(60)

    await asyncio.to_thread(play)


async def test_many_effects_with_events_and_references_at_once(database_url: str) -> None:
    """Different keys do not stand in each other's way, and the chain stays whole."""
    stores = [await Store.connect(database_url, pool=5) for _ in range(2)]

    async def one(number: int) -> Thing:
        return await doer(Effects(stores[number % 2]), Vendor(prefix=f"{number}-"), f"N-{number}")(
            f"wf{number}/s/do"
        )

    found = await asyncio.gather(*(one(n) for n in range(60)))
    assert len({f.vendor_id for f in found}) == 60
    report = await stores[0].events.verify()
    assert report.whole
    assert report.checked == 60
    assert await stores[0].fetchval("SELECT count(*) FROM xref") == 60
    for store in stores:
        await store.close()
