"""The mapping alone: what is written, letter by letter, and what is read."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.contract import ErpRef
from canonical.failures import Misconfigured, Rejected, Transient
from canonical.mapping import MappingSet
from canonical.money import Money
from canonical.party import Address
from connectors.kit import decimal_json
from connectors.netsuite import mapping
from connectors.netsuite.schema import CustomerRecord, OrderRecord, read
from connectors.netsuite.settings import NetsuiteSettings
from tests.connectors.netsuite.data import HOST, contract, customer, line

GOLDEN = Path(__file__).parent / "golden"
SETTINGS = NetsuiteSettings.model_validate({"base_url": HOST})
REFS = MappingSet(
    vendor="netsuite",
    version=1,
    entries={
        "item:PLATFORM": "55",
        "item:API": "56",
        "subsidiary:US-INC": "2",
        "terms:Net 30": "5",
        "currency:USD": "1",
        "currency:JPY": "4",
        "department:SALES-NA": "3",
        "location:SEATTLE": "7",
        "class:SUBSCRIPTION": "9",
    },
)


def golden(name: str) -> Any:
    return decimal_json.loads((GOLDEN / name).read_bytes())


def wire(body: dict[str, Any]) -> Any:
    """A body as it travels."""
    return decimal_json.loads(decimal_json.dumps(body))


def test_customer_as_written() -> None:
    sent = customer(name="Acme\nRocket  Works", vat_id="DE123456789")
    assert wire(mapping.customer_body(sent, REFS, SETTINGS)) == golden("customer.json")


def test_sales_order_as_written() -> None:
    assert wire(mapping.order_body(contract(), "107", REFS, SETTINGS)) == golden("sales_order.json")


def test_a_later_write_names_the_stored_lines_and_leaves_the_approval_alone() -> None:
    stored = read(OrderRecord, golden("sales_order_record.json"))
    keys = mapping.line_keys(stored, SETTINGS)
    assert keys == {("QL-001", "CON-Q1001/POB-1"): 4, ("QL-002", "CON-Q1001/POB-2"): 7}
    body = mapping.order_body(contract(), "107", REFS, SETTINGS, keys=keys, create=False)
    assert [item["line"] for item in body["item"]["items"]] == [4, 7]
    assert "orderStatus" not in body


def test_lines_that_are_there_twice_are_written_anew() -> None:
    record = golden("sales_order_record.json")
    record["item"]["items"].append({**record["item"]["items"][0], "line": 9})
    assert mapping.line_keys(read(OrderRecord, record), SETTINGS) == {("QL-002", "CON-Q1001/POB-2"): 7}


def test_sales_order_as_read() -> None:
    stored = read(OrderRecord, golden("sales_order_record.json"))
    assert mapping.document_of(stored, contract().customer_external_id, REFS, SETTINGS) == contract()
    assert mapping.contract_ref(stored) == ErpRef(
        kind="sales-order",
        erp_id="42",
        external_id="CON-Q1001-7KDM",
        number="SO100042",
        status="pending-fulfillment",
    )


def test_customer_as_read() -> None:
    stored = read(CustomerRecord, golden("customer_record.json"))
    assert mapping.customer_differences(stored, customer(), REFS, SETTINGS) == ()
    changed = customer(email="other@acme.example", vat_id="DE1", address=Address(country="US"))
    assert mapping.customer_differences(stored, changed, REFS, SETTINGS) == (
        "email",
        "addressBook",
        "custentity_vat_id",
    )


@pytest.mark.parametrize(
    ("drop", "field"),
    [("tranDate", "tranDate"), ("entity", "entity"), ("id", "id")],
)
def test_a_record_without_what_we_need_names_the_field(drop: str, field: str) -> None:
    record = golden("sales_order_record.json")
    del record[drop]
    with pytest.raises(Transient) as caught:
        read(OrderRecord, record)
    assert caught.value.field == field


def test_ids_of_strangers_are_named() -> None:
    record = golden("sales_order_record.json")
    record["item"]["items"][0]["item"] = {"id": "999", "refName": "Unmapped"}
    with pytest.raises(Misconfigured, match="999 Unmapped") as caught:
        mapping.document_of(read(OrderRecord, record), "C", REFS, SETTINGS)
    assert caught.value.field == "item"


def test_an_amount_with_a_fraction_of_a_cent_is_refused() -> None:
    record = golden("sales_order_record.json")
    record["item"]["items"][0]["amount"] = Decimal("1000.005")
    with pytest.raises(Rejected) as caught:
        mapping.document_of(read(OrderRecord, record), "C", REFS, SETTINGS)
    assert caught.value.code == "amount-not-exact"


@given(
    minor=st.integers(min_value=-(10**13), max_value=10**13),
    quantity=st.decimals(min_value=Decimal("0.0001"), max_value=Decimal(10**6), places=4),
    currency=st.sampled_from(["USD", "JPY"]),
    day=st.dates(min_value=date(2000, 1, 2), max_value=date(2090, 1, 1)),
)
def test_a_line_survives_the_way_there_and_back(
    minor: int, quantity: Decimal, currency: str, day: date
) -> None:
    amount = Money(minor=minor, currency=currency)
    sent = contract(
        line(quantity=quantity, amount=amount, allocated=amount, ssp=amount), currency=currency, on=day
    )
    body = wire(mapping.order_body(sent, "107", REFS, SETTINGS))
    for number, item in enumerate(body["item"]["items"], 1):
        item["line"] = number
    record = {"id": 42, "externalId": sent.external_id, "tranId": "SO1", "status": "B", **body}
    stored = read(OrderRecord, record)
    assert mapping.document_of(stored, sent.customer_external_id, REFS, SETTINGS) == sent


def test_references_of_the_account() -> None:
    row = {"id": 12, "itemid": "API", "displayname": "API calls", "isinactive": "T"}
    found = mapping.reference("item", row, "itemid", "displayname")
    assert found is not None
    assert (found.code, found.vendor_id, found.active) == ("API", "12", False)
    by_name = mapping.reference("department", {"id": "3", "name": "Sales"}, "externalid", "name")
    assert by_name is not None
    assert by_name.code == "Sales"
    assert mapping.reference("department", {"id": "3"}, "externalid", "name") is None


@pytest.mark.parametrize("setting", ["body_quote", "column_ssp", "customer_vat"])
def test_custom_fields_have_the_prefix_of_their_record(setting: str) -> None:
    with pytest.raises(ValueError, match="custom fields start with"):
        NetsuiteSettings.model_validate({"base_url": HOST, setting: "wrong_name"})


def test_golden_files_are_tidy() -> None:
    for path in GOLDEN.glob("*.json"):
        text = path.read_text(encoding="utf-8")
        assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n", path.name
