"""`revsaga doctor`: look at everything that work needs, and say what is wrong and how to mend it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable

import click
from pydantic import ValidationError
from rich.table import Table
from rich.text import Text
from temporalio.service import RPCError

from activities.settings import Settings
from canonical.failures import Failure
from commands._checks import LIMIT, Check, State, store_checks, vendor_checks
from commands._shared import (
    FINDINGS,
    UNAVAILABLE,
    Exit,
    asynchronous,
    console,
    explain,
    json_option,
    print_json,
    say,
)
from commands.connect import open_store, open_temporal, settings

_STYLES = {State.OK: "green", State.WARN: "yellow", State.DOWN: "red"}


async def _within(area: str, name: str, checks: Awaitable[list[Check]]) -> list[Check]:
    """The checks, or one that says why they could not be made."""
    try:
        return await asyncio.wait_for(checks, LIMIT * 2)
    except Failure as failure:
        return [Check.failed(name, failure, area=area)]
    except TimeoutError:
        return [
            Check.down(name, f"no answer in {LIMIT * 2:.0f} s", "see whether it is overloaded", area=area)
        ]
    except (RPCError, ValidationError) as error:
        _, shown = explain(error)
        return [Check.down(name, shown["message"], shown["fix"], area=area)]


async def _store(known: Settings) -> list[Check]:
    store = await open_store(known, pool=2)
    try:
        return await store_checks(store, known)
    finally:
        await store.close()


async def _engine(known: Settings) -> list[Check]:
    from commands._engine_checks import engine_checks

    return await engine_checks(await open_temporal(known), known)


async def examine(known: Settings) -> list[Check]:
    """Every check, all systems at the same time; never raises for what is wrong with them."""
    found = await asyncio.gather(
        _within("system", "postgresql", _store(known)),
        _within("system", "temporal", _engine(known)),
        _within("system", "business systems", vendor_checks(known)),
    )
    order = {area: n for n, area in enumerate("system store temporal workers queues control".split())}
    return sorted((check for checks in found for check in checks), key=lambda c: order.get(c.area, 9))


@click.command()
@json_option
@asynchronous
async def command(as_json: bool) -> None:
    """Look at every system, credential, clock, migration, queue and worker, and at the six control functions.

    Exit 0: all is well; 1: work goes on, and something should be looked at; 4: something that work needs is not there.
    """
    checks = await examine(settings())
    worst = UNAVAILABLE if any(c.state is State.DOWN for c in checks) else 0
    worst = worst or (FINDINGS if any(c.state is State.WARN for c in checks) else 0)
    if as_json:
        print_json({"well": not worst, "checks": checks})
    else:
        _print(checks)
    raise Exit(worst)


def _print(checks: list[Check]) -> None:
    out = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("", "What", "How it is"):
        out.add_column(heading, overflow="fold")
    for check in checks:
        out.add_row(
            Text(check.state, style=_STYLES[check.state]),
            Text(f"{check.area}: {check.name}"),
            Text(check.detail),
        )
        if check.fix:
            out.add_row("", "", Text(f"fix: {check.fix}", style="bold"))
    console().print(out)
    counts = Counter(check.state for check in checks)
    say(f"{counts[State.OK]} ok, {counts[State.WARN]} to look at, {counts[State.DOWN]} not there")
