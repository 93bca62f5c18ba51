"""Checks of what is sold and to which addresses: products, lines, bundles, addresses, VAT ids."""

from collections.abc import Sequence
from decimal import Decimal

from canonical.bundle import explode
from canonical.catalog import ChargeType, Frequency, Tier
from canonical.failures import Finding, Rejected
from canonical.ground import NOT_SYNCHRONISED, Look, finding
from canonical.money import total
from canonical.party import Address
from canonical.planning import find_charge
from canonical.quote import Quote, QuoteLine
from canonical.vat import VAT_FORMS, form_country

_REGIONED = ("US", "CA")
_NO_POSTAL_CODE = frozenset(["AE", "HK", "QA"])


def products(look: Look) -> list[Finding]:
    """Every line sells something that billing and the ERP know."""
    found = []
    for i, line in enumerate(look.deal.quote.lines):
        if line.bundle:
            continue
        where, code = f"quote.lines[{i}].product_code", line.product_code
        product = look.ground.catalog.find(code, line.period.start)
        if product is None:
            fix = "publish the product with plan, tax code and obligation; the activation then goes on by itself"
            found.append(
                finding(
                    NOT_SYNCHRONISED,
                    where,
                    f"product {code} is not in the catalog on {line.period.start}",
                    fix,
                )
            )
            continue
        match = find_charge(product, line.charge_type)
        if match is None:
            message = f"product {code} has no {line.charge_type} charge"
            found.append(
                finding(
                    "product-charge-missing",
                    where,
                    message,
                    "correct the product's charges or the quote line",
                )
            )
            continue
        plan, charge = match
        unmapped = [
            name
            for mapping, kind, key, name in (
                (look.ground.billing, "plan", plan.code, f"plan {plan.code} in billing"),
                (look.ground.billing, "charge", charge.code, f"charge {charge.code} in billing"),
                (look.ground.erp, "item", code, f"item {code} in the ERP"),
            )
            if mapping.find(kind, key) is None
        ]
        if unmapped:
            fix = "synchronise it, then `revsaga mapping activate`; the activation then goes on by itself"
            found.append(finding(NOT_SYNCHRONISED, where, f"not synchronised: {', '.join(unmapped)}", fix))
    return found


def addresses(look: Look) -> list[Finding]:
    """Complete everywhere; resolved in the United States and Canada."""
    found: list[Finding] = []
    for role in ("sold_to", "bill_to"):
        contact = getattr(look.deal.parties, role)
        if contact is None:
            continue
        field = f"parties.{role}.address"
        for name in _missing_parts(contact.address):
            message = f"the {role.replace('_', '-')} address has no {name.replace('_', ' ')}"
            found.append(
                finding("address-incomplete", f"{field}.{name}", message, "complete the address on the quote")
            )
        check = look.ground.addresses.get(role)
        if check is not None and not check.resolved:
            why = "; ".join(check.problems) or check.quality
            message = f"the {role.replace('_', '-')} address cannot be resolved: {why}"
            found.append(
                finding(
                    "address-unresolved",
                    field,
                    message,
                    "correct street, city, state and postal code together",
                )
            )
    return found


def _missing_parts(address: Address) -> list[str]:
    needed = ["line1", "city", "country"]
    if address.country in _REGIONED:
        needed.append("region")
    if address.country not in _NO_POSTAL_CODE:
        needed.append("postal_code")
    return [name for name in needed if not getattr(address, name).strip()]


def vat_id(look: Look) -> list[Finding]:
    """Business customers in VAT countries carry an id of a known form."""
    customer, bill_to = look.deal.parties.customer, look.deal.parties.bill_to
    if bill_to is None or not customer.business or bill_to.address.country not in VAT_FORMS:
        return []
    country = bill_to.address.country
    if not customer.vat_id:
        message = f"a business customer in {country} needs a VAT id"
        return [
            finding(
                "vat-id-missing",
                "parties.customer.vat_id",
                message,
                "ask the customer and fill it in on the account",
            )
        ]
    if form_country(customer.vat_id) is None:
        message = f"VAT id {customer.vat_id!r} does not have the form of any known country"
        return [
            finding(
                "vat-id-form",
                "parties.customer.vat_id",
                message,
                "correct it, with its country prefix, e.g. DE123456789",
            )
        ]
    return []


def lines(look: Look) -> list[Finding]:
    """Quantities, discounts, dates, bundles, price bands and sums."""
    quote = look.deal.quote
    if not quote.lines:
        return [finding("quote-empty", "quote.lines", "the quote has no lines", "add lines in CPQ")]
    found = [*_bundles(quote), *_orphans(quote)]
    parents = {line.parent_line_id for line in quote.lines}
    found += [
        finding(code, f"quote.lines[{i}]{field}", f"{line.product_code}: {what}", fix)
        for i, line in enumerate(quote.lines)
        for wrong, code, field, what, fix in _line_rules(line, quote, parents)
        if wrong
    ]
    if all(line.net_total.currency == quote.currency == quote.net_total.currency for line in quote.lines):
        sum_of_lines = total((line.net_total for line in quote.lines), quote.currency)
        if sum_of_lines != quote.net_total:
            message = f"the lines sum to {sum_of_lines}, the quote says {quote.net_total}"
            found.append(
                finding("lines-do-not-sum", "quote.net_total", message, "recalculate the quote in CPQ")
            )
    return found


def _bundles(quote: Quote) -> list[Finding]:
    """What stops the packages from being shared out. A package without any component has a rule of its own."""
    parents = {line.parent_line_id for line in quote.lines}
    try:
        explode([line for line in quote.lines if not line.bundle or line.line_id in parents])
    except Rejected as refused:
        return [finding(refused.code, refused.field or "quote.lines", refused.message, refused.fix or "")]
    return []


def _orphans(quote: Quote) -> list[Finding]:
    """Parents that are not there: without them nobody knows what the line belongs to."""
    known = {line.line_id for line in quote.lines}
    return [
        finding(
            "bundle-parent-missing",
            f"quote.lines[{i}].parent_line_id",
            f"{line.product_code}: its package {line.parent_line_id} is not on the quote",
            "recalculate the quote in CPQ, or give the integration user access to all of its lines",
        )
        for i, line in enumerate(quote.lines)
        if line.parent_line_id is not None and line.parent_line_id not in known
    ]


def _line_rules(
    line: QuoteLine, quote: Quote, parents: set[str | None]
) -> list[tuple[bool, str, str, str, str]]:
    """Each rule as (broken, code, field, what is wrong, fix)."""
    late = line.period.end > quote.period.end and line.charge_type is not ChargeType.ONE_TIME
    unbilled = (
        line.charge_type is ChargeType.RECURRING and line.frequency is Frequency.ONCE and not line.bundle
    )
    banded = line.charge_type is ChargeType.USAGE and bool(line.tiers)
    return [
        (line.quantity <= 0, "quantity-not-positive", ".quantity", f"quantity {line.quantity} is not above zero",
         "correct the quantity or remove the line"),
        (not 0 <= line.discount_percent <= 100, "discount-out-of-range", ".discount_percent",
         f"a discount of {line.discount_percent} % is not between 0 and 100", "correct the discount and recalculate"),
        (line.net_total.minor < 0, "line-negative", ".net_total", f"costs {line.net_total}",
         "use a discount or a credit instead of a negative line"),
        (line.bundle and line.line_id not in parents, "bundle-without-components", "", "a bundle without components",
         "add its components in CPQ, or unmark the package"),
        (line.period.start < quote.period.start, "service-before-contract", ".period.start",
         f"service starts on {line.period.start}, before the contract on {quote.period.start}",
         "move the line or the contract start"),
        (late, "service-after-contract", ".period.end",
         f"service ends on {line.period.end}, after the contract on {quote.period.end}",
         "shorten the line or extend the contract"),
        (unbilled, "frequency-missing", ".frequency", "a recurring line without a billing frequency",
         "choose a billing frequency in CPQ"),
        (banded and not _tiers_continue(line.tiers), "tiers-not-continuous", ".tiers",
         "the price bands leave a gap or overlap", "correct the price bands"),
    ]  # fmt: skip


def _tiers_continue(tiers: Sequence[Tier]) -> bool:
    at: Decimal | None = Decimal(0)
    for i, tier in enumerate(tiers):
        lower, upper = tier.from_quantity, tier.to_quantity
        if lower != at or (upper is None) != (i == len(tiers) - 1) or (upper is not None and upper <= lower):
            return False
        at = upper
    return True
