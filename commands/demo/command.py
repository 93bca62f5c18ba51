"""`revsaga demo`: the whole story on one machine, with faults on."""

import asyncio
import os
import shlex
import signal
from typing import TYPE_CHECKING

import click

from commands import _shared

if TYPE_CHECKING:
    from rich.console import Console

    from commands.demo.cast import Cast
    from commands.demo.teller import Teller
    from stack import Stack

_INTERRUPTED = 130


@click.command()
@click.option(
    "--deals",
    type=click.IntRange(1, 200),
    default=40,
    show_default=True,
    help="How many; those with a story first.",
)
@click.option(
    "--seed", type=int, default=20261, show_default=True, help="Chooses which other deals are hit by faults."
)
@click.option("--keep", is_flag=True, help="Leave everything running afterwards, until ctrl-C.")
@_shared.json_option
@_shared.asynchronous
async def command(deals: int, seed: int, keep: bool, as_json: bool) -> None:
    """Play a book of deals against the vendors' sandboxes, with faults on, and check every invariant.

    Everything runs on this machine, in a folder of its own, under a simulated clock, and is gone afterwards.
    Exit 0 only if every invariant holds.

    \b
    revsaga demo
    revsaga demo --deals 8 --json
    revsaga demo --keep
    """
    from commands.demo.cast import cast
    from commands.demo.teller import wide

    # A performance never meets another installation, whatever this shell is set up for.
    for name in [n for n in os.environ if n.startswith("REVSAGA_") and n != "REVSAGA_DEBUG"]:
        del os.environ[name]
    me = asyncio.current_task()
    if me is None:
        raise RuntimeError("no task runs this")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, me.cancel)
    out = wide(_shared.console(error=as_json))
    good = False
    try:
        good = await _perform(cast(deals), seed, out, keep=keep, as_json=as_json)
    except asyncio.CancelledError:
        if not keep:
            out.print("stopped; nothing is left running")
            raise _shared.Exit(_INTERRUPTED) from None
    if not good:
        raise _shared.Exit(_shared.FINDINGS)


async def _perform(book: "Cast", seed: int, out: "Console", *, keep: bool, as_json: bool) -> bool:
    from commands.demo.play import SETTINGS
    from commands.demo.teller import Teller
    from stack import Ports, Stack

    with Teller(out, len(book.deals)) as teller:
        teller.say("revsaga", f"{len(book.deals)} deals, 5 vendors, faults on (seed {seed})")
        stack = Stack(
            world=book.opening(),
            clock="simulated",
            environment=SETTINGS,
            ports=Ports() if keep else Ports(ui=None),
        )
        async with stack:
            teller.say(
                "stack", "PostgreSQL, Temporal, the vendors and a worker are up on the loopback address"
            )
            good = await _play(stack, book, seed, teller, as_json=as_json)
            if keep:
                await _keep(stack, out, good=good)
    return good


async def _play(stack: "Stack", book: "Cast", seed: int, teller: "Teller", *, as_json: bool) -> bool:
    from activities.settings import Settings
    from activities.wiring import build
    from commands.demo import facts, faults, invariants, report
    from commands.demo.play import Play

    os.environ.update(stack.environment)
    client, store = await stack.client(), await stack.store()
    wired = await build(Settings(), store=store, temporal=client)
    try:
        saboteur = faults.Saboteur([stack.sandbox(v) for v in stack.vendors()], faults.plan(book, seed))
        played = await Play(stack, wired, client, book, saboteur, teller).run()
        teller.say("books", "everything has settled; the books are read")
        known = await facts.gather(stack, store, book, played)
        struck = await saboteur.struck()
        found = await invariants.check(known, store)
    finally:
        await wired.close()
        await store.close()
    teller.stop()
    shown = report.shown(known)
    if as_json:
        whole = report.as_data(known, struck, found, shown, teller.elapsed, seed)
        _shared.print_json(whole)
    else:
        report.tell(teller.console, known, struck, found, shown, teller.elapsed)
    return all(one.holds is not False for one in found)


async def _keep(stack: "Stack", out: "Console", *, good: bool) -> None:
    """Look after it until somebody presses ctrl-C; whether it was good is told by the exit code all the same."""
    from commands.demo import report

    report.heading(out, "It stays up until ctrl-C")
    out.print(f"  Web UI   {stack.addresses['ui']}")
    out.print("  In another terminal:", style="dim")
    for line in (
        f"export REVSAGA_DATA_DIR={shlex.quote(str(stack.folder))}",
        "revsaga doctor",
        "revsaga activation list",
        "revsaga case list",
        "revsaga trace Q-00002",
        "revsaga kpi show",
    ):
        out.print(f"    {line}", style="cyan", soft_wrap=True)
    try:
        while True:
            await asyncio.sleep(1)
            lost = stack.lost()
            if lost:
                _shared.refuse(
                    f"{lost} has ended by itself",
                    fix=f"read its log under {stack.folder}",
                    code=_shared.UNAVAILABLE,
                )
            if stack.worker is not None and not stack.worker.alive:
                await stack.start_worker()
    except asyncio.CancelledError:
        out.print("stopped; nothing is left running")
        if not good:
            raise
