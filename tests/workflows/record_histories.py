"""Records the histories that `test_replay.py` plays on today's code: `python -m tests.workflows.record_histories`.

Everything is real: the embedded stack, the worker as a process of its own, and a SIGKILL where a worker is killed.
Record only what is missing, or everything after a release that may break what runs; an old history stays as it is.
With names as arguments only those are recorded.
"""

import asyncio
import hashlib
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

from activities.contracts.manners import PACE_MEMO, Pace
from activities.contracts.stories import ActivationOrder
from activities.store.store import Store
from canonical.quote import Deal
from commands.demo.book import Item, world
from commands.demo.world import CATALOG, CATALOG_LATER, NOT_YET
from stack import Ports, Stack
from tests.workflows.play import a_deal, eventually, second_deal
from workflows.deal_watch import WatchDeals, WatchOrder
from workflows.kernel.parking import CancelRequest, Decision, Resolution, SagaState
from workflows.quote_to_subscription import ActivateQuote

FOLDER = Path(__file__).parent / "histories"
SUMS = "SHA256SUMS"
QUEUE = "revsaga-core"
PACE = Pace.model_validate(
    {"attempt": "PT3S", "beat": "PT1S", "budget": "PT2M", "first_gap": "PT0.1S", "longest_gap": "PT1S"}
)
NO = {"status": 200, "body": {"success": False, "reasons": [{"code": 53100330, "message": "a rule says no"}]}}
_PRIVATE = frozenset({"identity", "stackTrace", "encodedAttributes"})
Handle = WorkflowHandle[Any, Any]


@dataclass
class Studio:
    """What a scene works with."""

    stack: Stack
    client: Client
    store: Store

    async def start(self, deal: Deal) -> Handle:
        """Start the activation of a deal."""
        order = ActivationOrder(quote_id=deal.quote.quote_id, revision=deal.revision, actor="recorder")
        return await self.client.start_workflow(
            ActivateQuote.run, order, id=f"activation/{deal.quote.quote_id}/r{deal.revision}", task_queue=QUEUE,
            memo={PACE_MEMO: PACE},
        )  # fmt: skip

    async def at(self, handle: Handle, state: SagaState) -> None:
        """Wait until a saga is in a state, with its case open."""

        async def there() -> bool:
            view = await handle.query(ActivateQuote.state)
            return view.state is state and all(p.case_id for p in view.parks)

        await eventually(there, f"{handle.id}: {state}", within=90)

    async def decide(self, handle: Handle, decision: Decision) -> None:
        """A person decides."""
        answer = Resolution(decision=decision, actor="ann", reason="recorded")
        await handle.execute_update(ActivateQuote.resolve, answer)

    async def refuse_drafts(self) -> None:
        """Billing refuses the next draft."""
        fault = {"match": "POST /v1/orders$", "kind": "status", "times": 1, **NO}
        await self.stack.sandbox("zuora").arm(fault)


async def ended(handle: Handle) -> None:
    """Wait for the end, whatever it is."""
    try:
        await asyncio.wait_for(handle.result(), 120)
    except WorkflowFailureError:
        return


async def clean(s: Studio, n: int) -> Handle:
    """Everything goes well, with a stored payment method and several kinds of charges."""
    handle = await s.start(DEALS[n])
    await ended(handle)
    return handle


async def parked_retried(s: Studio, n: int) -> Handle:
    """The draft is refused, a person retries."""
    await s.refuse_drafts()
    handle = await s.start(DEALS[n])
    await s.at(handle, SagaState.PARKED)
    await s.decide(handle, Decision.RETRY)
    await ended(handle)
    return handle


async def unwound(s: Studio, n: int) -> Handle:
    """The draft is refused, a person unwinds."""
    await s.refuse_drafts()
    handle = await s.start(DEALS[n])
    await s.at(handle, SagaState.PARKED)
    await s.decide(handle, Decision.UNWIND)
    await ended(handle)
    return handle


async def cancelled(s: Studio, n: int) -> Handle:
    """Somebody asks it to stop while the account is opened."""
    await s.stack.sandbox("zuora").arm({"match": "POST /v1/accounts$", "kind": "latency", "seconds": 1.0})
    handle = await s.start(DEALS[n])

    async def opening() -> bool:
        steps = (await handle.query(ActivateQuote.state)).steps
        return any(step.name == "open-account" and step.status == "running" for step in steps)

    await eventually(opening, "the account", within=60)
    await handle.execute_update(ActivateQuote.cancel, CancelRequest(actor="ann", reason="recorded"))
    await ended(handle)
    return handle


async def worker_killed(s: Studio, n: int) -> Handle:
    """The worker dies by SIGKILL while billing activates the order; another one takes over."""
    match = r"PUT /v1/orders/O-[^/]+/activate"
    await s.stack.sandbox("zuora").arm({"match": match, "kind": "latency", "seconds": 1.5, "times": 1})
    handle = await s.start(DEALS[n])

    async def struck() -> bool:
        return any(f["struck"] for f in await s.stack.sandbox("zuora").armed())

    await eventually(struck, "the activation", within=60)
    s.stack.kill_worker()
    await s.stack.start_worker()
    await ended(handle)
    return handle


async def turn_waiting(s: Studio, n: int) -> Handle:
    """Another activation works on the same account; the one that waits is recorded."""
    await s.refuse_drafts()
    first = await s.start(DEALS[n])
    await s.at(first, SagaState.PARKED)
    handle = await s.start(SECOND)
    await s.at(handle, SagaState.WAITING)
    await s.decide(first, Decision.RETRY)
    await ended(first)
    await ended(handle)
    return handle


async def catalog_waiting(s: Studio, n: int) -> Handle:
    """A product is published later."""
    publish = s.store.master.publish
    await publish("catalog", CATALOG.products, actor="recorder", reason="recorded")
    handle = await s.start(DEALS[n])
    await s.at(handle, SagaState.WAITING)
    await publish("catalog", CATALOG_LATER.products, actor="recorder", reason="recorded")
    await handle.signal(ActivateQuote.catalog_published)
    await ended(handle)
    return handle


async def one_round(s: Studio, n: int) -> Handle:
    """The watch finds deals: new ones and known ones."""
    del n
    handle = await s.client.start_workflow(
        WatchDeals.run, WatchOrder(actor="recorder"), id=f"deal-watch/{uuid4()}", task_queue=QUEUE,
        memo={PACE_MEMO: PACE},
    )  # fmt: skip
    await handle.result()
    return handle


async def waiting_entity(s: Studio, n: int) -> Handle:
    """The entity of a subscription that was just activated."""
    result = await s.client.get_workflow_handle_for(ActivateQuote.run, (await s.start(DEALS[n])).id).result()
    return s.client.get_workflow_handle(f"subscription/{result.subscription_number}")


Scene = Callable[[Studio, int], Awaitable[Handle]]
SCENES: dict[str, Scene] = {
    "activation/clean": clean,
    "activation/parked-retried": parked_retried,
    "activation/unwound": unwound,
    "activation/cancelled": cancelled,
    "activation/worker-killed": worker_killed,
    "activation/turn-waiting": turn_waiting,
    "activation/catalog-waiting": catalog_waiting,
    "subscription/waiting": waiting_entity,
    "deal-watch/one-round": one_round,
}
DEALS = [
    a_deal(300, Item("PLATFORM"), Item("SEATS"), Item("API"), Item("ONBOARDING"), autopay=True),
    *(a_deal(300 + n, autopay=n in (1, 2)) for n in range(1, 6)),
    a_deal(306, Item("PLATFORM"), Item(NOT_YET)),
    *(a_deal(300 + n) for n in range(7, 10)),
]
SECOND = second_deal(DEALS[5], 399)


def scrubbed(value: Any) -> Any:
    """The history without names of machines, processes and folders: a replay reads none of them."""
    if isinstance(value, dict):
        if value.get("kind") == "TASK_QUEUE_KIND_STICKY":
            value = {**value, "name": "sticky"}
        return {k: "" if k in _PRIVATE else scrubbed(v) for k, v in value.items() if k != "stickyAttributes"}
    return [scrubbed(v) for v in value] if isinstance(value, list) else value


def write_sums(folder: Path = FOLDER) -> None:
    """The hash of every history, in the form that `sha256sum -c` reads."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}"
        for path in sorted(folder.glob("*/*.json"))
    ]
    (folder / SUMS).write_text("\n".join(lines) + "\n", encoding="utf-8")


async def record(names: list[str]) -> None:
    """Play the scenes and keep their histories."""
    async with Stack(world=world([*DEALS, SECOND]), clock="simulated", ports=Ports(ui=None)) as stack:
        studio = Studio(stack, await stack.client(), await stack.store())
        try:
            for n, (name, scene) in enumerate(SCENES.items()):
                if names and name not in names:
                    continue
                handle = await scene(studio, n)
                history = json.loads((await handle.fetch_history()).to_json())
                path = FOLDER / f"{name}.json"
                path.parent.mkdir(parents=True, exist_ok=True)
                text = json.dumps({"workflowId": handle.id, **scrubbed(history)}, indent=1, sort_keys=True)
                path.write_text(text + "\n", encoding="utf-8")
                print(f"{name}: {len(history['events'])} events")
        finally:
            await studio.store.close()
    write_sums()


if __name__ == "__main__":
    asyncio.run(record(sys.argv[1:]))
