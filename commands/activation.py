"""`revsaga activation`: start activations, watch them, and look after the watch that starts them by itself."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands import _shared
from commands.connect import connected, house

if TYPE_CHECKING:
    from commands.inner.starting import Started, WatchState


@click.group()
def group() -> None:
    """Activations: from a closed deal to an active subscription."""


@group.command()
@click.argument("quote_id", required=False)
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Quote ids, one a line.",
)
@click.option(
    "--again", is_flag=True, help="Once more, although this revision was unwound or cancelled before."
)
@click.option("--reason", default="", help="Why; required with --again.")
@_shared.json_option
@_shared.asynchronous
async def start(quote_id: str | None, file: Path | None, again: bool, reason: str, as_json: bool) -> None:
    """Start the activation of a quote, as it reads now.

    A quote that is live or active already, or whose present content was unwound, is refused with exit code 3.

    \b
    revsaga activation start a0Q5g0000020000EAA
    revsaga activation start --file quotes.txt
    revsaga activation start a0Q5g0000020000EAA --again --reason "the address is right now"
    """
    from commands.inner.starting import quotes_in, start_all
    from commands.inner.starting import start as start_one

    if (quote_id is None) is (file is None):
        raise click.UsageError("give a QUOTE_ID or --file FILE")
    if again and (not reason or quote_id is None):
        raise click.UsageError("--again goes with one QUOTE_ID and a --reason")
    async with connected(store=False) as c, house(temporal=False) as wired:
        who = _shared.actor()
        if quote_id is not None:
            found = [await start_one(wired, c.temporal, quote_id, actor=who, reason=reason, again=again)]
        else:
            quotes = quotes_in(file or Path())
            found = await start_all(wired, c.temporal, quotes, actor=who, reason=reason)
    _tell(found, as_json)


def _tell(found: "list[Started]", as_json: bool) -> None:
    refused = [one for one in found if one.outcome == "refused"]
    if as_json:
        _shared.print_json(found)
    elif len(found) == 1:
        one = found[0]
        if not refused:
            _shared.say(f"started {one.workflow_id}", "green")
            _shared.say(f"  follow it: revsaga activation watch {one.quote_id}")
        else:
            _shared.print_error({"message": f"{one.quote_id}: {one.why}", "fix": one.fix}, as_json=False)
    else:
        columns = [
            ("quote_id", "Quote"),
            ("outcome", "Outcome"),
            ("workflow_id", "Activation"),
            ("why", "Why"),
        ]
        _shared.show(found, columns, title=f"{len(found) - len(refused)} started, {len(refused)} refused")
    if refused:
        raise _shared.Exit(_shared.REFUSED)


@group.group("watch-deals")
def watch_deals() -> None:
    """The watch that starts the activation of every deal that is won, exactly once."""


def _tell_watch(state: "WatchState", as_json: bool) -> None:
    if as_json:
        _shared.print_json(state)
        return
    due = f", next at {state.next_at:%H:%M:%S}" if state.next_at else ""
    _shared.say(f"the deal watch is {state.state}, every {state.every_minutes} minutes{due}")
    if state.note:
        _shared.say(f"  {state.note}")


@watch_deals.command("on")
@_shared.reason_option
@_shared.json_option
@_shared.asynchronous
async def watch_on(reason: str, as_json: bool) -> None:
    """Look for closed deals every REVSAGA_WATCH_MINUTES."""
    from commands.inner import starting

    async with connected(store=False) as c:
        state = await starting.watch_on(c.temporal, c.settings, actor=_shared.actor(), reason=reason)
    _tell_watch(state, as_json)


@watch_deals.command("off")
@_shared.reason_option
@_shared.json_option
@_shared.asynchronous
async def watch_off(reason: str, as_json: bool) -> None:
    """Let the watch rest. What it has started goes on."""
    from commands.inner import starting

    async with connected(store=False) as c:
        state = await starting.watch_off(c.temporal, c.settings, actor=_shared.actor(), reason=reason)
    _tell_watch(state, as_json)


@watch_deals.command("status")
@_shared.json_option
@_shared.asynchronous
async def watch_status(as_json: bool) -> None:
    """Whether the watch is on, and when it looks next."""
    from commands.inner import starting

    async with connected(store=False) as c:
        _tell_watch(await starting.watch_state(c.temporal, c.settings), as_json)


@watch_deals.command("now")
@click.option("--full", is_flag=True, help="Read from the beginning, not from where the last round ended.")
@_shared.json_option
@_shared.asynchronous
async def watch_now(full: bool, as_json: bool) -> None:
    """Look once, now, and report what came of it.

    \b
    revsaga activation watch-deals now
    revsaga activation watch-deals now --full --json
    """
    from commands.inner import starting

    _shared.progress("looking for closed deals ...")
    async with connected(store=False) as c:
        report = await starting.watch_now(c.temporal, c.settings, actor=_shared.actor(), full=full)
    if as_json:
        _shared.print_json(report)
    else:
        _shared.say(
            f"{report.seen} deals seen: {report.started} started, {report.known} known, "
            f"{report.superseded} edited while they were being activated, {len(report.unreadable)} unreadable"
        )
        for problem in report.unreadable:
            _shared.say(f"  {problem}", "yellow")
    if report.unreadable:
        raise _shared.Exit(_shared.FINDINGS)


_COLUMNS = [
    ("quote_id", "Quote"), ("revision", "Revision"), ("state", "State"), ("saga", "Doing"), ("owner", "Owner"),
    ("case_id", "Case"), ("started_at", "Started"), ("finished_at", "Finished"), ("actor", "By"),
]  # fmt: skip


@group.command("list")
@click.option("--state", type=click.Choice(["live", "completed", "unwound", "cancelled"]), help="Only these.")
@click.option("--limit", type=click.IntRange(1, 10000), default=200, show_default=True)
@_shared.watch_option
@_shared.json_option
@_shared.asynchronous
async def list_(state: str | None, limit: int, watching: bool, as_json: bool) -> None:
    """Every activation of the ledger, newest first, with what the live ones are doing.

    \b
    revsaga activation list --state live --watch
    revsaga activation list --json
    """
    from commands.inner.activations import activations

    async with connected() as c:

        async def look() -> tuple[Any, bool]:
            rows = await activations(c.store, c.temporal, state=state, limit=limit)
            live = sum(row.state == "live" for row in rows)
            return _shared.table(rows, _COLUMNS, title=f"{len(rows)} activations, {live} live"), not live

        if watching:
            await _shared.watch(look)
        else:
            rows = await activations(c.store, c.temporal, state=state, limit=limit)
            _shared.show(
                rows, _COLUMNS, as_json=as_json, empty="no activation yet: revsaga activation start QUOTE_ID"
            )


@group.command()
@click.argument("quote_id")
@_shared.json_option
@_shared.asynchronous
async def show(quote_id: str, as_json: bool) -> None:
    """Everything that was ever tried for a quote (or one activation, by its workflow id).

    \b
    revsaga activation show a0Q5g0000020000EAA
    """
    from commands.inner.activations import of_quote

    async with connected() as c:
        rows = await of_quote(c.store, c.temporal, quote_id)
    _shared.show(rows, _COLUMNS, as_json=as_json)
    if not as_json:
        _shared.say(f"more: revsaga saga show {rows[-1].workflow_id}; revsaga trace {rows[-1].quote_id}")


@group.command()
@click.argument("quote_id")
@_shared.asynchronous
async def watch(quote_id: str) -> None:
    """Follow one activation, step by step, until it ends or waits for a person.

    Exit 0 when it is done, 1 when it is parked or was taken back.

    \b
    revsaga activation watch a0Q5g0000020000EAA
    """
    from commands.inner.activations import follow
    from commands.inner.sagas import workflow_of

    async with connected() as c:
        workflow_id = await workflow_of(c.store, quote_id)
        final = await follow(c.temporal, c.store, workflow_id)
    if final != "done":
        raise _shared.Exit(_shared.FINDINGS)
