"""`revsaga worker`: poll task queues and do the work."""

import click

from activities.contracts.manners import Role
from commands._shared import Exit
from commands.connect import load_environment


@click.command()
@click.option("--queues", default="", help=f"Which, with commas: {', '.join(Role)} [default: all].")
@click.option(
    "--promote",
    type=click.Choice(["always", "new", "never"]),
    default="new",
    show_default=True,
    help="Whether new sagas run on this build from now on. `new`: when this build was never seen before.",
)
def command(queues: str, promote: str) -> None:
    """Poll all task queues, or some, until SIGTERM or ctrl-C; then drain.

    Sagas finish on the build they began on: keep workers of the former build until `revsaga doctor` names none of them.
    To go back to an earlier build, start its worker with `--promote always`.
    """
    import worker

    load_environment()
    mode: worker.Promote = "always" if promote == "always" else "never" if promote == "never" else "new"
    raise Exit(worker.run(queues, mode))
