"""The real worker in a process of its own, which ends itself with SIGKILL while sagas stand at chosen points.

The plan is JSON in `REVSAGA_CHAOS`: a saga that comes to one of `cells` is held there for good and written down in
`log`; when `want` sagas are held, or `patience` seconds after the first, the process is gone. One saga at a time stands
in a cell, and one that was held there before is let through, so that everybody gets on. Without a plan it is the worker
as it is.
"""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from pydantic import BaseModel
from temporalio import activity
from temporalio.client import Client

import worker
from activities import wiring
from activities.contracts.manners import Role
from activities.settings import Settings
from activities.store.effect_entry import AFTER_RECORD, BEFORE_SEND
from tests.chaos.wrapping import Implementation, wrapped

PLAN = "REVSAGA_CHAOS"


class Plan(BaseModel):
    """What one victim does."""

    number: int
    cells: tuple[str, ...]
    log: Path
    want: int = 4
    patience: float = 1.5


class Hit(BaseModel):
    """One saga that was held when its worker was killed."""

    number: int
    cell: str
    workflow_id: str


def hits(log: Path) -> list[Hit]:
    """What was written down so far."""
    if not log.exists():
        return []
    return [Hit.model_validate_json(line) for line in log.read_text(encoding="utf-8").splitlines()]


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nobody survives that")


class Executioner:
    """Holds sagas, then ends the process."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._before = {(hit.cell, hit.workflow_id) for hit in hits(plan.log)}
        self._held: set[str] = set()

    def kill_point(self, point: str, key: str) -> Awaitable[None] | None:
        """The hook of the effect boundary. `key` is `activation/{quote}/r{revision}/{step}/{phase}`."""
        parts = key.split("/")
        if len(parts) != 5:
            return None
        return self.at(f"{parts[3]}/{parts[4]}@{point}", "/".join(parts[:3]))

    def at(self, cell: str, workflow_id: str) -> Awaitable[None] | None:
        """Hold this saga here, if the plan says so."""
        if cell not in self._plan.cells or cell in self._held or (cell, workflow_id) in self._before:
            return None
        self._held.add(cell)
        return self._hold(Hit(number=self._plan.number, cell=cell, workflow_id=workflow_id))

    async def _hold(self, hit: Hit) -> None:
        with self._plan.log.open("a", encoding="utf-8") as log:
            log.write(hit.model_dump_json() + "\n")
        if len(self._held) >= self._plan.want:
            _die()
        if len(self._held) == 1:
            asyncio.get_running_loop().call_later(self._plan.patience, _die)
        await asyncio.Event().wait()

    async def around(self, implementation: Implementation, argument: Any) -> Any:
        """Work on the store alone passes no effect boundary: it is held before it and after it."""
        info = activity.info()
        for_good = self.at(f"{info.activity_id}@{BEFORE_SEND}", info.workflow_id or "")
        if for_good is not None:
            await for_good
        result = await implementation(argument)
        for_good = self.at(f"{info.activity_id}@{AFTER_RECORD}", info.workflow_id or "")
        if for_good is not None:
            await for_good
        return result

    async def build(self, settings: Settings, *, temporal: Client) -> wiring.Wired:
        """The real wiring, with the hooks."""
        wired = await wiring.build(settings, temporal=temporal, kill_point=self.kill_point)
        core: Sequence[Implementation] = wired.activities[Role.CORE]
        around = [wrapped(one, self.around) for one in core]
        wired.activities = {**wired.activities, Role.CORE: around}
        return wired


def main() -> None:
    """Entry of the process."""
    if text := os.environ.get(PLAN):
        executioner = Executioner(Plan.model_validate(json.loads(text)))
        setattr(worker, "build", executioner.build)  # noqa: B010 -- the program itself offers no such door
    worker.main(["--promote", "always"])


if __name__ == "__main__":
    main()
