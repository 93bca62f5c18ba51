"""What a process keeps at hand of the store never hides what somebody else has written since."""

import pytest

from activities.store import Store, documents
from canonical.base import Model
from canonical.document import DocumentRef
from canonical.failures import Misconfigured
from commands.demo.world import CATALOG_LATER, ENTITIES, RULES


class Note(Model):
    text: str


class Other(Model):
    text: str = ""


async def test_a_new_version_is_seen_at_once_by_everybody(store: Store) -> None:
    other = await Store.connect(store.url, pool=1)
    assert (await other.master.load()).version == 0
    await store.master.publish("entities", ENTITIES[:1], actor="ann", reason="test")
    await store.master.publish("routing", RULES, actor="ann", reason="test")
    first = await other.master.load()
    assert [e.code for e in first.entities] == [ENTITIES[0].code]
    assert await other.master.load() is first
    await store.master.publish("entities", ENTITIES, actor="ann", reason="test")
    await store.master.publish("catalog", CATALOG_LATER.products, actor="ann", reason="test")
    second = await other.master.load()
    assert second.entities == ENTITIES
    assert second.catalog == CATALOG_LATER
    await other.close()


async def test_a_document_is_read_once_and_as_the_type_that_is_asked_for(store: Store) -> None:
    ref = await store.documents.put("note", Note(text="hello"))
    first = await store.documents.get(ref, Note)
    await store.execute("DELETE FROM document")
    assert await store.documents.get(ref, Note) is first
    with pytest.raises(Misconfigured):
        await store.documents.get(ref, Other)


async def test_no_more_is_kept_than_fits(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "_KEPT", 100)
    refs: list[DocumentRef] = [
        await store.documents.put("note", Note(text=f"{n} {'x' * 40}")) for n in range(5)
    ]
    read = [await store.documents.get(ref, Note) for ref in refs]
    assert await store.documents.get(refs[4], Note) is read[4]
    again = await store.documents.get(refs[0], Note)
    assert again == read[0]
    assert again is not read[0]
