"""From any id to the quotes whose trail it belongs to."""

import json
from collections.abc import Iterable

from activities.store.store import Store
from canonical.event_types import ActivationStarted
from canonical.quote import Deal

# What effects answer with, and which of it is the number of a record (never a quantity that looks like one).
_NUMBERS = [
    "number", "account_id", "account_number", "order_number", "subscription_number", "erp_id", "external_id",
    "contract_id", "operation_id", "billing_subscription", "erp_document",
]  # fmt: skip
_BY_EFFECT = """
SELECT DISTINCT correlation_id FROM effect WHERE correlation_id <> '' AND (
    key = ANY($1) OR vendor_ref = ANY($1) OR EXISTS (
        SELECT FROM jsonb_each_text(CASE WHEN starts_with(result, '{') THEN result::jsonb ELSE '{}'::jsonb END) f
        WHERE f.key = ANY($2) AND f.value = ANY($1)))
"""
_BY_EVENT = """
SELECT DISTINCT correlation_id FROM event WHERE id = ANY($1) OR subject = ANY($1) OR correlation_id = ANY($1)
"""
_BY_CASE = "SELECT DISTINCT correlation_id FROM exception_case WHERE case_id = ANY($1)"
_QUOTES = "SELECT DISTINCT subject FROM event WHERE type = $2 AND correlation_id = ANY($1)"
_TRIED = "SELECT DISTINCT quote_id FROM activation WHERE quote_id = ANY($1) OR workflow_id = ANY($1)"


async def _joined(store: Store, any_id: str) -> list[str]:
    """The id and all that it is called in other systems."""
    found = {any_id}
    for prefix in ("subscription/",):
        if any_id.startswith(prefix):
            found.add(any_id.removeprefix(prefix))
    for name in tuple(found):
        for xref in await store.xrefs.show(name):
            # A subscription's xrefs name the quote, the order and the contract; a customer's would name all its deals.
            if name in (xref.external_id, xref.canonical_id) and "/" not in xref.canonical_id:
                found |= {xref.canonical_id}
    return sorted(found)


async def deals_with(store: Store, any_id: str) -> list[Deal]:
    """Every deal ever read in which the id occurs as quote, opportunity, customer or line. For what has no xref yet."""
    rows = await store.fetch(
        "SELECT body FROM document WHERE kind = 'deal' AND strpos(body, $1) > 0",
        json.dumps(any_id, ensure_ascii=False),
    )
    deals = (Deal.model_validate_json(row["body"]) for row in rows)
    return [deal for deal in deals if any_id in _names(deal)]


def _names(deal: Deal) -> set[str]:
    quote = deal.quote
    return {
        quote.quote_id, quote.name, quote.opportunity_id, quote.purchase_order, deal.parties.customer.customer_id,
        *(line.line_id for line in quote.lines),
    }  # fmt: skip


async def quotes_of(store: Store, any_id: str) -> list[str]:
    """The quotes, sorted; none when the id is unknown."""
    names = await _joined(store, any_id)
    quotes = {deal.quote.quote_id for deal in await deals_with(store, any_id)}
    quotes |= {row["quote_id"] for row in await store.fetch(_TRIED, names)}
    correlations: set[str] = set()
    for statement, values in ((_BY_EFFECT, (names, _NUMBERS)), (_BY_EVENT, (names,)), (_BY_CASE, (names,))):
        correlations |= {row["correlation_id"] for row in await store.fetch(statement, *values)}
    quotes |= set(await quotes_behind(store, correlations))
    tried = await store.activations.known(sorted(quotes))
    return sorted(tried)


async def quotes_behind(store: Store, correlations: Iterable[str]) -> list[str]:
    """The quotes whose activations carry these correlation ids."""
    rows = await store.fetch(_QUOTES, sorted(correlations), ActivationStarted.type())
    return sorted(row["subject"] for row in rows)
