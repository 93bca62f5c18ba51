"""The command line: `revsaga NOUN VERB`. Every module `commands/<noun>.py` that has a `group` or a `command` is a noun.

Nothing else is registered anywhere, and a noun is loaded only when it is asked for.
"""

import importlib
import importlib.util
import os
import pkgutil
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import click

import commands
from commands import _shared

# The database package asks for the user's run-time folder when it is imported; a container has none, and its own
# fallback is what we want.
warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")


def _module(noun: str) -> str | None:
    """The module that may hold a noun: `commands/<noun>.py`, or `commands/<noun>/command.py` for a folder."""
    plain = noun.replace("-", "_")
    name = f"commands.{plain}"
    if not plain.isidentifier() or plain.startswith("_") or importlib.util.find_spec(name) is None:
        return None
    spec = importlib.util.find_spec(name)
    if spec is not None and spec.submodule_search_locations is not None:
        name = f"{name}.command"
        return name if importlib.util.find_spec(name) is not None else None
    return name


class Root(click.Group):
    """Finds nouns by looking at the folder, and prints every failure as one that a person can act on."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every noun, sorted."""
        names = [found.name.replace("_", "-") for found in pkgutil.iter_modules(commands.__path__)]
        return [name for name in sorted(names) if self.get_command(ctx, name) is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The noun, or None."""
        del ctx
        name = _module(cmd_name)
        if name is None:
            return None
        module = importlib.import_module(name)
        found = getattr(module, "group", None) or getattr(module, "command", None)
        return found if isinstance(found, click.Command) else None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what it raises becomes a message, a fix and an exit code."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, KeyboardInterrupt):
            raise
        except BrokenPipeError:
            raise _shared.Exit(_shared.OK) from None
        except Exception as error:
            if os.environ.get("REVSAGA_DEBUG"):
                raise
            code, shown = _shared.explain(error)
            _shared.print_error(shown, as_json=bool(ctx.meta.get("json")))
            raise _shared.Exit(code) from None


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="revsaga")
def cli() -> None:
    """Moves a signed deal to cash and to the ledger: all of it, none of it, or a case with an owner."""


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script. Ends the process itself (see `commands._shared.leave`)."""
    code: object = _shared.FAULT
    try:
        cli.main(args=arguments if arguments is None else list(arguments), prog_name="revsaga")
    except SystemExit as end:
        code = end.code
    except KeyboardInterrupt:
        code = 130
    except Exception:  # noqa: BLE001 -- the last one who can tell; the process ends without an interpreter to do it
        sys.excepthook(*sys.exc_info())
    _shared.leave(code if isinstance(code, int) else _shared.OK if code is None else _shared.FINDINGS)


if __name__ == "__main__":
    main()
