"""`revsaga xref`: which record of ours is which record elsewhere."""

import click

from commands import _shared
from commands.connect import connected

_COLUMNS = [
    ("canonical_type", "Ours"), ("canonical_id", "Id"), ("system", "System"), ("external_type", "Its type"),
    ("external_id", "Its id"), ("entity", "Entity"),
]  # fmt: skip


@click.group()
def group() -> None:
    """Cross-references, unique both ways."""


@group.command()
@click.argument("any_id")
@_shared.json_option
@_shared.asynchronous
async def show(any_id: str, as_json: bool) -> None:
    """All ids in all systems of the record that an id (ours or foreign) belongs to. Exit 1 when it is unknown.

    \b
    revsaga xref show S-Q-00002-2JXEKTTDHTYMKUCH
    """
    async with connected(temporal=False) as c:
        rows = await c.store.xrefs.show(any_id)
    _shared.show(
        rows, _COLUMNS, as_json=as_json, empty=f"no cross-reference of {any_id}; try revsaga trace {any_id}"
    )
    if not rows:
        raise _shared.Exit(_shared.FINDINGS)
