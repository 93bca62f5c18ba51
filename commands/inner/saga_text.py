"""A saga for the eyes: its steps, what is parked, and what can be done about it."""

import json
from typing import Any

from rich.table import Table
from rich.text import Text

from commands import _shared
from commands.inner.sagas import SagaReport
from workflows.kernel.views import ParkView, SagaView

_STYLES = {
    "done": "green", "skipped": "green", "running": "cyan", "undoing": "cyan", "parked": "yellow",
    "undo-parked": "yellow", "failed": "red", "ahead": "dim", "undone": "dim",
}  # fmt: skip


def step_table(saga: SagaView) -> Table:
    """Every step with its state."""
    done = sum(step.status in ("done", "skipped") for step in saga.steps)
    title = f"{saga.title}: {done} of {len(saga.steps)} steps"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for heading in ("", "Step", "State", "Kind", "Owner", "Note"):
        table.add_column(heading, overflow="fold")
    for place, step in enumerate(saga.steps, 1):
        note = step.read_back or (f"edited {step.edition} times" if step.edition else "")
        table.add_row(
            Text(str(place)), Text(step.title), Text(step.status, style=_STYLES.get(step.status, "")),
            Text(step.kind.value), Text(step.owner.value), Text(note),
        )  # fmt: skip
    return table


def print_report(report: SagaReport) -> None:
    """The whole saga."""
    out, saga = _shared.console(), report.saga
    head = f"{report.workflow_id}: {saga.state.value}"
    if report.status not in ("running", "completed", "failed"):
        head += f" ({report.status} in the engine)"
    _shared.say(head, "bold")
    facts = {
        "correlation": saga.correlation_id,
        "customer": saga.customer_id,
        "legal entity": saga.legal_entity,
    }
    _shared.say("  " + ", ".join(f"{name} {value}" for name, value in facts.items() if value))
    for name, text in (
        ("waiting", saga.waiting),
        ("trouble", saga.trouble),
        ("taken back", saga.withdrawing),
    ):
        if text:
            _shared.say(f"  {name}: {text}", "yellow")
    if saga.cancel is not None:
        _shared.say(f"  {saga.cancel.actor} asked to stop it: {saga.cancel.reason}", "yellow")
    out.print(step_table(saga))
    for park in saga.parks:
        _print_park(park)
    for form in report.forms:
        _shared.say(f"input of {form.step} now (what `retry-with --input FILE` replaces):", "bold")
        _shared.say(_indented(form.input))
        _shared.say(f"its schema: revsaga saga show {report.workflow_id} --schema {form.step}")
    if report.commands:
        _shared.say("what can be done now:", "bold")
        for line in report.commands:
            _shared.say(f"  {line}")


def _print_park(park: ParkView) -> None:
    failure = park.failure
    _shared.say(f"parked: {park.title} ({park.case_id or 'its case is being opened'})", "bold yellow")
    rows = {
        "reason": f"{failure.message} [{failure.kind.value}, {failure.code}]",
        "field": failure.field or "",
        "fix": failure.fix or "",
        "owner": park.owner.value,
        "since": f"{park.since:%Y-%m-%d %H:%M:%S}",
        "deadline": f"{park.give_up_at:%Y-%m-%d %H:%M:%S}, then it is taken back"
        if park.give_up_at
        else "none",
    }
    for name, value in rows.items():
        if value:
            _shared.say(f"  {name}: {value}")
    for finding in failure.findings:
        _shared.say(f"  - {finding.field}: {finding.message} ({finding.owner.value}: {finding.fix})")
    for note in park.notes:
        _shared.say(f"  note: {note}")


def _indented(text: str) -> str:
    return json.dumps(json.loads(text), indent=2, ensure_ascii=False)


def schemas(report: SagaReport, step: str) -> dict[str, Any]:
    """Input, input schema and result schema of one parked step, as JSON. Stop when it is not parked."""
    for form in report.forms:
        if form.step == step:
            return {
                "step": form.step,
                "input": json.loads(form.input),
                "input_schema": json.loads(form.input_schema),
                "result_schema": json.loads(form.result_schema),
            }
    parked = ", ".join(form.step for form in report.forms) or "none"
    raise _shared.Stop(
        f"{step} is not parked; parked: {parked}", fix=f"revsaga saga show {report.workflow_id}"
    )
