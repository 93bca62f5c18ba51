"""The trail: one chain, whatever the entry, and every gap by name."""

import json

from temporalio.client import Client

from activities.store.store import Store
from commands._shared import plain
from commands.demo.book import build, orders, world
from commands.inner.trail import trace
from tests.builders.house import a_house


async def test_try(client: Client, store: Store) -> None:
    deals = [build(orders()[n]) for n in (1, 2)]
    async with a_house(client, store, world(deals)) as house:
        for deal in deals:
            result = await (await house.start(deal)).result()
        found = await trace(store, deals[0].quote.quote_id)
        print(json.dumps(plain(found), indent=1))
