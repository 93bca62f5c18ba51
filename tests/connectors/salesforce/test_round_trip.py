"""A deal loaded into the org is read back exactly as it was."""

from typing import Any

import pytest
from hypothesis import given, settings

from canonical.quote import Deal
from tests.builders.deals import a_customer, a_deal, crm_id, deals
from tests.connectors.salesforce.harness import adapter, an_org, read_deal, run


@settings(max_examples=60)
@given(deals())
def test_any_deal_survives_the_crm(deal: Deal) -> None:
    read = run(read_deal(adapter(an_org(deal)), deal))
    assert read == deal
    assert read.revision == deal.revision


@pytest.mark.parametrize(
    "shape",
    [
        {"lines": 3},
        {"currency": "EUR", "country": "DE", "autopay": True},
        {"currency": "JPY", "country": "JP"},
        {"bundle": True},
        {"ramp": 3, "months": 36},
        {"usage_tiers": 3},
        {"bundle": True, "ramp": 2, "usage_tiers": 2, "currency": "GBP", "country": "GB"},
    ],
    ids=str,
)
async def test_each_shape_of_the_builder_survives_the_crm(shape: dict[str, Any]) -> None:
    deal = a_deal("s", **shape)
    assert await read_deal(adapter(an_org(deal)), deal) == deal


async def test_deals_of_one_customer_share_the_account() -> None:
    group = crm_id("001", "group")
    buyer = a_customer("c", parent_id=group, ancestors=(group,)).model_dump()
    one, two = (a_deal(key, customer=buyer, parents={group: None}) for key in ("one", "two"))
    crm = adapter(an_org(one, two))
    assert await read_deal(crm, one) == one
    assert await read_deal(crm, two) == two
