"""The ceiling: the real worker with the empty story in place of ours. `python -m tests.bench.ceiling`."""

from collections.abc import Callable
from typing import Any

from temporalio import activity
from temporalio.client import Client

import worker
from activities import wiring
from activities.contracts.kernel import Undone, UndoOf
from activities.contracts.manners import Role
from activities.settings import Settings
from tests.bench.story import EmptyStory, Nothing, NothingDone


@activity.defn(name="empty_work")
async def _work(order: Nothing) -> NothingDone:
    return NothingDone(text=order.text)


@activity.defn(name="empty_take_back")
async def _take_back(undo: UndoOf[Nothing, NothingDone]) -> Undone:
    return Undone(read_back=undo.input.text)


async def _build(settings: Settings, *, temporal: Client) -> wiring.Wired:
    """The real wiring, with nothing in it."""
    wired = await wiring.build(settings, temporal=temporal)
    work: list[Callable[..., Any]] = [_work, _take_back]
    wired.activities = dict.fromkeys(Role, work)
    return wired


def main() -> None:
    """Entry of the process."""
    for name, value in (("build", _build), ("ROLL", (EmptyStory,))):
        setattr(worker, name, value)
    worker.main(["--promote", "always"])


if __name__ == "__main__":
    main()
