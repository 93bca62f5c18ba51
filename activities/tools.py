"""What every activity class is given: store, ledger, clock, leases, and who plays which role."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from pydantic import BaseModel
from temporalio import activity

from activities.boundary import NotYet, Spent, effect_key, forward_key
from activities.clock import Clock
from activities.effects import Effects, Former, Sending
from activities.leases import Leases
from activities.settings import Settings
from activities.store.store import Store
from activities.store.turns import ConnectorMode
from activities.store.xref import Xref
from canonical.event import Event, Payload, emit
from canonical.failures import Failure, OutcomeUnknown, Transient
from canonical.ids import fingerprint
from canonical.mapping import MappingSet
from connectors.kit.capability import Capability

M = TypeVar("M", bound=BaseModel)

REAL_TRIES = 8
"""Real tries of a leased step before a person is called; waiting for a lease is none."""
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 3.2  # seconds between two questions for a lease
_STATE_LIFE = 2.0  # seconds for which a connector's paused state is believed


@dataclass
class Tools:
    """Collaborators of the activities of one process."""

    store: Store
    effects: Effects
    clock: Clock
    leases: Leases
    settings: Settings
    capabilities: Mapping[str, Capability]
    wake: Callable[[str, str], Awaitable[bool]]
    _states: dict[str, tuple[float, ConnectorMode]] = field(default_factory=dict)

    def vendor(self, role: str) -> str:
        """The vendor that plays `role`."""
        return self.settings.roles()[role]

    def window(self, role: str) -> timedelta | None:
        """How long the vendor of `role` remembers an idempotency header."""
        hours = self.capabilities[role].idempotency_window_hours
        return None if hours is None else timedelta(hours=hours)

    async def refs(self, role: str) -> MappingSet:
        """The active mapping of the vendor of `role`."""
        return await self.store.mappings.active(self.vendor(role))

    async def event(
        self, payload: Payload, *, subject: str, correlation_id: str, entity: str = "", fact: str = ""
    ) -> Event:
        """An event caused by the running activity. `fact` tells apart what a repetition may say differently."""
        key = effect_key()
        return emit(
            payload,
            key=f"{key}/{fact}" if fact else key,
            subject=subject,
            time=await self.clock.now(),
            correlation_id=correlation_id,
            actor="revsaga",
            entity=entity,
            causation_id=key,
        )

    @asynccontextmanager
    async def lease(self, role: str) -> AsyncIterator[None]:
        """A slot of the vendor's account-wide concurrency; where there is none to be had, a benign wait."""
        capability = self.capabilities[role]
        await self.open(role)
        if capability.concurrency is None or not self.settings.leased(role):
            yield
            return
        try:
            async with self.leases.hold(capability.vendor, capability.concurrency, self.settings.lease_life):
                yield
        except Transient as failure:
            if failure.code != "lease-unavailable":
                raise
            # A slot is free again within moments; whoever finds none again and again asks less often.
            seconds = min(_FIRST_WAIT * 2 ** min(activity.info().attempt - 1, 10), _LONGEST_WAIT)
            raise NotYet(failure.message, after=timedelta(seconds=seconds)) from None

    async def open(self, role: str) -> None:
        """Raise Transient `connector-paused` while a person has stopped the connector of `role`."""
        vendor = self.vendor(role)
        seen, state = self._states.get(vendor, (0.0, ConnectorMode.RUNNING))
        if time.monotonic() - seen > _STATE_LIFE:
            state = (await self.store.connectors.of(vendor)).state
            self._states[vendor] = (time.monotonic(), state)
        if state is ConnectorMode.PAUSED:
            raise Transient(
                f"the connector {vendor} is paused",
                code="connector-paused",
                fix=f"revsaga connector resume {vendor}",
                retry_after=15.0,
            )

    @asynccontextmanager
    async def truthful(self) -> AsyncIterator[None]:
        """For a pivot: a failure met beside the effect says nothing about an earlier try of it that may have landed."""
        try:
            yield
        except Failure as failure:
            told = await self.effects.truth(effect_key(), failure)
            if told is failure:
                raise
            raise told from failure

    async def once(
        self,
        role: str,
        content: Mapping[str, object],
        result: type[M],
        send: Callable[[Sending], Awaitable[M]],
        probe: Callable[[], Awaitable[M | None]] | None,
        *,
        correlation_id: str,
        repeatable: bool = False,
        events: Callable[[M], Sequence[Event]] = lambda _: (),
        xrefs: Callable[[M], Sequence[Xref]] = lambda _: (),
        vendor_ref: Callable[[M], str] = lambda _: "",
    ) -> M:
        """The running activity's effect, once. A leased step ends after `REAL_TRIES` real tries."""
        key = effect_key()
        try:
            return await self.effects.once(
                key,
                fingerprint=fingerprint(content),
                send=send,
                probe=probe,
                result=result,
                window=self.window(role),
                repeatable=repeatable,
                events=events,
                xrefs=xrefs,
                vendor_ref=vendor_ref,
                vendor=self.vendor(role),
                correlation_id=correlation_id,
            )
        except Failure as failure:
            if self.settings.leased(role) and failure.code != "effect-in-flight":
                entry = await self.effects.entry(key)
                # Tries are counted for life: a person's `retry` gets as many again.
                if entry is not None and entry.tries and entry.tries % REAL_TRIES == 0:
                    raise Spent(failure) from failure
            raise

    @asynccontextmanager
    async def bounded(self) -> AsyncIterator[None]:
        """For calls of a leased step beside its effect: nothing else ends their retries (the ledger counts no reads).

        A read that fails after many attempts calls a person; attempts that only waited for a lease never fail here.
        """
        try:
            yield
        except (Transient, OutcomeUnknown) as failure:
            if activity.info().attempt >= REAL_TRIES:
                raise Spent(failure) from failure
            raise

    async def undo(
        self,
        role: str,
        content: Mapping[str, object],
        result: type[M],
        send: Callable[[Former], Awaitable[M]],
        *,
        correlation_id: str,
        events: Callable[[M], Sequence[Event]] = lambda _: (),
    ) -> M:
        """Take back what the step of the running undo did; a late try of it is refused from now on."""
        return await self.effects.undo(
            effect_key(),
            of=forward_key(),
            fingerprint=fingerprint(content),
            send=lambda _, former: send(former),
            probe=None,
            result=result,
            events=events,
            vendor=self.vendor(role),
            correlation_id=correlation_id,
        )
