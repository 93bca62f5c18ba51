"""How a command reaches Temporal, the store and the business systems.

    async with connected() as c: c.settings, c.temporal (Client), c.store (Store)
    async with connected(temporal=False) as c: ...      # the store alone; `store=False`: Temporal alone
    async with house() as wired: wired.adapters["crm"], wired.activation, wired.store ...   (activities.wiring.Wired)

Settings come from `REVSAGA_*`. Where neither the database nor Temporal is named there, an embedded stack that runs on
`.revsaga` (or on `REVSAGA_DATA_DIR`) supplies what is missing.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from activities.settings import Settings, adopt_secrets
from activities.whereabouts import data_folder, running
from canonical.failures import Misconfigured, Transient
from commands._shared import actor

if TYPE_CHECKING:
    from temporalio.client import Client

    from activities.store.store import Store
    from activities.wiring import Wired

_ANCHORS = (
    "REVSAGA_DATABASE_URL",
    "REVSAGA_DATABASE_URL_FILE",
    "REVSAGA_TEMPORAL_ADDRESS",
    "REVSAGA_SECRETS_DIR",
)
"""Whoever names one of these means another installation: nothing of an embedded stack is mixed in."""

CONNECT_SECONDS = 4.0


def load_environment() -> None:
    """Complete `REVSAGA_*` from the secrets folder, and from a running embedded stack where it is meant."""
    named = any(os.environ.get(name) for name in _ANCHORS)
    adopt_secrets()
    found = None if named else running(data_folder())
    for name, value in (found.environment if found else {}).items():
        # A value of the user's own wins; so does the file that holds one.
        if f"{name}_FILE" not in os.environ:
            os.environ.setdefault(name, value)


def settings() -> Settings:
    """The settings in force. Raises Misconfigured when nothing says where the store is."""
    load_environment()
    return Settings()


def database_url(known: Settings) -> str:
    """Where the store is. Raises Misconfigured `store-not-named`."""
    if not known.database_url:
        raise Misconfigured(
            "nothing says where the database is, and no embedded stack runs here",
            code="store-not-named",
            field="REVSAGA_DATABASE_URL",
            fix="start the embedded stack (`revsaga up`), or set REVSAGA_DATABASE_URL",
        )
    return known.database_url


async def open_temporal(known: Settings) -> "Client":
    """A client of Temporal. Raises Transient `temporal-unavailable` within a few seconds."""
    from temporalio.client import Client

    from workflows.kernel.runner import DATA_CONVERTER

    try:
        return await asyncio.wait_for(
            Client.connect(
                known.temporal_address,
                namespace=known.temporal_namespace,
                data_converter=DATA_CONVERTER,
                identity=actor(),
            ),
            CONNECT_SECONDS,
        )
    except (RuntimeError, TimeoutError, OSError) as error:
        raise Transient(
            f"Temporal at {known.temporal_address} does not answer",
            code="temporal-unavailable",
            field="REVSAGA_TEMPORAL_ADDRESS",
            fix="start the embedded stack (`revsaga up`) or the server, or correct REVSAGA_TEMPORAL_ADDRESS",
        ) from error


async def open_store(known: Settings, *, pool: int = 4) -> "Store":
    """The store. Raises Transient `store-unavailable` or Misconfigured `store-refused`, `store-not-named`."""
    from activities.store.store import Store

    return await Store.connect(
        database_url(known), pool=pool, application=f"revsaga {actor()}"[:60], timeout=CONNECT_SECONDS
    )


@dataclass
class Connected:
    """What a command works with."""

    settings: Settings
    _temporal: "Client | None" = None
    _store: "Store | None" = None

    @property
    def temporal(self) -> "Client":
        """Temporal, if the command asked for it."""
        if self._temporal is None:
            raise RuntimeError("this command did not ask for Temporal")
        return self._temporal

    @property
    def store(self) -> "Store":
        """The store, if the command asked for it."""
        if self._store is None:
            raise RuntimeError("this command did not ask for the store")
        return self._store


@asynccontextmanager
async def connected(*, temporal: bool = True, store: bool = True) -> AsyncIterator[Connected]:
    """Connect what is asked for; given back at the end of the block."""
    known = settings()
    async with AsyncExitStack() as stack:
        found = Connected(known)
        if store:
            found._store = await open_store(known)
            stack.push_async_callback(found._store.close)
        if temporal:
            found._temporal = await open_temporal(known)
        yield found


@asynccontextmanager
async def house(*, temporal: bool = True) -> "AsyncIterator[Wired]":
    """Adapters and activities too, as the worker has them. Raises Misconfigured for a credential that is missing."""
    from activities.wiring import build

    async with connected(temporal=temporal) as c:
        wired = await build(c.settings, store=c.store, temporal=c._temporal)
        try:
            yield wired
        finally:
            await wired.close()
