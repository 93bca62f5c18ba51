"""Who may import whom. Every contract of import-linter, and every rule beside it, is broken once on purpose."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.architecture import house, imports

ROOT = Path(__file__).resolve().parents[2]
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
VENDORS = next(c["modules"] for c in CONFIG["contracts"] if c["id"] == "vendors-are-strangers")

# What is added to which file, and the contract that must refuse it.
BREACHES = [
    ("canonical/money.py", "import connectors.ports", "rooms"),
    ("connectors/ports.py", "import activities.effects", "rooms"),
    ("activities/effects.py", "import workflows.pay", "rooms"),
    ("workflows/pay.py", "import activities.effects", "rooms"),
    ("workflows/pay.py", "import connectors.ports", "sagas-are-pure"),
    ("workflows/kernel/saga.py", "import httpx", "sagas-are-pure"),
    ("canonical/money.py", "from sqlmodel import Field", "sagas-are-pure"),
    ("activities/contracts/quoting.py", "import activities.effects", "promises-without-bodies"),
    ("workflows/pay.py", "from activities import effects", "promises-without-bodies"),
    ("canonical/money.py", "import temporalio.workflow", "canonical-knows-no-engine"),
    ("connectors/zuora/client.py", "import asyncpg", "connectors-know-no-engine-and-no-store"),
    ("connectors/kit/http.py", "import temporalio.activity", "connectors-know-no-engine-and-no-store"),
    ("connectors/zuora/mapping.py", "from connectors.stripe import schema", "vendors-are-strangers"),
    ("connectors/zuora/client.py", "import connectors.zuora.connector", "inside-an-adapter"),
    ("connectors/zuora/errors.py", "import connectors.zuora.mapping", "inside-an-adapter"),
    ("connectors/zuora/schema.py", "import connectors.zuora.client", "inside-an-adapter"),
    ("connectors/zuora/sandbox/__init__.py", "import connectors.zuora.mapping", "sandboxes-reckon-alone"),
    ("connectors/zuora/sandbox/__init__.py", "from canonical.money import Money", "sandboxes-reckon-alone"),
    ("connectors/kit/http.py", "import connectors.zuora.errors", "kit-knows-no-vendor"),
    ("activities/effects.py", "import worker", "entry-points-are-ends"),
    ("workflows/pay.py", "import stack", "entry-points-are-ends"),
    ("connectors/ports.py", "import commands.saga", "entry-points-are-ends"),
]


def _skeleton(root: Path) -> Path:
    files = ["canonical/money.py", "connectors/ports.py", "connectors/kit/http.py", "activities/effects.py"]
    files += [
        "activities/contracts/quoting.py",
        "workflows/pay.py",
        "workflows/kernel/saga.py",
        "commands/saga.py",
    ]
    for vendor in VENDORS:
        folder = vendor.replace(".", "/")
        files += [f"{folder}/{name}" for name in house.VENDOR_FILES if name.endswith(".py")]
        files += [f"{folder}/sandbox/__init__.py"]
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        for parent in path.relative_to(root).parents:
            if parent.name:
                (root / parent / "__init__.py").touch()
    for name in house.MODULES:
        (root / name).touch()
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def _lint(root: Path) -> str:
    """What import-linter says of a tree; it runs apart, because the tree's rooms have the names of our own."""
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False
    )
    return "" if result.returncode == 0 else result.stdout + result.stderr


def test_a_clean_tree_keeps_every_contract(tmp_path: Path) -> None:
    root = _skeleton(tmp_path)
    (root / "workflows/pay.py").write_text(
        "from activities.contracts import quoting\nimport canonical.money\n"
    )
    (root / "connectors/zuora/connector.py").write_text(
        "from connectors.zuora import client, mapping, schema\n"
    )
    (root / "activities/effects.py").write_text("import httpx\nimport connectors.zuora.connector\n")
    assert _lint(root) == ""


@pytest.mark.parametrize(("file", "line", "contract"), BREACHES)
def test_a_forbidden_import_is_refused(file: str, line: str, contract: str, tmp_path: Path) -> None:
    root = _skeleton(tmp_path)
    (root / file).write_text(f"{line}\n")
    said = " ".join(_lint(root).split())
    name = next(c["name"] for c in CONFIG["contracts"] if c["id"] == contract)
    assert f"{name} BROKEN" in said


def test_an_import_behind_two_corners_is_refused(tmp_path: Path) -> None:
    root = _skeleton(tmp_path)
    (root / "workflows/pay.py").write_text("import workflows.kernel.saga\n")
    (root / "workflows/kernel/saga.py").write_text("import canonical.money\n")
    (root / "canonical/money.py").write_text("import httpx\n")
    chain = "workflows.kernel.saga -> canonical.money (l.1) canonical.money -> httpx (l.1)"
    assert chain in " ".join(_lint(root).split())


def test_every_contract_is_broken_once() -> None:
    assert {c["id"] for c in CONFIG["contracts"]} == {contract for _, _, contract in BREACHES}


def test_rooms_import_only_what_is_allowed_by_name() -> None:
    assert imports.allow_lists(ROOT) == []


def test_nobody_imports_an_entry_point() -> None:
    assert imports.entry_points(ROOT) == []


def test_only_the_client_of_a_vendor_speaks_http() -> None:
    assert imports.transports(ROOT) == []


def test_http_outside_the_client_is_found(tmp_path: Path) -> None:
    _skeleton(tmp_path)
    for name in ("client.py", "sandbox/server.py", "mapping.py"):
        (tmp_path / "connectors/zuora" / name).write_text("import httpx\n")
    (tmp_path / "connectors/zuora/errors.py").write_text("from urllib.parse import quote\n")
    assert imports.transports(tmp_path) == ["connectors/zuora/mapping.py:1: imports httpx"]


def test_an_import_that_is_not_on_the_list_is_found(tmp_path: Path) -> None:
    _skeleton(tmp_path)
    (tmp_path / "canonical/money.py").write_text("import decimal\nimport requests\nfrom os import path\n")
    (tmp_path / "activities/contracts/quoting.py").write_text(
        "import activities.effects\nimport canonical.money\n"
    )
    (tmp_path / "workflows/pay.py").write_text("import asyncio\nfrom activities import contracts, wiring\n")
    assert imports.allow_lists(tmp_path) == [
        "canonical/money.py:2: imports requests",
        "canonical/money.py:3: imports os.path",
        "activities/contracts/quoting.py:1: imports activities.effects",
        "workflows/pay.py:2: imports activities.wiring",
    ]


def test_an_import_of_an_entry_point_is_found(tmp_path: Path) -> None:
    _skeleton(tmp_path)
    (tmp_path / "stack.py").write_text("import worker\n")
    (tmp_path / "worker.py").write_text("def f():\n    from cli import main\n")
    (tmp_path / "commands/saga.py").write_text("import stack\nimport cli\n")
    assert imports.entry_points(tmp_path) == [
        "commands/saga.py:2: imports cli",
        "worker.py:2: imports cli.main",
    ]
