"""Contracts and implementations agree, and a drift of any kind is found."""

from pathlib import Path

from tests.architecture import promises

ROOT = Path(__file__).resolve().parents[2]

CONTRACT = '''
from temporalio import activity
from canonical.quote import Quote, QuoteRef

class Locked: ...

@activity.defn
async def lock_quote(ref: QuoteRef, holder: str) -> Locked:
    """Lock it."""
    raise NotImplementedError
'''

IMPLEMENTATION = """
from temporalio import activity
import canonical.quote as q
from activities.contracts.quoting import Locked

class Quoting:
    @activity.defn(name="lock_quote")
    async def lock(self, ref: q.QuoteRef, holder: str) -> "Locked": ...
"""


def _tree(root: Path, contract: str = CONTRACT, implementation: str = IMPLEMENTATION) -> Path:
    (root / "activities" / "contracts").mkdir(parents=True)
    (root / "activities" / "contracts" / "quoting.py").write_text(contract)
    (root / "activities" / "quoting.py").write_text(implementation)
    return root


def test_every_contract_equals_its_implementation() -> None:
    assert promises.findings(ROOT) == []


def test_equal_types_agree_however_they_are_imported(tmp_path: Path) -> None:
    assert promises.findings(_tree(tmp_path)) == []


def test_a_drifted_argument_is_found(tmp_path: Path) -> None:
    drifted = IMPLEMENTATION.replace("holder: str", "holder: int")
    assert promises.findings(_tree(tmp_path, implementation=drifted)) == [
        (
            "activities/quoting.py:8: lock_quote takes (canonical.quote.QuoteRef, int), "
            "its contract (canonical.quote.QuoteRef, str)"
        )
    ]


def test_a_drifted_result_of_the_same_short_name_is_found(tmp_path: Path) -> None:
    drifted = IMPLEMENTATION.replace("activities.contracts.quoting", "canonical.quote")
    assert promises.findings(_tree(tmp_path, implementation=drifted)) == [
        (
            "activities/quoting.py:8: lock_quote returns canonical.quote.Locked,"
            " its contract activities.contracts.quoting.Locked"
        )
    ]


def test_a_drifted_name_is_found_on_both_sides(tmp_path: Path) -> None:
    drifted = IMPLEMENTATION.replace('name="lock_quote"', 'name="lock"')
    assert promises.findings(_tree(tmp_path, implementation=drifted)) == [
        "activities/contracts/quoting.py:8: contract lock_quote has no implementation",
        "activities/quoting.py:8: activity lock has no contract",
    ]


def test_a_second_implementation_is_found(tmp_path: Path) -> None:
    root = _tree(tmp_path)
    (root / "activities" / "other.py").write_text(IMPLEMENTATION)
    assert promises.findings(root) == ["activities/quoting.py:8: lock_quote is implemented twice"]
