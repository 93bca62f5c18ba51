"""What the org does by itself: formulas grow stale, flags start jobs, and a job's rows appear only later."""

from datetime import date
from decimal import Decimal

from connectors.salesforce.sandbox.formulas import forget, value_of
from connectors.salesforce.sandbox.store import Org, Row

CONTRACT_DELAY = 60
MARK = "Otc_Operation__c"
STATE = "Otc_State__c"


def after_change(org: Org, name: str, before: Row, after: Row) -> None:
    """Triggers: what follows from a change, and what counts as an effect in the org's books."""
    forget(org, name, before, after)
    if name == "SBQQ__Quote__c":
        _note_mark(org, before, after)
    contracted = "SBQQ__Contracted__c"
    if name == "Opportunity" and after.get(contracted) and not before.get(contracted):
        org.effects.append(("deal-contracted", after["Id"]))
        org.later(CONTRACT_DELAY, "contract", after["Id"])


def _note_mark(org: Org, before: Row, after: Row) -> None:
    old, new = before.get(MARK), after.get(MARK)
    if new and (new != old or before.get(STATE) != after.get(STATE)):
        kind = "quote-locked" if after.get(STATE) == "activating" else "quote-marked"
        org.effects.append((kind, f"{after['Id']}/{new}"))
    if old and not new:
        org.effects.append(("quote-unlocked", f"{after['Id']}/{old}"))


def run_jobs(org: Org) -> None:
    """Do what is due."""
    for job in org.take_due():
        if job["kind"] == "contract":
            _contract(org, job["id"])


def _contract(org: Org, opportunity_id: str) -> None:
    """Contracts and subscriptions of a deal: one for the quote, or one for each end date, as the quote says."""
    deal = org.get("Opportunity", opportunity_id)
    quote = org.get("SBQQ__Quote__c", (deal or {}).get("SBQQ__PrimaryQuote__c") or "")
    if deal is None or quote is None or not deal.get("IsWon"):
        return
    lines = [
        line
        for line in org.find("SBQQ__QuoteLine__c", "SBQQ__Quote__c", quote["Id"])
        if line.get("SBQQ__SubscriptionPricing__c")
    ]
    ends: dict[str | None, list[Row]] = {}
    for line in lines:
        end = value_of(org, "SBQQ__QuoteLine__c", line, "SBQQ__EffectiveEndDate__c")
        by_end = quote.get("SBQQ__ContractingMethod__c") == "By Subscription End Date"
        ends.setdefault(end if by_end else quote.get("SBQQ__EndDate__c"), []).append(line)
    for end, group in ends.items():
        _one_contract(org, deal, quote, end, group)


def _one_contract(org: Org, deal: Row, quote: Row, end: str | None, lines: list[Row]) -> None:
    start = quote.get("SBQQ__StartDate__c")
    contract = org.put(
        "Contract",
        {
            "AccountId": deal.get("AccountId"),
            "SBQQ__Opportunity__c": deal["Id"],
            "SBQQ__Quote__c": quote["Id"],
            "Status": "Draft",
            "StartDate": start,
            "EndDate": end,
            "ContractTerm": _months(start, end),
        },
    )
    org.effects.append(("contract-created", deal["Id"]))
    for line in lines:
        org.put(
            "SBQQ__Subscription__c",
            {
                "SBQQ__Contract__c": contract["Id"],
                "SBQQ__Account__c": deal.get("AccountId"),
                "SBQQ__Product__c": line.get("SBQQ__Product__c"),
                "SBQQ__QuoteLine__c": line["Id"],
                "SBQQ__Quantity__c": line.get("SBQQ__Quantity__c"),
                "SBQQ__NetPrice__c": line.get("SBQQ__NetPrice__c"),
                "SBQQ__ListPrice__c": line.get("SBQQ__ListPrice__c"),
                "SBQQ__SubscriptionStartDate__c": value_of(
                    org, "SBQQ__QuoteLine__c", line, "SBQQ__EffectiveStartDate__c"
                ),
                "SBQQ__SubscriptionEndDate__c": end,
            },
        )


def _months(start: str | None, end: str | None) -> Decimal | None:
    if start is None or end is None:
        return None
    first, last = date.fromisoformat(start), date.fromisoformat(end)
    return Decimal((last.year - first.year) * 12 + last.month - first.month + (last.day >= first.day - 1))
