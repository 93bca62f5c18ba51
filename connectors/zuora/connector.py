"""The Billing port on Zuora."""

import asyncio
import logging
from contextlib import nullcontext
from datetime import date

from canonical.failures import Conflict, Failure, Misconfigured, OutcomeUnknown, Rejected, Transient
from canonical.mapping import MappingSet, Reference
from canonical.order import (
    AccountUse,
    BillingAccount,
    BillingOrder,
    BillingSubscription,
    OrderPlan,
    OrderPreview,
)
from connectors.kit.readback import after_effect
from connectors.ports import Health
from connectors.zuora import mapping, schema
from connectors.zuora.client import ZuoraClient
from connectors.zuora.errors import is_not_found

log = logging.getLogger("revsaga.zuora")

# What tells one account from another. Contacts are left out: the vendor may write countries and states in its own way.
_IDENTITY = {"name", "currency", "customer_id", "parent_number", "payment_terms", "vat_id", "bill_cycle_day"}
_GONE = {"cancelled", "reverted"}


def _content(account: BillingAccount) -> dict[str, object]:
    return account.model_dump(mode="json", include=_IDENTITY)


class ZuoraBilling:
    """Accounts, orders and subscriptions. Account, order and subscription numbers are ours and are natural keys."""

    def __init__(self, client: ZuoraClient) -> None:
        self._client = client
        self._settings = client.settings

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def check(self) -> Health:
        """One cheap read with the credential."""
        try:
            await self._client.ping()
        except Failure as failure:
            return Health(well=False, detail=failure.message, fix=failure.fix or "see the message")
        return Health(well=True, detail=f"{self._settings.base_url} answers as of {self._settings.version}")

    async def references(self) -> tuple[Reference, ...]:
        """Plans and charges of the price list, by their numbers."""
        return mapping.references([product async for product in self._client.products()])

    # Accounts

    async def find_account(self, number: str) -> BillingAccount | None:
        try:
            return await self._account(number)
        except Rejected as failure:
            if is_not_found(failure):
                return None
            raise

    async def _account(self, number: str) -> BillingAccount:
        wire = await self._client.read_account(number)
        parent_number = None
        if wire.basic_info.parent_id:
            # The answer tells the parent's id; the number is in the parent.
            parent_number = (
                await self._client.read_account(wire.basic_info.parent_id)
            ).basic_info.account_number
        return mapping.account(wire, parent_number, self._settings)

    async def create_account(self, account: BillingAccount, *, key: str) -> BillingAccount:
        body = mapping.account_body(account, self._settings)
        try:
            await self._client.create_account(body, key=key)
        except Rejected:
            # The refusal may mean that an earlier try of ours made it.
            found = await self.find_account(account.number)
            if found is None:
                raise
        else:
            with after_effect(f"billing account {account.number}"):
                found = await self._account(account.number)
        if _content(found) != _content(account):
            raise Conflict(
                f"billing account {account.number} exists with another content",
                code="account-number-taken",
                field="account.number",
                fix="look at the account in billing, then start again with the next number",
                evidence=_differences(found, account),
            )
        return _without_autopay(found)

    async def account_use(self, number: str) -> AccountUse:
        """Lists of an account leave out drafts and scheduled orders, so those are looked for in the tenant's lists."""
        orders = {
            o.order_number async for o in self._client.orders_of(number) if o.status.lower() not in _GONE
        }
        for status in ("draft", "scheduled"):
            orders |= {
                o.order_number
                async for o in self._client.orders(status)
                if o.existing_account_number == number and o.status.lower() not in _GONE
            }
        subscriptions = {s.subscription_number async for s in self._client.subscriptions_of(number)}
        documents = {d.document_number or d.id async for d in self._client.documents(number)}
        return AccountUse(
            orders=tuple(sorted(orders)),
            subscriptions=tuple(sorted(subscriptions)),
            documents=tuple(sorted(documents)),
        )

    async def cancel_account(self, number: str) -> BillingAccount | None:
        """The vendor's deletion takes everything on the account with it, so an account in use is refused first."""
        found = await self.find_account(number)
        if found is None or found.status == "cancelled":
            return found
        use = await self.account_use(number)
        if not use.unused:
            raise Conflict(
                f"billing account {number} is in use and was not cancelled",
                code="account-in-use",
                field="account.number",
                fix="leave the account in place",
                evidence={k: ", ".join(v) for k, v in use.model_dump().items()},
            )
        job = await self._client.delete_account(number)
        await self._settled(job, number)
        with after_effect(f"the deletion of billing account {number}"):
            left = await self.find_account(number)
        if left is not None and left.status != "cancelled":
            raise OutcomeUnknown(
                f"billing account {number} still reads {left.status} after its deletion",
                code="account-not-cancelled",
                fix="read the account again; if it stays, cancel it in billing",
            )
        return left

    async def _settled(self, job: str | None, number: str) -> None:
        """Wait, within bounds, until the deletion job has ended."""
        for _ in range(self._settings.job_polls if job else 0):
            with after_effect(f"the deletion of billing account {number}"):
                status = await self._client.job_status(job or "")
            if status == "Completed":
                return
            if status == "Failed":
                raise Rejected(
                    f"the deletion of billing account {number} failed",
                    code="account-deletion-failed",
                    field="account.number",
                    fix="see the job in billing; owner transfers forbid the deletion of an account",
                    evidence={"job": job or ""},
                )
            await asyncio.sleep(self._settings.job_interval)
        if job:
            raise OutcomeUnknown(
                f"the deletion of billing account {number} has not ended yet",
                code="account-deletion-running",
                fix="read the account again later",
                evidence={"job": job},
            )

    async def set_payment_reference(self, number: str, reference: str | None, *, key: str) -> BillingAccount:
        """A PUT takes no idempotency key, and setting the same value twice is harmless."""
        del key
        # Empty text clears a custom field; null would leave it as it is.
        await self._client.update_account(
            number, {self._settings.payment_field: reference or "", "autoPay": False}
        )
        with after_effect(f"the payment reference of billing account {number}"):
            read = await self._account(number)
        found = _without_autopay(read)
        if found.payment_reference != reference:
            raise Misconfigured(
                f"billing account {number} does not keep {self._settings.payment_field}",
                code="custom-field-missing",
                field=f"account.{self._settings.payment_field}",
                fix="create this custom field on Account, or name the right one in the settings",
            )
        return found

    # Orders

    async def preview_order(self, plan: OrderPlan, refs: MappingSet) -> OrderPreview:
        # Amounts come without a currency: they are in that of the account, whatever the order was meant in.
        account = await self._client.read_account(plan.account_number)
        _same_currency(account.billing_and_payment.currency, plan)
        # At most one invoice item a month, and no month is shorter than 28 days.
        items = sum((line.period.end - line.period.start).days // 28 + 1 for line in plan.lines)
        wire = await self._client.preview_order(mapping.preview_body(plan, refs, self._settings), items)
        return mapping.preview(wire, plan, refs)

    async def create_draft(self, plan: OrderPlan, refs: MappingSet, *, key: str) -> BillingOrder:
        try:
            await self._client.create_order(mapping.draft_body(plan, refs, self._settings), key=key)
        except Rejected:
            # The refusal may mean that an earlier try of ours made it.
            found = await self.find_order(plan.order_number, refs)
            if found is None:
                raise
            self._same(found, plan)
        else:
            found = await self._created(plan, refs)
        return await self._held_back(found, refs)

    async def _created(self, plan: OrderPlan, refs: MappingSet) -> BillingOrder:
        with after_effect(f"order {plan.order_number}"):
            wire = await self._client.read_order(plan.order_number)
        _same_currency(wire.currency or plan.currency, plan)
        return mapping.order(wire, refs, self._settings)

    def _same(self, found: BillingOrder, plan: OrderPlan) -> None:
        ours = (plan.account_number, plan.subscription_number, plan.term, len(plan.lines))
        theirs = (found.account_number, found.subscription_number, found.term, len(found.lines))
        if ours != theirs or found.status == "cancelled":
            raise Conflict(
                f"order {plan.order_number} exists with another content or is cancelled",
                code="order-number-taken",
                field="order.order_number",
                fix="look at the order in billing, then start again with fresh numbers",
                evidence={"status": found.status},
            )

    async def _held_back(self, found: BillingOrder, refs: MappingSet) -> BillingOrder:
        """An order that should wait must read as waiting; otherwise it is taken back."""
        wanted = "draft" if self._settings.activation == "draft" else "pending"
        if found.status == wanted:
            return found
        if self._settings.activation == "trigger_dates" and found.status == "completed":
            await self._client.delete_order(found.number)
            if await self.find_order(found.number, refs) is not None:
                raise OutcomeUnknown(
                    f"order {found.number} is active and could not be taken back",
                    code="order-active-by-mistake",
                    fix="look at the order in billing",
                )
            raise Misconfigured(
                f"order {found.number} became active at once and was deleted",
                code="service-activation-not-required",
                field="settings.activation",
                fix="require service activation of orders in the tenant, or set REVSAGA_ZUORA_ACTIVATION=draft",
            )
        raise Conflict(
            f"order {found.number} reads {found.status}, not {wanted}",
            code="order-not-held",
            field="order.status",
            fix="look at the order in billing",
        )

    async def find_order(self, number: str, refs: MappingSet) -> BillingOrder | None:
        wire = await self._find_wire(number)
        return None if wire is None else mapping.order(wire, refs, self._settings)

    async def _find_wire(self, number: str) -> schema.Order | None:
        try:
            return await self._client.read_order(number)
        except Rejected as failure:
            if is_not_found(failure):
                return None
            raise

    async def withdraw_order(self, number: str, refs: MappingSet) -> BillingOrder | None:
        found = await self.find_order(number, refs)
        if found is None:
            return None
        if found.status == "completed":
            raise Rejected(
                f"order {number} is active already",
                code="order-active",
                field="order.number",
                fix="cancel the subscription by an amendment instead",
            )
        if found.status == "draft":
            await self._client.cancel_order(number, "Withdrawn before activation")
            if self._settings.delete_orders:
                await self._delete_cancelled(number)
        elif found.status in ("pending", "scheduled", "failed"):
            await self._client.delete_order(number)
        elif found.status == "cancelled":
            return found
        with after_effect(f"the withdrawal of order {number}"):
            left = await self.find_order(number, refs)
        if left is not None and left.status != "cancelled":
            raise OutcomeUnknown(
                f"order {number} reads {left.status} after it was withdrawn",
                code="order-not-withdrawn",
                fix="read the order again; if it stays, cancel or delete it in billing",
            )
        return left

    async def _delete_cancelled(self, number: str) -> None:
        """Cancelling has undone it; where the tenant keeps the cancelled order after all, it stays."""
        try:
            await self._client.delete_order(number)
        except Rejected as failure:
            log.warning(
                "order %s stays as cancelled, because it may not be deleted: %s", number, failure.message
            )

    async def activate_order(self, number: str, on: date, refs: MappingSet) -> BillingOrder:
        """No key goes with these verbs: after a lost answer the order itself tells whether it happened."""
        refused: Rejected | None = None
        if self._settings.activation == "draft":
            try:
                await self._client.activate_order(number)
            except Rejected as failure:
                # It may be active already, or not a draft at all: the order says which.
                refused = failure
        sent = self._settings.activation == "draft" and refused is None
        with after_effect(f"the activation of order {number}") if sent else nullcontext():
            wire = await self._client.read_order(number)
        status = mapping.order_status(wire)
        if status == "draft" and refused is not None:
            raise refused
        if status == "draft":
            await self._client.activate_order(number)
            sent = True
            with after_effect(f"the activation of order {number}"):
                wire = await self._client.read_order(number)
            status = mapping.order_status(wire)
        if status == "pending":
            await self._client.trigger_dates(number, mapping.trigger_body(wire, on))
            sent = True
            with after_effect(f"the activation of order {number}"):
                wire = await self._client.read_order(number)
            status = mapping.order_status(wire)
        if status in ("cancelled", "failed"):
            raise Conflict(
                f"order {number} is {status} and cannot be activated",
                code="order-not-activatable",
                field="order.status",
                fix="look at the order in billing, then start again with fresh numbers",
            )
        if status != "completed":
            # What was accepted and does not read as active may become so on its own: only unsent is certainly undone.
            raise (OutcomeUnknown if sent else Transient)(
                f"order {number} reads {wire.status!r}, which is not active yet",
                code="order-not-completed",
                fix="see the order in billing",
            )
        return mapping.order(wire, refs, self._settings)

    async def find_subscription(self, number: str, refs: MappingSet) -> BillingSubscription | None:
        try:
            wire = await self._client.read_subscription(number)
        except Rejected as failure:
            if is_not_found(failure):
                return None
            raise
        currency = wire.currency or next(
            (c.currency for p in wire.rate_plans for c in p.rate_plan_charges), None
        )
        if not currency:
            # Older versions of the interface tell the currency on the account only.
            currency = (await self._client.read_account(wire.account_number)).billing_and_payment.currency
        return mapping.subscription(wire, currency, refs, self._settings)


def _same_currency(currency: str, plan: OrderPlan) -> None:
    if currency != plan.currency:
        raise Conflict(
            f"billing account {plan.account_number} is billed in {currency}, the order is in {plan.currency}",
            code="account-currency-differs",
            field="order.currency",
            fix="use a billing account in the currency of the quote",
        )


def _without_autopay(account: BillingAccount) -> BillingAccount:
    if account.autopay:
        raise Misconfigured(
            f"billing account {account.number} reads automatic payment as on",
            code="autopay-on",
            field="account.autoPay",
            fix="switch automatic payment off in billing, and in the tenant's defaults for new accounts",
        )
    return account


def _differences(found: BillingAccount, wanted: BillingAccount) -> dict[str, str]:
    theirs, ours = _content(found), _content(wanted)
    return {name: f"{theirs[name]} instead of {ours[name]}" for name in ours if ours[name] != theirs[name]}
