"""Tells the story while it is played: a bar and lines on a terminal, plain lines elsewhere."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from commands.demo.standing import Standing

WIDTH = 100
_QUIET = 4.0
_WHO = 9


def wide(console: Console) -> Console:
    """The same stream, at most `WIDTH` columns wide, folding where a line is longer."""
    width = min(WIDTH, console.width) if console.is_terminal else WIDTH
    return Console(file=console.file, highlight=False, width=width)


class Teller:
    """`say` for what happens, `show` for how far it is."""

    def __init__(self, console: Console, total: int) -> None:
        self.console = console
        self._started = time.monotonic()
        self._last, self._last_at = "", 0.0
        self._bar: Progress | None = None
        if console.is_terminal:
            self._bar = Progress(
                TextColumn("  "),
                BarColumn(28, complete_style="green", finished_style="green"),
                TextColumn("{task.description}"),
                TimeElapsedColumn(),
                console=console,
                transient=True,
            )
            self._task = self._bar.add_task("starting", total=total)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """No bar any more; lines may follow."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._started

    def say(self, who: str, text: str, style: str = "") -> None:
        """Something happened: `who` is one word."""
        line = Text.assemble(
            (f"{self.elapsed:6.1f}s ", "dim"), (f"{who:<{_WHO}}", f"bold {style or 'cyan'}"), " "
        )
        room = self.console.width - line.cell_len
        body = Text(text, style=style).wrap(self.console, room)
        for number, part in enumerate(body):
            self.console.print(line + part if number == 0 else Text(" " * line.cell_len) + part)

    def show(self, standing: Standing) -> None:
        """How far it is; without a terminal only now and then, and only when something changed."""
        text = standing.text()
        if self._bar is not None:
            self._bar.update(self._task, completed=standing.settled, description=text)
        elif text != self._last and self.elapsed - self._last_at > _QUIET:
            self._last, self._last_at = text, self.elapsed
            self.say("", text, "dim")
