"""Checks of the deal as a whole: its state, who buys, who sells, in which currency, taxed where, paid how."""

from canonical.entity import LegalEntity, explain, no_route
from canonical.failures import Finding, Owner
from canonical.ground import Look, explained, finding
from canonical.money import EXPONENTS
from canonical.party import hierarchy_findings
from canonical.vat import EU_COUNTRIES

_REGIONED = ("US", "CA")


def state(look: Look) -> list[Finding]:
    """Won, approved, primary, calculated."""
    quote, found = look.deal.quote, []
    if not look.deal.opportunity.won:
        found.append(
            finding(
                "deal-not-won",
                "opportunity.stage",
                "the deal is not closed won",
                "close the deal as won in the CRM",
            )
        )
    if quote.status not in ("approved", "accepted"):
        message = f"the quote is {quote.status}, not approved"
        found.append(finding("quote-not-approved", "quote.status", message, "have the quote approved in CPQ"))
    if not quote.primary or look.deal.opportunity.primary_quote_id not in (None, quote.quote_id):
        message = "this is not the primary quote of its deal"
        found.append(
            finding(
                "quote-not-primary",
                "quote.primary",
                message,
                "mark it primary, or activate the primary quote",
            )
        )
    if not quote.calculated:
        message = "prices are older than the lines"
        found.append(
            finding(
                "quote-not-calculated", "quote.calculated", message, "open the quote in CPQ and calculate it"
            )
        )
    return found


def hierarchy(look: Look) -> list[Finding]:
    """No circle above the account; both roles present."""
    customer = look.deal.parties.customer
    parents = {customer.customer_id: customer.parent_id} | look.deal.parents
    found = list(hierarchy_findings(customer.customer_id, parents))
    for role in ("sold_to", "bill_to"):
        if getattr(look.deal.parties, role) is None:
            word = role.replace("_", "-")
            message = f"the quote has no {word} address"
            found.append(
                finding(
                    f"{word}-missing", f"parties.{role}", message, f"fill in the {word} address on the quote"
                )
            )
    return found


def entity(look: Look) -> list[Finding]:
    """Exactly one legal entity sells."""
    if look.entity is not None:
        return _bill_to_elsewhere(look, look.entity)
    route, steps = explained(look.deal, look.ground)
    what = f"there is no entity {route.entity}" if route is not None else no_route(steps)[1]
    fix = (
        f"see `revsaga route explain {look.deal.quote.quote_id}`, then correct the routing table or the quote"
    )
    return [
        finding(
            "entity-not-found",
            "quote.legal_entity",
            f"no legal entity can be told: {what}",
            fix,
            Owner.FINANCE_OPS,
        )
    ]


def _bill_to_elsewhere(look: Look, seller: LegalEntity) -> list[Finding]:
    """One entity sells and invoices: a bill-to that another entity serves needs a decision of finance."""
    bill_to, deal = look.deal.parties.bill_to, look.deal
    if bill_to is None:
        return []
    route, _ = explain(
        look.ground.rules,
        currency=deal.quote.currency,
        country=bill_to.address.country,
        region=deal.parties.customer.region,
        on=look.ground.on,
    )
    if route is None or route.entity == seller.code:
        return []
    return [
        finding(
            "bill-to-cross-entity",
            "parties.bill_to.address.country",
            f"{seller.code} sells, but the bill-to in {bill_to.address.country} belongs to {route.entity}",
            "bill an address that the selling entity serves, or sell through the other entity",
            Owner.FINANCE_OPS,
        )
    ]


def currency(look: Look) -> list[Finding]:
    """Known, sold by the entity, the same on all lines."""
    currency = look.deal.quote.currency
    if currency not in EXPONENTS:
        message = f"no minor-unit data for currency {currency!r}"
        return [
            finding(
                "currency-unknown",
                "quote.currency",
                message,
                "correct the currency of the quote",
                Owner.FINANCE_OPS,
            )
        ]
    if look.entity is not None and currency not in look.entity.currencies:
        message = (
            f"{look.entity.name} does not sell in {currency}, only in {', '.join(look.entity.currencies)}"
        )
        return [
            finding(
                "currency-not-sold",
                "quote.currency",
                message,
                "quote in one of these currencies",
                Owner.FINANCE_OPS,
            )
        ]
    if mixed := sorted({line.net_total.currency for line in look.deal.quote.lines} - {currency}):
        message = f"lines are in {', '.join(mixed)}, the quote in {currency}"
        return [finding("currency-mixed", "quote.lines", message, "recalculate the quote in one currency")]
    return []


def nexus(look: Look) -> list[Finding]:
    """The entity may collect tax where the customer is, or need not."""
    sold_to = look.deal.parties.sold_to
    if look.entity is None or sold_to is None:
        return []
    rows = [
        n
        for n in look.ground.nexus.get(look.entity.tax_company, ())
        if n.effective_from <= look.ground.on and (n.effective_to is None or look.ground.on < n.effective_to)
    ]
    if not any(n.country == look.entity.country for n in rows):
        message = f"{look.entity.name} collects no tax in its own country {look.entity.country}"
        return [
            finding(
                "tax-nexus-home",
                "entity.tax_company",
                message,
                "declare its nexus in the tax engine",
                Owner.FINANCE_OPS,
            )
        ]
    country = sold_to.address.country
    reverse_charge = (
        country in EU_COUNTRIES
        and look.entity.country in EU_COUNTRIES
        and bool(look.deal.parties.customer.vat_id)
    )
    if country in _REGIONED or reverse_charge or any(n.country == country for n in rows):
        return []
    message = f"{look.entity.name} has no tax registration in {country}, and reverse charge does not apply"
    fix = "register and add the nexus in the tax engine, sell through another entity, or add the customer's VAT id"
    return [finding("tax-nexus-missing", "parties.sold_to.address.country", message, fix, Owner.FINANCE_OPS)]


def terms(look: Look) -> list[Finding]:
    """Granted by the entity and known to the ERP."""
    terms = look.deal.quote.payment_terms
    if look.entity is not None and terms not in look.entity.payment_terms:
        granted = ", ".join(look.entity.payment_terms)
        message = f"{look.entity.name} does not grant {terms or 'empty terms'!r}; it grants {granted}"
        return [
            finding(
                "terms-not-granted",
                "quote.payment_terms",
                message,
                "choose one of these terms",
                Owner.FINANCE_OPS,
            )
        ]
    if look.ground.erp.find("terms", terms) is None:
        message = f"the ERP has no payment terms {terms!r}"
        return [
            finding(
                "terms-unmapped",
                "quote.payment_terms",
                message,
                "create them in the ERP and activate the mapping",
                Owner.FINANCE_OPS,
            )
        ]
    return []


def payment(look: Look) -> list[Finding]:
    """An automatic payer names a payment method."""
    payment = look.deal.quote.payment
    if payment.autopay and not (payment.gateway_customer and payment.payment_method):
        message = "the customer pays automatically, but no payment method is named"
        return [
            finding(
                "payment-method-missing",
                "quote.payment.payment_method",
                message,
                "collect a payment method, or switch to invoice",
            )
        ]
    return []
