"""Validation while somebody waits: the same checks as in an activation, without a trace of it anywhere."""

import asyncio
import time
from datetime import timedelta

from pydantic import Field

from activities.wiring import Wired
from canonical.base import Model
from canonical.entity import Route
from canonical.failures import Finding
from canonical.validation import validate


class QuoteReport(Model):
    """The answer. There is always one, and it is always one of these."""

    quote_id: str
    outcome: str = Field(description="valid, findings, waits-for-catalog or deadline-exceeded")
    revision: str = ""
    customer: str = ""
    net_total: str = ""
    lines: int = 0
    route: Route | None = None
    findings: tuple[Finding, ...] = ()
    stage: str = Field(default="", description="what was under way when the time was over")
    took_ms: int = 0


async def validate_quote(wired: Wired, quote_id: str, deadline: timedelta) -> QuoteReport:
    """Read the deal and run every check, within `deadline`. Nothing is written, in no system and not in the store.

    Raises what the CRM or the tax engine raises: Rejected `quote-unknown`, Transient, Misconfigured.
    """
    started, stage = time.monotonic(), "reading the deal"
    try:
        async with asyncio.timeout(deadline.total_seconds()):
            deal = await wired.crm.deal(quote_id)
            stage = "asking the tax engine"
            ground = await wired.activation.ground(deal)
    except TimeoutError:
        return QuoteReport(
            quote_id=quote_id, outcome="deadline-exceeded", stage=stage, took_ms=_since(started)
        )
    verdict = validate(deal, ground)
    outcome = "waits-for-catalog" if verdict.waiting else "findings" if verdict.findings else "valid"
    return QuoteReport(
        quote_id=quote_id,
        outcome=outcome,
        revision=deal.revision,
        customer=deal.parties.customer.name,
        net_total=str(deal.quote.net_total),
        lines=len(deal.quote.lines),
        route=verdict.route,
        findings=verdict.findings,
        took_ms=_since(started),
    )


def _since(started: float) -> int:
    return int((time.monotonic() - started) * 1000)
