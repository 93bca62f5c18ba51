"""Reading back after a write: no failure there may say that nothing happened."""

import pytest

from canonical.failures import Conflict, Failure, Misconfigured, OutcomeUnknown, Rejected, Transient
from connectors.kit.readback import after_effect


@pytest.mark.parametrize("kind", [Transient, Rejected, Misconfigured])
def test_every_failure_becomes_unknown(kind: type[Failure]) -> None:
    with pytest.raises(OutcomeUnknown) as caught, after_effect("account A-1"):
        raise kind("busy", code="busy", field="f", fix="wait", retry_after=3, evidence={"status": "503"})
    told = caught.value
    assert told.code == "read-back-failed"
    assert (told.field, told.fix, told.retry_after) == ("f", "wait", 3)
    assert "account A-1" in told.message
    # A status would say that the write itself was refused.
    assert told.evidence == {"read-back-code": "busy", "read-back-kind": kind.kind.value}
    assert isinstance(told.__cause__, kind)


@pytest.mark.parametrize("kind", [OutcomeUnknown, Conflict])
def test_what_says_enough_itself_passes(kind: type[Failure]) -> None:
    with pytest.raises(kind) as caught, after_effect("account A-1"):
        raise kind("moved", code="moved")
    assert caught.value.code == "moved"


def test_a_bug_stays_a_bug() -> None:
    with pytest.raises(ZeroDivisionError), after_effect("account A-1"):
        raise ZeroDivisionError


def test_a_good_reading_is_untouched() -> None:
    with after_effect("account A-1"):
        found = 1
    assert found == 1
