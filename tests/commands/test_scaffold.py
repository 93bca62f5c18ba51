"""A new adapter starts green: the rules of the house, the import contracts, the types, and the conformance suite."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import cli
from commands._shared import Stop
from commands.connector import FAMILIES
from commands.scaffold.writing import with_vendor, write
from tests.architecture import house, imports

ROOT = Path(__file__).parents[2]
_ROOMS = ("canonical", "connectors", "activities", "workflows", "commands", "tests")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout in which every role has got a new adapter."""
    root = tmp_path_factory.mktemp("checkout")
    for room in _ROOMS:
        shutil.copytree(ROOT / room, root / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "cli.py", "stack.py", "worker.py"):
        shutil.copy(ROOT / name, root)
    for role in FAMILIES:
        said = CliRunner().invoke(cli, ["connector", "new", f"vega{role}", role, "--root", str(root)])
        assert said.exit_code == 0, said.output
        assert f"connectors/vega{role}/sandbox/app.py" in said.output
    return root


def _run(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.run(
        [sys.executable, *command], cwd=root, env=environment, capture_output=True, text=True, check=False
    )


def _new(root: Path) -> list[str]:
    return [f"connectors/vega{role}" for role in FAMILIES if (root / f"connectors/vega{role}").is_dir()]


def test_the_rules_of_the_house_hold(checkout: Path, tmp_path: Path) -> None:
    for rule in (
        house.vendor_files,
        house.vendors_in_contracts,
        house.sizes,
        house.vendor_words,
        imports.transports,
    ):
        assert rule(checkout) == [], rule.__name__
    for folder in _new(checkout):
        shutil.copytree(checkout / folder, tmp_path / folder)
    for rule in (house.unfinished, house.foreign_places):
        assert rule(tmp_path) == [], rule.__name__


def test_the_import_contracts_hold(checkout: Path) -> None:
    lint = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = _run(checkout, "-c", lint, "--no-cache", "--verbose")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout
    assert all(f"connectors.vega{role}" in done.stdout for role in FAMILIES)


def test_linter_and_types_are_content(checkout: Path) -> None:
    for command in (("ruff", "check"), ("ruff", "format", "--check"), ("mypy",)):
        done = _run(checkout, "-m", *command, *_new(checkout))
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_conformance_suite_is_green(checkout: Path) -> None:
    suites = ("tests/connectors/test_conformance.py", "tests/connectors/conformance")
    done = _run(checkout, "-m", "pytest", "-v", "-p", "no:cacheprovider", *suites, "-k", "vega or every_role")
    assert done.returncode == 0, done.stdout[-6000:]
    assert "skipped" not in done.stdout
    for role in FAMILIES:
        judged = re.findall(rf"conformance/test_{role}\.py::\S+vega{role}\S* PASSED", done.stdout)
        assert len(judged) > 8, role


def test_a_taken_or_impossible_name_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "connectors" / "vega").mkdir(parents=True)
    (tmp_path / "connectors" / "ports.py").touch()
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(project)
    impossible = ("acme", "Acme", "kit", "ports", "a", "my-vendor", "class", "../x", "1x", "")
    for name, code in (("vega", 3), *((name, 2) for name in impossible)):
        with pytest.raises(Stop) as caught:
            write(tmp_path, name, "erp")
        assert caught.value.code == code, name
        assert caught.value.fix
    assert (tmp_path / "pyproject.toml").read_text() == project
    assert [p.name for p in (tmp_path / "connectors").iterdir() if p.is_dir()] == ["vega"]
    with pytest.raises(Stop) as caught:
        write(tmp_path / "connectors", "other", "erp")
    assert caught.value.code == 2


def test_a_project_without_its_contracts_is_named() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    with pytest.raises(Stop) as caught:
        with_vendor(project.replace('id = "kit-knows-no-vendor"', 'id = "other"'), "vega")
    assert "kit-knows-no-vendor" in str(caught.value)
    once = with_vendor(project, "vega")
    assert once.count('"connectors.vega"') == 3
    assert with_vendor(once, "vega") == once
