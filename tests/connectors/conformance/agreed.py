"""What the book of deals becomes on its way into billing, tax and ERP: the same functions that the sagas use."""

from dataclasses import dataclass
from datetime import date

from canonical.contract import ContractDocument, ErpCustomer
from canonical.entity import LegalEntity, Route, route
from canonical.order import BillingAccount, OrderPlan
from canonical.planning import contract_document, plan_order
from canonical.quote import Deal
from tests.connectors.conformance.bench import deal, world

ON = date(2026, 1, 20)
# Deals that were agreed without a mistake; the shapes repeat every six, the currencies at another pace.
NUMBERS = (*range(1, 15), 35, 36, 38, 40)


@dataclass(frozen=True)
class Agreed:
    """One deal in the words of each port."""

    deal: Deal
    entity: LegalEntity
    route: Route
    account: BillingAccount
    plan: OrderPlan
    customer: ErpCustomer
    contract: ContractDocument


def agreed(number: int) -> Agreed:
    """The deal of that number, routed and planned."""
    found = deal(number)
    sold_to, bill_to = found.parties.sold_to, found.parties.bill_to
    assert sold_to is not None
    assert bill_to is not None
    customer = found.parties.customer
    currency = found.quote.currency
    way = route(
        world().rules,
        currency=currency,
        country=sold_to.address.country,
        region=customer.region,
        on=found.quote.period.start,
    )
    entity = next(e for e in world().entities if e.code == way.entity)
    account = BillingAccount(
        number=f"A-{number:05}",
        name=customer.name,
        currency=currency,
        customer_id=customer.customer_id,
        payment_terms=found.quote.payment_terms,
        bill_to=bill_to,
        sold_to=sold_to,
        vat_id=customer.vat_id,
    )
    plan = plan_order(
        found,
        world().catalog,
        entity,
        order_number=f"O-{number:05}",
        account_number=account.number,
        subscription_number=f"S-{number:05}",
        correlation_id=f"activation/{found.quote.quote_id}/r1",
        on=ON,
    )
    party = ErpCustomer(
        external_id=f"C-{number:05}",
        name=customer.name,
        entity=entity.code,
        currency=currency,
        payment_terms=found.quote.payment_terms,
        email=bill_to.email,
        address=bill_to.address,
        vat_id=customer.vat_id,
    )
    document = contract_document(
        found,
        plan,
        world().catalog,
        way,
        external_id=f"SO-{number:05}",
        customer_external_id=party.external_id,
        on=ON,
    )
    return Agreed(found, entity, way, account, plan, party, document)
