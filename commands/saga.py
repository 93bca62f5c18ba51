"""`revsaga saga`: look at running sagas, and decide about their parked steps."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from commands import _shared
from commands.connect import connected

F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def group() -> None:
    """Sagas: what they do, why they do not go on, and what a person decides."""


_COLUMNS = [
    ("workflow_id", "Saga"), ("state", "State"), ("step", "Parked step"), ("owner", "Owner"), ("entity", "Entity"),
    ("status", "Engine"), ("started_at", "Started"), ("closed_at", "Ended"),
]  # fmt: skip
_STATES = ("running", "waiting", "parked", "unwinding", "unwound", "done")
_OWNERS = ("revops", "finance-operations", "integration-support")


@group.command("list")
@click.option("--state", type=click.Choice(_STATES), help="Only these.")
@click.option("--owner", type=click.Choice(_OWNERS), help="Only those parked for this team.")
@click.option("--customer", help="Only those of this customer id.")
@click.option("--running", is_flag=True, help="Only those that have not ended.")
@click.option("--limit", type=click.IntRange(1, 10000), default=200, show_default=True)
@_shared.watch_option
@_shared.json_option
@_shared.asynchronous
async def list_(
    state: str | None,
    owner: str | None,
    customer: str | None,
    running: bool,
    limit: int,
    watching: bool,
    as_json: bool,
) -> None:
    """Sagas as the engine's index knows them, newest first. One that is paused in the engine is shown as such.

    \b
    revsaga saga list --state parked --owner revops
    revsaga saga list --running --watch
    """
    from commands.inner.sagas import list_sagas

    named = {"SagaState": state, "ExceptionOwner": owner, "CustomerId": customer}
    filters = {name: value for name, value in named.items() if value}

    async with connected(store=False) as c:

        async def rows() -> list[Any]:
            found = await list_sagas(c.temporal, filters, limit)
            return [row for row in found if not running or row.closed_at is None]

        async def look() -> tuple[Any, bool]:
            found = await rows()
            return _shared.table(found, _COLUMNS, title=f"{len(found)} sagas"), False

        if watching:
            await _shared.watch(look)
        else:
            _shared.show(await rows(), _COLUMNS, as_json=as_json, empty="no saga")


@group.command()
@click.argument("any_id")
@click.option(
    "--schema", "schema_of", metavar="STEP", help="Print input and JSON schemas of a parked step instead."
)
@click.option(
    "--input", "input_of", metavar="STEP", help="Print the input of a parked step, to be edited in a file."
)
@_shared.json_option
@_shared.asynchronous
async def show(any_id: str, schema_of: str | None, input_of: str | None, as_json: bool) -> None:
    """One saga with its steps, what is parked and why, and the exact commands that help.

    ANY_ID is a workflow id, a case id, or a quote id (its latest activation).

    \b
    revsaga saga show CASE-read-deal-ABCDEFGH
    revsaga saga show CASE-read-deal-ABCDEFGH --input read-deal > input.json
    """
    from commands.inner import saga_text, sagas

    async with connected() as c:
        report = await sagas.show(c.temporal, c.store, any_id)
    if schema_of is not None:
        _shared.print_json(saga_text.schemas(report, schema_of))
    elif input_of is not None:
        _shared.print_json(saga_text.schemas(report, input_of)["input"])
    elif as_json:
        _shared.print_json(report)
    else:
        saga_text.print_report(report)


@group.command()
@click.argument("any_id")
@_shared.json_option
@_shared.asynchronous
async def explain(any_id: str, as_json: bool) -> None:
    """Why a saga does not go on: which step blocks which.

    \b
    revsaga saga explain activation/a0Q5g0000020000EAA/rf681941a086e
    """
    from commands.inner import sagas

    async with connected() as c:
        found = await sagas.explain(c.temporal, c.store, any_id)
    if as_json:
        _shared.print_json(found)
    else:
        _shared.say(found.text)


def _deciding(command: F) -> F:
    """What every decision takes."""
    command = _shared.json_option(command)
    command = click.option("--step", help="Which parked step, when several are and no case id is given.")(
        command
    )
    return click.argument("any_id")(_shared.reason_option(command))


def _json_file(path: Path | None) -> str | None:
    """The text of a file that holds JSON; it travels as text, so that no number is bent."""
    if path is None:
        return None
    text = path.read_text(encoding="utf-8")
    try:
        json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"{path.name} is not JSON: {error}") from error
    return text


async def _decide(
    any_id: str, verb: str, reason: str, step: str | None, as_json: bool, **given: str | None
) -> None:
    from commands.inner import sagas
    from workflows.kernel.parking import Decision

    async with connected() as c:
        workflow_id, said = await sagas.decide(
            c.temporal,
            c.store,
            any_id,
            Decision(verb),
            actor=_shared.actor(),
            reason=reason,
            step=step,
            **given,
        )
    _taken(workflow_id, said.text, as_json)


def _taken(workflow_id: str, text: str, as_json: bool) -> None:
    if as_json:
        _shared.print_json({"workflow_id": workflow_id, "answer": text})
    else:
        _shared.say(text, "green")
        _shared.say(f"  what comes of it: revsaga saga show {workflow_id}")


@group.command()
@_deciding
@_shared.asynchronous
async def retry(any_id: str, reason: str, step: str | None, as_json: bool) -> None:
    """Try the parked step again, as it was.

    \b
    revsaga saga retry CASE-read-deal-ABCDEFGH --reason "the CRM is back"
    """
    await _decide(any_id, "retry", reason, step, as_json)


_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@group.command("retry-with")
@_deciding
@click.option(
    "--input", "file", type=_FILE, required=True, help="JSON; `saga show --input STEP` prints what it was."
)
@_shared.asynchronous
async def retry_with(any_id: str, reason: str, step: str | None, file: Path, as_json: bool) -> None:
    """Try the parked step again with a corrected input.

    \b
    revsaga saga show CASE-open-account-ABCDEFGH --input open-account > input.json
    revsaga saga retry-with CASE-open-account-ABCDEFGH --input input.json --reason "wrong currency"
    """
    await _decide(any_id, "retry_with", reason, step, as_json, given=_json_file(file))


@group.command()
@_deciding
@click.option("--result", "file", type=_FILE, help="JSON of the record made by hand; not needed to approve.")
@_shared.asynchronous
async def skip(any_id: str, reason: str, step: str | None, file: Path | None, as_json: bool) -> None:
    """Go on with a record that was made by hand.

    Accepted at once when the system itself proves the record; otherwise it is a proposal that another person approves
    by the same command (REVSAGA_ACTOR names who acts).

    \b
    revsaga saga skip CASE-record-contract-ABCDEFGH --result made.json --reason "entered by hand"
    REVSAGA_ACTOR=bob revsaga saga skip CASE-record-contract-ABCDEFGH --reason "seen in the ERP"
    """
    await _decide(any_id, "skip_with", reason, step, as_json, result=_json_file(file))


@group.command()
@_deciding
@_shared.asynchronous
async def unwind(any_id: str, reason: str, step: str | None, as_json: bool) -> None:
    """Give the parked step up and take everything back.

    \b
    revsaga saga unwind CASE-validate-deal-ABCDEFGH --reason "the customer withdrew"
    """
    await _decide(any_id, "unwind", reason, step, as_json)


@group.command()
@click.argument("any_id")
@_shared.reason_option
@_shared.json_option
@_shared.asynchronous
async def cancel(any_id: str, reason: str, as_json: bool) -> None:
    """Ask a saga to stop at the next step and take everything back. Refused after the point of no return.

    \b
    revsaga saga cancel a0Q5g0000020000EAA --reason "signed twice"
    """
    from commands.inner import sagas

    async with connected() as c:
        workflow_id, said = await sagas.cancel(
            c.temporal, c.store, any_id, actor=_shared.actor(), reason=reason
        )
    _taken(workflow_id, said.text, as_json)
