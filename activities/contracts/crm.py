"""Promises about the CRM and CPQ: read a deal, lock its quote, write the outcome back, list what was won."""

from pydantic import Field
from temporalio import activity

from activities.contracts.kernel import Claim, Proof, Undone, UndoOf
from canonical.base import Model
from canonical.document import DocumentRef
from canonical.quote import QuoteMark


class ReadDeal(Model):
    """Which deal, and which content of it. Another content is Conflict `quote-changed`."""

    quote_id: str
    revision: str


class DealRead(Model):
    """The head of a deal; the whole of it lies in the store."""

    deal: DocumentRef
    quote_id: str
    quote_name: str
    opportunity_id: str
    customer_id: str
    customer_name: str
    currency: str
    net_total: str = Field(description="for people, e.g. `12,000.00 USD`")
    lines: int
    revision: str
    content_hash: str
    autopay: bool
    gateway_customer: str | None = None
    payment_method: str | None = None


class LockQuote(Model):
    """Whose lock, for which content."""

    quote_id: str
    operation_id: str
    content_hash: str
    correlation_id: str


class WriteBack(Model):
    """What the CRM learns at the end."""

    quote_id: str
    opportunity_id: str
    mark: QuoteMark
    correlation_id: str


class FindContract(Model):
    """Whose contract."""

    opportunity_id: str


class ContractFound(Model):
    """The contract that the CRM made of the deal."""

    contract_id: str


class FindDeals(Model):
    """One round of the watch."""

    name: str = "closed-won"
    limit: int | None = Field(
        default=None, description="deals of one page; None: as many as one try can read"
    )
    full: bool = Field(default=False, description="from the beginning, ignoring the cursor")


class DealToStart(Model):
    """A deal that no activation has taken yet."""

    quote_id: str
    revision: str
    workflow_id: str


class DealsFound(Model):
    """What the round found: deals to start, how many were seen and why the others stay."""

    start: tuple[DealToStart, ...]
    superseded: tuple[DealToStart, ...] = Field(
        default=(), description="live activations of an older content; `revision` is the new one"
    )
    again: tuple[str, ...] = Field(
        default=(), description="quotes to look at in the next round whatever the cursor says"
    )
    seen: int
    known: int
    unreadable: tuple[str, ...] = ()
    more: bool = False
    cursor: str | None = None


class MoveCursor(Model):
    """How far the watch has read; moved only after its deals were started."""

    name: str
    cursor: str
    again: tuple[str, ...] = ()


@activity.defn
async def read_deal(order: ReadDeal) -> DealRead:
    """Read opportunity, account hierarchy, parties, quote and lines; keep the whole in the store."""
    raise NotImplementedError


@activity.defn
async def lock_quote(order: LockQuote) -> QuoteMark:
    """Lock the quote for this operation. Conflict `quote-changed` when its content is no longer what was read."""
    raise NotImplementedError


@activity.defn
async def unlock_quote(undo: UndoOf[LockQuote, QuoteMark]) -> Undone:
    """Take the lock away if it is ours."""
    raise NotImplementedError


@activity.defn
async def write_back(order: WriteBack) -> QuoteMark:
    """Write ids and state, release the lock, read back."""
    raise NotImplementedError


@activity.defn
async def probe_write_back(claim: Claim[WriteBack, QuoteMark]) -> Proof:
    """Whether the quote carries what the step would have written."""
    raise NotImplementedError


@activity.defn
async def find_contract(order: FindContract) -> ContractFound:
    """Wait, by retrying, until the CRM has made its contract."""
    raise NotImplementedError


@activity.defn
async def find_deals(order: FindDeals) -> DealsFound:
    """Read deals that changed since the cursor and leave out those that an activation has taken."""
    raise NotImplementedError


@activity.defn
async def move_cursor(order: MoveCursor) -> None:
    """Keep how far the watch has read."""
    raise NotImplementedError
