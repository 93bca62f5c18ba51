"""The demonstration as a user runs it: in a process of its own, without a terminal; and the judge of its books."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from canonical.quote import Deal
from commands.demo import invariants
from commands.demo import standing as s
from commands.demo.cast import WHOLE, cast
from commands.demo.facts import Books, Facts, Outcome
from commands.demo.faults import plan
from commands.demo.invariants import Invariant
from commands.demo.play import Played
from commands.inner.scoring import of_events
from connectors.kit.sandbox.faults import Fault
from tests.builders.embedded import clean_environment, command, revsaga
from workflows.deal_watch import WatchReport


def _of(folder: Path) -> list[str]:
    """Command lines of processes that work in a folder or were told of it."""
    listed = subprocess.run(["ps", "-axww", "-o", "command"], capture_output=True, text=True, check=True)
    found = [line for line in listed.stdout.splitlines() if str(folder) in line]
    for known in Path("/proc").glob("[0-9]*/environ"):
        try:
            told = known.read_bytes()
        except OSError:
            continue  # it ended meanwhile, or is another user's
        if str(folder).encode() in told and known.parent.name != str(os.getpid()):
            found.append(known.parent.name)
    return found


@pytest.fixture
def corner() -> Iterator[Path]:
    """Where the performance keeps its data: a short path that anybody may pass, told to every process of it."""
    made = Path(tempfile.mkdtemp(prefix="rs-"))
    made.chmod(0o755)
    yield made
    # What a failed test left behind may still be ending.
    shutil.rmtree(made, ignore_errors=True)


def test_a_small_demo_ends_well_and_leaves_nothing(corner: Path) -> None:
    # A shell that is set up for another installation changes nothing.
    environment = {
        "TMPDIR": str(corner),
        "REVSAGA_DATABASE_URL": "postgresql://elsewhere/x",
        "REVSAGA_CRM": "none",
    }
    said = revsaga("demo", "--deals", "8", environment=environment, timeout=280)
    assert said.code == 0, said.out + said.err
    assert said.err == ""
    table = said.out.split("What became of 8 deals", 1)[1].split("What went wrong", 1)[0]
    lines = [" ".join(line.split()) for line in table.splitlines()]
    assert "UK-LTD EMEA EUR 1 20,000.00 · ·" in lines, table
    assert "DE-GMBH EMEA EUR · 1 12,000.00 ·" in lines, table
    assert "deals 5 2 1" in lines, table
    told = said.out
    assert "Q-00038 is cancelled by sales while its order is a draft" in told
    assert re.search(r"process \d+ is killed with SIGKILL", told)
    assert re.search(r"zuora +time-out after creating the order +1 +cancelled meanwhile", told), told
    assert re.search(r"revsaga saga unwind CASE-validate-deal-\S+ --reason", told)
    assert "12 invariants hold" in told
    assert "✗" not in told
    assert max(map(len, told.splitlines())) <= 100
    assert not _of(corner)
    assert not list(corner.iterdir())


def test_ctrl_c_in_the_middle_leaves_nothing(corner: Path) -> None:
    with subprocess.Popen(
        [*command(), "demo", "--deals", "8"], stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL,
        env=clean_environment({"TMPDIR": str(corner), "PYTHONUNBUFFERED": "1"}),
    ) as playing:  # fmt: skip
        assert playing.stdout is not None
        for line in playing.stdout:
            if "faults are armed" in line:
                break
        assert _of(corner), "this test sees no process at all"
        playing.send_signal(signal.SIGINT)
        rest = playing.stdout.read()
    assert playing.returncode == 130, rest
    assert "nothing is left running" in rest
    assert not _of(corner)
    assert not list(corner.iterdir())


def test_a_wrong_option_is_told_without_starting_anything() -> None:
    said = revsaga("demo", "--deals", "0", environment={})
    assert said.code == 2
    assert "--deals" in said.err


def test_the_whole_book_has_forty_deals_and_many_places_where_faults_strike() -> None:
    book = cast()
    assert len(book.deals) == WHOLE == 40
    assert len({deal.quote.quote_id for deal in book.deals}) == 40
    assert book.whole
    assert book.later
    assert not cast(39).whole
    assert len(cast(60).deals) == 60
    faults = plan(book, 1)
    assert {fault.vendor for fault in faults} == {"zuora", "stripe", "avalara", "netsuite", "salesforce"}
    for fault in faults:
        Fault.model_validate(fault.order)
    assert [f.order for f in plan(book, 1)] == [f.order for f in faults]
    assert [f.order for f in plan(book, 2)] != [f.order for f in faults]


# The judge


def _books(**state: Any) -> Books:
    return Books(state=state, effects={}, log=[], figures={"concurrency": {"max_offered": 5}, "calls": 9})


def _outcome(deal: Deal, state: str) -> Outcome:
    return Outcome(deal=deal, activation=None, state=state, entity="US-INC", money=deal.quote.net_total)


@pytest.fixture
def facts() -> Facts:
    """A tiny world in order: one deal done, one taken back."""
    done, back = cast(8).deals[0], cast(8).deals[1]
    quote, money = done.quote, done.quote.net_total
    customer = back.parties.customer.customer_id
    crm = _books(
        rows={
            "SBQQ__Quote__c": {
                quote.quote_id: {
                    "SBQQ__NetAmount__c": money.amount, "CurrencyIsoCode": money.currency, "Otc_State__c": "active",
                },
                back.quote.quote_id: {"Otc_Operation__c": None},
            }
        }
    )  # fmt: skip
    billing = _books(
        accounts={"A-2": {"accountNumber": "A-2", "crmId": customer, "status": "Canceled"}},
        orders={"O-2": {"existingAccountNumber": "A-2", "status": "Cancelled"}},
        subscriptions={},
    )
    billing.effects["order"] = {"O-1": 1, "O-2": 1}
    billing.log.append({"method": "PUT", "path": "/v1/orders/O-Q-1-HASH/activate", "at": 1})
    contract = {"total": money.amount, "currency": "7", "custbody_quote_id": quote.quote_id}
    tables: dict[str, Any] = {
        "currency": {"7": {"symbol": money.currency}},
        "transaction": {"1": contract},
        "customer": {"2": {}},
    }
    erp = _books(tables=tables)
    erp.log.append({"method": "PUT", "path": "/services/rest/record/v1/salesOrder/eid:SO-Q-1-HASH", "at": 2})
    report = WatchReport(seen=2, started=2, known=0, superseded=0)
    again = WatchReport(seen=2, started=0, known=2, superseded=0)
    return Facts(
        whole=False,
        outcomes=(_outcome(done, s.DONE), _outcome(back, s.UNDONE)),
        cases=(),
        books={"salesforce": crm, "zuora": billing, "netsuite": erp},
        traces={},
        score=of_events([]),
        played=Played(rounds=[report, again]),
    )


JUDGES = (
    invariants.accounted, invariants.once, invariants.erp_last, invariants.nothing_left, invariants.owned,
    invariants.totals, invariants.at_once, invariants.started_once,
)  # fmt: skip


def test_a_world_in_order_satisfies_every_judge(facts: Facts) -> None:
    found = [judge(facts) for judge in JUDGES]
    assert [one.name for one in found if not one.holds] == []
    assert invariants.combinations(facts).holds is None
    assert invariants.combinations(replace(facts, whole=True)).holds is False


def _twice(facts: Facts) -> Invariant:
    facts.books["zuora"].effects["order"]["O-1"] = 2
    return invariants.once(facts)


def _early(facts: Facts) -> Invariant:
    facts.books["netsuite"].log[0]["at"] = 0
    return invariants.erp_last(facts)


def _stray(facts: Facts) -> Invariant:
    back = facts.outcomes[1].deal.quote.quote_id
    facts.books["netsuite"].state["tables"]["transaction"]["1"]["custbody_quote_id"] = back
    return invariants.erp_last(facts)


def _missing(facts: Facts) -> Invariant:
    facts.books["netsuite"].state["tables"]["transaction"].clear()
    return invariants.erp_last(facts)


def _account(facts: Facts) -> Invariant:
    facts.books["zuora"].state["accounts"]["A-2"]["status"] = "Active"
    return invariants.nothing_left(facts)


def _draft(facts: Facts) -> Invariant:
    facts.books["zuora"].state["orders"]["O-2"]["status"] = "Draft"
    return invariants.nothing_left(facts)


def _locked(facts: Facts) -> Invariant:
    back = facts.outcomes[1].deal.quote.quote_id
    facts.books["salesforce"].state["rows"]["SBQQ__Quote__c"][back]["Otc_Operation__c"] = "activation/x"
    return invariants.nothing_left(facts)


def _cent(facts: Facts) -> Invariant:
    row = facts.books["netsuite"].state["tables"]["transaction"]["1"]
    row["total"] += facts.outcomes[0].money.model_copy(update={"minor": 1}).amount
    return invariants.totals(facts)


def _crowd(facts: Facts) -> Invariant:
    facts.books["netsuite"].figures["concurrency"]["max_offered"] = 6
    return invariants.at_once(facts)


def _started_again(facts: Facts) -> Invariant:
    facts.played.rounds.append(WatchReport(seen=2, started=1, known=1, superseded=0))
    return invariants.started_once(facts)


def _lost(facts: Facts) -> Invariant:
    return invariants.accounted(replace(facts, outcomes=(replace(facts.outcomes[0], state=s.RUNNING),)))


def _parked_alone(facts: Facts) -> Invariant:
    return invariants.owned(replace(facts, outcomes=(_parked(facts),)))


def _parked(facts: Facts) -> Outcome:
    from datetime import UTC, datetime

    from activities.store.activations import Activation, ActivationState

    row = Activation(
        workflow_id="activation/x", quote_id="x", revision="r", state=ActivationState.LIVE,
        started_at=datetime(2026, 2, 1, tzinfo=UTC),
    )  # fmt: skip
    return replace(facts.outcomes[0], state=s.PARKED, activation=row)


@pytest.mark.parametrize(
    "spoil",
    [_twice, _early, _stray, _missing, _account, _draft, _locked, _cent, _crowd, _started_again, _lost, _parked_alone],
)  # fmt: skip
def test_each_spoilt_book_is_found(facts: Facts, spoil: Any) -> None:
    found: Invariant = spoil(facts)
    assert found.holds is False, found
