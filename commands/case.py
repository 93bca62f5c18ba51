"""`revsaga case`: work that a person must finish."""

from datetime import datetime
from typing import Any

import click

from commands import _shared
from commands.connect import connected

_OWNERS = ("revops", "finance-operations", "integration-support")
_COLUMNS = [
    ("case_id", "Case"), ("owner", "Owner"), ("assignee", "Assignee"), ("state", "State"), ("title", "Step"),
    ("reason", "Reason"), ("since", "Since"), ("due", "Due"), ("late", "Late"),
]  # fmt: skip


@click.group()
def group() -> None:
    """Exception cases: owner, reason, fix and clock of everything that waits for a person."""


def _row(case: Any, now: datetime) -> dict[str, Any]:
    late = case.open and now > case.due
    return {**case.model_dump(mode="python"), "due": case.due, "late": late}


@group.command("list")
@click.option("--owner", type=click.Choice(_OWNERS), help="Only those of this team.")
@click.option("--assignee", help="Only those of this person.")
@click.option("--mine", is_flag=True, help="Only those assigned to you.")
@click.option("--code", "code", help="Only codes that begin so.")
@click.option("--all", "all_states", is_flag=True, help="Closed ones, too.")
@click.option("--limit", type=click.IntRange(1, 10000), default=500, show_default=True)
@_shared.watch_option
@_shared.json_option
@_shared.asynchronous
async def list_(
    owner: str | None,
    assignee: str | None,
    mine: bool,
    code: str | None,
    all_states: bool,
    limit: int,
    watching: bool,
    as_json: bool,
) -> None:
    """Cases, oldest first. Late is one whose owner has had longer than the team's promise.

    \b
    revsaga case list --owner revops
    revsaga case list --mine --watch
    """
    from activities.clock import clock_of

    person = _shared.actor() if mine else assignee
    async with connected(temporal=False) as c:
        clock = await clock_of(c.store)

        async def rows() -> list[dict[str, Any]]:
            found = await c.store.cases.list(
                owner=owner, assignee=person, code_prefix=code, all_states=all_states, limit=limit
            )
            now = await clock.now()
            return [_row(case, now) for case in found]

        async def look() -> tuple[Any, bool]:
            found = await rows()
            return _shared.table(found, _COLUMNS, title=f"{len(found)} cases"), False

        if watching:
            await _shared.watch(look)
        else:
            _shared.show(await rows(), _COLUMNS, as_json=as_json, empty="no open case")


@group.command()
@click.argument("case_id")
@_shared.json_option
@_shared.asynchronous
async def show(case_id: str, as_json: bool) -> None:
    """One case with its findings, evidence, notes, and the commands that resolve it.

    \b
    revsaga case show CASE-validate-deal-ABCDEFGH
    """
    from activities.clock import clock_of

    async with connected(temporal=False) as c:
        case, notes = await c.store.cases.show(case_id), await c.store.cases.notes(case_id)
        row = _row(case, await (await clock_of(c.store)).now())
    choices = _commands(case)
    if as_json:
        _shared.print_json({**row, "notes": notes, "commands": choices})
        return
    _shared.say(f"{case.case_id}: {case.title} ({case.state.value})", "bold")
    facts = {
        "reason": f"{case.reason} [{case.kind.value if case.kind else 'bug'}, {case.code}]", "field": case.field,
        "fix": case.fix, "owner": case.owner.value + (" (no routing rule knows the code)" if case.unrouted else ""),
        "assignee": case.assignee, "saga": case.workflow_id, "customer": case.customer_id, "entity": case.entity,
        "since": f"{case.since:%Y-%m-%d %H:%M:%S}", "due": f"{case.due:%Y-%m-%d %H:%M:%S}",
        "taken back by itself": f"{case.deadline:%Y-%m-%d %H:%M:%S}" if case.deadline else "",
        "resolution": case.resolution and f"{case.resolution} by {case.resolved_by}: {case.resolution_reason}",
    }  # fmt: skip
    for name, value in facts.items():
        if value:
            _shared.say(f"  {name}: {value}")
    for finding in case.findings:
        _shared.say(f"  - {finding.field}: {finding.message} ({finding.owner.value}: {finding.fix})")
    for name, value in sorted(case.evidence.items()):
        _shared.say(f"  {name} = {value}", "dim")
    for note in notes:
        _shared.say(f"  {note.at:%Y-%m-%d %H:%M} {note.actor}: {note.text}")
    for line in choices:
        _shared.say(f"  {line}", "cyan")


_VERBS = {"retry_with": "retry-with {} --input FILE", "skip_with": "skip {} --result FILE"}


def _commands(case: Any) -> list[str]:
    if not case.open:
        return [f"revsaga trace {case.case_id}"]
    choices = [_VERBS.get(choice, f"{choice} {{}}").format(case.case_id) for choice in case.choices]
    return [f"revsaga saga {choice} --reason TEXT" for choice in choices]


@group.command()
@click.argument("case_id")
@click.argument("person")
@_shared.reason_option
@_shared.json_option
@_shared.asynchronous
async def assign(case_id: str, person: str, reason: str, as_json: bool) -> None:
    """Give a case to a person; `-` gives it back to its team.

    \b
    revsaga case assign CASE-validate-deal-ABCDEFGH ann --reason "she knows the account"
    """
    from activities.clock import clock_of
    from canonical.case import CaseNote

    name = "" if person == "-" else person
    async with connected(temporal=False) as c:
        now = await (await clock_of(c.store)).now()
        text = f"assigned to {name}: {reason}" if name else f"given back to the team: {reason}"
        note = CaseNote(case_id=case_id, at=now, actor=_shared.actor(), text=text)
        case = await c.store.cases.assign(case_id, name, note)
    if as_json:
        _shared.print_json(_row(case, now))
    else:
        _shared.say(f"{case_id} belongs to {case.assignee or case.owner.value}", "green")


@group.command()
@click.argument("case_id")
@click.argument("text")
@_shared.json_option
@_shared.asynchronous
async def note(case_id: str, text: str, as_json: bool) -> None:
    """Write a note into a case, also into a closed one.

    \b
    revsaga case note CASE-validate-deal-ABCDEFGH "called the customer, address follows"
    """
    from activities.clock import clock_of
    from canonical.case import CaseNote

    if not text.strip():
        raise click.UsageError("a note needs some text")
    async with connected(temporal=False) as c:
        now = await (await clock_of(c.store)).now()
        written = CaseNote(case_id=case_id, at=now, actor=_shared.actor(), text=text)
        await c.store.cases.note(written)
    if as_json:
        _shared.print_json(written)
    else:
        _shared.say("noted", "green")
