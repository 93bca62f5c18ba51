"""Cross references are unique both ways."""

import asyncio

import pytest

from activities.store import Store, Xref
from canonical.failures import Conflict


def ref(ours: str, theirs: str, system: str = "billing", kind: str = "account") -> Xref:
    return Xref(
        canonical_type="account",
        canonical_id=ours,
        system=system,
        external_type=kind,
        external_id=theirs,
        entity="US-01",
    )


async def test_both_ways_and_by_any_id(store: Store) -> None:
    await store.xrefs.add([ref("A", "1"), ref("A", "e-1", "erp"), ref("B", "2")])
    assert await store.xrefs.find("account", "A", "billing", "account") == "1"
    assert await store.xrefs.find("account", "C", "billing", "account") is None
    by_ours = await store.xrefs.show("A")
    assert {x.external_id for x in by_ours} == {"1", "e-1"}
    assert await store.xrefs.show("e-1") == by_ours
    assert await store.xrefs.show("nobody") == ()


async def test_the_same_again_is_fine(store: Store) -> None:
    await store.xrefs.add([ref("A", "1")])
    await store.xrefs.add([ref("A", "1"), ref("B", "2"), ref("B", "2")])
    assert len(await store.xrefs.show("2")) == 1


@pytest.mark.parametrize("wanted", [ref("A", "2"), ref("B", "1")])
async def test_a_second_mapping_is_a_conflict_that_names_the_first(store: Store, wanted: Xref) -> None:
    await store.xrefs.add([ref("A", "1")])
    with pytest.raises(Conflict) as caught:
        await store.xrefs.add([ref("C", "3"), wanted])
    assert caught.value.code == "xref-conflict"
    assert "account A = billing account 1" in caught.value.message
    assert await store.xrefs.show("C") == (), "all or nothing"


async def test_a_batch_that_contradicts_itself_is_refused(store: Store) -> None:
    with pytest.raises(Conflict):
        await store.xrefs.add([ref("A", "1"), ref("A", "2")])


async def test_of_many_at_once_one_wins(store: Store) -> None:
    found = await asyncio.gather(
        *(store.xrefs.add([ref("A", f"{n % 5}")]) for n in range(25)), return_exceptions=True
    )
    (winner,) = await store.xrefs.show("A")
    for n, outcome in enumerate(found):
        assert (outcome is None) == (winner.external_id == f"{n % 5}")
