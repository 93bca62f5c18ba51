"""One handler, two ways in: what a test sees in process is what a vendor's client sees over HTTP."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.datastructures import Headers

from canonical.failures import Failure, OutcomeUnknown
from connectors.kit.http import Http
from connectors.kit.sandbox import (
    Call,
    Concurrency,
    Fault,
    IdempotencyWindow,
    RateWindow,
    Reply,
    Sandbox,
    SandboxTransport,
    Tokens,
    route,
    serve,
    serve_many,
)
from tests.connectors.kit.acme import AcmeSandbox, AcmeSettings, client

Way = Callable[[Sandbox], contextlib.AbstractAsyncContextManager[Http]]


@contextlib.asynccontextmanager
async def in_process(sandbox: Sandbox) -> AsyncIterator[Http]:
    async with Http(AcmeSettings(read_timeout=0.3), transport=SandboxTransport(sandbox)) as bare:
        yield client(bare)


@contextlib.asynccontextmanager
async def over_http(sandbox: Sandbox) -> AsyncIterator[Http]:
    async with serve(sandbox) as url, Http(AcmeSettings(base_url=url, read_timeout=0.3)) as bare:
        yield client(bare)


@pytest.fixture(params=[in_process, over_http], ids=["in-process", "over-http"])
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found


async def order(http: Http, number: str, key: str | None = None, **more: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else None
    return await http.send("POST", "/v1/orders", json={"number": number} | more, headers=headers, effect=True)


# Faults


@pytest.mark.parametrize(
    ("fault", "failure", "effects"),
    [
        ({"kind": "timeout_before"}, OutcomeUnknown, 0),
        ({"kind": "timeout_after"}, OutcomeUnknown, 1),
        ({"kind": "reset_before"}, OutcomeUnknown, 0),
        ({"kind": "reset_after"}, OutcomeUnknown, 1),
        ({"kind": "truncated"}, OutcomeUnknown, 1),
        ({"kind": "html"}, OutcomeUnknown, 1),
        ({"kind": "empty"}, OutcomeUnknown, 1),
        ({"kind": "huge"}, OutcomeUnknown, 1),
        ({"kind": "unknown_fields"}, None, 1),
        ({"kind": "expired_token"}, None, 1),
        ({"kind": "latency", "seconds": 0.05}, None, 1),
        ({"kind": "status", "status": 429, "headers": {"Retry-After": "7"}, "body": {}}, 429, 0),
        ({"kind": "error_after"}, 500, 1),
    ],
    ids=lambda v: v["kind"] if isinstance(v, dict) else "",
)
async def test_each_fault_does_what_it_says(
    way: Way, fault: dict[str, Any], failure: type[Failure] | int | None, effects: int
) -> None:
    sandbox = AcmeSandbox()
    sandbox.faults.add(Fault(match="POST /v1/orders", **fault))
    async with way(sandbox) as http:
        if isinstance(failure, type):
            with pytest.raises(failure):
                (await order(http, "A1")).json()
        else:
            answer = await order(http, "A1")
            assert answer.status == (failure or 200)
            if failure is None:
                assert answer.json()["number"] == "A1"
            assert answer.headers.get("retry-after") == fault.get("headers", {}).get("Retry-After")
        assert sandbox.effects["order", "A1"] == effects
        # The fault is spent, and the vendor knows what it did.
        assert (await order(http, "A1")).status == (400 if effects else 200)
    assert next(e["fault"] for e in sandbox.log if e["path"] == "/v1/orders") == fault["kind"]


async def test_unknown_fields_are_added_at_every_depth(way: Way) -> None:
    sandbox = AcmeSandbox()
    sandbox.faults.add(Fault(kind="unknown_fields", match="/v1/orders"))
    async with way(sandbox) as http:
        body = (await order(http, "A1", lines=[{"price": Decimal("9.90")}])).json()
    assert body["lines"][0]["price"] == Decimal("9.90")
    assert "zzUnknownField" in body
    assert "zzUnknownField" in body["lines"][0]


async def test_a_batch_can_be_done_in_part(way: Way) -> None:
    sandbox = AcmeSandbox()
    sandbox.faults.add(Fault(kind="partial_batch", match="/v1/batch"))
    async with way(sandbox) as http:
        body = {"numbers": ["a", "b", "c", "d"]}
        first = (await http.send("POST", "/v1/batch", json=body, effect=True)).json()
        second = (await http.send("POST", "/v1/batch", json=body, effect=True)).json()
    assert (first["done"], second["done"]) == (["a", "b"], ["a", "b", "c", "d"])


async def test_latency_adds_to_another_fault() -> None:
    sandbox = AcmeSandbox()
    async with in_process(sandbox) as http:
        await http.send("GET", "/v1/orders/preview", effect=False)
        sandbox.faults.add(Fault(kind="latency", seconds=0.1), Fault(kind="error_after"))
        started = time.monotonic()
        assert (await order(http, "A1")).status == 500
    assert time.monotonic() - started >= 0.1
    assert sandbox.effects["order", "A1"] == 1


async def test_faults_can_be_counted_skipped_matched_and_thrown_by_seeded_dice() -> None:
    async def statuses(seed: int, *faults: Fault, calls: int = 6) -> list[int]:
        sandbox = AcmeSandbox(seed=seed)
        sandbox.faults.add(*faults)
        async with in_process(sandbox) as http:
            return [(await order(http, f"A{n}")).status for n in range(calls)]

    down: dict[str, Any] = {"kind": "status", "status": 503, "match": "POST /v1/orders$"}
    assert await statuses(1, Fault(times=2, skip=1, **down)) == [200, 503, 503, 200, 200, 200]
    assert await statuses(1, Fault(times=-1, **down)) == [503] * 6
    assert await statuses(1, Fault(body_match='"A3"', **down)) == [200, 200, 200, 503, 200, 200]
    assert await statuses(1, Fault(**down | {"match": "GET /v1/orders"})) == [200] * 6
    dice = [await statuses(seed, Fault(times=-1, probability=0.5, **down), calls=30) for seed in (1, 1, 2)]
    assert dice[0] == dice[1] != dice[2]
    assert 5 < dice[0].count(503) < 25


async def test_a_fault_after_the_effect_waits_for_a_call_that_has_one(way: Way) -> None:
    sandbox = AcmeSandbox()
    async with way(sandbox) as http:
        await order(http, "A0")
        sandbox.tokens.revoke()
        sandbox.faults.add(Fault(kind="timeout_after", match="POST /v1/orders"))
        with pytest.raises(OutcomeUnknown):
            await order(http, "A1")
    assert sandbox.effects["order", "A1"] == 1


# Idempotency


async def test_a_key_makes_one_effect_and_replays_the_first_answer(way: Way) -> None:
    sandbox = AcmeSandbox()
    async with way(sandbox) as http:
        first, again = await order(http, "A1", "k1"), await order(http, "A1", "k1")
        assert (first.body, first.headers.get("replayed")) == (again.body, None)
        assert again.headers["replayed"] == "true"
        other = await order(http, "A2", "k1")
        assert (other.status, other.json()["code"]) == (422, "OTHER_CONTENT")
    assert sandbox.effects_by_kind() == {"order": {"A1": 1}}


async def test_a_lost_answer_is_found_again_by_its_key(way: Way) -> None:
    sandbox = AcmeSandbox()
    sandbox.faults.add(Fault(kind="timeout_after", match="POST /v1/orders"))
    async with way(sandbox) as http:
        with pytest.raises(OutcomeUnknown):
            await order(http, "A1", "k1")
        assert (await order(http, "A1", "k1")).json()["number"] == "A1"
    assert sandbox.effects_by_kind() == {"order": {"A1": 1}}


async def test_refusals_are_stored_too_until_the_window_ends() -> None:
    seconds = [0.0]
    sandbox = AcmeSandbox()
    sandbox.windows["keys"] = IdempotencyWindow(24, now=lambda: seconds[0])
    sandbox.seed({"orders": {"A1": {}}})
    async with in_process(sandbox) as http:
        assert (await order(http, "A1", "k1")).status == 400
        del sandbox.state["orders"]["A1"]
        assert (await order(http, "A1", "k1")).status == 400
        assert (await order(http, "A1", "k2")).status == 200
        seconds[0] = 24 * 3600 - 1
        assert (await order(http, "A1", "k1")).status == 400
        seconds[0] = 24 * 3600
        assert (await order(http, "A2", "k1")).status == 200


async def test_a_stored_fault_is_replayed_although_it_is_spent(way: Way) -> None:
    sandbox = AcmeSandbox()
    locked: dict[str, Any] = {
        "kind": "status",
        "status": 400,
        "body": {"code": "LOCKED"},
        "match": "POST /v1/orders",
    }
    sandbox.faults.add(Fault(stored=True, **locked))
    async with way(sandbox) as http:
        assert [(await order(http, "A1", k)).status for k in ("k1", "k1", "k2")] == [400, 400, 200]
        sandbox.faults.add(Fault(kind="error_after", stored=True, match="POST /v1/orders"))
        assert [(await order(http, "A2", "k3")).status for _ in range(2)] == [500, 500]
    assert sandbox.effects_by_kind() == {"order": {"A1": 1, "A2": 1}}


async def test_a_key_in_flight_is_refused(way: Way) -> None:
    sandbox = AcmeSandbox()
    sandbox.faults.add(Fault(kind="latency", seconds=0.1, match="POST /v1/orders"))
    async with way(sandbox) as http:
        await http.send("GET", "/v1/orders/preview", effect=False)
        first = asyncio.create_task(order(http, "A1", "k1"))
        await asyncio.sleep(0.04)
        assert (await order(http, "A1", "k1")).status == 409
        assert (await first).status == 200
        assert (await order(http, "A1", "k1")).status == 200
    assert sandbox.effects_by_kind() == {"order": {"A1": 1}}


async def test_a_window_can_refuse_to_store_and_forgets_what_broke() -> None:
    window = IdempotencyWindow(1, stores=lambda reply: reply.status < 500)
    replies: Iterator[Reply | RuntimeError] = iter([Reply(503), Reply(200), RuntimeError("bug"), Reply(201)])

    async def run() -> Reply:
        found = next(replies)
        if isinstance(found, RuntimeError):
            raise found
        return found

    async def once(key: str) -> int:
        return (await window.once(key, "f", run, conflict=Reply, in_flight=Reply)).status

    assert [await once("a"), await once("a"), await once("a")] == [503, 200, 200]
    with pytest.raises(RuntimeError):
        await once("b")
    assert await once("b") == 201


# Limits


async def test_the_most_calls_at_once_are_counted_and_the_rest_refused(way: Way) -> None:
    sandbox = AcmeSandbox()
    sandbox.concurrency = Concurrency(5)
    sandbox.faults.add(Fault(kind="latency", seconds=0.15, times=-1, match="/v1/"))
    async with way(sandbox) as http:
        await http.send("GET", "/v1/orders/preview", effect=False)
        statuses = [a.status for a in await asyncio.gather(*[order(http, f"A{n}") for n in range(8)])]
        assert sorted(statuses) == [200] * 5 + [429] * 3
        figures = json.loads((await http.send("GET", "/_control/figures", effect=False)).text)["concurrency"]
    assert figures == {"limit": 5, "current": 0, "max_seen": 5, "max_offered": 6, "refused": 3}


async def test_a_rate_window_slides_and_tells_when() -> None:
    now = [0.0]
    rate = RateWindow(2, 10, now=lambda: now[0])
    assert (rate.hit(), rate.remaining) == (None, 1)
    now[0] = 4
    assert (rate.hit(), rate.hit(), rate.remaining) == (None, 6, 0)
    now[0] = 10
    assert (rate.hit(), rate.hit(), rate.refused) == (None, 4, 2)


async def test_the_vendors_own_rate_refusal_is_given(way: Way) -> None:
    sandbox = AcmeSandbox()
    sandbox.rate = RateWindow(1, 60)
    async with way(sandbox) as http:
        first, second = await order(http, "A1"), await order(http, "A2")
    assert (first.status, second.status, second.headers["retry-after"]) == (200, 429, "7")


async def test_tokens_end_by_time_and_by_word() -> None:
    tokens = Tokens(0.05)
    short = tokens.issue(user="u1")
    assert tokens.valid(short) == {"user": "u1"}
    await asyncio.sleep(0.06)
    assert tokens.valid(short) is None
    tokens.seconds = 60
    kept, gone = tokens.issue(), tokens.issue()
    tokens.revoke(gone)
    assert (tokens.valid(kept), tokens.valid(gone), tokens.valid(""), tokens.issued) == ({}, None, None, 3)


# Routes


async def test_literal_paths_win_and_values_keep_their_slashes(way: Way) -> None:
    sandbox = AcmeSandbox()
    sandbox.seed({"orders": {"A/1 é": {"found": True}, "50%": {"found": True}}})
    async with way(sandbox) as http:
        assert (await http.send("GET", "/v1/orders/preview", effect=False)).json() == {"preview": True}
        for encoded in ("A%2F1%20%C3%A9", "50%25"):
            assert (await http.send("GET", f"/v1/orders/{encoded}", effect=False)).json() == {"found": True}
        assert (await http.send("GET", "/v1/orders/A/1", effect=False)).status == 404
        assert (await http.send("DELETE", "/v1/orders/A1", effect=True)).status == 404


def call(method: str, path: str, query: str = "") -> Call:
    return Call(method, path, query_string=query, headers=Headers({}), body=b"")


async def test_partly_literal_segments_rests_and_inherited_routes_are_matched() -> None:
    class Parent(Sandbox):
        @route("GET", "/record/{type}/{id}")
        def by_id(self, call: Call) -> Reply:
            return Reply.text(f"id {call.path_params['id']}")

        @route("GET", "/record/{type}/eid:{id}")
        async def by_external_id(self, call: Call) -> Reply:
            return Reply.text(f"eid {call.path_params['id']}")

        @route("GET", "/files/{rest:path}")
        def files(self, call: Call) -> Reply:
            return Reply.text(call.path_params["rest"])

    class Child(Parent):
        def by_id(self, call: Call) -> Reply:
            return Reply.text("overridden")

        @route("POST", "/record/{type}/{id}/!transform/{to}")
        def transform(self, call: Call) -> Reply:
            return Reply.text(call.path_params["to"] + call.query["x"])

    sandbox = Child()
    for method, path, expected in [
        ("GET", "/record/invoice/eid:INV-1", b"eid INV-1"),
        ("GET", "/record/invoice/eid%3AINV-1", b"eid INV-1"),
        ("GET", "/files/a/b%20c/d", b"a/b c/d"),
        ("POST", "/record/order/5/!transform/invoice", b"invoice1"),
    ]:
        assert (await sandbox.respond(call(method, path, "x=1"))).body == expected
    assert (await sandbox.respond(call("GET", "/record/invoice/7"))).status == 404


async def test_a_bug_in_a_sandbox_is_seen(caplog: pytest.LogCaptureFixture) -> None:
    sandbox = AcmeSandbox()
    async with in_process(sandbox) as http:
        with pytest.raises(RuntimeError, match="a bug in the sandbox"):
            await http.send("GET", "/v1/broken", effect=False)
    async with over_http(sandbox) as http:
        assert (await http.send("GET", "/v1/broken", effect=False)).status == 500
    assert sandbox.log[-1]["bug"] == "RuntimeError('a bug in the sandbox')"
    assert "bug in the acme sandbox" in caplog.text


# State, clock, control


async def test_state_is_saved_and_restored_with_effects_and_keys(way: Way) -> None:
    first, second = AcmeSandbox(), AcmeSandbox()
    async with way(first) as http:
        await order(http, "A1", "k1", price=Decimal("1.50"))
    kept = first.snapshot()
    first.state["orders"].clear()
    second.restore(kept)
    async with way(second) as http:
        assert (await order(http, "A1", "k1", price=Decimal("1.50"))).headers["replayed"] == "true"
        assert (await order(http, "A2")).json()["id"] == 2
    assert second.state["orders"]["A1"]["price"] == Decimal("1.50")
    assert second.effects_by_kind() == {"order": {"A1": 1, "A2": 1}}


async def test_state_on_disk_outlives_the_sandbox(tmp_path: Path) -> None:
    place = tmp_path / "new" / "acme.json"
    async with over_http(AcmeSandbox(data=place)) as http:
        await order(http, "A1", "k1")
        await asyncio.sleep(1.2)
        assert place.exists()
        await order(http, "A2")
    assert set(AcmeSandbox(data=place).state["orders"]) == {"A1", "A2"}
    assert [p.name for p in place.parent.iterdir()] == ["acme.json"]


async def test_the_control_port_does_it_all_without_credentials() -> None:
    sandbox = AcmeSandbox()
    async with (
        serve(sandbox) as url,
        httpx.AsyncClient(base_url=f"{url}/_control", trust_env=False) as control,
    ):
        faults = [{"kind": "status", "status": 503, "match": "/v1/", "times": 2, "probability": 1.0}]
        assert (await control.post("/faults", json=faults)).json()[0]["struck"] == 0
        assert (await control.post("/faults", json={"kind": "html"})).json()[1]["kind"] == "html"
        assert len((await control.get("/faults")).json()) == 2
        assert (await control.delete("/faults")).json() == []
        assert (await control.post("/seed", json={"orders": {"S1": {"a": 1.5}}})).status_code == 200
        async with Http(AcmeSettings(base_url=url)) as bare:
            await order(client(bare), "A1", "k1")
            log = (await control.get("/log")).json()
            assert [(e["n"], e["method"], e["path"], e["status"], e["key"]) for e in log] == [
                (1, "POST", "/oauth/token", 200, None),
                (2, "POST", "/v1/orders", 200, "k1"),
            ]
            assert [e["n"] for e in (await control.get("/log", params={"since": 1})).json()] == [2]
            assert (await control.get("/effects")).json() == {"order": {"A1": 1}}
            state = (await control.get("/state")).json()
            assert set(state["state"]["orders"]) == {"S1", "A1"}
            assert (await control.post("/reset")).status_code == 200
            assert sandbox.state == {"orders": {}}
            assert (await control.post("/state", content=json.dumps(state))).status_code == 200
            assert set(sandbox.state["orders"]) == {"S1", "A1"}
            assert (await control.post("/expire")).status_code == 200
            assert (await order(client(bare), "A9")).status == 200
        assert (await control.delete("/log")).json() == []
        for path, body in [
            ("/faults", {"kind": "nonsense"}),
            ("/faults", {"x": 1}),
            ("/clock", {}),
            ("/seed", 5),
        ]:
            assert (await control.post(path, json=body)).status_code == 400
        assert (await control.post("/faults", content=b"{")).status_code == 400
        assert (await control.get("/nothing")).status_code == 404


async def test_the_control_port_can_be_closed() -> None:
    sandbox = AcmeSandbox(control=False)
    assert (await sandbox.respond(call("GET", "/_control/state"))).status == 401


async def test_the_business_clock_stops_moves_and_runs_again() -> None:
    moved: list[timedelta] = []

    class Dated(AcmeSandbox):
        async def clock_moved(self, before: datetime, after: datetime) -> None:
            moved.append(after - before)

    sandbox = Dated(clock=lambda: datetime(2026, 11, 24, 23, 30, tzinfo=UTC))
    assert sandbox.today().isoformat() == "2026-11-24"
    async with serve(sandbox) as url, httpx.AsyncClient(base_url=url, trust_env=False) as control:
        answer = await control.post("/_control/clock", json={"now": "2026-12-24T23:30:00+00:00"})
        assert answer.json() == {"now": "2026-12-24T23:30:00+00:00"}
        assert (moved, sandbox.now().month) == ([timedelta(days=30)], 12)
        assert (await control.post("/_control/clock", json={"now": "2026-12-24T23:30:00"})).status_code == 400
        await control.post("/_control/clock", json={"now": None})
    assert abs(sandbox.now() - datetime.now(UTC)) < timedelta(seconds=5)


# Serving


async def test_stopping_lets_waiting_clients_go_and_leaves_nothing_behind() -> None:
    sandbox = AcmeSandbox()
    before = asyncio.all_tasks()
    async with contextlib.AsyncExitStack() as clients:
        async with serve(sandbox) as url:
            port = int(url.rpartition(":")[2])
            bare = await clients.enter_async_context(Http(AcmeSettings(base_url=url, read_timeout=30)))
            http = client(bare)
            await order(http, "A0")
            sandbox.faults.add(Fault(kind="timeout_after", times=-1, match="/v1/"))
            waiting = [asyncio.create_task(order(http, f"A{n}")) for n in range(1, 4)]
            _, idle = await asyncio.open_connection("127.0.0.1", port)
            clients.callback(idle.close)
            await asyncio.sleep(0.2)
            assert len(sandbox.log) == 5
            started = time.monotonic()
        assert time.monotonic() - started < 1
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(end) for end in ends] == [OutcomeUnknown] * 3
    await asyncio.sleep(0.05)
    assert asyncio.all_tasks() - before == set()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_many_sandboxes_share_a_loop_and_take_free_or_given_ports() -> None:
    boxes = {"a": AcmeSandbox(), "b": AcmeSandbox()}
    async with serve_many(boxes) as urls:
        assert len(set(urls.values())) == 2
        taken = int(urls["a"].rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            async with serve(AcmeSandbox(), taken):
                pytest.fail("the port was free")
        async with httpx.AsyncClient(trust_env=False) as control:
            for name, url in urls.items():
                figures = (await control.get(f"{url}/_control/figures")).json()
                assert figures["vendor"] == boxes[name].vendor
    async with serve_many({"a": AcmeSandbox()}, {"a": taken}) as urls:
        assert urls["a"].endswith(f":{taken}")


async def test_answers_over_http_are_not_held_back_by_the_network_stack() -> None:
    async with over_http(AcmeSandbox()) as http:
        await http.send("GET", "/v1/orders/preview", effect=False)
        started = time.monotonic()
        for _ in range(20):
            await http.send("POST", "/v1/batch", json={"numbers": []}, effect=True)
        assert time.monotonic() - started < 20 * 0.03
