"""What the saga tests share: waiting for a state, reading how a saga ended, moving the business clock."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError

from activities.clock import Stop, StoreClock
from activities.contracts.manners import Pace
from canonical.catalog import Catalog, Frequency
from canonical.quote import Deal
from commands.demo.book import Item, Order, build
from tests.builders.house import House
from workflows.kernel.parking import SagaState
from workflows.kernel.views import ParkView, SagaView, Unwound

PACE = Pace.model_validate({"first_gap": "PT0.05S", "longest_gap": "PT0.2S", "budget": "PT5S"})
PATIENCE = 25.0  # real seconds for anything that is expected to come


def a_deal(n: int = 1, *items: Item, **order: Any) -> Deal:
    """A plain deal in dollars, or what `items` and the fields of `Order` say."""
    given = {"place": "PA", "currency": "USD", **order}
    name = given.pop("name", f"Customer {n}")
    return build(Order(n, name, items=items or (Item("PLATFORM", frequency=Frequency.ANNUAL),), **given))


def second_deal(first: Deal, n: int, *items: Item, **order: Any) -> Deal:
    """Another deal of the same customer."""
    other = a_deal(n, *items, **order)
    customer = first.parties.customer
    opportunity = other.opportunity.model_copy(update={"customer_id": customer.customer_id})
    parties = other.parties.model_copy(update={"customer": customer})
    return other.model_copy(update={"opportunity": opportunity, "parties": parties, "parents": first.parents})


def with_quote(deal: Deal, **changes: Any) -> Deal:
    """The deal with other fields on its quote."""
    return deal.model_copy(update={"quote": deal.quote.model_copy(update=changes)})


def with_line(deal: Deal, index: int = 0, **changes: Any) -> Deal:
    """The deal with other fields on one line of its quote."""
    lines = list(deal.quote.lines)
    lines[index] = lines[index].model_copy(update=changes)
    return with_quote(deal, lines=tuple(lines))


async def eventually(true: Callable[[], Any], what: str = "", *, within: float = PATIENCE) -> Any:
    """The first truthy answer of a function, or of the coroutine that it returns."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within
    while True:
        found = true()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        if loop.time() > end:
            raise AssertionError(f"never came: {what or true}")
        await asyncio.sleep(0.03)


async def reached(
    house: House, handle: WorkflowHandle[Any, Any], *states: SagaState, within: float = PATIENCE
) -> SagaView:
    """The view of a saga once it is in one of these states, with the cases of parked steps open."""
    view = SagaView()

    async def there() -> bool:
        nonlocal view
        view = await house.state(handle)
        return view.state in states and all(p.case_id for p in view.parks)

    try:
        await eventually(there, within=within)
    except AssertionError:
        raise AssertionError(f"never {states}: {view.model_dump_json(indent=1)}") from None
    return view


async def parked(house: House, handle: WorkflowHandle[Any, Any], step: str) -> ParkView:
    """The one parked step, which must be `step`."""
    view = await reached(house, handle, SagaState.PARKED, SagaState.DONE, SagaState.UNWOUND)
    assert [p.step for p in view.parks] == [step], view.model_dump_json(indent=1)
    return view.parks[0]


async def waiting(house: House, handle: WorkflowHandle[Any, Any]) -> str:
    """What a saga waits for, in words."""
    return (await reached(house, handle, SagaState.WAITING)).waiting


async def activated(handle: WorkflowHandle[Any, Any]) -> str:
    """The subscription number of a saga that ended well."""
    result = await asyncio.wait_for(handle.result(), PATIENCE)
    assert result.outcome == "activated", result
    return str(result.subscription_number)


async def unwound(handle: WorkflowHandle[Any, Any]) -> Unwound:
    """The report of a saga that took everything back."""
    try:
        result = await asyncio.wait_for(handle.result(), PATIENCE)
    except WorkflowFailureError as failure:
        cause = failure.cause
        assert isinstance(cause, ApplicationError), cause
        assert cause.type == "Unwound", cause
        return Unwound.model_validate(cause.details[0])
    raise AssertionError(f"it was not taken back: {result}")


async def advance(house: House, by: timedelta) -> tuple[Stop, ...]:
    """Move the business clock, and tell everybody who waits for a moment on the way."""

    async def tell(stop: Stop) -> None:
        for wait in stop.waits:
            handle = house.client.get_workflow_handle(wait.workflow_id)
            await handle.signal("clock_moved", stop.at)

    return await StoreClock(house.store).advance(by, tell)


async def publish(house: House, catalog: Catalog) -> None:
    """Publish another catalog in the master data."""
    await house.store.master.publish("catalog", catalog.products, actor="test", reason="test")


def accounts(house: House, customer_id: str) -> list[dict[str, Any]]:
    """The customer's accounts in billing, as billing holds them."""
    held: Any = house.sandboxes["zuora"].state["accounts"]
    return [account for account in held.values() if account["crmId"] == customer_id]


def billing(house: House, kind: str, number: str) -> Any:
    """One record of billing's books."""
    books: Any = house.sandboxes["zuora"].state[kind]
    return books[number]


def crm_row(house: House, kind: str, record_id: str) -> dict[str, Any]:
    """One record of the CRM's books."""
    rows: Any = house.sandboxes["salesforce"].state["rows"]
    found: dict[str, Any] = rows[kind][record_id]
    return found


def change(house: House, kind: str, record_id: str, **values: Any) -> None:
    """What a user of the CRM does."""
    box: Any = house.sandboxes["salesforce"]
    box.change(kind, record_id, values)


def erp_rows(house: House, kind: str) -> list[dict[str, Any]]:
    """Records of the ERP's books."""
    tables: Any = house.sandboxes["netsuite"].state["tables"]
    return list(tables.get(kind, {}).values())


async def event_names(house: House, correlation_id: str) -> list[str]:
    """Nouns and verbs of the events of one activation, in order."""
    found = await house.store.events.list(correlation_id=correlation_id, limit=500)
    return [stored.event.type.rsplit(".o2c.", 1)[1] for stored in found]
