"""The ERP port: customers and contract documents."""

import pytest

from canonical.failures import Failure, Misconfigured, Rejected
from canonical.mapping import MappingSet
from tests.connectors.conformance.agreed import NUMBERS, Agreed, agreed
from tests.connectors.conformance.bench import LOST, Subject, cases, losing_answers, subject

pytestmark = cases("erp")


async def record(at: Subject, what: Agreed) -> None:
    await at.adapter.upsert_customer(what.customer, at.refs)
    await at.adapter.upsert_contract(what.contract, at.refs)


async def test_absent_is_none(vendor: str) -> None:
    at = await subject("erp", vendor)
    assert await at.adapter.find_customer("C-NOBODY") is None
    assert await at.adapter.find_contract("SO-NOTHING", at.refs) is None
    assert await at.adapter.contract_ref("SO-NOTHING") is None
    assert not at.effects


async def test_references_cover_what_a_document_needs(vendor: str) -> None:
    at = await subject("erp", vendor)
    what = agreed(1)
    segments = what.route.segments
    for kind, code in [
        ("subsidiary", what.entity.code),
        ("terms", what.customer.payment_terms),
        ("currency", what.customer.currency),
        ("department", segments.department),
        ("location", segments.location),
        ("class", segments.product_class),
        *(("item", line.product_code) for line in what.contract.lines),
    ]:
        assert at.refs.id(kind, code)


@pytest.mark.parametrize("number", NUMBERS)
async def test_what_is_written_reads_back_equal(vendor: str, number: int) -> None:
    at = await subject("erp", vendor)
    what = agreed(number)
    customer = await at.adapter.upsert_customer(what.customer, at.refs)
    assert customer.external_id == what.customer.external_id
    assert customer.erp_id
    assert await at.adapter.find_customer(what.customer.external_id) == customer
    document = await at.adapter.upsert_contract(what.contract, at.refs)
    assert document.external_id == what.contract.external_id
    assert await at.adapter.contract_ref(what.contract.external_id) == document
    assert await at.adapter.find_contract(what.contract.external_id, at.refs) == what.contract
    at.no_effect_twice()


async def test_repeating_is_one_effect_and_the_same_record(vendor: str) -> None:
    at = await subject("erp", vendor)
    what = agreed(2)
    await record(at, what)
    before = at.effects
    first = await at.adapter.contract_ref(what.contract.external_id)
    for _ in range(2):
        await record(at, what)
    assert at.effects == before
    assert await at.adapter.contract_ref(what.contract.external_id) == first
    assert await at.adapter.find_contract(what.contract.external_id, at.refs) == what.contract


async def test_another_content_replaces_the_lines(vendor: str) -> None:
    at = await subject("erp", vendor)
    what = agreed(2)
    await record(at, what)
    fewer = what.contract.model_copy(update={"lines": what.contract.lines[1:], "purchase_order": "PO-NEW"})
    ref = await at.adapter.upsert_contract(fewer, at.refs)
    assert await at.adapter.find_contract(fewer.external_id, at.refs) == fewer
    await at.adapter.upsert_contract(what.contract, at.refs)
    assert await at.adapter.find_contract(fewer.external_id, at.refs) == what.contract
    again = await at.adapter.contract_ref(fewer.external_id)
    assert again is not None
    assert again.erp_id == ref.erp_id


async def test_a_contract_of_an_unknown_customer_is_refused(vendor: str) -> None:
    at = await subject("erp", vendor)
    with pytest.raises((Rejected, Misconfigured)):
        await at.adapter.upsert_contract(agreed(1).contract, at.refs)
    assert not at.effects


async def test_a_code_without_mapping_is_named_and_nothing_is_written(vendor: str) -> None:
    at = await subject("erp", vendor)
    what = agreed(1)
    await at.adapter.upsert_customer(what.customer, at.refs)
    before = at.effects
    missing = what.contract.lines[0].product_code
    entries = {key: value for key, value in at.refs.entries.items() if key != f"item:{missing}"}
    with pytest.raises(Misconfigured) as caught:
        await at.adapter.upsert_contract(what.contract, MappingSet(vendor=vendor, entries=entries))
    assert missing in (caught.value.field or "")
    assert at.effects == before


async def test_an_impossible_external_id_is_refused(vendor: str) -> None:
    at = await subject("erp", vendor)
    odd = agreed(1).customer.model_copy(update={"external_id": "a/b|c d"})
    with pytest.raises(Rejected):
        await at.adapter.upsert_customer(odd, at.refs)
    assert not at.effects


@pytest.mark.parametrize("kind", LOST)
async def test_a_lost_answer_is_unknown_and_repeating_heals(vendor: str, kind: str) -> None:
    what = agreed(3)

    async def customer(at: Subject) -> None:
        await at.adapter.upsert_customer(what.customer, at.refs)

    async def contract(at: Subject) -> None:
        await at.adapter.upsert_contract(what.contract, at.refs)

    async for at in losing_answers("erp", vendor, kind, (customer, contract)):
        assert await at.adapter.find_contract(what.contract.external_id, at.refs) == what.contract


@pytest.mark.parametrize("kind", ["html", "empty", "truncated", "huge"])
async def test_a_damaged_answer_never_means_absent(vendor: str, kind: str) -> None:
    at = await subject("erp", vendor)
    what = agreed(3)
    await record(at, what)
    at.break_calls(kind, times=-1)
    with pytest.raises(Failure):
        await at.adapter.find_customer(what.customer.external_id)
    with pytest.raises(Failure):
        await at.adapter.find_contract(what.contract.external_id, at.refs)
    with pytest.raises(Failure):
        await at.adapter.contract_ref(what.contract.external_id)


async def test_fields_of_a_later_release_change_nothing(vendor: str) -> None:
    at = await subject("erp", vendor)
    what = agreed(3)
    at.break_calls("unknown_fields", times=-1)
    await record(at, what)
    assert await at.adapter.find_contract(what.contract.external_id, at.refs) == what.contract
