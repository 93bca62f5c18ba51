"""`revsaga ownership`: which system's word counts for which field."""

import click

from canonical.ownership import REGISTER
from commands import _shared

_COLUMNS = [
    ("domain", "Domain"), ("field", "Field"), ("owner_role", "System of record"), ("written_to", "Copied to"),
    ("steward", "Steward"), ("note", "Note"),
]  # fmt: skip


@click.group()
def group() -> None:
    """The register of systems of record."""


@group.command()
@click.argument("domain", required=False)
@_shared.json_option
def show(domain: str | None, as_json: bool) -> None:
    """The register, or one domain of it.

    \b
    revsaga ownership show
    revsaga ownership show subscription --json
    """
    rows = [row for row in REGISTER if domain in (None, row.domain)]
    if not rows:
        known = ", ".join(dict.fromkeys(row.domain for row in REGISTER))
        raise click.UsageError(f"no domain {domain!r}; there are: {known}")
    _shared.show(rows, _COLUMNS, as_json=as_json)
