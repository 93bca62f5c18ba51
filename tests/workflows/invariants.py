"""What must hold of the books once a saga has ended, read from the sandboxes' own state and from the store."""

from typing import Any

from canonical.quote import Deal
from tests.builders.house import House


def _quote_row(house: House, deal: Deal) -> dict[str, Any]:
    rows: Any = house.sandboxes["salesforce"].state["rows"]
    found: dict[str, Any] = rows["SBQQ__Quote__c"][deal.quote.quote_id]
    return found


def _of_customer(house: House, deal: Deal, kind: str) -> list[dict[str, Any]]:
    state: Any = house.sandboxes["zuora"].state
    customer = deal.parties.customer.customer_id
    accounts = {n: a for n, a in state["accounts"].items() if a["crmId"] == customer}
    if kind == "accounts":
        return list(accounts.values())
    if kind == "orders":
        return [o for o in state["orders"].values() if o["existingAccountNumber"] in accounts]
    return [
        versions[-1]
        for versions in state["subscriptions"].values()
        if versions[-1]["accountNumber"] in accounts
    ]


def one_effect_per_key(house: House) -> None:
    """Nothing was done twice in any sandbox."""
    for vendor, box in house.sandboxes.items():
        twice = {key: n for key, n in box.effects.items() if n > 1 and not key[0].startswith(_REPEATABLE)}
        assert not twice, f"{vendor}: {twice}"


_REPEATABLE = ("account-field", "customer-updated", "salesOrder-updated", "quote-marked", "quote-unlocked")
"""Setting a value to what it is to be: twice is once."""


def _erp_calls(house: House, deal: Deal) -> list[str]:
    tables: Any = house.sandboxes["netsuite"].state["tables"]
    name = deal.parties.customer.name
    return (
        [str(row) for row in tables["customer"].values() if row.get("companyName") == name] if tables else []
    )


async def check_unwound(house: House, deal: Deal, workflow_id: str) -> None:
    """Nothing is left: quote free, no live order, no subscription, no account in use, no word to the ERP."""
    row = _quote_row(house, deal)
    assert not row.get("Otc_Operation__c"), f"the quote is still locked: {row.get('Otc_Operation__c')}"
    orders = [o["status"] for o in _of_customer(house, deal, "orders")]
    assert set(orders) <= {"Cancelled"}, f"orders are left: {orders}"
    assert not _of_customer(house, deal, "subscriptions"), "a subscription is left"
    open_accounts = [
        a["accountNumber"] for a in _of_customer(house, deal, "accounts") if a.get("status") != "Canceled"
    ]
    assert not open_accounts, f"accounts are left: {open_accounts}"
    _no_reference_left(house, deal)
    assert not _erp_calls(house, deal), "the ERP learned of a deal that was taken back"
    activation = await house.store.activations.show(workflow_id)
    assert activation is not None
    assert activation.state == "unwound", activation
    await _settled(house, deal, workflow_id)


def _no_reference_left(house: House, deal: Deal) -> None:
    """The way of paying that this deal brought stands on no account, not even on a cancelled one."""
    payment = deal.quote.payment
    reference = f"{payment.gateway_customer}/{payment.payment_method}"
    carrying = [a["accountNumber"] for a in _of_customer(house, deal, "accounts") if reference in a.values()]
    assert not carrying, f"the payment reference is left on {carrying}"


async def check_activated(house: House, deal: Deal, workflow_id: str) -> None:
    """Everything is there, once."""
    row = _quote_row(house, deal)
    assert row.get("Otc_State__c") == "active", row.get("Otc_State__c")
    orders = [o["status"] for o in _of_customer(house, deal, "orders")]
    assert orders == ["Completed"], orders
    subscriptions = [s["status"] for s in _of_customer(house, deal, "subscriptions")]
    assert subscriptions == ["Active"], subscriptions
    assert len(_erp_calls(house, deal)) == 1
    activation = await house.store.activations.show(workflow_id)
    assert activation is not None
    assert activation.state == "completed", activation
    await _settled(house, deal, workflow_id)
    await _erp_after_activation(house, workflow_id)


async def _settled(house: House, deal: Deal, workflow_id: str) -> None:
    """No turn is held, no case is open, no effect is in doubt, nothing was done twice."""
    assert workflow_id not in await house.store.turns.show(deal.parties.customer.customer_id), (
        "the turn is still held"
    )
    cases = await house.store.cases.list(workflow_id=workflow_id)
    assert not cases, [c.case_id for c in cases]
    rows = await house.store.fetch(
        "SELECT key FROM effect WHERE key LIKE $1 AND state IN ('intent', 'sent', 'uncertain')",
        f"{workflow_id}/%",
    )
    doubtful = [row["key"] for row in rows]
    assert not doubtful, doubtful
    one_effect_per_key(house)


async def _erp_after_activation(house: House, workflow_id: str) -> None:
    """The chain of events says: first active, then the ERP."""
    events = await house.store.fetch(
        "SELECT seq, type FROM event WHERE record LIKE $1 ORDER BY seq", f"%{workflow_id}/%"
    )
    order = {row["type"].rsplit(".o2c.", 1)[1]: row["seq"] for row in events}
    assert order["operational.order.activated"] < order["operational.erp-customer.recorded"]
    assert order["operational.order.activated"] < order["financial.contract.recorded"]
