"""Who buys, who is billed, who uses: customers with their hierarchy, addresses and contacts."""

from collections.abc import Mapping

from pydantic import Field

from canonical.base import Model
from canonical.failures import Finding, Owner


class Address(Model):
    """A postal address. `country` is ISO 3166-1 alpha-2, `region` the subdivision without the country prefix."""

    line1: str = ""
    line2: str = ""
    city: str = ""
    region: str = ""
    postal_code: str = ""
    country: str = ""


class Contact(Model):
    """A named person or desk at an address."""

    first_name: str = ""
    last_name: str
    email: str = ""
    address: Address


class Customer(Model):
    """A customer account, with its chain of parents from the nearest upward (its own id never appears in it)."""

    customer_id: str
    name: str
    parent_id: str | None = None
    ancestors: tuple[str, ...] = Field(
        default=(), description="parent, grandparent, ... as far as they are known"
    )
    vat_id: str | None = None
    business: bool = True
    tax_exempt: bool = False
    exemption_number: str | None = None
    region: str = Field(default="", description="sales region, e.g. NA or EMEA; empty when unknown")


class Parties(Model):
    """The roles of one deal. Sold-to uses the service, bill-to receives the invoice."""

    customer: Customer
    sold_to: Contact | None
    bill_to: Contact | None


def hierarchy_findings(customer_id: str, parents: Mapping[str, str | None]) -> tuple[Finding, ...]:
    """What is wrong with the account hierarchy above `customer_id`: a cycle, or a parent that cannot be read."""
    seen: list[str] = [customer_id]
    current = parents.get(customer_id)
    while current is not None:
        if current in seen:
            path = " -> ".join([*seen, current])
            return (
                Finding(
                    code="hierarchy-cycle",
                    field="account.parent",
                    message=f"the account hierarchy runs in a circle: {path}",
                    fix="clear the parent of one of these accounts in the CRM",
                    owner=Owner.REVOPS,
                ),
            )
        if current not in parents:
            return (
                Finding(
                    code="hierarchy-parent-missing",
                    field="account.parent",
                    message=f"the parent account {current} cannot be read",
                    fix="give the integration user access to it, or correct the parent",
                    owner=Owner.REVOPS,
                ),
            )
        seen.append(current)
        current = parents[current]
    return ()
