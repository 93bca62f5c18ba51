"""Rivals for one quote, in every order that hypothesis can think of: never two winners, and a winner's mark stands."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canonical.failures import Conflict
from canonical.quote import QuoteMark
from connectors.kit.sandbox import SandboxTransport
from connectors.salesforce.client import SalesforceClient
from connectors.salesforce.connector import Salesforce
from connectors.salesforce.sandbox import SalesforceSandbox
from connectors.salesforce.settings import SalesforceSettings
from tests.builders.deals import a_deal
from tests.connectors.salesforce.harness import NOW, URL, a_mark, adapter, an_org, run

QUOTE = a_deal("1").quote.quote_id


class Turns(httpx.AsyncBaseTransport):
    """A wire on which every call waits until it is given its turn; its clock moves only when it is told to."""

    def __init__(self) -> None:
        self.clock: list[datetime] = [NOW]
        self.org: SalesforceSandbox = an_org(a_deal("1"))
        self.org.org.now = lambda: self.clock[0]
        self.inner = SandboxTransport(self.org)
        self.waiting: list[asyncio.Future[None]] = []
        self.free = True

    async def _turn(self) -> None:
        if not self.free:
            self.waiting.append(asyncio.get_running_loop().create_future())
            await self.waiting[-1]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._turn()
        return await self.inner.handle_async_request(request)

    async def pause(self, seconds: float) -> None:
        """Waiting takes at least so long on the org's clock."""
        until = self.clock[0] + timedelta(seconds=seconds)
        await self._turn()
        self.clock[0] = max(self.clock[0], until)

    def rival(self) -> Salesforce:
        known = SalesforceSettings(**self.org.connection(URL) | {"auth": "client_credentials"})
        return Salesforce(SalesforceClient(known, self), self.pause)

    def edit(self) -> None:
        """A user saves the quote."""
        self.org.change("SBQQ__Quote__c", QUOTE, {"SBQQ__PaymentTerms__c": f"Net {self.org.served}"})


async def settle(wire: Turns, tasks: list[asyncio.Task[Any]]) -> None:
    """Let every rival run up to its next call."""
    while len(wire.waiting) + sum(task.done() for task in tasks) < len(tasks):  # noqa: ASYNC110 -- turn by turn
        await asyncio.sleep(0)


async def play(count: int, edited: bool, plan: list[str | int]) -> None:
    plan = list(plan)
    wire = Turns()
    rivals = [wire.rival() for _ in range(count)]
    for rival in rivals:
        await rival.read_mark(QUOTE)
    if edited:
        wire.edit()
    wire.free = False
    tasks: list[asyncio.Task[Any]] = [
        asyncio.create_task(rival.lock_quote(QUOTE, a_mark(f"operation-{n}")))
        for n, rival in enumerate(rivals)
    ]
    while True:
        await settle(wire, tasks)
        if not wire.waiting:
            break
        event = plan.pop(0) if plan else 0
        if event == "second":
            wire.clock[0] += timedelta(seconds=1)
        elif event == "edit":
            wire.edit()
        else:
            wire.waiting.pop(int(event) % len(wire.waiting)).set_result(None)
    wire.free = True
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    winners = [outcome for outcome in outcomes if isinstance(outcome, QuoteMark)]
    assert all(isinstance(outcome, QuoteMark | Conflict) for outcome in outcomes)
    assert len(winners) <= 1
    if winners:
        assert await adapter(wire.org, auth="client_credentials").read_mark(QUOTE) == winners[0]


# Mostly turns: a rival is only beaten when several calls fall into one second.
EVENTS = st.sampled_from([0, 1, 0, 1, 0, 1, 2, "second", "edit"])


@settings(max_examples=150)
@given(st.integers(2, 3), st.booleans(), st.lists(EVENTS, min_size=8, max_size=40))
def test_one_of_several_rivals_wins_at_most(count: int, edited: bool, plan: list[str | int]) -> None:
    run(play(count, edited, plan))


@pytest.mark.parametrize("edited", [True, False])
async def test_a_rival_that_meets_nobody_wins(edited: bool) -> None:
    wire = Turns()
    if edited:
        wire.edit()
    assert await wire.rival().lock_quote(QUOTE, a_mark()) == a_mark()
    assert wire.org.effects["quote-locked", f"{QUOTE}/{a_mark().operation_id}"] == 1
