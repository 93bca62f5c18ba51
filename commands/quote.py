"""`revsaga quote`: look at a quote before anybody activates it."""

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from commands import _shared
from commands.connect import house

if TYPE_CHECKING:
    from commands.inner.validating import QuoteReport


@click.group()
def group() -> None:
    """Quotes, before they are activated."""


@group.command()
@click.argument("quote_id")
@click.option(
    "--deadline",
    type=_shared.Span(),
    default=timedelta(seconds=2),
    show_default="2s",
    help="The longest wait.",
)
@_shared.json_option
@_shared.asynchronous
async def validate(quote_id: str, deadline: timedelta, as_json: bool) -> None:
    """Run every check on a quote and change nothing anywhere.

    All findings come together, with field, owner and fix. Exit 1 with findings, 4 when the deadline passed first.

    \b
    revsaga quote validate a0Q5g0000020000EAA
    revsaga quote validate a0Q5g0000020000EAA --deadline 5s --json
    """
    from commands.inner.validating import validate_quote

    async with house(temporal=False) as wired:
        report = await validate_quote(wired, quote_id, deadline)
    if as_json:
        _shared.print_json(report)
    else:
        _print(report)
    code = {"valid": _shared.OK, "deadline-exceeded": _shared.UNAVAILABLE}.get(
        report.outcome, _shared.FINDINGS
    )
    if code:
        raise _shared.Exit(code)


def _print(report: "QuoteReport") -> None:
    if report.outcome == "deadline-exceeded":
        _shared.say(
            f"no answer within {report.took_ms} ms, while {report.stage}; nothing was changed", "yellow"
        )
        _shared.say("  fix: try again with a longer --deadline, or see `revsaga doctor`")
        return
    _shared.say(
        f"{report.quote_id}: {report.customer}, {report.net_total}, {report.lines} lines, r{report.revision}"
    )
    if report.route is not None:
        _shared.say(f"goes to {report.route.entity} by rule {report.route.rule_id}, ERP {report.route.erp}")
    if not report.findings:
        _shared.say(f"valid ({report.took_ms} ms)", "green")
        return
    columns = [
        ("owner", "Owner"),
        ("field", "Field"),
        ("message", "What is wrong"),
        ("fix", "Fix"),
        ("code", "Code"),
    ]
    title = f"{len(report.findings)} findings"
    if report.outcome == "waits-for-catalog":
        title += ": an activation would wait for the catalog"
    _shared.show(report.findings, columns, title=title)
