"""The same over real loopback HTTP, and the control port that other processes use."""

from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from canonical.failures import OutcomeUnknown
from canonical.mapping import MappingSet
from canonical.money import Money
from commands.demo import book
from connectors.kit.sandbox import Fault, serve
from connectors.zuora.client import ZuoraClient
from connectors.zuora.connector import ZuoraBilling
from connectors.zuora.manifest import MANIFEST
from connectors.zuora.sandbox import ZuoraSandbox
from tests.connectors.zuora import data


async def test_an_order_over_http() -> None:
    sandbox = data.fill(ZuoraSandbox())
    async with serve(sandbox) as url:
        billing = ZuoraBilling(ZuoraClient(data.settings(url, page_size=3)))
        refs = MappingSet.of("zuora", await billing.references())
        await billing.create_account(data.account(), key="k0")
        plan = data.order(data.line(), data.discount())
        preview = await billing.preview_order(plan, refs)
        sandbox.faults.add(Fault(match="PUT .*/activate", kind="reset_after"))
        await billing.create_draft(plan, refs, key="k1")
        with pytest.raises(OutcomeUnknown):
            await billing.activate_order("O-1", data.START, refs)
        found = await billing.find_order("O-1", refs)
        assert found is not None
        assert (found.status, found.lines) == ("completed", plan.lines)
        assert preview.term_total == Money(minor=12 * (83330 - 8333), currency="USD")
        assert (await billing.cancel_account("A-NONE")) is None
        await billing.aclose()
    assert sandbox.effects["order-completed", "O-1"] == 1


async def test_the_world_is_loaded_over_the_control_port_and_twice_changes_no_id() -> None:
    world = book.world([])
    async with serve(ZuoraSandbox()) as url, httpx.AsyncClient(base_url=url) as http:
        seen = []
        adapters = MANIFEST.build(data.settings(url), None)
        for _ in range(2):
            answer = await http.post("/_control/seed", json={**world.model_dump(mode="json")})
            assert answer.status_code == 200
            seen.append(await adapters["billing"].references())
        await MANIFEST.close(adapters)
    assert {(r.kind, r.code) for r in seen[0]} >= {
        ("plan", "DISCOUNT"),
        ("charge", "DISCOUNT-PERCENT"),
        ("plan", "ROUNDING"),
        ("charge", "ROUNDING-CHARGE"),
        *(("plan", p.code) for x in world.catalog.products for p in x.plans),
        *(("charge", c.code) for x in world.catalog.products for p in x.plans for c in p.charges),
    }
    assert set(seen[0]) == set(seen[1])


async def test_the_books_survive_a_restart(tmp_path: Path) -> None:
    place = tmp_path / "zuora.json"
    now = datetime(2026, 12, 1, tzinfo=UTC)
    first = data.fill(ZuoraSandbox(data=place, clock=lambda: now))
    t = await data.start(sandbox=first)
    await t.account()
    await t.billing.create_draft(data.order(), t.refs, key="k1")
    first.save()
    second = ZuoraSandbox(data=place)
    again = await data.start(sandbox=second)
    found = await again.billing.create_draft(data.order(), again.refs, key="k1")
    assert found.status == "draft"
    assert again.refs == t.refs
    assert second.windows["keys"].replays == 1
    assert second.effects == first.effects
