"""`revsaga mapping`: the versioned maps from our codes to vendors' ids, and our own master data."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands import _shared
from commands.connect import connected, house

if TYPE_CHECKING:
    from collections.abc import Sequence

    from activities.store.mappings import MappingChange
    from commands.inner.publishing import Published

_OWN = ("catalog", "entities", "routing")


@click.group()
def group() -> None:
    """Maps from our codes to vendors' ids; catalog, legal entities and routing of our own."""


@group.command()
@click.argument("what")
@click.option("--kind", help="Only this kind of record, e.g. item.")
@click.option("--versions", is_flag=True, help="The versions instead of the rows.")
@_shared.json_option
@_shared.asynchronous
async def show(what: str, kind: str | None, versions: bool, as_json: bool) -> None:
    """What is in force: for a vendor, or for catalog, entities, routing.

    \b
    revsaga mapping show VENDOR --kind item
    revsaga mapping show catalog --json
    """
    from commands.inner.publishing import items_now

    async with connected(temporal=False) as c:
        if what in _OWN:
            _show_own(what, await items_now(c.store, what), as_json)
            return
        active, made = await c.store.mappings.active(what), await c.store.mappings.versions(what)
    if not made:
        _shared.refuse(f"{what} has no mapping yet", fix=f"revsaga mapping activate {what} --reason TEXT")
    if versions:
        columns = [
            ("version", "Version"),
            ("state", "State"),
            ("rows", "Rows"),
            ("actor", "By"),
            ("reason", "Reason"),
        ]
        _shared.show(made, columns, as_json=as_json)
        return
    rows = [
        {"kind": key.partition(":")[0], "code": key.partition(":")[2], "vendor_id": vendor_id}
        for key, vendor_id in sorted(active.entries.items())
        if kind in (None, key.partition(":")[0])
    ]
    if as_json:
        _shared.print_json({"vendor": what, "version": active.version, "rows": rows})
    else:
        heads = [("kind", "Kind"), ("code", "Our code"), ("vendor_id", f"Id in {what}")]
        _shared.show(rows, heads, title=f"{what}, version {active.version}: {len(rows)} rows")


def _show_own(what: str, items: "Sequence[Any]", as_json: bool) -> None:
    columns = {
        "catalog": [("code", "Product"), ("version", "Version"), ("name", "Name"), ("effective_from", "From")],
        "entities": [("code", "Entity"), ("name", "Name"), ("country", "Country"), ("currencies", "Currencies")],
        "routing": [
            ("rule_id", "Rule"), ("entity", "Entity"), ("countries", "Countries"), ("currencies", "Currencies"),
            ("regions", "Regions"), ("effective_from", "From"), ("effective_to", "To"),
        ],
    }[what]  # fmt: skip
    _shared.show(
        items, columns, as_json=as_json, empty=f"no {what} yet: revsaga mapping activate {what} --file FILE"
    )


_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_file = click.option("--file", "file", type=_FILE, help="JSON list, for catalog, entities and routing.")


def _check_file(what: str, file: Path | None) -> None:
    if (what in _OWN) is (file is None):
        raise click.UsageError(
            f"{what} is published from a file: --file FILE"
            if what in _OWN
            else f"{what} is read from the vendor itself"
        )


@group.command()
@click.argument("what")
@_file
@_shared.json_option
@_shared.asynchronous
async def diff(what: str, file: Path | None, as_json: bool) -> None:
    """What `activate` would change. Exit 1 when it would change anything.

    \b
    revsaga mapping diff VENDOR
    revsaga mapping diff catalog --file catalog.json
    """
    from commands.inner import publishing

    _check_file(what, file)
    if file is not None:
        items = publishing.items_in(what, file)
        async with connected(temporal=False) as c:
            changes = publishing.compare(what, await publishing.items_now(c.store, what), items)
    else:
        async with house(temporal=False) as wired:
            changes = await publishing.differences(wired, what)
    _print_changes(changes, as_json)
    if changes:
        raise _shared.Exit(_shared.FINDINGS)


def _print_changes(changes: "Sequence[MappingChange]", as_json: bool) -> None:
    rows = [{"what": change.what, **change.model_dump()} for change in changes]
    if not as_json:
        rows = [row | {name: _short(row[name]) for name in ("before", "after")} for row in rows]
    columns = [("what", "What"), ("kind", "Kind"), ("code", "Code"), ("before", "Now"), ("after", "Then")]
    _shared.show(rows, columns, as_json=as_json, empty="nothing differs")


def _short(text: Any) -> str:
    return "" if text is None else text if len(text) <= 60 else f"{text[:57]}..."


@group.command()
@click.argument("what")
@_file
@_shared.reason_option
@_shared.json_option
@_shared.asynchronous
async def activate(what: str, file: Path | None, reason: str, as_json: bool) -> None:
    """Put the vendor's present records in force (or a file of our own), and wake the activations that wait for it.

    \b
    revsaga mapping activate VENDOR --reason "new items"
    revsaga mapping activate catalog --file catalog.json --reason "AI add-on is sold from today"
    """
    from commands.inner import publishing

    _check_file(what, file)
    who = _shared.actor()
    if file is not None:
        items = publishing.items_in(what, file)
        async with connected() as c:
            found = await publishing.activate_items(
                c.store, c.temporal, what, items, actor=who, reason=reason
            )
    else:
        async with connected(store=False) as c, house(temporal=False) as wired:
            found = await publishing.activate_vendor(wired, c.temporal, what, actor=who, reason=reason)
    _print_published(found, as_json)


def _print_published(found: "Published", as_json: bool) -> None:
    if as_json:
        _shared.print_json(found)
        return
    if found.changes:
        _print_changes(found.changes, as_json=False)
        _shared.say(f"{found.what} version {found.version} is in force", "green")
    else:
        _shared.say(f"{found.what} version {found.version} is in force already; nothing differs")
    _shared.say(f"  {found.told} live activations were told to look again")
