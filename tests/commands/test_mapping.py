"""Maps and master data: what differs, what comes into force, and who is told."""

import json
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from activities.store.store import Store
from commands._shared import Stop
from commands.demo.book import Item, world
from commands.demo.world import CATALOG, CATALOG_LATER, ENTITIES, NOT_YET, RULES
from commands.inner import publishing
from tests.builders.house import a_house
from tests.commands.conftest import run
from tests.workflows.play import a_deal, activated, publish, waiting


def _write(path: Path, items: Any) -> Path:
    path.write_text(json.dumps([item.model_dump(mode="json") for item in items]))
    return path


async def test_a_published_catalog_wakes_the_deal_that_waits_for_it(
    indexed: Client, store: Store, tmp_path: Path
) -> None:
    deal = a_deal(120, Item("PLATFORM"), Item(NOT_YET))
    async with a_house(indexed, store, world([deal]), versioned=True) as house:
        await publish(house, CATALOG)
        handle = await house.start(deal)
        assert "catalog" in await waiting(house, handle)
        shown = await run(store, indexed, "saga", "show", handle.id)
        assert "revsaga mapping activate catalog --file FILE --reason TEXT" in shown.out
        file = str(_write(tmp_path / "catalog.json", CATALOG_LATER.products))
        differs = await run(store, indexed, "mapping", "diff", "catalog", "--file", file, "--json")
        assert differs.code == 1
        assert [(row["what"], row["code"]) for row in differs.json] == [("added", f"{NOT_YET} v1")]
        activate = ("mapping", "activate", "catalog", "--file", file)
        assert (await run(store, indexed, *activate)).code == 2, "a reason is required"
        done = await run(store, indexed, *activate, "--reason", "sold from today", "--json")
        assert done.code == 0, done.err
        assert (done.json["what"], done.json["told"], len(done.json["changes"])) == ("catalog", 1, 1)
        await activated(handle)
        again = await run(store, indexed, *activate, "--reason", "once more", "--json")
        assert (again.json["version"], again.json["changes"], again.json["told"]) == (
            done.json["version"],
            [],
            0,
        )
    (event,) = await store.events.list(type_prefix="com.revsaga.o2c.operational.mapping.activated")
    assert event.event.data == {
        "vendor": "catalog", "mapping_version": done.json["version"], "added": 1, "changed": 0, "removed": 0,
        "reason": "sold from today",
    }  # fmt: skip
    assert event.event.actor == "ann"
    assert (await run(store, indexed, "mapping", "diff", "catalog", "--file", file)).code == 0


async def test_a_vendors_records_are_compared_and_put_in_force(client: Client, store: Store) -> None:
    async with a_house(client, store, world([a_deal(121)])) as house:
        erp = house.wired.settings.erp
        assert await publishing.differences(house.wired, erp) == ()
        before = await store.mappings.active(erp)
        await store.execute(
            "DELETE FROM mapping WHERE vendor = $1 AND kind = 'terms' AND code = 'Net 45'", erp
        )
        store.mappings._loaded.clear()
        (change,) = await publishing.differences(house.wired, erp)
        assert (change.what, change.kind, change.code) == ("added", "terms", "Net 45")
        found = await publishing.activate_vendor(house.wired, client, erp, actor="ann", reason="new terms")
        assert (found.version, found.changes) == (before.version + 1, (change,))
        assert (await store.mappings.active(erp)).entries == before.entries
        with pytest.raises(Stop) as caught:
            await publishing.differences(house.wired, "nobody")
        assert caught.value.code == 2
        shown = await run(store, None, "mapping", "show", erp, "--kind", "terms", "--json")
        assert {row["code"] for row in shown.json["rows"]} >= {"Net 30", "Net 45"}
        versions = await run(store, None, "mapping", "show", erp, "--versions", "--json")
        assert [(v["version"], v["state"], v["actor"]) for v in versions.json] == [
            (2, "active", "ann"), (1, "retired", "test"),
        ]  # fmt: skip


async def test_entities_and_routing_are_published_too(client: Client, store: Store, tmp_path: Path) -> None:
    for kind, items in (("entities", ENTITIES), ("routing", RULES)):
        file = str(_write(tmp_path / f"{kind}.json", items))
        done = await run(
            store, client, "mapping", "activate", kind, "--file", file, "--reason", "first", "--json"
        )
        assert (done.code, len(done.json["changes"])) == (0, len(items)), done.err
        shown = await run(store, None, "mapping", "show", kind, "--json")
        assert len(shown.json) == len(items)
    moved = [rule.model_copy(update={"entity": "UK-LTD"}) for rule in RULES[:-1]]
    file = str(_write(tmp_path / "routing.json", moved))
    differs = await run(store, None, "mapping", "diff", "routing", "--file", file, "--json")
    assert {row["what"] for row in differs.json} == {"changed", "removed"}


@pytest.mark.parametrize(
    ("text", "code"),
    [("{", 2), ("{}", 2), ('[{"code": "X"}]', 2), ("[1]", 2)],
)
async def test_a_file_that_is_none_is_a_usage_error_that_names_the_field(
    store: Store, tmp_path: Path, text: str, code: int
) -> None:
    file = tmp_path / "catalog.json"
    file.write_text(text)
    said = await run(store, None, "mapping", "diff", "catalog", "--file", str(file))
    assert said.code == code, said.err
    assert "Traceback" not in said.err


async def test_an_item_that_occurs_twice_is_refused(store: Store, tmp_path: Path) -> None:
    file = _write(tmp_path / "catalog.json", (*CATALOG.products, CATALOG.products[0]))
    said = await run(store, None, "mapping", "diff", "catalog", "--file", str(file))
    assert (said.code, "occurs twice" in said.err) == (2, True)


async def test_what_is_read_from_the_vendor_takes_no_file(store: Store, tmp_path: Path) -> None:
    file = _write(tmp_path / "x.json", ())
    assert (await run(store, None, "mapping", "diff", "netsuite", "--file", str(file))).code == 2
    assert (await run(store, None, "mapping", "diff", "catalog")).code == 2
    unmapped = await run(store, None, "mapping", "show", "netsuite", "--json")
    assert (unmapped.code, "mapping activate" in unmapped.json["error"]["fix"]) == (3, True)
