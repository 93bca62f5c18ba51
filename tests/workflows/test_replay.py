"""Recorded histories of every saga replay on today's code; a story with two of its steps swapped does not."""

import ast
import base64
import hashlib
import importlib
import inspect
import json
import platform
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

import workflows.quote_to_subscription as story
from tests.workflows.record_histories import FOLDER, SCENES, SUMS
from workflows.kernel.runner import DATA_CONVERTER, RUNNER
from workflows.roll import ROLL

RECORDED = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.glob("*/*.json"))
ASKED = (
    "clean",
    "parked-retried",
    "unwound",
    "cancelled",
    "worker-killed",
    "turn-waiting",
    "catalog-waiting",
)


def history(name: str) -> WorkflowHistory:
    """A recorded history."""
    found = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return WorkflowHistory.from_json(found.pop("workflowId"), found)


def replayer(*workflows: type) -> Replayer:
    """As the worker runs stories."""
    return Replayer(workflows=workflows or ROLL, workflow_runner=RUNNER, data_converter=DATA_CONVERTER)


def test_every_saga_and_every_branch_that_matters_is_recorded() -> None:
    assert set(RECORDED) >= {f"{name}.json" for name in SCENES}
    assert set(RECORDED) >= {f"activation/{name}.json" for name in ASKED}
    kinds = {
        json.loads((FOLDER / name).read_text())["events"][0]["workflowExecutionStartedEventAttributes"][
            "workflowType"
        ]["name"]
        for name in RECORDED
    }
    assert kinds == {workflow.__temporal_workflow_definition.name for workflow in ROLL}  # type: ignore[attr-defined]


def test_no_history_was_edited() -> None:
    lines = [line.split("  ") for line in (FOLDER / SUMS).read_text(encoding="utf-8").splitlines()]
    sums = {name: digest for digest, name in lines}
    found = {name: hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() for name in RECORDED}
    assert found == sums, (
        "record it again with `python -m tests.workflows.record_histories NAME`, and say why"
    )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "data" and isinstance(inner, str):
                yield base64.b64decode(inner).decode("utf-8", "replace")
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("name", RECORDED)
def test_a_history_names_no_machine_and_no_secret(name: str) -> None:
    told = "\n".join(_texts(json.loads((FOLDER / name).read_text(encoding="utf-8"))))
    assert "site-packages" not in told
    assert not re.search(r"\b\d+@[\w.-]+", told), "a process on a machine"
    assert platform.node() not in told.split()
    assert str(Path(story.__file__).parent) not in told
    assert "Bearer" not in told
    assert "PRIVATE KEY" not in told


def test_the_killed_worker_left_its_trace() -> None:
    events = json.loads((FOLDER / "activation/worker-killed.json").read_text())["events"]
    started = [
        e["activityTaskStartedEventAttributes"] for e in events if "activityTaskStartedEventAttributes" in e
    ]
    again = [s for s in started if s.get("attempt", 1) > 1]
    assert any("timeoutFailureInfo" in s.get("lastFailure", {}) for s in again), (
        "no call was lost with its worker"
    )


@pytest.mark.parametrize("name", RECORDED)
async def test_it_replays_on_todays_code(name: str) -> None:
    await replayer().replay_workflow(history(name))


# Two steps swapped


def _steps(statement: ast.stmt) -> list[str]:
    """The Step constants that a statement does."""
    return [
        call.args[0].id
        for call in ast.walk(statement)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "do"
        and call.args
        and isinstance(call.args[0], ast.Name)
    ]


def _names(statement: ast.stmt, context: type[ast.expr_context]) -> set[str]:
    return {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, context)}


def _bodies(tree: ast.AST) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            yield body


def _pairs() -> list[tuple[str, str]]:
    """Neighbours in the story, neither of which needs the other's result: what a careless hand could swap."""
    found = []
    for body in _bodies(ast.parse(inspect.getsource(story))):
        for one, two in pairwise(body):
            steps = (_steps(one), _steps(two))
            simple = all(isinstance(s, ast.Expr | ast.Assign) for s in (one, two))
            if (
                simple
                and all(len(s) == 1 for s in steps)
                and not _names(one, ast.Store) & _names(two, ast.Load)
            ):
                found.append((steps[0][0], steps[1][0]))
    return found


def _swapped(first: str, second: str) -> str:
    tree = ast.parse(inspect.getsource(story))
    for body in _bodies(tree):
        for i, (one, two) in enumerate(pairwise(body)):
            if (_steps(one), _steps(two)) == ([first], [second]):
                body[i], body[i + 1] = two, one
                return ast.unparse(tree)
    raise AssertionError(f"{first} and {second} are no neighbours")


def _variant(source: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> type:
    """The story of `source` as a workflow of a module of its own."""
    name = f"story_{hashlib.sha256(source.encode()).hexdigest()[:12]}"
    (folder / f"{name}.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    made: type = importlib.import_module(name).ActivateQuote
    monkeypatch.delitem(sys.modules, name)
    return made


def test_there_is_something_to_swap() -> None:
    assert len(_pairs()) >= 2, _pairs()


@pytest.mark.parametrize(("first", "second"), _pairs())
async def test_swapping_two_steps_turns_the_replay_red(
    first: str, second: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = _variant(ast.unparse(ast.parse(inspect.getsource(story))), tmp_path, monkeypatch)
    await replayer(same).replay_workflow(history("activation/clean.json"))
    other = _variant(_swapped(first, second), tmp_path, monkeypatch)
    with pytest.raises(NondeterminismError):
        await replayer(other).replay_workflow(history("activation/clean.json"))
