"""The life of a customer's money as a map: each flow with its steps, the system that acts and the team that owns it."""

from canonical.base import Model
from canonical.failures import Owner


class LifeStep(Model):
    """One step of a flow. `system` is a role (crm, cpq, billing, tax, payments, erp, metering) or `revsaga`."""

    what: str
    system: str
    owner: Owner


class Flow(Model):
    """One flow from its trigger to its end. `saga` names the workflow that delivers it; None means it comes later."""

    code: str
    name: str
    trigger: str
    ends_with: str
    steps: tuple[LifeStep, ...]
    saga: str | None = None


_REV, _FIN, _INT = Owner.REVOPS, Owner.FINANCE_OPS, Owner.INTEGRATION


def _flow(
    code: str,
    name: str,
    trigger: str,
    ends_with: str,
    *steps: tuple[str, str, Owner],
    saga: str | None = None,
) -> Flow:
    made = tuple(LifeStep(what=what, system=system, owner=owner) for what, system, owner in steps)
    return Flow(code=code, name=name, trigger=trigger, ends_with=ends_with, steps=made, saga=saga)


FLOWS: tuple[Flow, ...] = (
    _flow(
        "new-business",
        "New business",
        "a deal is closed as won in the CRM",
        "an active subscription in billing and a contract document in the ERP",
        ("close the deal with an approved, calculated, primary quote", "cpq", _REV),
        ("validate it, lock it, decide the selling entity", "revsaga", _REV),
        ("open the account, draft, compare and activate the order", "billing", _REV),
        ("check the payment method of customers who pay automatically", "payments", _REV),
        ("estimate the tax of the first invoice", "tax", _FIN),
        ("record the customer and the contract document", "erp", _FIN),
        ("write ids and state back to the quote", "crm", _REV),
        saga="quote_to_subscription",
    ),
    _flow(
        "amendments",
        "Amendments",
        "a change quote is approved: more, less, another product, suspend, cancel",
        "the next version of the subscription and an updated contract document",
        ("approve the change quote", "cpq", _REV),
        ("queue the change behind what the subscription is doing", "revsaga", _INT),
        ("change the subscription from the day agreed, prorated by the plan's policy", "billing", _REV),
        ("credit what was billed for the time after the change", "billing", _FIN),
        ("update the contract document and allocate what remains", "erp", _FIN),
    ),
    _flow(
        "renewals",
        "Renewals",
        "a term nears its end",
        "the next term, or an expired subscription",
        ("agree the renewal quote", "cpq", _REV),
        ("renew the subscription, with the price of the new term", "billing", _REV),
        ("record the next contract document", "erp", _FIN),
    ),
    _flow(
        "usage",
        "Usage",
        "measured usage arrives",
        "rated usage on an invoice",
        ("deliver usage events, each once", "metering", _INT),
        ("aggregate and rate the period, late events included", "revsaga", _FIN),
        ("take up rated usage for the next invoice", "billing", _FIN),
    ),
    _flow(
        "invoicing",
        "Invoices",
        "a bill run finds what is due",
        "a posted invoice with its receivable",
        ("generate and post the invoice", "billing", _FIN),
        ("commit its tax", "tax", _FIN),
        ("post receivable and deferred revenue by entity and segment", "erp", _FIN),
    ),
    _flow(
        "credits",
        "Credits",
        "a customer is owed less than was billed",
        "a credit memo that is applied, taxed and posted",
        ("approve the credit with its reason", "revsaga", _FIN),
        ("issue and apply the credit memo", "billing", _FIN),
        ("adjust the tax of the original document", "tax", _FIN),
        ("post the credit against receivable and revenue", "erp", _FIN),
    ),
    _flow(
        "refunds",
        "Refunds",
        "money goes back to a customer",
        "a refund that gateway, billing and ledger agree on",
        ("approve the refund", "revsaga", _FIN),
        ("return the money", "payments", _FIN),
        ("record the refund against its payment", "billing", _FIN),
        ("post it to cash", "erp", _FIN),
    ),
    _flow(
        "collections",
        "Collections",
        "an invoice falls due",
        "a payment that is applied, or a case for a person",
        ("charge the stored payment method, or await the transfer", "payments", _FIN),
        ("apply the payment to its invoice", "billing", _FIN),
        ("try again and remind, then hand over to a person", "revsaga", _FIN),
        ("post cash and fees, reconcile the payout", "erp", _FIN),
    ),
    _flow(
        "close",
        "Close",
        "an accounting period ends",
        "systems that agree to the cent, and a closed period",
        ("reconcile billing, payments, tax and ledger; own every break", "revsaga", _FIN),
        ("recognise revenue of the period", "erp", _FIN),
        ("file tax", "tax", _FIN),
        ("close the period", "erp", _FIN),
    ),
)
