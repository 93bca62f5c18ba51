"""The performance: what happens to the deals, in order, and what people do about it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio.client import Client

from activities.contracts.manners import Pace
from activities.store.store import Store
from activities.wiring import Wired
from canonical.case import ExceptionCase
from canonical.failures import Failure
from canonical.quote import Deal
from commands._shared import Stop
from commands._time import Clockwork
from commands.demo import cast as parts
from commands.demo import standing as s
from commands.demo import world as master
from commands.demo.cast import Cast
from commands.demo.faults import Saboteur
from commands.demo.standing import Standing, standing
from commands.demo.teller import Teller
from commands.inner import publishing, sagas, starting
from stack import Stack
from workflows.deal_watch import WatchReport
from workflows.kernel.parking import Decision

LEASE_SECONDS = 15
SETTINGS = {"REVSAGA_LEASE_SECONDS": str(LEASE_SECONDS)} | {
    f"REVSAGA_{vendor}_READ_TIMEOUT": "4"
    for vendor in ("SALESFORCE", "ZUORA", "STRIPE", "AVALARA", "NETSUITE")
}
"""Settings of the worker: what never answers is given up after 4 seconds."""
_LATER = timedelta(minutes=10)
_LOOK = 0.4


def pace(deals: int) -> Pace:
    """How patient calls are: soon enough for a killed worker's, and long enough for a round that reads all deals."""
    return Pace(
        attempt=timedelta(seconds=10 + deals // 8),
        beat=timedelta(seconds=6),
        first_gap=timedelta(seconds=0.5),
        longest_gap=timedelta(seconds=4),
    )


@dataclass
class Help:
    """What a person did about a case."""

    case: ExceptionCase
    actor: str
    command: str
    mended: str = ""


@dataclass
class Played:
    """What is to be told afterwards besides what stands in the books."""

    rounds: list[WatchReport] = field(default_factory=list)
    helped: list[Help] = field(default_factory=list)
    kills: int = 0
    caught: int = 0
    revoked: tuple[str, ...] = ()


class Play:
    """Plays the book on a stack."""

    def __init__(
        self, stack: Stack, wired: Wired, client: Client, book: Cast, saboteur: Saboteur, teller: Teller
    ) -> None:
        self.stack, self.wired, self.client, self.book = stack, wired, client, book
        self.saboteur, self.teller = saboteur, teller
        self.store: Store = wired.store
        self.played = Played()
        self.now = Standing({})
        self._pace, self._patience = pace(len(book.deals)), 60.0 + 2.0 * len(book.deals)
        self._ids = tuple(deal.quote.quote_id for deal in book.deals)

    async def run(self) -> Played:
        """Play it to the end."""
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(self._look())
            try:
                await self._morning()
                await self._ten_minutes_later()
                await self._people()
                await self._round("once more, from the beginning", full=True)
                # What the killed worker held comes back by itself, after the life of a lease.
                await self._until(self._no_lease, 2.0 * LEASE_SECONDS)
            finally:
                looking.cancel()
        return self.played

    async def _look(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                self.now = await standing(self.store, self._ids)
                self.teller.show(self.now)
                await asyncio.sleep(_LOOK)

    async def _until(self, true: Callable[[], bool | Awaitable[bool]], patience: float | None = None) -> bool:
        loop = asyncio.get_running_loop()
        limit = loop.time() + (self._patience if patience is None else patience)
        while True:
            found = true()
            if not isinstance(found, bool):
                found = await found
            if found or loop.time() > limit:
                return found
            await asyncio.sleep(_LOOK / 2)

    async def _no_lease(self) -> bool:
        return not await self.store.fetchval(
            "SELECT count(*)::int FROM lease WHERE expires_at > clock_timestamp()"
        )

    # The acts

    async def _morning(self) -> None:
        armed = await self.saboteur.arm()
        self.teller.say(
            "faults", f"{armed} faults are armed in {len(self.stack.vendors())} vendors", "yellow"
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(self._kill_worker(after=group.create_task(self._cancel_half_way())))
            group.create_task(self._round("the CRM, from the beginning"))

    async def _round(self, why: str, *, full: bool = False) -> None:
        """A round of the deal watch, as `revsaga activation watch-deals now` does it."""
        report = await starting.watch_now(
            self.client, self.wired.settings, actor="deal-watch", full=full, pace=self._pace
        )
        self.played.rounds.append(report)
        text = f"{why}: {report.seen} deals seen, {report.started} started, {report.known} known"
        self.teller.say("watch", text)

    async def _cancel_half_way(self) -> None:
        """The customer changes its mind while the order is a draft whose creation was never answered."""
        deal = self.book.find(parts.CANCELLED)
        if deal is None:
            return
        quote = deal.quote

        if not await self._until(lambda: self.saboteur.is_drafted(quote.name)):
            self.teller.say("cancel", f"{quote.name} never came to its order", "red")
            return
        orders = (await self.stack.sandbox("zuora").state())["state"]["orders"].values()
        state = next(
            (o["status"] for o in orders if o["orderNumber"].startswith(f"O-{quote.name}-")), "not there"
        )
        with self._told("cancel"):
            await sagas.cancel(
                self.client, self.store, quote.quote_id, actor="sales", reason="the customer changed its mind"
            )
            text = f"{quote.name} is cancelled by sales while its order is a {state.lower()}: all of it is taken back"
            self.teller.say("cancel", text, "magenta")

    async def _kill_worker(self, *, after: asyncio.Task[None]) -> None:
        await after
        morning = len(self.book.morning)
        enough = max(2, morning // 4)
        await self._until(
            lambda: self.now.settled >= enough or self.now.settled + self.now.count(s.WAITING) >= morning
        )
        worker = self.stack.worker
        if worker is None:
            return
        self.stack.kill_worker()
        self.played.kills += 1
        rows = await self.store.fetch(
            "SELECT state, count(*)::int AS n FROM effect WHERE state IN ('intent', 'sent', 'uncertain') GROUP BY state"
        )
        open_ = sum(row["n"] for row in rows)
        self.played.caught = (await standing(self.store, self._ids)).count(s.RUNNING)
        what = f"{self.played.caught} activations, {open_} effects under way"
        text = f"process {worker.pid} is killed with SIGKILL: {what}"
        self.teller.say("worker", text, "red")
        started = await self.stack.start_worker()
        self.teller.say(
            "worker",
            f"started again as process {started.pid}; what is in doubt is looked up first",
        )

    async def _ten_minutes_later(self) -> None:
        late = self.book.find(parts.LATE_PRODUCT)
        if late is not None:
            quote_id = late.quote.quote_id
            if await self._until(lambda: self.now.of.get(quote_id) == s.WAITING):
                text = f"{late.quote.name} waits by itself: {master.NOT_YET} was sold and is not in the catalog yet"
                self.teller.say("catalog", text)
        clock = Clockwork(self.store, self.client, [self.stack.sandbox(v) for v in self.stack.vendors()])
        await clock.advance(_LATER)
        self.teller.say("clock", f"business time moves on by {_LATER.seconds // 60} minutes")
        await self._release()
        await self._more_deals()
        await self._until(lambda: self.now.settled == len(self._ids))
        left = [q for q, state in self.now.of.items() if state not in (s.DONE, s.UNDONE, s.PARKED)]
        if left:
            self.teller.say("late", f"still not settled: {', '.join(left)}", "red")

    async def _release(self) -> None:
        """The product is released in billing and ERP; maps and catalog are put in force; the deal goes on by itself."""
        if self.book.find(parts.LATE_PRODUCT) is None:
            return
        data = self.book.release().model_dump(mode="json")
        reason = f"{master.NOT_YET} is released"
        for vendor in ("zuora", "netsuite"):
            await self.stack.sandbox(vendor).seed(data)
            await publishing.activate_vendor(self.wired, self.client, vendor, actor="product", reason=reason)
        found = await publishing.activate_items(
            self.store, self.client, "catalog", master.CATALOG_LATER.products, actor="product", reason=reason
        )
        text = f"version {found.version} with {master.NOT_YET} is in force; waiting deals were told"
        self.teller.say("catalog", text, "green")

    async def _more_deals(self) -> None:
        if not self.book.later:
            return
        data = self.book.afternoon().model_dump(mode="json")
        for vendor in ("salesforce", "stripe"):
            await self.stack.sandbox(vendor).seed(data)
        for vendor in ("salesforce", "zuora"):
            await self.stack.sandbox(vendor).expire()
        self.played.revoked = ("salesforce", "zuora")
        self.teller.say("tokens", "all access tokens of salesforce and zuora are revoked", "yellow")
        await self._round(f"{len(self.book.later)} more deals are won")

    # People

    async def _people(self) -> None:
        detached, period = self.book.find(parts.DETACHED), self.book.find(parts.PERIOD)
        if detached is not None:
            await self._help(detached, Decision.UNWIND, "revops", "a new quote follows, by invoice")
        if period is not None:
            mended = "the period is opened in the ERP"
            await self._help(period, Decision.RETRY, "finance", "the period is open again", mended=mended)
        helped = {deal.quote.quote_id for deal in (detached, period) if deal is not None}
        await self._until(lambda: all(self.now.of.get(q) in (s.DONE, s.UNDONE) for q in helped), 30.0)

    async def _help(
        self, deal: Deal, decision: Decision, actor: str, reason: str, *, mended: str = ""
    ) -> None:
        rows = await self.store.activations.of_quote(deal.quote.quote_id)
        cases = await self.store.cases.list(workflow_id=rows[-1].workflow_id) if rows else ()
        if not cases:
            self.teller.say("people", f"{deal.quote.name} has no case to decide", "red")
            return
        case = cases[0]
        if mended:
            await self.saboteur.mend("netsuite")
        with self._told("people"):
            await sagas.decide(self.client, self.store, case.case_id, decision, actor=actor, reason=reason)
            command = f'revsaga saga {decision.value} {case.case_id} --reason "{reason}"'
            self.played.helped.append(Help(case, actor, command, mended))
            first = f"{mended}; " if mended else ""
            self.teller.say(
                "people", f"{deal.quote.name}: {first}{actor} decides to {decision.value}", "magenta"
            )

    @contextlib.contextmanager
    def _told(self, who: str) -> Iterator[None]:
        """A refusal is part of the story; the invariants say whether it matters."""
        try:
            yield
        except (Stop, Failure) as refused:
            self.teller.say(who, f"refused: {refused}", "red")
