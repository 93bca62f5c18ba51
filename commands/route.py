"""`revsaga route`: which legal entity sells a deal, into which ERP, and which rule said so."""

from datetime import UTC, date, datetime
from typing import Any

import click

from commands import _shared
from commands.connect import connected, house


@click.group()
def group() -> None:
    """Routing of deals to legal entities, ERP and segments."""


@group.command()
@click.argument("quote_id", required=False)
@click.option("--currency", help="Instead of a quote: ISO 4217, e.g. EUR.")
@click.option("--country", default="", help="Sold-to country, e.g. DE.")
@click.option("--region", default="", help="Sales region, e.g. EMEA.")
@click.option("--on", "on", type=click.DateTime(["%Y-%m-%d"]), help="Business day; today when not given.")
@_shared.json_option
@_shared.asynchronous
async def explain(
    quote_id: str | None, currency: str | None, country: str, region: str, on: datetime | None, as_json: bool
) -> None:
    """What every routing rule says of a deal, and which one wins. Exit 1 when none does, or two tie.

    \b
    revsaga route explain a0Q5g0000020000EAA
    revsaga route explain --currency EUR --country DE --region EMEA --on 2026-02-01
    """
    from canonical import entity

    if (quote_id is None) is (currency is None):
        raise click.UsageError("give a QUOTE_ID or --currency, --country and --region")
    if quote_id is not None:
        async with house(temporal=False) as wired:
            deal, rules = await wired.crm.deal(quote_id), (await wired.store.master.load()).rules
            day = on.date() if on else (await wired.clock.now()).date()
        sold_to = deal.parties.sold_to
        currency, country = deal.quote.currency, sold_to.address.country if sold_to else ""
        region = deal.parties.customer.region
    else:
        async with connected(temporal=False) as c:
            rules, day = (await c.store.master.load()).rules, on.date() if on else await _today(c.store)
    asked: dict[str, Any] = {"currency": currency or "", "country": country, "region": region, "on": day}
    route, steps = entity.explain(rules, **asked)
    problem = "" if route else entity.no_route(steps)[1]
    if as_json:
        _shared.print_json({"asked": asked, "route": route, "steps": steps, "problem": problem})
    else:
        _shared.say(
            f"{asked['currency']}, sold to {country or 'nowhere'}, region {region or 'none'}, on {day}"
        )
        _shared.show(
            steps, [("rule_id", "Rule"), ("applies", "Applies"), ("weight", "Weight"), ("why", "Why")]
        )
        if route:
            segments = ", ".join(f"{name} {value}" for name, value in route.segments.model_dump().items())
            _shared.say(f"{route.rule_id} wins: {route.entity}, ERP {route.erp}, {segments}", "green")
        else:
            _shared.say(f"no route: {problem}; correct the table: revsaga mapping activate routing", "red")
    if problem:
        raise _shared.Exit(_shared.FINDINGS)


async def _today(store: Any) -> date:
    from activities.clock import clock_of

    return (await (await clock_of(store)).now()).astimezone(UTC).date()
