"""The border between our failures and the engine's."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.testing import ActivityEnvironment

from activities.boundary import (
    NOT_YET,
    PAYLOAD_LIMIT,
    NotYet,
    Spent,
    crossing,
    effect_key,
    forward_key,
    heartbeating,
    light,
)
from canonical.failures import (
    Conflict,
    Failure,
    FailureRecord,
    Finding,
    Kind,
    Misconfigured,
    OutcomeUnknown,
    Rejected,
    Transient,
)

SECRET = "Bearer abcdef0123456789"


async def _out(inner: BaseException) -> BaseException:
    """What leaves the boundary for what is raised inside."""
    with pytest.raises((Exception, asyncio.CancelledError)) as left:
        async with crossing():
            raise inner
    return left.value


@pytest.mark.parametrize(
    ("failure", "again"),
    [(Transient, True), (OutcomeUnknown, True), (Rejected, False), (Conflict, False), (Misconfigured, False)],
)
async def test_each_kind_leaves_as_its_type_with_its_record(failure: type[Failure], again: bool) -> None:
    finding = Finding(code="a-b", field="x.y", message="m", fix="f")
    inner = failure(
        "no", code="some-code", field="x.y", fix="do", evidence={"status": "423"}, findings=(finding,)
    )
    left = await _out(inner)
    assert isinstance(left, ApplicationError)
    assert (left.type, left.non_retryable) == (failure.kind.value, not again)
    assert FailureRecord.model_validate(left.details[0]) == inner.record()
    assert left.category is ApplicationErrorCategory.UNSPECIFIED


def test_every_kind_is_covered_by_the_test_above() -> None:
    assert set(Kind) == {f.kind for f in (Transient, OutcomeUnknown, Rejected, Conflict, Misconfigured)}


async def test_what_the_other_side_asked_us_to_wait_becomes_the_gap() -> None:
    left = await _out(Transient("busy", code="limit", retry_after=1.5))
    assert isinstance(left, ApplicationError)
    assert left.next_retry_delay == timedelta(seconds=1.5)
    final = await _out(Rejected("no", code="limit", retry_after=1.5))
    assert isinstance(final, ApplicationError)
    assert final.next_retry_delay is None


async def test_waiting_is_benign() -> None:
    left = await _out(NotYet("no lease", after=timedelta(seconds=2)))
    assert isinstance(left, ApplicationError)
    assert (left.type, left.category) == (NOT_YET, ApplicationErrorCategory.BENIGN)
    assert (left.non_retryable, left.next_retry_delay) == (False, timedelta(seconds=2))


async def test_spent_is_final_and_keeps_its_kind() -> None:
    left = await _out(Spent(Transient("busy", code="limit", retry_after=3)))
    assert isinstance(left, ApplicationError)
    assert (left.type, left.non_retryable, left.next_retry_delay) == ("Transient", True, None)


async def test_faults_stay_faults_and_cancellation_stays_cancellation() -> None:
    fault, stop = KeyError("colour"), asyncio.CancelledError()
    assert await _out(fault) is fault
    assert await _out(stop) is stop


async def test_no_secret_crosses_in_words_fix_evidence_or_findings() -> None:
    finding = Finding(code="a", field="", message=f"sent {SECRET}", fix=f"drop {SECRET}")
    left = await _out(
        Rejected(f"got {SECRET}", code="a", fix=f"not {SECRET}", evidence={"h": SECRET}, findings=(finding,))
    )
    assert isinstance(left, ApplicationError)
    assert "abcdef" not in str(left) + str(left.details)


async def test_no_secret_crosses_in_a_fault() -> None:
    left = await _out(RuntimeError(f"failed with {SECRET}"))
    assert isinstance(left, ApplicationError)
    assert left.type == "RuntimeError"
    assert "abcdef" not in str(left)
    assert left.__cause__ is None
    assert left.__suppress_context__


async def test_it_decorates_a_function_and_keeps_its_signature() -> None:
    @crossing()
    async def act(number: int) -> str:
        raise Rejected(str(number), code="x")

    with pytest.raises(ApplicationError, match="7"):
        await act(7)
    assert act.__annotations__ == {"number": int, "return": str}


@pytest.mark.parametrize(
    ("activity_id", "forward"),
    [
        ("lock-quote/undo", "lock-quote/do"),
        ("lock-quote/undo/e2", "lock-quote/do/e2"),
        ("lock-quote/probe", "lock-quote/do"),
        ("lock-quote/do", "lock-quote/do"),
    ],
)
async def test_an_undo_knows_the_key_of_its_deed(activity_id: str, forward: str) -> None:
    env = ActivityEnvironment()
    env.info = replace(env.info, workflow_id="activation/Q1/r1", activity_id=activity_id)

    async def keys() -> tuple[str, str]:
        return effect_key(), forward_key()

    assert await env.run(keys) == (f"activation/Q1/r1/{activity_id}", f"activation/Q1/r1/{forward}")


async def test_a_result_that_is_too_heavy_claims_nothing_undone() -> None:
    env = ActivityEnvironment()

    async def heavy() -> str:
        return str(light("x" * PAYLOAD_LIMIT))

    async def fine() -> str:
        return str(light("x" * 1000))

    with pytest.raises(Spent) as caught:
        await env.run(heavy)
    assert caught.value.failure.kind is Kind.OUTCOME_UNKNOWN
    assert await env.run(fine) == "x" * 1000


async def test_it_beats_three_times_within_what_is_allowed_and_stops_with_the_call() -> None:
    env = ActivityEnvironment()
    env.info = replace(env.info, heartbeat_timeout=timedelta(milliseconds=150))
    beats: list[object] = []
    env.on_heartbeat = lambda *_: beats.append(None)

    async def work() -> None:
        async with heartbeating():
            await asyncio.sleep(0.3)

    await env.run(work)
    seen = len(beats)
    assert 2 <= seen <= 8
    await asyncio.sleep(0.15)
    assert len(beats) == seen


async def test_without_a_time_allowed_it_does_not_beat() -> None:
    env = ActivityEnvironment()
    env.info = replace(env.info, heartbeat_timeout=None)
    beats: list[object] = []
    env.on_heartbeat = lambda *_: beats.append(None)

    async def work() -> None:
        async with heartbeating():
            await asyncio.sleep(0.01)

    await env.run(work)
    assert beats == []
