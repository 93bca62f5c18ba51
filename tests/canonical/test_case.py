"""Cases: who gets them, and what they say."""

from datetime import UTC, datetime, timedelta

import pytest

from canonical.case import ROUTING, SLA_HOURS, CaseState, ExceptionCase, case_id, open_case, route_case
from canonical.failures import FailureRecord, Finding, Kind, Owner

SINCE = datetime(2026, 5, 1, tzinfo=UTC)


def test_the_table_is_wide_and_every_team_has_codes_and_a_clock() -> None:
    assert len(ROUTING) >= 30
    assert set(ROUTING.values()) == set(Owner) == set(SLA_HOURS)
    for code, owner in ROUTING.items():
        assert route_case(code).owner is owner


@pytest.mark.parametrize(
    ("code", "owner", "rule"),
    [
        ("quote-unknown", Owner.REVOPS, "quote"),
        ("mapping-missing", Owner.FINANCE_OPS, "mapping"),
        ("mapping-product-missing", Owner.REVOPS, "mapping-product"),
        ("tax-unavailable", Owner.INTEGRATION, "tax-unavailable"),
        ("acme-concurrency-limit", Owner.INTEGRATION, "concurrency"),
        ("acme-charge-unmapped", Owner.REVOPS, "charge"),
        ("taxi-late", Owner.INTEGRATION, ""),
        ("", Owner.INTEGRATION, ""),
        ("never-heard-of", Owner.INTEGRATION, ""),
    ],
)
def test_the_longest_prefix_of_whole_words_wins(code: str, owner: Owner, rule: str) -> None:
    routed = route_case(code)
    assert (routed.owner, routed.rule) == (owner, rule)


def test_findings_go_to_the_owner_of_most_of_them() -> None:
    def finding(owner: Owner) -> Finding:
        return Finding(code="x", field="", message="m", fix="f", owner=owner)

    many = (finding(Owner.FINANCE_OPS), finding(Owner.REVOPS), finding(Owner.FINANCE_OPS))
    assert route_case("quote-refused", many).owner is Owner.FINANCE_OPS
    assert route_case("quote-refused", many[:2]).owner is Owner.REVOPS


def made(code: str = "quote-unknown", episode: int = 0) -> ExceptionCase:
    record = FailureRecord(kind=Kind.REJECTED, code=code, message="why", field="quote.status", fix="do this")
    return open_case(
        record, workflow_id="activation/Q/r1", saga="activation", step="read", title="Read the deal",
        episode=episode, since=SINCE,
    )  # fmt: skip


def test_a_case_says_who_why_and_what_to_do() -> None:
    case = made()
    assert (case.owner, case.reason, case.field, case.fix) == (Owner.REVOPS, "why", "quote.status", "do this")
    assert case.open
    assert not case.unrouted
    assert case.due == SINCE + timedelta(hours=24)
    assert not case.model_copy(update={"state": CaseState.RESOLVED}).open
    assert ExceptionCase.model_validate_json(case.model_dump_json()) == case


def test_an_unrouted_code_is_flagged_and_a_bug_has_a_case_too() -> None:
    assert made("never-heard-of").unrouted
    bug = open_case(
        None, workflow_id="w", saga="s", step="x", title="X", episode=0, since=SINCE, bug="KeyError: 'x'"
    )
    assert (bug.kind, bug.code, bug.owner, bug.reason) == (None, "bug", Owner.INTEGRATION, "KeyError: 'x'")
    assert bug.fix


def test_case_numbers_are_stable_distinct_and_short() -> None:
    numbers = {case_id("activation/Q/r1", step, n) for step in ("a", "b", "a" * 200) for n in range(3)}
    assert len(numbers) == 9
    assert made().case_id == made().case_id != made(episode=1).case_id
    assert all(len(n) <= 40 for n in numbers)
