"""What goes wrong on purpose: which vendor, where, how often, and what is to come of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from canonical.quote import Deal
from commands.demo import cast
from commands.demo.cast import Cast
from connectors.kit.remote import SandboxControl

_QUOTE = "PATCH /services/data/v62.0/sobjects/SBQQ__Quote__c/"
_CONTRACT = "PUT /services/rest/record/v1/salesOrder/"
_CUSTOMER = "PUT /services/rest/record/v1/customer/"
CREATED, LOCKED, RECORDED = "creating the order", "locking the quote", "recording the contract"
"""What a vendor does without ever answering."""
SECONDS = 0.12
"""How long the ERP thinks about each write, so that calls meet there."""


@dataclass(frozen=True)
class Fault:
    """`what` goes wrong at `vendor`, and what the product does about it; `order` is for the sandbox."""

    vendor: str
    what: str
    answer: str
    order: Mapping[str, Any] = field(repr=False)
    mendable: bool = False


@dataclass
class Struck:
    """How often a kind of fault has struck at a vendor."""

    vendor: str
    what: str
    answer: str
    times: int


def _lost(vendor: str, effect: str, answer: str, **order: Any) -> Fault:
    told = {"kind": "timeout_after", "times": 1, **order}
    return Fault(vendor, f"time-out after {effect}", answer, told)


def _limit(
    vendor: str, match: str, times: int, body: Any, *, status: int = 429, chance: float = 0.4
) -> Fault:
    order = {
        "kind": "status", "status": status, "body": body, "headers": {"retry-after": "1"},
        "match": match, "times": times, "probability": chance,
    }  # fmt: skip
    return Fault(vendor, f"rate limit ({status})", "waits as told, tries again", order)


def _limits(scale: int) -> list[Fault]:
    """Each vendor in its own words."""
    netsuite = {
        "type": "about:blank", "title": "Too Many Requests", "status": 429,
        "o:errorDetails": [
            {"detail": "Concurrent request limit exceeded.", "o:errorCode": "CONCURRENCY_LIMIT_EXCEEDED"}
        ],
    }  # fmt: skip
    avalara = {"error": {"code": "RequestLimitExceeded", "message": "Request limit exceeded.", "details": []}}
    salesforce = [{"message": "ConcurrentRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
    stripe = {
        "error": {"type": "invalid_request_error", "code": "rate_limit", "message": "Too many requests"}
    }
    return [
        _limit("zuora", r"^(GET|POST|PUT) /v1/(accounts|orders)", scale, {"message": "Too many requests"}),
        _limit("stripe", r"^GET /v1/", max(1, scale // 2), stripe),
        _limit("avalara", r"^POST /api/v2/transactions", scale, avalara),
        _limit("netsuite", _CUSTOMER, max(1, scale // 2), netsuite),
        _limit("salesforce", _QUOTE, max(1, scale // 2), salesforce, status=403),
    ]


def plan(parts: Cast, seed: int) -> tuple[Fault, ...]:
    """The faults of one performance. `seed` chooses the deals that are hit besides those with a story."""
    rng = Random(seed)  # noqa: S311 -- chooses where faults strike, guards nothing
    told = (cast.LATE_PRODUCT, cast.MISTAKES, cast.CANCELLED, cast.DETACHED, cast.PERIOD, cast.LOST_ORDER,
            cast.LOST_LOCK, cast.LOST_CONTRACT)  # fmt: skip
    names = {cast.name(n) for n in told}
    others = [deal for deal in parts.deals if deal.quote.name not in names]
    chosen = rng.sample(others, min(3 * (len(others) // 12), len(others)))
    orders = [*_playing(parts, cast.LOST_ORDER), *chosen[0::3]]
    locks = [*_playing(parts, cast.LOST_LOCK), *chosen[1::3]]
    contracts = [*_playing(parts, cast.LOST_CONTRACT), *chosen[2::3]]
    made = [_lost_order(d, "finds the order, goes on") for d in orders]
    made += [_lost_order(d, "cancelled meanwhile: takes it back")
             for d in _playing(parts, cast.CANCELLED)]  # fmt: skip
    made += [
        _lost(
            "salesforce",
            LOCKED,
            "reads the quote: the lock is ours",
            match=_QUOTE + d.quote.quote_id,
        )
        for d in locks
    ]
    made += [
        _lost(
            "netsuite",
            RECORDED,
            "finds the contract, goes on",
            match=f"{_CONTRACT}eid(:|%3A)SO-{d.quote.name}-",
        )
        for d in contracts
    ]
    made += [_closed_period(d) for d in _playing(parts, cast.PERIOD)]
    slow = {"kind": "latency", "match": "^PUT /services/rest/record", "times": -1, "seconds": SECONDS}
    made.append(
        Fault(
            "netsuite",
            f"slow, {SECONDS * 1000:.0f} ms for a write",
            "5 leases, account-wide",
            slow,
        )
    )
    return (*made, *_limits(max(2, len(parts.deals) // 6)))


def _playing(parts: Cast, n: int) -> list[Deal]:
    deal = parts.find(n)
    return [] if deal is None else [deal]


def _lost_order(deal: Deal, answer: str) -> Fault:
    return _lost("zuora", CREATED, answer, match="POST /v1/orders$", body_match=_order(deal.quote.name))


def _order(quote_name: str) -> str:
    return f"O-{quote_name}-"


def _closed_period(deal: Deal) -> Fault:
    said = {
        "type": "about:blank", "title": "Bad Request", "status": 400,
        "o:errorDetails": [{
            "detail": "Error while accessing a resource. The accounting period Feb 2026 is closed for sales orders.",
            "o:errorCode": "USER_ERROR",
        }],
    }  # fmt: skip
    match = f"{_CONTRACT}eid(:|%3A)SO-{deal.quote.name}-"
    order = {"kind": "status", "status": 400, "body": said, "match": match, "times": -1}
    return Fault(
        "netsuite", "the accounting period is closed", "case for finance, never undone", order, mendable=True,
    )  # fmt: skip


class Saboteur:
    """Arms the faults, mends what can be mended, and counts."""

    def __init__(self, controls: Iterable[SandboxControl], faults: Sequence[Fault]) -> None:
        self._controls = {control.vendor: control for control in controls}
        self._faults = {v: [f for f in faults if f.vendor == v] for v in self._controls}
        self._mended: list[tuple[Fault, int]] = []

    async def arm(self) -> int:
        """Arm everything; how many."""
        for vendor, faults in self._faults.items():
            await self._controls[vendor].arm(*(fault.order for fault in faults))
        return sum(len(faults) for faults in self._faults.values())

    async def is_drafted(self, quote_name: str) -> bool:
        """Whether the order of a quote was created without an answer."""
        counts = await self._counts("zuora")
        mine = (f.order.get("body_match") == _order(quote_name) for f in self._faults["zuora"])
        return any(n for n, is_mine in zip(counts, mine, strict=True) if is_mine)

    async def _counts(self, vendor: str) -> list[int]:
        return [int(fault["struck"]) for fault in await self._controls[vendor].armed()]

    async def mend(self, vendor: str) -> None:
        """Take away what a person can take away; the rest stays, with its counts."""
        counts = await self._counts(vendor)
        kept = [(f, n) for f, n in zip(self._faults[vendor], counts, strict=True) if not f.mendable]
        self._mended += [(f, n) for f, n in zip(self._faults[vendor], counts, strict=True) if f.mendable]
        await self._controls[vendor].disarm()
        self._faults[vendor] = [fault for fault, _ in kept]
        await self._controls[vendor].arm(*({**fault.order, "struck": n} for fault, n in kept))

    async def struck(self) -> list[Struck]:
        """Every kind of fault with how often it struck, by vendor."""
        found: dict[tuple[str, str, str], Struck] = {}
        pairs = list(self._mended)
        for vendor, faults in self._faults.items():
            pairs += zip(faults, await self._counts(vendor), strict=True)
        for fault, n in pairs:
            key = (fault.vendor, fault.what, fault.answer)
            found.setdefault(key, Struck(*key, times=0)).times += n
        return sorted(found.values(), key=lambda s: (s.vendor, s.what))
