"""The plain course: done, refused and unwound, parked and resolved."""

from canonical.failures import Rejected
from tests.workflows.kernel.conftest import Stage
from tests.workflows.kernel.world import World, always, times
from workflows.kernel.parking import Decision


async def test_a_clean_run_does_every_step_in_order_and_undoes_nothing(stage: Stage, world: World) -> None:
    handle = await stage.start()
    assert await handle.result() == ["N-first-1", "N-left-1=N-right-1", "N-pivot-1", "N-last-1"]
    assert sorted(world.done) == sorted(
        f"{s}/do" for s in "first near strict bare left right pivot after last".split()
    )


async def test_a_refusal_unwinds_in_reverse_order(stage: Stage, world: World) -> None:
    world.faults["strict/do"] = always(Rejected("no room", code="room-none"))
    handle = await stage.start()
    report = await stage.unwound(handle)
    assert report.cause == "refused"
    assert report.undone == {"strict": "absent", "near": "absent", "first": "absent"}
    assert world.done == ["first/do", "near/do", "strict/undo", "near/undo", "first/undo"]
    assert world.shelf == {}


async def test_a_parked_step_goes_on_after_a_retry(stage: Stage, world: World) -> None:
    world.faults["first/do"] = times(1, Rejected("no", code="quote-x"))
    handle = await stage.start()
    await stage.parked(handle, "first")
    await stage.resolve(handle, Decision.RETRY)
    await handle.result()
    assert world.decisions() == [("retry", "ann")]
