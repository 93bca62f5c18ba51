"""`revsaga clock`: what the business time is; moving it, where it is simulated."""

from datetime import timedelta

import click

from commands._shared import Span, asynchronous, json_option, print_json, progress, say, show
from commands.connect import connected


@click.group()
def group() -> None:
    """The business clock: the time of contracts, periods and waits."""


@group.command("show")
@json_option
@asynchronous
async def show_(as_json: bool) -> None:
    """The business time, and what waits for one."""
    from commands._time import business_now

    async with connected(temporal=False) as c:
        now, simulated = await business_now(c.store)
        waits = await c.store.waits.list()
    if as_json:
        print_json({"now": now, "simulated": simulated, "waits": waits})
        return
    how = "simulated: it moves by `revsaga clock advance`" if simulated else "the system clock"
    say(f"{now:%Y-%m-%d %H:%M:%S} UTC, {how}")
    show(
        waits,
        [("due_at", "Due (UTC)"), ("workflow_id", "Saga"), ("wait_id", "Wait")],
        title="Waiting for a business time",
        empty="Nothing waits for a business time.",
    )


@group.command()
@click.argument("span", type=Span())
@click.option(
    "--patience", type=Span(), default="2m", show_default=True, help="Real time that due work may take."
)
@json_option
@asynchronous
async def advance(span: timedelta, patience: timedelta, as_json: bool) -> None:
    """Move the simulated clock by SPAN (30d, 36h, 1d12h), stopping at every due time in order.

    Vendors on loopback and waiting sagas are told at each stop, and it goes on when their work has settled.
    """
    from commands._time import Clockwork, vendors_on_loopback

    async with connected() as c:
        before = await c.store.waits.simulated_now()
        if not as_json:
            progress(f"{before:%Y-%m-%d %H:%M}: on its way to {before + span:%Y-%m-%d %H:%M}")
        moved = Clockwork(
            c.store,
            c.temporal,
            vendors_on_loopback(c.settings),
            patience=patience.total_seconds(),
            say=(lambda _: None) if as_json else progress,
        )
        stops = await moved.advance(span)
        now = await c.store.waits.simulated_now()
    if as_json:
        print_json({"before": before, "now": now, "stops": stops})
    else:
        say(f"It is {now:%Y-%m-%d %H:%M:%S} UTC now; stopped {len(stops)} times on the way.")
