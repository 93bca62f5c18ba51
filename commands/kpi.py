"""`revsaga kpi`: figures that can be recomputed from the chain of events."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from commands import _shared
from commands.connect import connected

if TYPE_CHECKING:
    from commands.inner.scoring import Rate, Score


@click.group()
def group() -> None:
    """Key figures, with numerator, denominator and the rows behind them."""


_DAY = click.DateTime(["%Y-%m-%d"])


@group.command()
@click.option("--since", type=_DAY, help="Cohorts from this day on.")
@click.option("--until", type=_DAY, help="Cohorts before this day.")
@click.option("--deals", is_flag=True, help="The deals behind the figures.")
@_shared.json_option
@_shared.asynchronous
async def show(since: datetime | None, until: datetime | None, deals: bool, as_json: bool) -> None:
    """Activation success rate by day of approval.

    First figure: finished within 15 minutes without a person, out of all approved. Second: finished at all within 24
    hours.

    \b
    revsaga kpi show
    revsaga kpi show --since 2026-02-01 --until 2026-03-01 --deals
    """
    from commands.inner.scoring import score

    async with connected(temporal=False) as c:
        found = await score(
            c.store, since=since.date() if since else None, until=until.date() if until else None
        )
    if as_json:
        _shared.print_json(as_data(found))
    else:
        _print(found, deals)


def _rate(rate: "Rate") -> dict[str, Any]:
    return {**rate.model_dump(), "percent": rate.percent}


def as_data(found: "Score") -> dict[str, Any]:
    """The score with its percentages, which are never numbers that a reader would make a float."""
    cohorts = [
        {**cohort.model_dump(mode="json"), "prompt": _rate(cohort.prompt), "in_a_day": _rate(cohort.in_a_day)}
        for cohort in found.cohorts
    ]
    whole = {"prompt": _rate(found.prompt), "in_a_day": _rate(found.in_a_day), "cohorts": cohorts}
    return {"name": found.name, **whole, "deals": [deal.model_dump(mode="json") for deal in found.deals]}


def _share(rate: "Rate") -> str:
    return f"{rate.numerator}/{rate.denominator}" + (f" = {rate.percent} %" if rate.percent else "")


def _print(found: "Score", deals: bool) -> None:
    rows = [
        {"day": cohort.day, "prompt": _share(cohort.prompt), "in_a_day": _share(cohort.in_a_day)}
        for cohort in found.cohorts
    ]
    rows.append({"day": "all", "prompt": _share(found.prompt), "in_a_day": _share(found.in_a_day)})
    columns = [
        ("day", "Approved on"), ("prompt", "Within 15 min, no person"), ("in_a_day", "Within 24 h"),
    ]  # fmt: skip
    _shared.show(rows, columns, title=found.name)
    shown = found.deals if deals else [deal for deal in found.deals if not deal.prompt]
    if shown:
        heads = [
            ("quote_id", "Quote"), ("approved_at", "Approved"), ("completed_at", "Completed"), ("prompt", "Prompt"),
            ("in_a_day", "In a day"), ("why", "Why not"),
        ]  # fmt: skip
        _shared.show(shown, heads, title="the deals" if deals else "what is missing from 100 %")
