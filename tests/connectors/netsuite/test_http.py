"""The adapter and its sandbox over real HTTP on loopback."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from canonical.failures import OutcomeUnknown, Transient
from connectors.kit.sandbox import Fault, FaultKind, serve
from connectors.netsuite.client import NetsuiteClient
from connectors.netsuite.connector import NetsuiteErp
from connectors.netsuite.sandbox import NetsuiteSandbox
from tests.connectors.netsuite.data import (
    CONTRACT_ID,
    CUSTOMER_ID,
    account,
    contract,
    customer,
    mapped,
    settings,
)
from tests.connectors.netsuite.test_quirks import CERTIFICATES, m2m


@pytest.fixture
async def served() -> AsyncIterator[tuple[NetsuiteSandbox, str]]:
    sandbox = account(certificates=CERTIFICATES)
    async with serve(sandbox) as url:
        yield sandbox, url


def adapter(sandbox: NetsuiteSandbox, url: str, **more: object) -> NetsuiteErp:
    return NetsuiteErp(NetsuiteClient(settings(sandbox, url, **more)))


@pytest.mark.parametrize("way", ["tba", "oauth2"])
async def test_the_port_over_http(served: tuple[NetsuiteSandbox, str], way: str) -> None:
    sandbox, url = served
    erp = adapter(sandbox, url, **(m2m() if way == "oauth2" else {}))
    refs = await mapped(erp)
    await erp.upsert_customer(customer(), refs)
    await erp.upsert_contract(contract(), refs)
    assert await erp.find_contract(CONTRACT_ID, refs) == contract()
    assert (await erp.check()).well
    await erp.aclose()


@pytest.mark.parametrize("kind", ["timeout_after", "reset_after", "timeout_before", "reset_before"])
async def test_a_lost_answer_over_http(served: tuple[NetsuiteSandbox, str], kind: FaultKind) -> None:
    sandbox, url = served
    erp = adapter(sandbox, url, read_timeout=0.3)
    refs = await mapped(erp)
    await erp.upsert_customer(customer(), refs)
    sandbox.faults.add(Fault(match="PUT", kind=kind))
    with pytest.raises(OutcomeUnknown):
        await erp.upsert_contract(contract(), refs)
    await erp.upsert_contract(contract(), refs)
    assert sandbox.effects == {("customer-created", CUSTOMER_ID): 1, ("salesOrder-created", CONTRACT_ID): 1}
    await erp.aclose()


async def test_an_answer_without_end_is_cut(served: tuple[NetsuiteSandbox, str]) -> None:
    sandbox, url = served
    erp = adapter(sandbox, url)
    sandbox.faults.add(Fault(kind="huge"))
    with pytest.raises(Transient) as caught:
        await erp.find_customer(CUSTOMER_ID)
    assert caught.value.code == "answer-too-large"
    await erp.aclose()


async def test_two_clients_share_the_limit_of_the_account(served: tuple[NetsuiteSandbox, str]) -> None:
    sandbox, url = served
    first, second = adapter(sandbox, url), adapter(sandbox, url)
    sandbox.faults.add(Fault(kind="latency", seconds=0.2, times=-1))
    calls = [erp.find_customer(CUSTOMER_ID) for erp in (first, second) for _ in range(5)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert sandbox.concurrency.max_seen == 5
    assert sum(isinstance(outcome, Transient) for outcome in outcomes) == 5
    await first.aclose()
    await second.aclose()


async def test_one_client_never_exceeds_it_alone(served: tuple[NetsuiteSandbox, str]) -> None:
    sandbox, url = served
    erp = adapter(sandbox, url)
    sandbox.faults.add(Fault(kind="latency", seconds=0.05, times=-1))
    started = time.monotonic()
    outcomes = await asyncio.gather(*(erp.find_customer(CUSTOMER_ID) for _ in range(12)))
    assert outcomes == [None] * 12
    assert time.monotonic() - started < 5
    assert sandbox.concurrency.refused == 0
    await erp.aclose()
