"""What is on record about one activation: its events, effects, references and documents."""

from collections.abc import Sequence

from activities.store.activations import Activation, ActivationState
from activities.store.effect_entry import Entry, entry_of
from activities.store.effect_sql import ENTRIES
from activities.store.events import StoredEvent
from activities.store.store import Store
from activities.store.xref import Xref
from canonical.event_types import BillingAccountCreated
from canonical.quote import Deal
from canonical.subscription import Subscription


class Found:
    """What is on record about one activation."""

    def __init__(
        self,
        row: Activation,
        deal: Deal | None,
        events: Sequence[StoredEvent],
        effects: Sequence[Entry],
        subscription: Subscription | None,
    ) -> None:
        self.row, self.deal, self.events, self.effects = row, deal, events, effects
        self.subscription = subscription
        self.xrefs: tuple[Xref, ...] = ()
        self.account_event: StoredEvent | None = None

    def event(self, name: str) -> StoredEvent | None:
        """The latest event of a kind, by the tail of its type."""
        fitting = [e for e in self.events if e.event.type.endswith(f".{name}")]
        return fitting[-1] if fitting else None

    def effect(self, step: str) -> Entry | None:
        """The latest edition of a step's effect that was done, whatever became of it later."""
        prefix = f"{self.row.workflow_id}/{step}/do"
        own = [e for e in self.effects if e.key == prefix or e.key.startswith(f"{prefix}/e")]
        # An undo voids the row of what it takes back, and leaves standing what that had come to.
        fitting = [e for e in own if e.state == "done" or (e.state == "void" and e.result is not None)]
        return fitting[-1] if fitting else None

    def result(self, step: str, name: str) -> str:
        """One field of what a step's effect answered."""
        effect = self.effect(step)
        found = effect.result.get(name) if effect is not None and isinstance(effect.result, dict) else None
        return str(found or "")

    def system(self, step: str) -> str:
        """The system in which a step worked."""
        effect = self.effect(step)
        return effect.vendor if effect else ""

    @property
    def completed(self) -> bool:
        """The activation ended well."""
        return self.row.state is ActivationState.COMPLETED


async def gather(store: Store, row: Activation, deal: Deal | None, correlation: str) -> Found:
    """Read everything, in a few statements."""
    events = await _events(store, correlation)
    effects = [entry_of(e) for e in await store.fetch(ENTRIES, f"{row.workflow_id}/")]
    found = Found(row, deal, events, effects, await _subscription(store, correlation))
    await _join(store, found)
    return found


async def _events(store: Store, correlation: str) -> list[StoredEvent]:
    found: list[StoredEvent] = []
    while page := await store.events.list(
        correlation_id=correlation, after=found[-1].seq if found else 0, limit=500
    ):
        found += page
    return found


async def _subscription(store: Store, correlation: str) -> Subscription | None:
    body = await store.fetchval(
        """SELECT body FROM document WHERE kind = 'subscription' AND strpos(body, $1) > 0
           ORDER BY stored_at, hash LIMIT 1""",
        f'"{correlation}"',
    )
    return None if body is None else Subscription.model_validate_json(body)


async def _join(store: Store, found: Found) -> None:
    """Cross-references of the subscription and the account, and the birth of an account that another deal opened."""
    drafted = found.event("order.drafted")
    xrefs: list[Xref] = []
    if drafted is not None:
        xrefs += await store.xrefs.show(str(drafted.event.data["subscription_number"]))
    account = found.result("draft-order", "account_number") or found.result("open-account", "number")
    if account:
        xrefs += await store.xrefs.show(account)
    found.xrefs = tuple(dict.fromkeys(xrefs))
    found.account_event = found.event("billing-account.created")
    if account and found.account_event is None and found.deal is not None:
        born = await store.events.list(
            subject=found.deal.parties.customer.customer_id,
            type_prefix=BillingAccountCreated.type(),
        )
        found.account_event = next((e for e in born if e.event.data.get("number") == account), None)
