"""Events: strict when written, tolerant when read, and two families that never mix."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from canonical import event_types
from canonical.event import (
    PREFIX,
    Event,
    Family,
    Payload,
    emit,
    event,
    family_of,
    for_ledger,
    read,
    registry,
    upcast_versions,
    upcaster,
)
from canonical.event_types import (
    ActivationStarted,
    ContractRecorded,
    OrderPreviewed,
    QuoteLocked,
    RecordedLine,
)
from canonical.failures import Misconfigured, Rejected
from canonical.money import Money
from canonical.period import Period

AT = datetime(2026, 2, 28, 23, 30, tzinfo=UTC)
USD = Money(minor=120000, currency="USD")
YEAR = Period(start=date(2026, 3, 1), end=date(2027, 3, 1))


def written(payload: Payload, key: str = "k") -> Event:
    return emit(payload, key=key, subject="Q-1", time=AT, correlation_id="C-1", actor="saga", entity="US-01")


LOCKED = QuoteLocked(quote_id="Q-1", operation_id="op", content_hash="abc")
CONTRACT = ContractRecorded(
    external_id="RSC-1",
    erp_id="77",
    subscription_number="S-1",
    currency="USD",
    on=date(2026, 3, 1),
    total=USD,
    lines=(
        RecordedLine(
            lineage_id="L1",
            obligation="saas",
            pattern="straight-line",
            amount=USD,
            allocated=USD,
            period=YEAR,
        ),
    ),
)


def test_the_same_fact_has_the_same_id_and_another_fact_another() -> None:
    assert written(LOCKED) == written(LOCKED)
    assert written(LOCKED).id != written(LOCKED, "other").id
    assert written(LOCKED).id != written(CONTRACT).id


@pytest.mark.parametrize(
    "payload", [LOCKED, CONTRACT, OrderPreviewed(order_number="O", invoices=12, term_total=USD)]
)
def test_written_and_read_back(payload: Payload) -> None:
    over_the_wire = Event.model_validate_json(written(payload).model_dump_json())
    assert read(over_the_wire) == payload
    assert over_the_wire.family is payload.family


def test_the_envelope_follows_cloudevents() -> None:
    content = json.loads(written(LOCKED).model_dump_json())
    assert {"id", "source", "specversion", "type", "subject", "time", "dataschema", "data"} <= set(content)
    assert content["specversion"] == "1.0"
    for name in content:
        assert name.isalnum()
        assert name.islower()
        assert len(name) <= 20
    assert content["type"] == "com.revsaga.o2c.operational.quote.locked"
    assert content["dataschema"] == "urn:revsaga:event:operational.quote.locked:1"
    assert content["time"] == "2026-02-28T23:30:00Z"


def test_times_have_a_zone_and_travel_in_utc() -> None:
    tokyo = timezone(timedelta(hours=9))
    moved = emit(LOCKED, key="k", subject="s", time=AT.astimezone(tokyo), correlation_id="c", actor="a")
    assert moved.time.isoformat() == AT.isoformat()
    with pytest.raises(ValueError, match="zone"):
        emit(LOCKED, key="k", subject="s", time=AT.replace(tzinfo=None), correlation_id="c", actor="a")


def test_producers_are_strict() -> None:
    with pytest.raises(ValidationError):
        QuoteLocked.model_validate({**LOCKED.model_dump(), "surprise": 1})

    class Unregistered(Payload):
        family: ClassVar[Family] = Family.OPERATIONAL
        name: ClassVar[str] = "quote.locked"

    with pytest.raises(ValueError, match="not registered"):
        written(Unregistered())
    with pytest.raises(ValueError, match="registered twice"):
        event(Unregistered)


def test_readers_ignore_what_a_newer_producer_added_at_every_depth() -> None:
    data = json.loads(json.dumps(written(CONTRACT).data))
    data["surprise"] = {"a": 1}
    data["total"]["surprise"] = 2
    data["lines"][0]["surprise"] = 3
    data["lines"][0]["period"]["surprise"] = 4
    assert read(written(CONTRACT).model_copy(update={"data": data})) == CONTRACT


def test_an_old_version_is_brought_up_to_date() -> None:
    now = ActivationStarted(quote_id="Q-1", revision="abc", opportunity_id="O-1", started_by="watch")
    assert now.version == 2
    assert upcast_versions(ActivationStarted) == (1,)
    for by_watch, word in ((True, "watch"), (False, "person")):
        old = written(now).model_copy(
            update={
                "dataschema": ActivationStarted.dataschema(1),
                "data": {"quote_id": "Q-1", "revision": "abc", "opportunity_id": "O-1", "by_watch": by_watch},
            }
        )
        assert read(old) == now.model_copy(update={"started_by": word})


def test_what_cannot_be_read_is_refused_by_name() -> None:
    good = written(LOCKED)
    for changes, code in (
        ({"dataschema": "urn:revsaga:event:operational.quote.locked:0"}, "event-unreadable"),
        ({"dataschema": "urn:other"}, "event-unreadable"),
        ({"data": {"quote_id": "Q-1"}}, "event-unreadable"),
        ({"type": "com.elsewhere.thing.happened"}, "event-type-unknown"),
    ):
        with pytest.raises(Rejected) as refused:
            read(good.model_copy(update=changes))
        assert refused.value.code == code
    for changes in (
        {"dataschema": "urn:revsaga:event:operational.quote.locked:9"},
        {"type": f"{PREFIX}.operational.quote.teleported"},
    ):
        with pytest.raises(Misconfigured) as newer:
            read(good.model_copy(update=changes))
        assert newer.value.code == "event-too-new"


def test_only_the_financial_family_passes_to_a_ledger() -> None:
    assert for_ledger(written(CONTRACT)) == written(CONTRACT)
    with pytest.raises(Rejected) as caught:
        for_ledger(written(LOCKED))
    assert caught.value.code == "event-not-financial"
    for forged in ("financial.contract.recorded", f"{PREFIX}.financially.x", f"x{PREFIX}.financial.x", ""):
        with pytest.raises(Rejected):
            for_ledger(written(CONTRACT).model_copy(update={"type": forged}))


@given(st.text())
def test_any_other_type_belongs_to_no_family(text: str) -> None:
    with pytest.raises(Rejected):
        family_of(text)


def test_the_registry_is_sound() -> None:
    payloads = list(registry())
    assert len(payloads) >= 20
    assert {p.family for p in payloads} == set(Family)
    for payload in payloads:
        noun, verb = payload.name.split(".")
        assert noun
        assert verb.endswith(("ed", "set", "kept", "drawn", "ound")), (
            f"{payload.name}: events are in the past"
        )
        assert payload.__doc__
        assert upcast_versions(payload) == tuple(range(1, payload.version)), "every older version can be read"
        assert family_of(payload.type()) is payload.family


def test_an_upcaster_without_its_type_changes_nothing() -> None:
    before = upcast_versions(QuoteLocked)

    class Other(Payload):
        family: ClassVar[Family] = Family.OPERATIONAL
        name: ClassVar[str] = "other.happened"
        version: ClassVar[int] = 3

    upcaster(Other, 2)(dict)
    assert upcast_versions(Other) == (2,)
    assert upcast_versions(QuoteLocked) == before


def test_the_catalog_in_the_docs_is_what_the_registry_says() -> None:
    page = Path(__file__).parents[2] / "docs" / "events.md"
    assert event_types.catalog_is_current(page.read_text(encoding="utf-8")), "write it again from catalog()"
    assert not event_types.catalog_is_current("")
    for payload in registry():
        if payload.__module__ == event_types.__name__:
            assert f"### `{payload.type()}`" in page.read_text(encoding="utf-8")
