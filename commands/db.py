"""`revsaga db`: the tables of the store."""

import click

from commands._shared import FINDINGS, Exit, asynchronous, json_option, print_json, say
from commands.connect import database_url, settings


@click.group()
def group() -> None:
    """The tables of the store: where they stand, and how to bring them up to date."""


@group.command()
@json_option
@asynchronous
async def status(as_json: bool) -> None:
    """Which migrations are pending. Exit 1 when some are, or when the database is newer than this program."""
    from activities.store.migrate import status as look

    found = await look(database_url(settings()))
    if as_json:
        print_json({**found.model_dump(mode="json"), "up_to_date": found.up_to_date})
    elif found.unknown:
        say(f"The database is at {found.current}, which this program does not know: it is newer.", "red")
        say("  fix: install the newer version of this program")
    elif found.pending:
        say(
            f"The database is at {found.current or 'nothing'}, the newest is {found.newest}. Pending:",
            "yellow",
        )
        for one in found.pending:
            say(f"  {one}")
        say("  fix: revsaga db migrate")
    else:
        say(f"The database is up to date ({found.newest}).", "green")
    if not found.up_to_date:
        raise Exit(FINDINGS)


@group.command()
@json_option
@asynchronous
async def migrate(as_json: bool) -> None:
    """Bring the tables up to date. Safe to repeat, and to run on several machines at once."""
    from activities.store.migrate import migrate as upgrade
    from activities.store.migrate import status as look
    from commands._shared import refuse

    url = database_url(settings())
    before = await look(url)
    if before.unknown:
        refuse(
            f"the database is at {before.current}, which this program does not know: it is newer",
            fix="install the newer version of this program; tables are never taken back by an older one",
        )
    done = await upgrade(url)
    if as_json:
        print_json({"done": done, "newest": before.newest})
        return
    for one in done:
        say(f"  {one}")
    say(f"The database is up to date ({before.newest}).", "green")
