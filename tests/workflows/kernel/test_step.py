"""Steps are checked when a story is loaded; the picture and the manners come from the same data."""

from dataclasses import replace
from datetime import timedelta

import pytest

from activities.contracts import manners
from activities.contracts.manners import Manner, Pace, Role, queue
from canonical.failures import Owner
from tests.workflows.kernel import stories
from workflows.kernel.step import Step, StepKind, checked, picture


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ((stories.FIRST, stories.FIRST), "two steps are called first"),
        ((stories.NEAR,), "needs first, which come later or not at all"),
        (
            (
                replace(stories.PIVOT, needs=()),
                replace(stories.FIRST),
            ),
            "stands behind the pivot",
        ),
        ((replace(stories.PIVOT, needs=(), group="pair"),), "a pivot stands alone"),
        ((stories.FIRST, replace(stories.LAST, needs=())), "and there is none"),
    ],
)
def test_a_story_that_cannot_be_one_is_refused_when_it_is_loaded(steps: tuple[Step, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        checked(steps)


def test_a_story_that_only_goes_forward_is_one() -> None:
    assert len(checked((replace(stories.LAST, needs=()),))) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "Two Words"}, "kebab-case"),
        ({"manner": None}, "called in some manner"),
        ({"kind": StepKind.PIVOT}, "only a compensatable step"),
        ({"do": None, "manner": None}, "only a compensatable step that does something"),
    ],
)
def test_a_step_that_cannot_be_one_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(stories.FIRST, **change)  # type: ignore[arg-type]


def test_the_picture_shows_every_step_and_how_it_is_taken_back() -> None:
    drawn = picture(stories.STEPS)
    assert "    left --> compare\n    right --> compare\n" in drawn
    assert 'pivot{{"Put the pivot"}}' in drawn
    assert (
        "| 1 | `first` | Put the first | compensatable | `take_away` | `put` (fast) | park | revops |"
        in drawn
    )
    assert "| 4 | `bare` | Put the bare | compensatable | nothing to take back |" in drawn
    assert (
        "| 7 | `compare` | Compare both | compensatable | nothing to take back | compared in the saga |"
        in drawn
    )
    assert len([line for line in drawn.splitlines() if line.startswith("| ")]) == len(stories.STEPS) + 1


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"local": True}, "by tries only"),
        ({"leased": True}, "neither tries nor budget"),
        ({"leased": True, "budget": None, "tries": 3}, "neither tries nor budget"),
        ({"budget": None}, "nothing would ever end its retries"),
    ],
)
def test_a_manner_that_would_never_end_or_end_wrongly_is_refused(made: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Manner("odd", **made)  # type: ignore[arg-type]


def test_queues_stand_beside_the_queue_of_the_saga() -> None:
    assert queue(Role.BILLING) == "revsaga-billing"
    assert queue(Role.CORE) == manners.CORE_QUEUE == "revsaga-core"
    assert queue(Role.ERP, beside="test-7-core") == "test-7-erp"


def test_a_pace_changes_what_a_manner_has_and_adds_nothing() -> None:
    pace = Pace(
        attempt=timedelta(seconds=5), budget=timedelta(seconds=20), tries=2, beat=timedelta(seconds=1)
    )
    billing, erp, store = pace.of(manners.BILLING), pace.of(manners.ERP), pace.of(manners.STORE)
    assert (billing.attempt, billing.budget, billing.tries) == (
        timedelta(seconds=5),
        timedelta(seconds=20),
        0,
    )
    assert pace.of(manners.CORE).beat is None
    assert (erp.budget, erp.tries, erp.beat) == (None, 0, timedelta(seconds=1))
    assert store.tries == 2


def test_an_undo_is_more_patient_than_its_step() -> None:
    assert manners.BILLING.to_undo().budget == timedelta(hours=1)
    assert manners.ERP.to_undo() is manners.ERP
    assert stories.FIRST.to_undo.tries == 4 * stories.FAST.tries


def test_a_large_payload_is_never_tried_again() -> None:
    assert "PayloadsTooLarge" in (manners.CRM.retry.non_retryable_error_types or [])


def test_only_what_is_called_has_a_manner_to_undo() -> None:
    with pytest.raises(ValueError, match="not called at all"):
        _ = stories.COMPARE.to_undo
    assert stories.COMPARE.owner is Owner.FINANCE_OPS
