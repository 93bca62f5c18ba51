"""Which system owns which field: the register that says whose word counts, and who looks after it (R97, R118)."""

from canonical.base import Model
from canonical.failures import Owner


class Owned(Model):
    """One row of the register. `written_to` are the roles that receive a copy through this product."""

    domain: str
    field: str
    owner_role: str
    steward: Owner
    written_to: tuple[str, ...] = ()
    note: str = ""


def _row(domain: str, field: str, owner_role: str, steward: Owner, *written_to: str, note: str = "") -> Owned:
    return Owned(
        domain=domain, field=field, owner_role=owner_role, steward=steward, written_to=written_to, note=note
    )


_REV, _FIN, _INT = Owner.REVOPS, Owner.FINANCE_OPS, Owner.INTEGRATION
REGISTER: tuple[Owned, ...] = (
    _row("customer", "name, hierarchy, contacts", "crm", _REV, "billing", "erp"),
    _row("customer", "VAT id, exemption", "crm", _FIN, "billing", "tax"),
    _row("customer", "legal entity, segments", "revsaga", _FIN, "erp", note="the routing table"),
    _row(
        "catalog",
        "product, price plan, charge",
        "revsaga",
        _REV,
        note="the price list; ids are mapped per vendor",
    ),
    _row("catalog", "tax code, obligation, stand-alone selling price", "revsaga", _FIN, "tax", "erp"),
    _row("pricing", "prices and discounts of a deal", "cpq", _REV, "billing"),
    _row("deal", "stage, primary quote", "crm", _REV),
    _row("deal", "lock, state and ids of the activation", "revsaga", _INT, "cpq"),
    _row("subscription", "state, version, charges", "billing", _REV, "cpq"),
    _row("invoice", "invoice plan, invoices", "billing", _FIN),
    _row("tax", "determination", "tax", _FIN),
    _row("payment", "payment method, authorisation", "payments", _FIN, "billing", note="a reference only"),
    _row("contract", "contract document, receivables, ledger", "erp", _FIN),
    _row("revenue", "revenue elements and schedules", "erp", _FIN, note="checked by recomputation"),
    _row("exception", "cases and their owners", "revsaga", _INT),
)


def owner_of(domain: str) -> tuple[Owned, ...]:
    """All rows of a domain."""
    return tuple(row for row in REGISTER if row.domain == domain)
