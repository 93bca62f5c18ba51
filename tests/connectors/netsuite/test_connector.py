"""The adapter against its sandbox, in process: what the ERP port promises."""

from datetime import date
from decimal import Decimal

import pytest

from canonical.failures import Conflict, Failure, Misconfigured, OutcomeUnknown, Rejected, Transient
from canonical.mapping import MappingSet
from canonical.money import Money
from canonical.party import Address
from canonical.period import Period
from connectors.kit.sandbox import Fault, FaultKind
from connectors.netsuite.connector import NetsuiteErp
from connectors.netsuite.sandbox import NetsuiteSandbox
from tests.connectors.netsuite.data import (
    CONTRACT_ID,
    CUSTOMER_ID,
    account,
    client,
    contract,
    customer,
    erp,
    line,
    mapped,
)

CREATED = {("customer-created", CUSTOMER_ID): 1, ("salesOrder-created", CONTRACT_ID): 1}


async def test_references_cover_every_kind_and_read_all_pages() -> None:
    adapter = erp(account(), page_size=2)
    found = await adapter.references()
    kinds = {r.kind for r in found}
    assert kinds == {"item", "subsidiary", "terms", "currency", "department", "location", "class"}
    refs = await mapped(adapter)
    for kind, code in [
        ("item", "PLATFORM"),
        ("subsidiary", "DE-GMBH"),
        ("terms", "Net 45"),
        ("currency", "JPY"),
    ]:
        assert refs.id(kind, code)
    assert {r.code for r in found if r.kind == "item"} >= {"PLATFORM", "SEATS", "API", "STORAGE", "TRAINING"}


async def test_an_inactive_item_is_listed_and_not_mapped() -> None:
    sandbox = account()
    item = next(row for row in sandbox.state["tables"]["item"].values() if row["itemid"] == "API")
    item["isinactive"] = True
    adapter = erp(sandbox)
    assert [r.active for r in await adapter.references() if r.code == "API"] == [False]
    assert (await mapped(adapter)).find("item", "API") is None


async def test_customer_and_contract_read_back_as_sent() -> None:
    sandbox = account()
    adapter = erp(sandbox)
    refs = await mapped(adapter)
    assert await adapter.find_customer(CUSTOMER_ID) is None
    assert await adapter.find_contract(CONTRACT_ID, refs) is None
    assert await adapter.contract_ref(CONTRACT_ID) is None
    made = await adapter.upsert_customer(customer(), refs)
    assert made == await adapter.find_customer(CUSTOMER_ID)
    ref = await adapter.upsert_contract(contract(), refs)
    assert (ref.kind, ref.external_id, ref.status) == ("sales-order", CONTRACT_ID, "pending-fulfillment")
    assert await adapter.find_contract(CONTRACT_ID, refs) == contract()
    assert await adapter.contract_ref(CONTRACT_ID) == ref
    assert sandbox.effects == CREATED


async def test_repeating_changes_nothing_and_adds_no_line() -> None:
    sandbox = account()
    adapter = erp(sandbox)
    refs = await mapped(adapter)
    for _ in range(3):
        await adapter.upsert_customer(customer(), refs)
        await adapter.upsert_contract(contract(), refs)
    assert sandbox.effects == CREATED
    assert len(await _lines(sandbox)) == 2


async def test_a_changed_contract_replaces_its_lines_and_keeps_their_keys() -> None:
    sandbox = account()
    adapter = erp(sandbox)
    refs = await mapped(adapter)
    await adapter.upsert_customer(customer(), refs)
    await adapter.upsert_contract(contract(), refs)
    before = {row["custcol_quote_line"]: row["line"] for row in await _lines(sandbox)}
    changed = contract(line(2, product_code="API", quantity=Decimal(7)), line(3, product_code="SEATS"))
    await adapter.upsert_contract(changed, refs)
    held = await adapter.find_contract(CONTRACT_ID, refs)
    assert held is not None
    assert [row.lineage_id for row in held.lines] == ["QL-002", "QL-003"]
    after = {row["custcol_quote_line"]: row["line"] for row in await _lines(sandbox)}
    # The obligation of the second line differs only in its content, so its key stays.
    assert after["QL-002"] == before["QL-002"]
    assert sandbox.effects["salesOrder-updated", CONTRACT_ID] == 1


async def test_a_changed_customer_keeps_one_address() -> None:
    sandbox = account()
    adapter = erp(sandbox)
    refs = await mapped(adapter)
    await adapter.upsert_customer(customer(), refs)
    moved = customer(
        name="Acme Rockets", address=Address(line1="2 Side St", city="Reno", region="NV", country="US")
    )
    await adapter.upsert_customer(moved, refs)
    stored = await adapter.client.customer(f"eid:{CUSTOMER_ID}")
    assert stored is not None
    assert stored.name == "Acme Rockets"
    assert [entry.address.city for entry in stored.addresses.items if entry.address] == ["Reno"]


async def test_a_customer_is_never_moved_to_another_entity() -> None:
    adapter = erp(account())
    refs = await mapped(adapter)
    await adapter.upsert_customer(customer(), refs)
    with pytest.raises(Conflict) as caught:
        await adapter.upsert_customer(customer(entity="UK-LTD", currency="GBP"), refs)
    assert caught.value.code == "customer-other-entity"


async def test_a_contract_needs_its_customer() -> None:
    adapter = erp(account())
    refs = await mapped(adapter)
    with pytest.raises(Rejected) as caught:
        await adapter.upsert_contract(contract(), refs)
    assert caught.value.code == "customer-unknown"


async def test_an_unmapped_item_names_the_row_that_is_missing() -> None:
    sandbox = account()
    adapter = erp(sandbox)
    refs = await mapped(adapter)
    await adapter.upsert_customer(customer(), refs)
    with pytest.raises(Misconfigured) as caught:
        await adapter.upsert_contract(contract(line(product_code="AI-ADDON")), refs)
    assert caught.value.field == "mapping.item.AI-ADDON"
    assert sandbox.effects == {("customer-created", CUSTOMER_ID): 1}


async def test_an_order_closed_by_hand_is_a_conflict_only_when_it_differs() -> None:
    sandbox = account()
    adapter = erp(sandbox)
    refs = await mapped(adapter)
    await adapter.upsert_customer(customer(), refs)
    await adapter.upsert_contract(contract(), refs)
    order = next(iter(sandbox.state["tables"]["transaction"].values()))
    order["statusCode"] = "H"
    assert (await adapter.upsert_contract(contract(), refs)).status == "closed"
    with pytest.raises(Conflict) as caught:
        await adapter.upsert_contract(contract(purchase_order="PO-78"), refs)
    assert caught.value.code == "contract-over"


async def test_a_status_of_a_later_release_is_unknown() -> None:
    sandbox = account()
    adapter = erp(sandbox)
    refs = await mapped(adapter)
    await adapter.upsert_customer(customer(), refs)
    await adapter.upsert_contract(contract(), refs)
    next(iter(sandbox.state["tables"]["transaction"].values()))["statusCode"] = "Q"
    ref = await adapter.contract_ref(CONTRACT_ID)
    assert ref is not None
    assert ref.status == "unknown"
    assert await adapter.find_contract(CONTRACT_ID, refs) == contract()


@pytest.mark.parametrize(
    "name",
    ['Quo"te & Sons, "Ltd."', "Zeile\neins\r\nzwei", "Rakete 🚀 \u2028 GmbH", "  Weiß   &  Söhne ", "a" * 83],
)
async def test_odd_names_are_written_once_and_recognised(name: str) -> None:
    sandbox = account()
    adapter = erp(sandbox)
    refs = await mapped(adapter)
    for _ in range(2):
        await adapter.upsert_customer(customer(name=name), refs)
        await adapter.upsert_contract(contract(line(description=name)), refs)
    assert sandbox.effects == CREATED
    held = await adapter.find_contract(CONTRACT_ID, refs)
    assert held is not None
    assert held.lines[0].description == name


@pytest.mark.parametrize(("currency", "entity"), [("JPY", "US-INC"), ("EUR", "DE-GMBH"), ("CAD", "CA-LTD")])
async def test_amounts_are_exact_in_every_currency(currency: str, entity: str) -> None:
    adapter = erp(account())
    refs = await mapped(adapter)
    amount = Money(minor=99996, currency=currency)
    sent = contract(
        line(quantity=Decimal(7), amount=amount, ssp=Money(minor=1, currency=currency), allocated=amount),
        currency=currency,
        entity=entity,
    )
    await adapter.upsert_customer(customer(entity=entity, currency=currency), refs)
    await adapter.upsert_contract(sent, refs)
    assert await adapter.find_contract(CONTRACT_ID, refs) == sent


async def test_ends_are_the_last_day_on_the_wire() -> None:
    sandbox = account()
    adapter = erp(sandbox)
    refs = await mapped(adapter)
    await adapter.upsert_customer(customer(), refs)
    day = Period(start=date(2026, 2, 28), end=date(2026, 3, 1))
    await adapter.upsert_contract(contract(line(period=day)), refs)
    order = next(iter(sandbox.state["tables"]["transaction"].values()))
    assert order["endDate"] == "2027-01-31"
    assert order["item"][0]["revRecStartDate"] == order["item"][0]["revRecEndDate"] == "2026-02-28"


@pytest.mark.parametrize("bad", ["A/B", "A|B", "", "a b", "ü"])
async def test_an_external_id_that_would_be_misread_never_leaves(bad: str) -> None:
    sandbox = account()
    adapter = erp(sandbox)
    refs = await mapped(adapter)
    calls = len(sandbox.log)
    with pytest.raises(Rejected):
        await adapter.find_customer(bad)
    with pytest.raises(Rejected):
        await adapter.upsert_customer(customer(external_id=bad), refs)
    with pytest.raises(Rejected):
        await adapter.contract_ref(bad)
    assert len(sandbox.log) == calls


async def test_health() -> None:
    sandbox = account()
    assert (await erp(sandbox).check()).well
    wrong = await erp(sandbox, token_secret="not the secret").check()
    assert not wrong.well
    assert "Login Audit Trail" in wrong.fix
    sandbox.state["deployed"].remove("custcol_ssp")
    bare = await erp(sandbox).check()
    assert not bare.well
    assert "custcol_ssp" in bare.detail
    assert sandbox.effects == {}


async def _lines(sandbox: NetsuiteSandbox) -> list[dict[str, object]]:
    orders = sandbox.state["tables"]["transaction"]
    return list(next(iter(orders.values()))["item"])


async def _prepared() -> tuple[NetsuiteSandbox, NetsuiteErp, MappingSet]:
    sandbox = account()
    adapter = erp(sandbox)
    refs = await mapped(adapter)
    await adapter.upsert_customer(customer(), refs)
    return sandbox, adapter, refs


AFTER: list[tuple[FaultKind, type[Failure]]] = [
    ("error_after", OutcomeUnknown),
    ("timeout_after", OutcomeUnknown),
    ("reset_after", OutcomeUnknown),
]


@pytest.mark.parametrize("kind", ["timeout_before", "html", "status"])
async def test_a_write_that_cannot_be_read_back_is_never_told_as_undone(kind: FaultKind) -> None:
    sandbox, adapter, refs = await _prepared()
    # The first reading finds nothing; the second is the reading back.
    sandbox.faults.add(Fault(match="GET .*salesOrder", kind=kind, skip=1))
    with pytest.raises(OutcomeUnknown) as caught:
        await adapter.upsert_contract(contract(), refs)
    assert caught.value.code == "read-back-failed"
    assert sandbox.effects == CREATED
    await adapter.upsert_contract(contract(), refs)
    assert sandbox.effects == CREATED


async def test_a_contract_of_five_thousand_lines() -> None:
    sandbox, adapter, refs = await _prepared()
    long = contract(*(line(n, lineage_id=f"QL-{n:04}", obligation=f"POB-{n}") for n in range(1, 5001)))
    for _ in range(2):
        await adapter.upsert_contract(long, refs)
    assert await adapter.find_contract(CONTRACT_ID, refs) == long
    assert sandbox.effects == CREATED


BEFORE: list[tuple[dict[str, object], type[Failure]]] = [
    ({"kind": "timeout_before"}, OutcomeUnknown),
    ({"kind": "status", "status": 500}, OutcomeUnknown),
    ({"kind": "status", "status": 503}, Transient),
    ({"kind": "status", "status": 429}, Transient),
    ({"kind": "status", "status": 429, "headers": {"Retry-After": "7"}}, Transient),
]


@pytest.mark.parametrize(("kind", "failure"), AFTER)
async def test_a_lost_answer_is_unknown_and_repeating_has_one_effect(
    kind: FaultKind, failure: type[Failure]
) -> None:
    sandbox, adapter, refs = await _prepared()
    sandbox.faults.add(Fault(match="PUT .*salesOrder", kind=kind))
    with pytest.raises(failure):
        await adapter.upsert_contract(contract(), refs)
    await adapter.upsert_contract(contract(), refs)
    assert sandbox.effects == CREATED


@pytest.mark.parametrize(("fault", "failure"), BEFORE)
async def test_a_failure_before_the_effect(fault: dict[str, object], failure: type[Failure]) -> None:
    sandbox, adapter, refs = await _prepared()
    sandbox.faults.add(Fault.model_validate({"match": "PUT .*salesOrder", **fault}))
    with pytest.raises(failure) as caught:
        await adapter.upsert_contract(contract(), refs)
    if "headers" in fault:
        assert caught.value.retry_after == 7
    assert ("salesOrder-created", CONTRACT_ID) not in sandbox.effects
    await adapter.upsert_contract(contract(), refs)
    assert sandbox.effects == CREATED


@pytest.mark.parametrize("kind", ["html", "empty", "truncated", "huge"])
async def test_a_damaged_reading_is_transient_and_never_absence(kind: FaultKind) -> None:
    sandbox, adapter, refs = await _prepared()
    await adapter.upsert_contract(contract(), refs)
    for call in (
        lambda: adapter.find_customer(CUSTOMER_ID),
        lambda: adapter.find_contract(CONTRACT_ID, refs),
        lambda: adapter.contract_ref(CONTRACT_ID),
        adapter.references,
    ):
        sandbox.faults.add(Fault(kind=kind))
        with pytest.raises(Transient):
            await call()
    sandbox.faults.add(Fault(kind=kind))
    assert not (await adapter.check()).well


async def test_unknown_fields_are_survived() -> None:
    sandbox, adapter, refs = await _prepared()
    sandbox.faults.add(Fault(kind="unknown_fields", times=-1))
    await adapter.upsert_contract(contract(), refs)
    assert await adapter.find_contract(CONTRACT_ID, refs) == contract()
    assert (await adapter.check()).well


async def test_a_web_page_instead_of_a_location_does_not_count_as_written() -> None:
    sandbox, adapter, refs = await _prepared()
    page = {"kind": "status", "status": 200, "body": "<html>log in</html>"}
    sandbox.faults.add(Fault.model_validate({"match": "PUT .*salesOrder", **page}))
    with pytest.raises(OutcomeUnknown) as caught:
        await adapter.upsert_contract(contract(), refs)
    assert caught.value.code == "location-missing"
    assert ("salesOrder-created", CONTRACT_ID) not in sandbox.effects


async def test_a_bare_404_is_not_absence() -> None:
    sandbox, adapter, _ = await _prepared()
    sandbox.faults.add(Fault(kind="status", status=404, body="<html>no such host</html>"))
    with pytest.raises(Misconfigured) as caught:
        await adapter.find_customer(CUSTOMER_ID)
    assert caught.value.code == "address-wrong"


async def test_a_refused_signature_is_tried_once_more_and_then_told() -> None:
    sandbox, adapter, refs = await _prepared()
    sandbox.faults.add(Fault(match="PUT .*salesOrder", kind="expired_token"))
    await adapter.upsert_contract(contract(), refs)
    assert sandbox.effects == CREATED
    wrong = erp(sandbox, token_id="revoked")
    calls = len(sandbox.log)
    with pytest.raises(Misconfigured) as caught:
        await wrong.find_customer(CUSTOMER_ID)
    assert caught.value.code == "credential-refused"
    assert len(sandbox.log) - calls == 2


async def test_settings_that_are_missing_are_named() -> None:
    with pytest.raises(Misconfigured) as caught:
        client(account(), consumer_secret="", auth="tba")
    assert caught.value.field == "consumer_secret"
