"""`revsaga event`: the append-only chain of what happened."""

from pathlib import Path
from typing import Any

import click

from commands import _shared
from commands.connect import connected

_COLUMNS = [
    ("seq", "No"), ("time", "When"), ("name", "Event"), ("subject", "About"), ("actor", "By"), ("entity", "Entity"),
    ("id", "Id"),
]  # fmt: skip


@click.group()
def group() -> None:
    """Events: what happened, who did it, what caused it."""


def _row(stored: Any) -> dict[str, Any]:
    event = stored.event.model_dump(mode="json")
    family, name = stored.event.type.split(".", 4)[3:]
    return {
        "seq": stored.seq, "hash": stored.hash, "recorded_at": stored.recorded_at, "family": family, "name": name,
        **event, "time": stored.event.time,
    }  # fmt: skip


@group.command("list")
@click.option("--correlation", help="Only those of this correlation id.")
@click.option("--subject", help="Only those about this id.")
@click.option("--type", "prefix", help="Only types that begin so, e.g. financial or operational.activation.")
@click.option("--after", type=click.IntRange(0), default=0, help="Only those after this number.")
@click.option("--limit", type=click.IntRange(1, 10000), default=100, show_default=True)
@_shared.json_option
@_shared.asynchronous
async def list_(
    correlation: str | None, subject: str | None, prefix: str | None, after: int, limit: int, as_json: bool
) -> None:
    """Events in the order of the chain.

    \b
    revsaga event list --type financial
    revsaga event list --subject a0Q5g0000020000EAA --json
    """
    from canonical.event import PREFIX

    kind = prefix if prefix is None or prefix.startswith(PREFIX) else f"{PREFIX}.{prefix}"
    async with connected(temporal=False) as c:
        found = await c.store.events.list(
            correlation_id=correlation, subject=subject, type_prefix=kind, after=after, limit=limit
        )
    _shared.show([_row(stored) for stored in found], _COLUMNS, as_json=as_json, empty="no event")


@group.command()
@click.argument("event_id")
@_shared.json_option
@_shared.asynchronous
async def show(event_id: str, as_json: bool) -> None:
    """One event by id or number: who, what, why, where it stands in the chain.

    \b
    revsaga event show 17
    """
    async with connected(temporal=False) as c:
        stored = await c.store.events.show(event_id)
    if stored is None:
        _shared.refuse(f"there is no event {event_id}", fix="see `revsaga event list`")
    row = _row(stored)
    if as_json:
        _shared.print_json(row)
        return
    for name, value in row.items():
        if name != "data" and value not in ("", None):
            _shared.say(f"{name}: {_shared.cell(value)}")
    for name, value in row["data"].items():
        _shared.say(f"  {name}: {value}")


@group.command()
@click.option(
    "--check", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Compare with this file."
)
def catalog(check: Path | None) -> None:
    """Every event type with its version, meaning and fields: the text of docs/events.md.

    \b
    revsaga event catalog > docs/events.md
    revsaga event catalog --check docs/events.md
    """
    from canonical import event_types

    if check is None:
        click.echo(event_types.catalog(), nl=False)
    elif event_types.catalog_is_current(check.read_text(encoding="utf-8")):
        _shared.say(f"{check} is what the registry says", "green")
    else:
        _shared.say(f"{check} is out of date: revsaga event catalog > {check}", "red")
        raise _shared.Exit(_shared.FINDINGS)


class _Anchor(click.ParamType[tuple[int, str]]):
    name = "seq:hash"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, str]:
        seq, _, digest = str(value).partition(":")
        if not seq.isdecimal() or len(digest) != 64:
            self.fail(f"{value!r} is no anchor: say NUMBER:HASH, as `verify` prints it", param, ctx)
        return int(seq), digest.lower()


@group.command()
@click.option(
    "--anchor", "anchors", type=_Anchor(), multiple=True, help="An end of the chain that was kept elsewhere."
)
@click.option("--seal", is_flag=True, help="Write the end of the chain down, when it is whole.")
@_shared.json_option
@_shared.asynchronous
async def verify(anchors: tuple[tuple[int, str], ...], seal: bool, as_json: bool) -> None:
    """Walk the whole chain: nothing changed, removed, moved or cut off. Exit 1 names the first misfit.

    \b
    revsaga event verify
    revsaga event verify --anchor 120:4f0c...
    """
    from activities.store.events import Anchor

    kept = [Anchor(seq=seq, hash=digest) for seq, digest in anchors]
    async with connected(temporal=False) as c:
        report = await c.store.events.verify(kept)
        if report.whole and seal:
            await c.store.events.seal()
    if as_json:
        _shared.print_json({**report.model_dump(mode="json"), "whole": report.whole})
    elif report.whole:
        _shared.say(
            f"{report.checked} records, the chain is whole; its end: {report.head.seq}:{report.head.hash}",
            "green",
        )
    else:
        _shared.say(f"broken at {report.broken_at}: {report.why} ({report.checked} records are well)", "red")
    if not report.whole:
        raise _shared.Exit(_shared.FINDINGS)
