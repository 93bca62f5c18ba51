"""The commands on our own records: cases, cross-references, routes, ownership, events, connectors."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from activities.store.store import Store
from activities.store.turns import ConnectorMode
from activities.store.xref import Xref
from canonical.case import ExceptionCase
from canonical.event import emit
from canonical.event_types import ContractRecorded, QuoteLocked
from canonical.failures import Kind, Owner
from canonical.money import Money
from canonical.ownership import REGISTER
from commands.connector import FAMILIES, LATER
from commands.demo.world import ENTITIES, RULES
from tests.builders.house import MORNING
from tests.commands.conftest import run

ROOT = Path(__file__).parents[2]


def a_case(number: int, owner: Owner = Owner.REVOPS, **more: object) -> ExceptionCase:
    data = {
        "case_id": f"CASE-lock-quote-{number}", "workflow_id": f"activation/Q{number}/r1", "saga": "activation",
        "step": "lock-quote", "title": "Lock the quote in the CRM", "kind": Kind.CONFLICT, "code": "quote-locked",
        "reason": "held by [somebody]", "field": "quote.lock", "fix": "wait for them", "owner": owner, "since": MORNING,
        "choices": ("retry", "retry_with", "skip_with", "unwind"), **more,
    }  # fmt: skip
    return ExceptionCase.model_validate(data)


async def test_cases_are_listed_shown_assigned_and_noted(store: Store) -> None:
    await store.waits.simulate(MORNING)
    for case in (a_case(1), a_case(2, Owner.FINANCE_OPS), a_case(3, since=datetime(2026, 1, 1, tzinfo=UTC))):
        await store.cases.open(case)
    listed = await run(store, None, "case", "list", "--owner", "revops", "--json")
    assert [(c["case_id"][-1], c["late"]) for c in listed.json] == [("3", True), ("1", False)]
    assert (await run(store, None, "case", "assign", "CASE-lock-quote-1", "bob")).code == 2
    given = await run(
        store, None, "case", "assign", "CASE-lock-quote-1", "bob", "--reason", "knows it", "--json"
    )
    assert (given.json["assignee"], given.json["state"]) == ("bob", "in-progress")
    mine = await run(store, None, "case", "list", "--mine", "--json", actor="bob")
    assert [c["case_id"] for c in mine.json] == ["CASE-lock-quote-1"]
    assert (await run(store, None, "case", "note", "CASE-lock-quote-1", "called [b]them[/b]")).code == 0
    assert (await run(store, None, "case", "note", "CASE-lock-quote-1", "  ")).code == 2
    shown = await run(store, None, "case", "show", "CASE-lock-quote-1")
    for text in ("held by [somebody]", "quote.lock", "assigned to bob: knows it", "called [b]them[/b]",
                 "revsaga saga retry-with CASE-lock-quote-1 --input FILE --reason TEXT",
                 "revsaga saga skip CASE-lock-quote-1 --result FILE --reason TEXT"):  # fmt: skip
        assert text in shown.out
    back = await run(store, None, "case", "assign", "CASE-lock-quote-1", "-", "--reason", "ill", "--json")
    assert (back.json["assignee"], back.json["state"]) == ("", "open")
    for arguments in (
        ("show", "NOBODY"),
        ("note", "NOBODY", "x"),
        ("assign", "NOBODY", "x", "--reason", "r"),
    ):
        said = await run(store, None, "case", *arguments, "--json")
        assert (said.code, said.json["error"]["code"]) == (3, "case-unknown")


async def test_a_record_is_shown_in_all_systems(store: Store) -> None:
    rows = [
        Xref(
            canonical_type="subscription",
            canonical_id="S-1",
            system=system,
            external_type="t",
            external_id=f"{system}-9",
        )
        for system in ("billing", "erp")
    ]
    await store.xrefs.add(rows)
    for any_id in ("S-1", "billing-9", "erp-9"):
        said = await run(store, None, "xref", "show", any_id, "--json")
        assert (said.code, [row["external_id"] for row in said.json]) == (0, ["billing-9", "erp-9"])
    assert (await run(store, None, "xref", "show", "nobody")).code == 1


async def test_a_route_is_explained_rule_by_rule(store: Store) -> None:
    await store.master.publish("entities", ENTITIES, actor="a", reason="r")
    await store.master.publish("routing", RULES, actor="a", reason="r")
    ask = ("route", "explain", "--json", "--currency", "EUR", "--country", "DE", "--region", "EMEA")
    said = await run(store, None, *ask, "--on", "2026-02-01")
    assert (said.code, said.json["route"]["rule_id"]) == (0, "emea-eu")
    assert [s["rule_id"] for s in said.json["steps"] if s["applies"]] == ["emea-eu"]
    assert len(said.json["steps"]) == len(RULES)
    early = await run(store, None, *ask, "--on", "2025-12-31")
    assert (early.code, early.json["problem"]) == (1, "no routing rule applies")
    assert {s["why"] for s in early.json["steps"]} == {"not in force on 2025-12-31"}
    twin = RULES[3].model_copy(update={"rule_id": "twin"})
    await store.master.publish("routing", (*RULES, twin), actor="a", reason="r")
    tied = await run(store, None, *ask, "--on", "2026-02-01")
    assert (tied.code, tied.json["problem"]) == (1, "rules emea-eu, twin are equally specific")
    assert (await run(store, None, "route", "explain")).code == 2
    assert (await run(store, None, "route", "explain", "Q", "--currency", "EUR")).code == 2


async def test_the_register_of_ownership(store: Store) -> None:
    whole = await run(store, None, "ownership", "show", "--json")
    assert len(whole.json) == len(REGISTER)
    one = await run(store, None, "ownership", "show", "payment", "--json")
    assert [(row["owner_role"], row["written_to"]) for row in one.json] == [("payments", ["billing"])]
    assert (await run(store, None, "ownership", "show", "nothing")).code == 2


async def test_events_are_listed_shown_and_verified(store: Store) -> None:
    locked = QuoteLocked(quote_id="Q1", operation_id="o", content_hash="h")
    booked = ContractRecorded(
        external_id="SO-1", erp_id="7", subscription_number="S-1", currency="USD", on=MORNING.date(),
        total=Money.zero("USD"), lines=(),
    )  # fmt: skip
    common: dict[str, Any] = {"time": MORNING, "correlation_id": "COR-1", "actor": "revsaga"}
    await store.events.append([
        emit(locked, key="1", subject="Q1", **common), emit(booked, key="2", subject="S-1", **common),
    ])  # fmt: skip
    everything = await run(store, None, "event", "list", "--json")
    assert [row["name"] for row in everything.json] == ["quote.locked", "contract.recorded"]
    for option, value in (
        ("--type", "financial"),
        ("--type", booked.type()),
        ("--subject", "S-1"),
        ("--after", "1"),
    ):
        said = await run(store, None, "event", "list", option, value, "--json")
        assert [row["seq"] for row in said.json] == [2], option
    one = await run(store, None, "event", "show", "2", "--json")
    assert one.json["data"]["external_id"] == "SO-1"
    by_id = await run(store, None, "event", "show", one.json["id"])
    assert "correlationid: COR-1" in by_id.out
    assert (await run(store, None, "event", "show", "nobody")).code == 3
    whole = await run(store, None, "event", "verify", "--seal", "--json")
    assert (whole.code, whole.json["whole"], whole.json["checked"]) == (0, True, 2)
    anchor = f"{whole.json['head']['seq']}:{whole.json['head']['hash']}"
    assert (await run(store, None, "event", "verify", "--anchor", anchor)).code == 0
    assert (await run(store, None, "event", "verify", "--anchor", f"3:{'0' * 64}")).code == 1
    assert (await run(store, None, "event", "verify", "--anchor", "nonsense")).code == 2


async def test_the_catalog_of_events_is_the_committed_page(store: Store, tmp_path: Path) -> None:
    page = ROOT / "docs" / "events.md"
    assert (await run(store, None, "event", "catalog")).out == page.read_text(encoding="utf-8")
    assert (await run(store, None, "event", "catalog", "--check", str(page))).code == 0
    old = tmp_path / "events.md"
    old.write_text("# Events\n")
    assert (await run(store, None, "event", "catalog", "--check", str(old))).code == 1


async def test_connectors_are_listed_paused_drained_and_resumed(store: Store) -> None:
    listed = await run(store, None, "connector", "list", "--json")
    assert [row["role"] for row in listed.json] == [*FAMILIES, *LATER]
    assert {row["state"] for row in listed.json} == {"running", "not connected"}
    erp = next(row["vendor"] for row in listed.json if row["role"] == "erp")
    for verb, state in (("pause", "paused"), ("drain", "draining"), ("resume", "running")):
        assert (await run(store, None, "connector", verb, erp)).code == 2, "a reason is required"
        said = await run(store, None, "connector", verb, erp, "--reason", "month end", "--json")
        assert (said.code, said.json["state"], said.json["actor"]) == (0, state, "ann")
        assert (await store.connectors.of(erp)).state is ConnectorMode(state)
        row = next(
            r for r in (await run(store, None, "connector", "list", "--json")).json if r["vendor"] == erp
        )
        assert (row["state"], row["reason"]) == (state, "" if state == "running" else "ann: month end")
    unknown = await run(store, None, "connector", "pause", "nobody", "--reason", "r", "--json")
    assert (unknown.code, unknown.json["error"]["code"]) == (4, "vendor-unknown")


@pytest.mark.parametrize(
    "noun",
    [
        "quote",
        "activation",
        "saga",
        "case",
        "trace",
        "xref",
        "route",
        "mapping",
        "ownership",
        "connector",
        "event",
        "kpi",
    ],
)
async def test_every_verb_has_help_with_an_example(store: Store, noun: str) -> None:
    import click

    from cli import cli

    def walk(command: click.Command, path: tuple[str, ...]) -> None:
        if isinstance(command, click.Group):
            for name in command.list_commands(click.Context(command)):
                below = command.get_command(click.Context(command), name)
                assert below is not None
                walk(below, (*path, name))
            return
        assert command.help, path
        with click.Context(command, info_name=" ".join(path)) as context:
            assert "Usage:" in command.get_help(context)
        if path[-1] not in ("on", "off", "status"):
            assert f"revsaga {' '.join(path)}" in command.help, path

    found = cli.get_command(click.Context(cli), noun)
    assert found is not None
    walk(found, (noun,))


async def test_a_store_that_is_away_is_named(store: Store) -> None:
    nowhere = {"REVSAGA_DATABASE_URL": "postgresql://127.0.0.1:9/none"}
    said = await run(store, None, "case", "list", "--json", more=nowhere)
    assert (said.code, said.json["error"]["code"]) == (4, "store-unavailable")
