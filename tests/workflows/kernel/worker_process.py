"""A worker in a process of its own, to be killed. Its shelf is a folder, so that deeds outlive it.

`python -m tests.workflows.kernel.worker_process ADDRESS CORE_QUEUE FOLDER HOLD`: with HOLD `yes`, a deed on an item
whose pad is `hold` hangs after its effect, and so does the undo of one whose pad is `hold-undo`.
"""

import asyncio
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from activities.boundary import Boundary, effect_key, forward_key
from activities.contracts.kernel import Undone, UndoOf
from activities.contracts.manners import Role, queue
from tests.workflows.conftest import versioned
from tests.workflows.kernel.stories import Kept, Put, ShelfSaga
from tests.workflows.kernel.world import World
from workflows.kernel.runner import DATA_CONVERTER, RUNNER


def place(folder: Path, key: str) -> Path:
    """The file of an effect."""
    return folder / key.replace("/", "_")


@dataclass
class Lasting(World):
    """A world on disk."""

    folder: Path = Path()
    hold: bool = False

    @activity.defn(name="put")
    async def put(self, order: Put) -> Kept:
        kept = Kept(item=order.item, number=f"N-{order.item}", quantity=order.quantity)
        place(self.folder, effect_key()).write_text(kept.model_dump_json())
        await self._maybe_hold(order.pad == "hold", activity.info().activity_id)
        return kept

    @activity.defn(name="take_away")
    async def take_away(self, undo: UndoOf[Put, Kept]) -> Undone:
        place(self.folder, forward_key()).unlink(missing_ok=True)
        await self._maybe_hold(undo.input.pad == "hold-undo", activity.info().activity_id)
        return Undone(read_back="absent")

    async def _maybe_hold(self, wanted: bool, name: str) -> None:
        if self.hold and wanted:
            (self.folder / f"held-{activity.info().workflow_id}-{name}".replace("/", "_")).touch()
            await asyncio.Event().wait()


async def main(address: str, core: str, folder: str, hold: str) -> None:
    """Poll until killed."""
    world = Lasting(folder=Path(folder), hold=hold == "yes")
    client = await Client.connect(address, data_converter=DATA_CONVERTER)
    workers = [
        Worker(
            client,
            task_queue=queue(role, beside=core),
            workflows=[ShelfSaga] if role is Role.CORE else [],
            activities=world.activities,
            workflow_runner=RUNNER,
            interceptors=[Boundary()],
            deployment_config=versioned(core),
            sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
        )
        for role in (Role.CORE, Role.BILLING, Role.ERP)
    ]
    await asyncio.gather(*(worker.run() for worker in workers))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
