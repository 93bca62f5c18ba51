"""The text that the Web UI shows of a saga: what is wrong, whose it is, what to type, what was and would be undone."""

import shlex

from temporalio import workflow

from workflows.kernel.desk import Desk
from workflows.kernel.parking import Decision, Park, Phase, SagaState

_HEADINGS = {
    SagaState.RUNNING: "Running",
    SagaState.WAITING: "Waiting",
    SagaState.PARKED: "Parked: a person must decide",
    SagaState.UNWINDING: "Taking everything back",
    SagaState.UNWOUND: "Everything was taken back",
    SagaState.DONE: "Done",
}

_VERBS = {
    Decision.RETRY: "retry {} --reason '...'",
    Decision.RETRY_WITH: "retry-with {} --input FILE --reason '...'",
    Decision.SKIP_WITH: "skip {} --result FILE --reason '...'",
    Decision.UNWIND: "unwind {} --reason '...'",
}

EVENTS_WARN = 10_000  # the engine ends a run at 51,200 events or 50 MB
BYTES_WARN = 10 * 1024 * 1024


def commands(park: Park, *, among: int) -> list[str]:
    """What to type. The workflow id will do, unless several steps are parked: then the case says which."""
    workflow_id = workflow.info().workflow_id
    target = shlex.quote(park.case_id if among > 1 and park.case_id else workflow_id)
    return [f"revsaga saga {_VERBS[offer].format(target)}" for offer in park.offers]


def render(desk: Desk) -> str:
    """Markdown."""
    about = desk.about
    lines = [
        f"## {_HEADINGS[desk.state]}",
        "",
        f"**{_plain(about.title)}** ({about.kind}, correlation `{about.correlation_id}`)",
    ]
    if desk.waiting:
        lines += ["", f"Waiting for: {_plain(desk.waiting)}"]
    if desk.doomed is not None:
        lines += ["", f"Why: {_plain(desk.doomed.text)}"]
    elif desk.asked_to_stop is not None and not desk.forward_only:
        lines += ["", f"Asked to stop by {_plain(desk.asked_to_stop.actor)}: acted on at the next step."]
    if desk.trouble:
        lines += ["", f"Trouble: {_plain(desk.trouble)}"]
    info = workflow.info()
    if info.get_current_history_length() > EVENTS_WARN or info.get_current_history_size() > BYTES_WARN:
        lines += [
            "",
            "Trouble: the history of this run is nearly full; stop retrying, resolve it by skip or unwind.",
        ]
    for park in desk.parks:
        lines += ["", *_park(park, among=len(desk.parks))]
    lines += ["", *_progress(desk)]
    return "\n".join(lines)


def _park(park: Park, *, among: int) -> list[str]:
    record, step = park.caught.record, park.entry.step
    what = step.title if park.phase is Phase.DO else f"Take back: {step.title}"
    lines = [
        f"### {_plain(what)}",
        "",
        f"- **Reason:** {_plain(record.message)} (`{record.kind}`, `{record.code}`)",
    ]
    if record.field:
        lines.append(f"- **Field:** `{_code(record.field)}`")
    lines += [
        f"  - `{_code(f.field or f.code)}`: {_plain(f.message)}. {_plain(f.fix)} ({f.owner})"
        for f in record.findings
    ]
    lines += [
        f"- **Owner:** {park.owner}",
        f"- **Case:** {park.case_id or 'being opened'}",
        f"- **Since:** {park.since:%Y-%m-%d %H:%M} UTC",
    ]
    if park.give_up_at:
        lines.append(
            f"- **Unless decided by:** {park.give_up_at:%Y-%m-%d %H:%M} UTC, everything is taken back"
        )
    if record.fix:
        lines.append(f"- **Suggested fix:** {_plain(record.fix)}")
    if Decision.UNWIND not in park.offers:
        lines.append(f"- **No unwind:** {park.why_not(Decision.UNWIND)}")
    lines += [f"- {_plain(note)}" for note in park.notes]
    return [*lines, "", "```sh", *commands(park, among=among), "```"]


def _progress(desk: Desk) -> list[str]:
    done = [e for e in desk.entries if e.status in {"done", "skipped"}]
    lines = []
    if done:
        lines += [
            "### Done so far",
            "",
            *(f"- {_plain(e.step.title)}{' (by hand)' * (e.status == 'skipped')}" for e in done),
        ]
    undone = [e for e in desk.entries if e.undone is not None]
    if undone:
        lines += ["", "### Taken back", ""]
        lines += [f"- {_plain(e.step.title)}: {_plain(e.undone.read_back)}" for e in undone if e.undone]
    owed = [e for e in reversed(desk.entries) if e.owes_undo]
    if owed and not desk.forward_only and desk.ended is None:
        heading = "Still to be taken back" if desk.unwinding else "An unwind would take back"
        lines += ["", f"### {heading}", "", *(f"- {_plain(e.step.title)}" for e in owed)]
    elif desk.forward_only and desk.ended is None:
        lines += ["", "The point of no return is passed: it only goes forward."]
    return lines


def _code(text: str) -> str:
    """Text for a code span, where nothing is escaped: only what would end the span is taken out."""
    return " ".join(text.replace("`", "'").split())


def _plain(text: str) -> str:
    """Foreign text as text: no line breaks, no Markdown, no markup."""
    flat = " ".join(text.split())
    for character in "\\`*_[]<>|#":
        flat = flat.replace(
            character, f"\\{character}" if character not in "<>" else {"<": "&lt;", ">": "&gt;"}[character]
        )
    return flat
