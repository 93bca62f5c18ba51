"""The activation saga on the real activities, five sandboxes and PostgreSQL."""

from temporalio.client import Client

from activities.store.store import Store
from commands.demo.book import SPECIAL, build, orders, world
from tests.builders.house import a_house


async def test_a_deal_becomes_a_subscription_and_a_contract(client: Client, store: Store) -> None:
    deals = [build(orders()[n]) for n in range(3)]
    async with a_house(client, store, world(deals)) as house:
        for deal in deals:
            handle = await house.start(deal)
            result = await handle.result()
            assert result.outcome == "activated"
    assert SPECIAL
