"""The nodes of a trail: one for each thing that an activation makes, and the check that none is missing."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from pydantic import Field

from activities.store.activations import ActivationState
from activities.store.events import StoredEvent
from canonical.base import Model
from commands.inner.found import Found
from commands.inner.lineage import Line, in_words


class Ref(Model):
    """The same thing in one system."""

    system: str
    type: str
    id: str


class Node(Model):
    """One thing that came to be. `cause` is the effect or the workflow that made it, `event` says so in the chain."""

    kind: str
    title: str
    id: str
    state: str
    refs: tuple[Ref, ...] = ()
    at: datetime | None = None
    actor: str = ""
    cause: str = ""
    event: str = ""
    facts: dict[str, Any] = Field(default_factory=dict)


class Required(Model):
    """A kind of node that a finished trail must have, and whether it has."""

    kind: str
    status: str = Field(description="present, gap, not-reached or not-needed")
    text: str


def _node(
    kind: str, title: str, id_: str, state: str, event: StoredEvent | None, refs: Sequence[Ref], **facts: Any
) -> Node:
    said = event.event if event is not None else None
    return Node(
        kind=kind, title=title, id=id_, state=state,
        refs=tuple(sorted({r for r in refs if r.id}, key=lambda r: (r.system, r.type, r.id))),
        at=said.time if said else None, actor=said.actor if said else "", cause=said.causationid if said else "",
        event=said.id if said else "", facts={name: value for name, value in facts.items() if value not in ("", None)},
    )  # fmt: skip


def _xrefs(found: Found, *types: str) -> list[Ref]:
    return [
        Ref(system=x.system, type=x.external_type, id=x.external_id)
        for x in found.xrefs
        if x.canonical_type in types
    ]


def _quote(found: Found) -> Node | None:
    row, deal, crm = found.row, found.deal, found.system("lock-quote")
    refs = [
        Ref(system=crm, type="quote", id=row.quote_id),
        *_xrefs(found, "quote", "opportunity", "crm-contract"),
    ]
    facts: dict[str, Any] = {"revision": row.revision, "started_by": row.actor, "reason": row.reason}
    if deal is not None:
        refs.append(Ref(system=crm, type="opportunity", id=deal.opportunity.opportunity_id))
        refs.append(Ref(system=crm, type="account", id=deal.parties.customer.customer_id))
        facts |= {
            "name": deal.quote.name,
            "customer": deal.parties.customer.name,
            "net_total": str(deal.quote.net_total),
        }
    refs = [Ref(system=r.system or "crm", type=r.type, id=r.id) for r in refs]
    return _node(
        "quote", "Quote", row.quote_id, row.state.value, found.event("activation.started"), refs, **facts
    )


def _validation(found: Found) -> Node | None:
    passed, refused = found.event("quote.validated"), found.event("quote.refused")
    event = passed or refused
    if event is None:
        return None
    data = event.event.data
    state = "passed" if passed else "refused"
    return _node(
        "validation", "Validation", found.row.quote_id, state, event, (),
        entity=data.get("entity"), rule=data.get("rule_id"), codes=data.get("codes"),
    )  # fmt: skip


def _lock(found: Found) -> Node | None:
    locked = found.event("quote.locked")
    if locked is None:
        return None
    released = found.event("quote.completed") or found.event("quote.unlocked")
    state = "released" if released else "held"
    refs = [Ref(system=found.system("lock-quote"), type="quote", id=found.row.quote_id)]
    return _node(
        "lock", "Lock of the quote", str(locked.event.data["operation_id"]), state, locked, refs,
        content_hash=locked.event.data["content_hash"], released_at=_when(released),
    )  # fmt: skip


def _when(event: StoredEvent | None) -> str:
    return event.event.time.isoformat() if event is not None else ""


def _account(found: Found) -> Node | None:
    number = found.result("draft-order", "account_number") or found.result("open-account", "number")
    if not number:
        return None
    gone, kept = found.event("billing-account.cancelled"), found.event("billing-account.kept")
    state = "cancelled" if gone else "active"
    refs = [*_xrefs(found, "billing-account"), Ref(system=_billing(found), type="account-number", id=number)]
    ours = found.effect("open-account") is not None
    return _node(
        "billing-account", "Billing account", number, state, found.account_event, refs,
        opened_by="this activation" if ours else "an earlier one",
        left_in_place=str(kept.event.data["because"]) if kept else "",
    )  # fmt: skip


def _billing(found: Found) -> str:
    return found.system("draft-order") or found.system("open-account")


def _payment(found: Found) -> Node | None:
    event = found.event("payment-reference.set")
    if event is None:
        return None
    state = "stored" if event.event.data["has_reference"] else "removed"
    return _node("payment-reference", "Payment reference", str(event.event.data["number"]), state, event, ())


def _order(found: Found) -> Node | None:
    drafted = found.event("order.drafted")
    if drafted is None:
        return None
    active, gone = found.event("order.activated"), found.event("order.withdrawn")
    number = str(drafted.event.data["order_number"])
    refs = [*_xrefs(found, "order"), Ref(system=_billing(found), type="order", id=number)]
    state = "withdrawn" if gone else "active" if active else "draft"
    return _node(
        "order", "Order", number, state, drafted, refs, activated_at=_when(active), withdrawn_at=_when(gone)
    )


def _subscription(found: Found) -> Node | None:
    event = found.event("subscription.activated")
    if event is None:
        return None
    data: Any = event.event.data
    return _node(
        "subscription", "Subscription", data["subscription_number"], "active", event, _xrefs(found, "subscription"),
        start=data["term"]["start"], end=data["term"]["end"], charges=data["charges"],
    )  # fmt: skip


def _tax(found: Found) -> Node | None:
    event = found.event("tax.estimated")
    if event is None:
        return None
    data: Any = event.event.data
    return _node(
        "tax-estimate", "Tax of the first invoice, estimated", data["order_number"], "estimated", event, (),
        tax=in_words(data["tax"]), zero_reasons=data["zero_reasons"] or None, evidence=data["evidence"],
    )  # fmt: skip


def _customer(found: Found) -> Node | None:
    event = found.event("erp-customer.recorded")
    if event is None:
        return None
    data, erp = event.event.data, found.system("record-customer")
    refs = [
        Ref(system=erp, type="customer", id=str(data["erp_id"])),
        Ref(system=erp, type="customer-external-id", id=str(data["external_id"])),
    ]
    return _node("erp-customer", "Customer in the ERP", str(data["external_id"]), "recorded", event, refs)


def _contract(found: Found) -> Node | None:
    event = found.event("contract.recorded")
    if event is None:
        return None
    data, erp = event.event.data, found.system("record-contract")
    refs = [
        *_xrefs(found, "contract"),
        Ref(system=erp, type="contract-external-id", id=str(data["external_id"])),
        Ref(system=erp, type="contract-number", id=found.result("record-contract", "number")),
    ]
    return _node(
        "erp-contract", "Contract document in the ERP", str(data["external_id"]), "recorded", event, refs,
        total=in_words(data["total"]), lines=len(data["lines"]) if isinstance(data["lines"], list) else 0,
        entity=event.event.entity,
    )  # fmt: skip


def _written_back(found: Found) -> Node | None:
    event = found.event("quote.completed")
    if event is None:
        return None
    refs = [Ref(system=found.system("write-back"), type="quote", id=found.row.quote_id)]
    return _node("write-back", "Outcome written back to the CRM", found.row.quote_id, "written", event, refs)


MAKERS: tuple[tuple[str, Callable[[Found], Node | None]], ...] = (
    ("quote", _quote), ("validation", _validation), ("lock", _lock), ("billing-account", _account),
    ("payment-reference", _payment), ("order", _order), ("tax-estimate", _tax), ("subscription", _subscription),
    ("erp-customer", _customer), ("erp-contract", _contract), ("write-back", _written_back),
)  # fmt: skip
_IF_AUTOPAY = "payment-reference"


def nodes(found: Found) -> tuple[Node, ...]:
    """The nodes that came to be, in the order of the story."""
    made = (maker(found) for _, maker in MAKERS)
    return tuple(node for node in made if node is not None)


def required(found: Found, made: Sequence[Node], lines: Sequence[Line]) -> tuple[Required, ...]:
    """Every required kind with `no gap`, or what is missing."""
    present = {node.kind: node for node in made}
    checks = [_required(found, kind, present.get(kind)) for kind, _ in MAKERS]
    checks.append(_lineage(found, lines))
    checks.append(_effects(found))
    checks.append(_has("events", bool(found.events), "no event stands in the chain"))
    return tuple(checks)


def _has(kind: str, there: bool, gap: str) -> Required:
    return Required(kind=kind, status="present" if there else "gap", text="no gap" if there else gap)


def _required(found: Found, kind: str, node: Node | None) -> Required:
    if node is None:
        if kind == _IF_AUTOPAY and (found.deal is None or not found.deal.quote.payment.autopay):
            return Required(kind=kind, status="not-needed", text="the customer pays by invoice")
        if not found.completed:
            return Required(
                kind=kind, status="not-reached", text=f"the activation is {found.row.state.value}"
            )
        return Required(
            kind=kind, status="gap", text="the activation is completed, and nothing tells of this"
        )
    ended = found.row.state in (ActivationState.UNWOUND, ActivationState.CANCELLED)
    left = {("lock", "held"), ("order", "draft"), ("order", "active")}
    if ended and (kind, node.state) in left:
        return Required(kind=kind, status="gap", text=f"taken back, but still {node.state}")
    if node.event == "" and kind != "quote":
        return Required(kind=kind, status="gap", text="no event tells when it came to be")
    return Required(kind=kind, status="present", text="no gap")


def _lineage(found: Found, lines: Sequence[Line]) -> Required:
    if not found.completed:
        return Required(
            kind="lineage", status="not-reached", text=f"the activation is {found.row.state.value}"
        )
    broken = [line.lineage_id for line in lines if not line.whole]
    gap = (
        f"lines without charge or contract line: {', '.join(broken)}"
        if broken
        else "the lines of the deal are unknown"
    )
    return _has("lineage", bool(lines) and not broken, gap)


def _effects(found: Found) -> Required:
    ended = found.row.state is not ActivationState.LIVE
    loose = [e.key for e in found.effects if e.state in ("intent", "sent", "uncertain")]
    gap = f"nobody knows whether these happened: {', '.join(loose)}"
    return _has("effects", not (ended and loose), gap)
