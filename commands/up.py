"""`revsaga up`: the embedded stack, kept running until ctrl-C."""

import asyncio
import os
import signal

import click

from activities.whereabouts import data_folder
from commands._shared import REFUSED, UNAVAILABLE, asynchronous, console, progress, refuse, say, table
from stack import AlreadyRunning, Ports, Stack

_NAMES = {
    "ui": "Web UI",
    "temporal": "Temporal",
    "health": "worker: /health /ready /metrics",
    "metrics": "worker: engine metrics",
}


@click.command()
@click.option(
    "--clock",
    type=click.Choice(["system", "simulated"]),
    help="Whose time business time is [new data: system].",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=7233, show_default=True, help="Temporal; 0: free."
)
@click.option(
    "--ui-port", type=click.IntRange(0, 65535), default=8233, show_default=True, help="Web UI; 0: free."
)
@click.option(
    "--health-port", type=click.IntRange(0, 65535), default=8090, show_default=True, help="0: free."
)
@click.option(
    "--metrics-port", type=click.IntRange(0, 65535), default=9464, show_default=True, help="0: free."
)
@click.option("--empty", is_flag=True, help="No test data: vendors and store begin empty.")
@click.option("--worker/--no-worker", "worker", default=True, help="Start a worker as well.")
@asynchronous
async def command(
    clock: str | None, port: int, ui_port: int, health_port: int, metrics_port: int, empty: bool, worker: bool
) -> None:
    """Start Temporal, PostgreSQL, the vendors on loopback and a worker, and keep them running.

    Data stays under .revsaga/ (or REVSAGA_DATA_DIR). Other terminals find the stack by themselves.
    """
    from commands.demo.book import world

    made = Stack(
        data_folder(),
        world=None if empty else world(),
        clock="simulated" if clock == "simulated" else "system" if clock else None,
        ports=Ports(temporal=port, ui=ui_port, health=health_port, metrics=metrics_port),
        worker=worker,
        say=progress,
    )
    me = asyncio.current_task()
    if me is None:
        raise RuntimeError("no task runs this")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, me.cancel)
    try:
        async with made:
            _tell(made)
            await _keep(made)
    except AlreadyRunning as other:
        refuse(other.message, fix=other.fix or "", code=REFUSED)
    except asyncio.CancelledError:
        progress("stopped; nothing is left running")


def _tell(made: Stack) -> None:
    rows = [
        {"what": _NAMES.get(name, f"vendor: {name}"), "where": address}
        for name, address in sorted(made.addresses.items(), key=lambda item: item[0] not in _NAMES)
        if address
    ]
    console().print(table(rows, [("what", "What"), ("where", "Where")]))
    say(
        f"The business clock is the {made.clock} one. Data: {made.folder}. Process {os.getpid()}; ctrl-C ends it all."
    )
    say(
        "Next, in another terminal: revsaga doctor; revsaga activation watch-deals now; revsaga activation list"
    )


async def _keep(made: Stack) -> None:
    """Look after it: a worker that ends is started again, a stack that loses a part ends."""
    while True:
        await asyncio.sleep(1)
        lost = made.lost()
        if lost:
            refuse(
                f"{lost} has ended by itself",
                fix=f"read its log under {made.folder}, then start again",
                code=UNAVAILABLE,
            )
        if made.worker is not None and not made.worker.alive:
            progress(f"the worker ended (code {made.worker.code}); starting it again")
            await made.start_worker()
