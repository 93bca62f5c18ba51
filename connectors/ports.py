"""One protocol per role. Adapters of a role are interchangeable; the conformance suites hold them to these docstrings.

Every method raises only `canonical.failures` types. `key` is the idempotency header that the effect ledger hands out;
vendors without such a header ignore it. `refs` is the active mapping of the vendor (our codes -> its ids).
A `find_*` returns None for 'certainly absent' and raises when that is not certain.
Once a write was accepted, whatever then fails in reading it back is OutcomeUnknown (`kit.readback`): any other kind
would tell the ledger that nothing happened.
"""

from datetime import date
from typing import Protocol

from canonical.base import Model
from canonical.contract import ContractDocument, ErpCustomer, ErpRef
from canonical.mapping import MappingSet, Reference
from canonical.order import (
    AccountUse,
    BillingAccount,
    BillingOrder,
    BillingSubscription,
    OrderPlan,
    OrderPreview,
)
from canonical.party import Address, Contact, Customer
from canonical.payment import MethodCheck
from canonical.quote import DealPage, Opportunity, Quote, QuoteMark
from canonical.tax import AddressCheck, Nexus, TaxDetermination, TaxRequest


class Health(Model):
    """What a connection check found. `fix` says what to do when it is not well."""

    well: bool
    detail: str
    fix: str = ""


class Adapter(Protocol):
    """What every adapter can do, whatever its role."""

    async def check(self) -> Health:
        """Whether the system answers and the credential is accepted. Never raises; changes nothing."""

    async def references(self) -> tuple[Reference, ...]:
        """All records that our codes may map to (items, terms, segments, plans, ...), read from the vendor."""


class QuoteParties(Model):
    """Sold-to and bill-to as written on the quote; None when the quote has none."""

    sold_to: Contact | None
    bill_to: Contact | None


class CRM(Adapter, Protocol):
    """Deals and customer accounts."""

    async def closed_won(self, cursor: str | None, limit: int) -> DealPage:
        """Deals won and closed whose record changed since `cursor` (with overlap; repeats are normal), oldest first.

        `None` starts from the beginning. The cursor is opaque. Only deals with a primary quote are returned.
        """

    async def read_opportunity(self, opportunity_id: str) -> Opportunity:
        """The deal. Rejected `opportunity-unknown` when it does not exist."""

    async def read_customer(self, customer_id: str) -> tuple[Customer, dict[str, str | None]]:
        """The account and the parent of every account above it, up to the top or to the first repeat (a cycle)."""

    async def find_contract(self, opportunity_id: str) -> str | None:
        """The id of the contract that the CRM made of the deal, or None as long as there is none."""


class CPQ(Adapter, Protocol):
    """Quotes."""

    async def read_quote(self, quote_id: str) -> tuple[Quote, QuoteParties]:
        """The quote with all its lines (all pages). Rejected `quote-unknown` when absent.

        A bundle is returned as its parent line and its components, each with its own `net_total`.
        """

    async def read_mark(self, quote_id: str) -> QuoteMark | None:
        """What this product wrote on the quote, or None when it wrote nothing."""

    async def lock_quote(self, quote_id: str, mark: QuoteMark) -> QuoteMark:
        """Write `mark` if the quote is free or already ours, then read it back.

        Conflict `quote-locked` when another operation holds it or wins the race.
        """

    async def unlock_quote(self, quote_id: str, operation_id: str) -> QuoteMark | None:
        """Take our mark away if it is ours, and return what stands there now. Another's mark is left alone."""

    async def write_back(self, quote_id: str, mark: QuoteMark) -> QuoteMark:
        """Write ids and state of a finished activation, release the lock, and read back."""


class Billing(Adapter, Protocol):
    """Accounts, orders and subscriptions. Numbers are ours and are natural keys."""

    async def find_account(self, number: str) -> BillingAccount | None:
        """The account with that number in whatever state, or None."""

    async def create_account(self, account: BillingAccount, *, key: str) -> BillingAccount:
        """Create it with automatic payment off and no card data, and read it back.

        Conflict when the number exists with another content.
        """

    async def account_use(self, number: str) -> AccountUse:
        """Everything on the account that would forbid cancelling it."""

    async def cancel_account(self, number: str) -> BillingAccount | None:
        """Cancel an unused account and wait until it reads cancelled or absent; returns what is read back."""

    async def set_payment_reference(self, number: str, reference: str | None, *, key: str) -> BillingAccount:
        """Store (or clear) the opaque payment reference, and read it back."""

    async def preview_order(self, plan: OrderPlan, refs: MappingSet) -> OrderPreview:
        """Every invoice to the end of the term. Nothing is created."""

    async def create_draft(self, plan: OrderPlan, refs: MappingSet, *, key: str) -> BillingOrder:
        """Create the order as a draft (or as pending, where the tenant activates by dates) and read it back."""

    async def find_order(self, number: str, refs: MappingSet) -> BillingOrder | None:
        """The order in whatever state, or None when it does not exist."""

    async def withdraw_order(self, number: str, refs: MappingSet) -> BillingOrder | None:
        """Undo an order that is not active: cancel a draft (and delete it where allowed), delete a pending one.

        Returns what is read back: a cancelled order, or None. Rejected `order-active` when it is already completed.
        An order that never existed is fine (None).
        """

    async def activate_order(self, number: str, on: date, refs: MappingSet) -> BillingOrder:
        """Activate a draft (or pending) order. Already completed counts as success."""

    async def find_subscription(self, number: str, refs: MappingSet) -> BillingSubscription | None:
        """The newest version of the subscription, or None."""


class Payments(Adapter, Protocol):
    """The payment gateway."""

    async def check_method(self, gateway_customer: str, payment_method: str) -> MethodCheck:
        """Whether the method belongs to that customer and may be charged off session. Reads only.

        An unknown customer or method is `usable=False` with the reason, not an exception.
        """


class Tax(Adapter, Protocol):
    """The tax engine."""

    async def resolve_address(self, address: Address) -> AddressCheck:
        """Resolve an address in the United States or Canada. A bad address is `resolved=False`, not an exception."""

    async def nexus(self, company: str) -> tuple[Nexus, ...]:
        """Where the company collects tax (all pages)."""

    async def estimate(self, request: TaxRequest) -> TaxDetermination:
        """Tax of a document without recording it. Every zero line carries its reason."""


class ERP(Adapter, Protocol):
    """The general ledger system. Receives financial form only."""

    async def upsert_customer(self, customer: ErpCustomer, refs: MappingSet) -> ErpRef:
        """Create or update by external id, and read back. Safe to repeat."""

    async def find_customer(self, external_id: str) -> ErpRef | None:
        """The customer with that external id, or None."""

    async def upsert_contract(self, document: ContractDocument, refs: MappingSet) -> ErpRef:
        """Create the contract document, or replace its lines, by external id. Safe to repeat: no line comes twice."""

    async def find_contract(self, external_id: str, refs: MappingSet) -> ContractDocument | None:
        """The contract document as the ERP holds it, in our words, or None."""

    async def contract_ref(self, external_id: str) -> ErpRef | None:
        """Id, number and state of the contract document, or None."""
