"""What every command shares: how it prints, how it fails, who acts, and how the process ends.

    @click.command("list")
    @json_option
    @asynchronous
    async def list_(as_json: bool) -> None:
        async with connected() as c:
            show(rows, [("workflow_id", "Activation"), ("state", "State")], as_json=as_json)

Exit codes: 0 ok, 1 findings (`raise Exit(FINDINGS)`), 2 usage, 3 refused by policy, 4 system unavailable. Failures of
`canonical.failures` and of the engine need no handling in a command: the root group prints them with their fix.
"""

import asyncio
import functools
import getpass
import json
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, NoReturn, ParamSpec, TypeVar

import click
from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from canonical.failures import Failure, FailureRecord, Kind
from connectors.kit.redact import redact

OK, FINDINGS, USAGE, REFUSED, UNAVAILABLE = 0, 1, 2, 3, 4
FAULT = 70
"""A fault of this program: nothing that a person at the keyboard did."""

_CODES = {
    Kind.TRANSIENT: UNAVAILABLE,
    Kind.OUTCOME_UNKNOWN: UNAVAILABLE,
    Kind.MISCONFIGURED: UNAVAILABLE,
    Kind.REJECTED: REFUSED,
    Kind.CONFLICT: REFUSED,
}
P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])


def console(*, error: bool = False) -> Console:
    """A terminal on the present standard output (or error). Text that is not for a terminal is never cut."""
    stream = sys.stderr if error else sys.stdout
    width = None if stream.isatty() else 200
    return Console(file=stream, highlight=False, soft_wrap=not stream.isatty(), width=width)


class Exit(click.exceptions.Exit):
    """Leave with a code after everything was said: `raise Exit(FINDINGS)`."""


def actor() -> str:
    """Who decides: `REVSAGA_ACTOR`, or the user of the operating system. Never empty."""
    named = os.environ.get("REVSAGA_ACTOR", "").strip()
    if named:
        return named
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid-{os.getuid()}"


# Options that mean the same everywhere


def _remember_json(context: click.Context, _: click.Parameter, value: bool) -> bool:
    if value:
        context.find_root().meta["json"] = True
    return value


def json_option(command: F) -> F:
    """`--json`: the parameter `as_json`; errors are JSON then, too."""
    option = click.option(
        "--json", "as_json", is_flag=True, callback=_remember_json, help="Print JSON with stable names."
    )
    return option(command)


def reason_option(command: F) -> F:
    """`--reason TEXT`, required: every verb that decides something takes it."""
    return click.option("--reason", required=True, help="Why; kept with the decision.")(command)


def watch_option(command: F) -> F:
    """`--watch`: the parameter `watching`; use it with `watch()`."""
    option = click.option("--watch", "watching", is_flag=True, help="Show it again whenever it changes.")
    return option(command)


class Span(click.ParamType[timedelta]):
    """A span of time: `90s`, `15m`, `36h`, `30d`, `2w`, or several after each other (`1d12h`)."""

    name = "span"
    _units: Mapping[str, int] = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The span. A value that is none ends the command with a usage error."""
        if isinstance(value, timedelta):
            return value
        text, seconds, digits = str(value).strip().lower(), 0, ""
        for sign in text:
            if sign.isascii() and sign.isdigit() and len(digits) < 9:
                digits += sign
            elif sign in self._units and digits:
                seconds, digits = seconds + int(digits) * self._units[sign], ""
            else:
                digits = "?"
                break
        if digits or not text or seconds > 100 * 366 * 86400:
            self.fail(f"{value!r} is no span of time: say 90s, 15m, 36h, 30d or 1d12h", param, ctx)
        return timedelta(seconds=seconds)


# How a command runs


def asynchronous(command: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, R]:
    """Lets click call a coroutine. The lowest decorator."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        return asyncio.run(command(*args, **kwargs))

    return run


async def watch(look: Callable[[], Awaitable[tuple[Any, bool]]], *, every: float = 1.0) -> None:
    """Show what `look` returns (something to print, and whether it is final) until it is final or ctrl-C.

    `every` is in seconds. On a terminal it is drawn in place; elsewhere it is printed again whenever it changed.
    """
    out = console()
    if out.is_terminal:
        with Live(console=out, auto_refresh=False) as live:
            while True:
                shown, final = await look()
                live.update(shown, refresh=True)
                if final:
                    return
                await asyncio.sleep(every)
    before = ""
    while True:
        shown, final = await look()
        with out.capture() as captured:
            out.print(shown)
        if captured.get() != before:
            before = captured.get()
            click.echo(before, nl=False)
        if final:
            return
        await asyncio.sleep(every)


# How it prints


def plain(value: Any) -> Any:
    """`value` as JSON knows it; Decimal as text, since JSON readers would make it a float."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return str(value) if isinstance(value, Decimal) else value


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(plain(value), indent=2, ensure_ascii=False))


def cell(value: Any) -> Text:
    """A value as a person reads it in a table; never read as markup."""
    if value is None:
        return Text("")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, datetime):
        return Text(value.strftime("%Y-%m-%d %H:%M:%S"))
    if isinstance(value, list | tuple):
        return Text(", ".join(str(cell(inner)) for inner in value))
    if isinstance(value, Enum):
        return Text(str(value.value))
    return Text(str(value))


def table(rows: Sequence[Any], columns: Sequence[tuple[str, str]], *, title: str = "") -> Table:
    """Rows (models or mappings) as a table; `columns` are (name, heading)."""
    made = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for _, heading in columns:
        made.add_column(heading, overflow="fold")
    for row in rows:
        values = row if isinstance(row, Mapping) else {name: getattr(row, name) for name, _ in columns}
        made.add_row(*[cell(values.get(name)) for name, _ in columns])
    return made


def show(
    rows: Sequence[Any],
    columns: Sequence[tuple[str, str]],
    *,
    as_json: bool = False,
    title: str = "",
    empty: str = "nothing found",
) -> None:
    """A list: JSON with every field of the rows, or a table with some of them."""
    if as_json:
        print_json(list(rows))
    elif rows:
        console().print(table(rows, columns, title=title))
    else:
        say(empty)


def say(text: str, style: str = "") -> None:
    """One line for people, on standard output."""
    console().print(Text(text, style=style))


def progress(text: str) -> None:
    """One line about long work, on standard error, so that standard output stays clean."""
    console(error=True).print(Text(text, style="dim"))


# How it fails


def refuse(message: str, *, fix: str, code: int = REFUSED) -> NoReturn:
    """End the command with a reason and what to do instead."""
    raise Stop(message, fix=fix, code=code)


class Stop(Exception):
    """The command cannot go on; printed without a trace."""

    def __init__(self, message: str, *, fix: str = "", code: int = REFUSED) -> None:
        super().__init__(message)
        self.fix = fix
        self.code = code


def explain(error: BaseException) -> tuple[int, dict[str, Any]]:
    """(exit code, what to print) for anything that a command may raise."""
    if isinstance(error, Stop):
        return error.code, {"message": str(error), "fix": error.fix}
    if isinstance(error, Failure):
        return _CODES[error.kind], _record(error.record())
    if isinstance(error, ValidationError):
        return USAGE, _invalid(error)
    from commands.engine_errors import engine_error  # late: loads the engine's client

    known = engine_error(error)
    if known is not None:
        return known
    return FAULT, {
        "message": f"a fault of this program: {type(error).__name__}: {error}",
        "fix": "run it again with REVSAGA_DEBUG=1 to see the trace, and report it",
    }


def _record(record: FailureRecord) -> dict[str, Any]:
    shown = record.model_dump(mode="json", exclude_none=True)
    return {name: value for name, value in shown.items() if value not in ({}, [])}


def _invalid(error: ValidationError) -> dict[str, Any]:
    problems = [
        {"field": ".".join(str(part) for part in e["loc"]), "message": e["msg"], "fix": ""}
        for e in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    return {
        "message": f"{error.title} is not complete or not valid",
        "fix": f"set or correct: {', '.join(p['field'] for p in problems)}",
        "findings": problems,
    }


def print_error(shown: Mapping[str, Any], *, as_json: bool) -> None:
    """An error: what, where, and what to do next."""
    if as_json:
        click.echo(redact(json.dumps({"error": plain(shown)}, indent=2, ensure_ascii=False)))
        return
    err = console(error=True)
    err.print(Text(f"error: {redact(str(shown['message']))}", style="red"))
    for finding in shown.get("findings", ()):
        line = f"  {finding['field'] or '-'}: {finding['message']}"
        err.print(Text(redact(line + (f" ({finding['fix']})" if finding.get("fix") else ""))))
    if shown.get("field"):
        err.print(Text(f"  field: {shown['field']}"))
    if shown.get("fix"):
        err.print(Text(redact(f"  fix: {shown['fix']}")))


def leave(code: int) -> NoReturn:
    """End the process at once: the engine's client may crash an interpreter that is finalizing, its work done."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (BrokenPipeError, ValueError):
            continue
    os._exit(code)
