"""Exception cases: work that a person must finish, with an owner, a reason, a fix and a clock."""

from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import AwareDatetime, Field

from canonical.base import Model
from canonical.failures import FailureRecord, Finding, Kind, Owner
from canonical.ids import number


class CaseState(StrEnum):
    """Where a case stands."""

    OPEN = "open"
    IN_PROGRESS = "in-progress"
    RESOLVED = "resolved"
    WITHDRAWN = "withdrawn"


OPEN_STATES = (CaseState.OPEN, CaseState.IN_PROGRESS)


class ExceptionCase(Model):
    """One case. `episode` counts how often the same step of the same saga has parked."""

    case_id: str
    workflow_id: str
    saga: str = Field(description="saga kind, e.g. activation")
    step: str
    title: str = Field(description="the step in business words")
    episode: int = 0
    kind: Kind | None = Field(default=None, description="kind of failure; None when the cause is a bug")
    code: str
    reason: str
    field: str = Field(default="", description="dotted path of what is wrong; empty when none")
    fix: str = Field(description="what to do next")
    owner: Owner
    unrouted: bool = Field(default=False, description="no routing rule knows the code: the table needs a row")
    assignee: str = ""
    since: AwareDatetime = Field(description="business time")
    deadline: AwareDatetime | None = Field(default=None, description="when it unwinds by itself, if it does")
    state: CaseState = CaseState.OPEN
    resolution: str = Field(default="", description="retry, retry_with, skip_with, unwind, ...")
    resolved_by: str = ""
    resolved_at: AwareDatetime | None = None
    resolution_reason: str = ""
    choices: tuple[str, ...] = Field(default=(), description="the resolutions that this step accepts")
    evidence: dict[str, str] = Field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    correlation_id: str = ""
    customer_id: str = ""
    entity: str = ""

    @property
    def open(self) -> bool:
        """Still waits for a person."""
        return self.state in OPEN_STATES

    @property
    def due(self) -> datetime:
        """When its owner has promised to have finished it."""
        return self.since + timedelta(hours=SLA_HOURS[self.owner])


def case_id(workflow_id: str, step: str, episode: int) -> str:
    """The number of a case: the same park of the same step has the same number, however often it is reported."""
    return number("CASE", step, f"{workflow_id}/{step}/{episode}")


# Hours of business time until a case is late.
SLA_HOURS: dict[Owner, int] = {Owner.REVOPS: 24, Owner.FINANCE_OPS: 24, Owner.INTEGRATION: 8}

# First match by the longest prefix. A new code needs a row; without one its case goes to integration support, flagged.
ROUTING: dict[str, Owner] = {
    # the deal, the quote and what is sold
    "account": Owner.REVOPS,
    "accounts": Owner.REVOPS,
    "address": Owner.REVOPS,
    "amount": Owner.REVOPS,
    "bundle": Owner.REVOPS,
    "catalog": Owner.REVOPS,
    "contact": Owner.REVOPS,
    "bill-to": Owner.REVOPS,
    "sold-to": Owner.REVOPS,
    "charge": Owner.REVOPS,
    "content-changed": Owner.REVOPS,
    "crm": Owner.REVOPS,
    "customer": Owner.REVOPS,
    "deal": Owner.REVOPS,
    "discount": Owner.REVOPS,
    "hierarchy": Owner.REVOPS,
    "line": Owner.REVOPS,
    "method": Owner.REVOPS,
    "not-as-agreed": Owner.REVOPS,
    "opportunity": Owner.REVOPS,
    "order-differs": Owner.REVOPS,
    "payment-method": Owner.REVOPS,
    "price": Owner.REVOPS,
    "product": Owner.REVOPS,
    "quantity": Owner.REVOPS,
    "quote": Owner.REVOPS,
    "quote-locked": Owner.REVOPS,
    "ramp": Owner.REVOPS,
    "record-locked-by-approval": Owner.REVOPS,
    "service-date": Owner.REVOPS,
    "usage": Owner.REVOPS,
    # money, tax, entities and the ledger
    "allocation": Owner.FINANCE_OPS,
    "comparison": Owner.FINANCE_OPS,
    "contract": Owner.FINANCE_OPS,
    "currency": Owner.FINANCE_OPS,
    "entity": Owner.FINANCE_OPS,
    "erp": Owner.FINANCE_OPS,
    "estimate": Owner.FINANCE_OPS,
    "location": Owner.FINANCE_OPS,
    "mapping": Owner.FINANCE_OPS,
    "mapping-product": Owner.REVOPS,
    "nexus": Owner.FINANCE_OPS,
    "order": Owner.FINANCE_OPS,
    "payment": Owner.FINANCE_OPS,
    "payment-terms": Owner.FINANCE_OPS,
    "period": Owner.FINANCE_OPS,
    "preview": Owner.FINANCE_OPS,
    "read-back": Owner.FINANCE_OPS,
    "route": Owner.FINANCE_OPS,
    "segment": Owner.FINANCE_OPS,
    "ssp": Owner.FINANCE_OPS,
    "subscription": Owner.FINANCE_OPS,
    "tax": Owner.FINANCE_OPS,
    "tax-unavailable": Owner.INTEGRATION,
    "terms": Owner.FINANCE_OPS,
    "vat": Owner.FINANCE_OPS,
    # machinery
    "activation": Owner.INTEGRATION,
    "answer": Owner.INTEGRATION,
    "api": Owner.INTEGRATION,
    "auth": Owner.INTEGRATION,
    "autopay": Owner.INTEGRATION,
    "bug": Owner.INTEGRATION,
    "cancelled": Owner.INTEGRATION,
    "case": Owner.INTEGRATION,
    "certificate": Owner.INTEGRATION,
    "client": Owner.INTEGRATION,
    "clock": Owner.INTEGRATION,
    "code": Owner.INTEGRATION,
    "concurrency": Owner.INTEGRATION,
    "concurrent": Owner.INTEGRATION,
    "connection": Owner.INTEGRATION,
    "connector": Owner.INTEGRATION,
    "credential": Owner.INTEGRATION,
    "cursor": Owner.INTEGRATION,
    "custom": Owner.INTEGRATION,
    "daily": Owner.INTEGRATION,
    "document": Owner.INTEGRATION,
    "effect": Owner.INTEGRATION,
    "engine": Owner.INTEGRATION,
    "event": Owner.INTEGRATION,
    "external": Owner.INTEGRATION,
    "fault": Owner.INTEGRATION,
    "field": Owner.INTEGRATION,
    "gateway": Owner.INTEGRATION,
    "host": Owner.INTEGRATION,
    "idempotency": Owner.INTEGRATION,
    "internal": Owner.INTEGRATION,
    "key": Owner.INTEGRATION,
    "key-reused": Owner.INTEGRATION,
    "lease": Owner.INTEGRATION,
    "limit": Owner.INTEGRATION,
    "lock": Owner.INTEGRATION,
    "network": Owner.INTEGRATION,
    "not-reached": Owner.INTEGRATION,
    "object": Owner.INTEGRATION,
    "outcome": Owner.INTEGRATION,
    "page": Owner.INTEGRATION,
    "paging": Owner.INTEGRATION,
    "payload": Owner.INTEGRATION,
    "permission": Owner.INTEGRATION,
    "private": Owner.INTEGRATION,
    "query": Owner.INTEGRATION,
    "rate": Owner.INTEGRATION,
    "record": Owner.INTEGRATION,
    "redirect": Owner.INTEGRATION,
    "reference": Owner.INTEGRATION,
    "refused": Owner.INTEGRATION,
    "request": Owner.INTEGRATION,
    "row": Owner.INTEGRATION,
    "rule": Owner.INTEGRATION,
    "schema": Owner.INTEGRATION,
    "server": Owner.INTEGRATION,
    "service": Owner.INTEGRATION,
    "signature": Owner.INTEGRATION,
    "store": Owner.INTEGRATION,
    "system": Owner.INTEGRATION,
    "temporary": Owner.INTEGRATION,
    "throttled": Owner.INTEGRATION,
    "timeout": Owner.INTEGRATION,
    "token": Owner.INTEGRATION,
    "unavailable": Owner.INTEGRATION,
    "undo": Owner.INTEGRATION,
    "undone": Owner.INTEGRATION,
    "unexpected": Owner.INTEGRATION,
    "unlock": Owner.INTEGRATION,
    "value": Owner.INTEGRATION,
    "weights": Owner.INTEGRATION,
    "xref": Owner.INTEGRATION,
}


class Routed(Model):
    """Who gets a case, and whether a rule said so."""

    owner: Owner
    rule: str = Field(description="the prefix that decided; empty when none did")


def route_case(code: str, findings: tuple[Finding, ...] = ()) -> Routed:
    """The owner of a code: the longest prefix (whole words) wins; a leading name of a vendor is passed over.

    A failure that bundles findings goes to the owner of most of them (ties: in the order of `Owner`).
    """
    if findings:
        counts = {owner: sum(f.owner is owner for f in findings) for owner in Owner}
        return Routed(owner=max(Owner, key=lambda owner: counts[owner]), rule="findings")
    words = code.split("-")
    for start in (0, 1):
        for end in range(len(words), start, -1):
            prefix = "-".join(words[start:end])
            if prefix in ROUTING:
                return Routed(owner=ROUTING[prefix], rule=prefix)
    return Routed(owner=Owner.INTEGRATION, rule="")


def open_case(
    failure: FailureRecord | None,
    *,
    workflow_id: str,
    saga: str,
    step: str,
    title: str,
    episode: int,
    since: datetime,
    owner: Owner | None = None,
    deadline: datetime | None = None,
    choices: tuple[str, ...] = (),
    correlation_id: str = "",
    customer_id: str = "",
    entity: str = "",
    bug: str = "",
) -> ExceptionCase:
    """The case that a failure makes. `owner` overrides the routing table; `bug` is the text without a failure."""
    code = failure.code if failure is not None else "bug"
    routed = route_case(code, failure.findings if failure is not None else ())
    return ExceptionCase(
        case_id=case_id(workflow_id, step, episode),
        workflow_id=workflow_id,
        saga=saga,
        step=step,
        title=title,
        episode=episode,
        kind=failure.kind if failure is not None else None,
        code=code,
        reason=failure.message if failure is not None else bug,
        field=(failure.field or "") if failure is not None else "",
        fix=(failure.fix if failure is not None else None) or "see the evidence, mend the cause, then retry",
        owner=owner or routed.owner,
        unrouted=routed.rule == "",
        since=since,
        deadline=deadline,
        choices=choices,
        evidence=failure.evidence if failure is not None else {},
        findings=failure.findings if failure is not None else (),
        correlation_id=correlation_id,
        customer_id=customer_id,
        entity=entity,
    )


class CaseNote(Model):
    """What somebody said or did about a case."""

    case_id: str
    at: AwareDatetime
    actor: str
    text: str
