"""Activities about billing: the account and its payment reference."""

from temporalio import activity

from activities.boundary import forward_key
from activities.contracts.billing import AccountOpened, AttachPayment, OpenAccount, PaymentAttached
from activities.contracts.kernel import Undone, UndoOf
from activities.effects import Former, Sending
from activities.store.xref import Xref
from activities.tools import Tools
from canonical.event_types import (
    BillingAccountCancelled,
    BillingAccountCreated,
    BillingAccountKept,
    PaymentReferenceSet,
)
from canonical.failures import OutcomeUnknown, Rejected, Transient
from canonical.ids import number
from canonical.order import BillingAccount
from canonical.quote import Deal
from connectors.ports import Billing

_MOST_ACCOUNTS = 50
_GONE = ("cancelled", "absent")


class AccountActivities:
    """Opens and closes billing accounts."""

    def __init__(self, billing: Billing, tools: Tools) -> None:
        self._billing = billing
        self._tools = tools

    @activity.defn
    async def open_account(self, order: OpenAccount) -> AccountOpened:
        """See the contract. The number is free of chance: the n-th account of a customer in a currency."""
        await self._tools.open("billing")
        entry = await self._tools.effects.entry(forward_key())
        deal = await self._tools.store.documents.get(order.deal, Deal)
        number_, existing = await self._current(deal)
        ours = entry is not None and entry.vendor_ref == number_
        if existing is not None and not ours and not (entry and entry.state in ("sent", "uncertain")):
            _refuse_autopay(existing)
            return AccountOpened(number=number_, created=False)
        account = _account(deal, number_)

        async def send(sending: Sending) -> BillingAccount:
            return await self._billing.create_account(account, key=sending.header)

        async def probe() -> BillingAccount | None:
            return await self._billing.find_account(number_)

        customer_id = deal.parties.customer.customer_id
        payload = BillingAccountCreated(number=number_, customer_id=customer_id, currency=account.currency)
        event = await self._tools.event(payload, subject=customer_id, correlation_id=order.correlation_id)
        made = await self._tools.once(
            "billing", account.model_dump(mode="json"), BillingAccount, send, probe,
            correlation_id=order.correlation_id, events=lambda _: (event,),
            xrefs=lambda made: (self._xref(made),), vendor_ref=lambda made: made.number,
        )  # fmt: skip
        _refuse_autopay(made)
        return AccountOpened(number=made.number, created=True)

    def _xref(self, made: BillingAccount) -> Xref:
        return Xref(
            canonical_type="billing-account",
            canonical_id=made.number,
            system=self._tools.vendor("billing"),
            external_type="account",
            external_id=made.account_id or made.number,
        )

    async def _current(self, deal: Deal) -> tuple[str, BillingAccount | None]:
        """The account in use, or the first number that is free. A cancelled account is never used again."""
        customer = deal.parties.customer
        for n in range(1, _MOST_ACCOUNTS + 1):
            # Never from the name: a customer who is renamed would get a second account.
            candidate = number("A", customer.customer_id, f"{customer.customer_id}/{deal.quote.currency}/{n}")
            found = await self._billing.find_account(candidate)
            if found is None or found.status != "cancelled":
                return candidate, found
        raise Rejected(
            f"{customer.name} has {_MOST_ACCOUNTS} cancelled billing accounts",
            code="accounts-exhausted",
            fix="find out why activations of this customer are unwound again and again",
        )

    @activity.defn
    async def close_account(self, undo: UndoOf[OpenAccount, AccountOpened]) -> Undone:
        """See the contract."""
        await self._tools.open("billing")
        deal = await self._tools.store.documents.get(undo.input.deal, Deal)
        customer_id = deal.parties.customer.customer_id

        number_ = ""

        async def send(former: Former) -> Undone:
            nonlocal number_
            # A result is known even without an effect of ours, when a person did the step by hand.
            ours = undo.result.created if undo.result is not None else former.happened is not False
            if not ours:
                return Undone(read_back="not made by this activation", already_absent=True)
            known = undo.result.number if undo.result is not None else (former.result or {}).get("number")
            number_ = known or await self._made_number(deal) or ""
            if not number_:
                return Undone(read_back="absent", already_absent=True)
            own = number("O", deal.quote.name, undo.input.workflow_id)
            return await self._cancel(number_, customer_id, undo.input.workflow_id, own)

        cancelled = BillingAccountCancelled(number="")
        kept = BillingAccountKept(number="", because="")
        correlation = undo.input.correlation_id
        event = await self._tools.event(cancelled, subject=customer_id, correlation_id=correlation)
        other = await self._tools.event(kept, subject=customer_id, correlation_id=correlation)

        def events(done: Undone) -> tuple[object, ...]:
            if done.already_absent:
                return ()
            if done.read_back in _GONE:
                return (event.model_copy(update={"data": {"number": number_}}),)
            return (other.model_copy(update={"data": {"number": number_, "because": done.read_back}}),)

        return await self._tools.undo(
            "billing",
            undo.input.model_dump(mode="json"),
            Undone,
            send,
            correlation_id=correlation,
            events=events,  # type: ignore[arg-type]
        )

    async def _made_number(self, deal: Deal) -> str | None:
        number_, found = await self._current(deal)
        return number_ if found is not None else None

    async def _cancel(self, number_: str, customer_id: str, workflow_id: str, own_order: str) -> Undone:
        found = await self._billing.find_account(number_)
        if found is None or found.status == "cancelled":
            return Undone(read_back="absent" if found is None else "cancelled")
        waiting = [w for w in await self._tools.store.turns.show(customer_id) if w != workflow_id]
        use = await self._billing.account_use(number_)
        if own_order in use.orders and not waiting:
            # Its own undo is not through yet (it may be parked): the account follows once that has happened.
            raise Transient(
                f"order {own_order} of this activation is not withdrawn yet",
                code="account-awaits-order",
                fix="resolve the case of the draft order; this one follows by itself, or by a retry",
                retry_after=2.0,
            )
        if waiting or not use.unused:
            because = (
                f"in use by {', '.join((*use.orders, *use.subscriptions, *use.documents, *waiting)[:3])}"
            )
            return Undone(read_back=f"left in place: {because}")
        if found.payment_reference is not None:
            raise Transient(
                f"the payment reference on account {number_} is not taken off yet",
                code="account-awaits-reference",
                fix="resolve the case of the payment reference; this one follows by itself, or by a retry",
                retry_after=2.0,
            )
        left = await self._billing.cancel_account(number_)
        if left is not None and left.status != "cancelled":
            raise Transient(
                f"account {number_} still reads {left.status}", code="account-not-cancelled", retry_after=5.0
            )
        return Undone(read_back="absent" if left is None else "cancelled")

    @activity.defn
    async def attach_payment(self, order: AttachPayment) -> PaymentAttached:
        """See the contract. What stood there before is on record before it is replaced."""
        await self._tools.open("billing")
        key = forward_key()
        entry = await self._tools.effects.entry(f"{key}/former")
        former = entry.result["former"] if entry is not None and entry.state == "done" else None
        if entry is None or entry.state != "done":
            account = await self._read(order.account_number)
            former = account.payment_reference

            async def keep(_: Sending) -> PaymentAttached:
                return PaymentAttached(former=former)

            await self._tools.effects.once(
                f"{key}/former", fingerprint=order.account_number, send=keep, probe=None, result=PaymentAttached,
                window=None, repeatable=True, correlation_id=order.correlation_id,
            )  # fmt: skip

        async def send(sending: Sending) -> BillingAccount:
            return await self._billing.set_payment_reference(
                order.account_number, order.reference, key=sending.header
            )

        async def probe() -> BillingAccount | None:
            held = await self._billing.find_account(order.account_number)
            return held if held is not None and held.payment_reference == order.reference else None

        payload = PaymentReferenceSet(number=order.account_number, has_reference=True)
        event = await self._tools.event(
            payload, subject=order.account_number, correlation_id=order.correlation_id
        )
        await self._tools.once(
            "billing", order.model_dump(), BillingAccount, send, probe,
            correlation_id=order.correlation_id, events=lambda _: (event,),
        )  # fmt: skip
        return PaymentAttached(former=former)

    async def _read(self, account_number: str) -> BillingAccount:
        account = await self._billing.find_account(account_number)
        if account is None:
            raise OutcomeUnknown(f"account {account_number} cannot be found", code="account-missing")
        return account

    @activity.defn
    async def restore_payment(self, undo: UndoOf[AttachPayment, PaymentAttached]) -> Undone:
        """See the contract."""
        await self._tools.open("billing")
        order = undo.input
        entry = await self._tools.effects.entry(f"{forward_key()}/former")
        if entry is None or entry.state != "done":
            await self._tools.effects.void(forward_key())
            return Undone(read_back="never set", already_absent=True)
        wanted: str | None = entry.result["former"]

        async def send(_: Former) -> Undone:
            account = await self._billing.find_account(order.account_number)
            if account is None or account.status == "cancelled":
                return Undone(read_back="the account is gone", already_absent=True)
            if account.payment_reference == order.reference and account.payment_reference != wanted:
                account = await self._billing.set_payment_reference(
                    order.account_number, wanted, key=former_key
                )
            if account.payment_reference == order.reference != wanted:
                raise Transient("the reference still reads as ours", code="reference-not-read-back")
            held = account.payment_reference
            told = (
                "the former reference" if held == wanted else "a reference that somebody else has set since"
            )
            return Undone(read_back=told if held else "no reference")

        former_key = number("K", "undo", forward_key())
        payload = PaymentReferenceSet(number=order.account_number, has_reference=wanted is not None)
        event = await self._tools.event(
            payload, subject=order.account_number, correlation_id=order.correlation_id
        )
        return await self._tools.undo(
            "billing",
            order.model_dump(),
            Undone,
            send,
            correlation_id=order.correlation_id,
            events=lambda _: (event,),
        )


def _refuse_autopay(account: BillingAccount) -> None:
    """Two collectors would charge the customer twice."""
    if account.autopay:
        raise Rejected(
            f"automatic payment is on for billing account {account.number}",
            code="autopay-on",
            field="account.autoPay",
            fix="switch it off on the account, and in the tenant's defaults: this product collects payments itself",
        )


def _account(deal: Deal, account_number: str) -> BillingAccount:
    parties = deal.parties
    if parties.bill_to is None or parties.sold_to is None:
        raise Rejected(
            "the deal has no bill-to or sold-to",
            code="bill-to-missing",
            field="parties",
            fix="complete the quote",
        )
    return BillingAccount(
        number=account_number,
        name=parties.customer.name,
        currency=deal.quote.currency,
        customer_id=parties.customer.customer_id,
        payment_terms=deal.quote.payment_terms,
        bill_to=parties.bill_to,
        sold_to=parties.sold_to,
        vat_id=parties.customer.vat_id,
        bill_cycle_day=deal.quote.period.start.day,
    )
