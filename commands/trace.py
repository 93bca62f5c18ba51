"""`revsaga trace`: the whole trail of a deal, from any id of it."""

from typing import TYPE_CHECKING

import click

from commands import _shared
from commands.connect import connected

if TYPE_CHECKING:
    from commands.inner.trail import Attempt, Trace


@click.command()
@click.argument("any_id")
@_shared.json_option
@_shared.asynchronous
async def command(any_id: str, as_json: bool) -> None:
    """The trail that an id belongs to: every record in every system, with times, causes and line lineage.

    ANY_ID is a quote, opportunity, customer, account, order, subscription, ERP record (by id, number or external id),
    quote line, event, case, correlation or workflow. Whatever the entry, the chain is the same. Exit 1 when it has a
    gap.

    \b
    revsaga trace a0Q5g0000020000EAA
    revsaga trace S-Q-00002-2JXEKTTDHTYMKUCH --json
    """
    from commands.inner.trail import trace

    async with connected(temporal=False) as c:
        found = await trace(c.store, any_id)
    if as_json:
        _shared.print_json(found)
    else:
        _print(found)
    if found.verdict != "no gap":
        raise _shared.Exit(_shared.FINDINGS)


def _print(found: "Trace") -> None:
    for chain in found.chains:
        for attempt in chain.attempts:
            _print_attempt(attempt)
    _shared.say(f"verdict: {found.verdict}", "green" if found.verdict == "no gap" else "red")


def _print_attempt(attempt: "Attempt") -> None:
    _shared.say(f"{attempt.workflow_id}: {attempt.state}", "bold")
    _shared.say(f"  correlation {attempt.correlation_id}")
    rows = [
        {
            "at": node.at, "kind": node.kind, "state": node.state, "id": node.id,
            "refs": "\n".join(f"{r.system} {r.type} {r.id}" for r in node.refs),
            "cause": node.cause.removeprefix(attempt.workflow_id + "/"),
            "facts": "\n".join(f"{name}: {_words(value)}" for name, value in node.facts.items()),
        }
        for node in attempt.nodes
    ]  # fmt: skip
    columns = [
        ("at", "When"), ("kind", "What"), ("state", "State"), ("id", "Ours"), ("refs", "In the systems"),
        ("cause", "Because of"), ("facts", "Facts"),
    ]  # fmt: skip
    out = _shared.console()
    out.print(_shared.table(rows, columns))
    if attempt.lines:
        lines = [
            {
                "lineage_id": line.lineage_id, "product": f"{line.quantity} x {line.product}", "amount": line.amount,
                "charges": "\n".join(c.number or f"{c.charge} ({c.kind})" for c in line.charges),
                "contract": line.contract and f"{line.contract.obligation}, {line.contract.allocated}",
            }
            for line in attempt.lines
        ]  # fmt: skip
        heads = [
            ("lineage_id", "Quote line"), ("product", "Sold"), ("amount", "For"), ("charges", "Charges"),
            ("contract", "Obligation, allocated"),
        ]  # fmt: skip
        out.print(_shared.table(lines, heads, title="line by line"))
    for case in attempt.cases:
        end = f", {case.resolution} by {case.resolved_by}" if case.resolution else ""
        _shared.say(
            f"  case {case.case_id}: {case.step}, {case.code}, {case.owner}, {case.state}{end}", "yellow"
        )
    _shared.say(f"  {len(attempt.events)} events, {len(attempt.effects)} effects; required:")
    for one in attempt.required:
        style = {"gap": "red", "present": "green"}.get(one.status, "dim")
        _shared.say(f"    {one.kind}: {one.text}", style)


def _words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
