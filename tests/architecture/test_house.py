"""The house is in order, and each of its rules is seen failing on a tree that breaks it."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.architecture import house

ROOT = Path(__file__).resolve().parents[2]

Rule = Callable[[Path], list[str]]
RULES: list[Rule] = [
    house.top_level,
    house.vendor_files,
    house.vendors_in_contracts,
    house.saga_tests,
    house.sizes,
    house.vendor_words,
    house.unfinished,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_is_in_order(rule: Rule) -> None:
    assert rule(ROOT) == []


def test_no_registry_host_and_no_machine_path_is_committed() -> None:
    assert house.foreign_places(ROOT, _committed()) == []


def _committed() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0 and listed.stdout:
        return [ROOT / name for name in listed.stdout.split("\0") if name]
    return [
        p for p in ROOT.rglob("*") if p.is_file() and not house.LOCAL.intersection(p.relative_to(ROOT).parts)
    ]


def _plant(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize("rule", [*RULES, house.foreign_places], ids=lambda rule: rule.__name__)
def test_an_empty_tree_has_no_findings(rule: Rule, tmp_path: Path) -> None:
    assert rule(tmp_path) == []


def test_a_new_top_level_entry_is_found(tmp_path: Path) -> None:
    (tmp_path / "utils").mkdir()
    (tmp_path / "canonical").mkdir()
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".pytest_cache").mkdir()
    assert [f.split(":")[0] for f in house.top_level(tmp_path)] == ["utils"]


def test_a_missing_and_an_extra_vendor_file_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "connectors" / "acme"
    (folder / "sandbox").mkdir(parents=True)
    for name in house.VENDOR_FILES - {"mapping.py", "sandbox"}:
        (folder / name).write_text("")
    (folder / "helpers.py").write_text("")
    assert house.vendor_files(tmp_path) == [
        "connectors/acme/mapping.py: missing",
        "connectors/acme/helpers.py: not on the closed list of files",
        "connectors/acme/sandbox/__init__.py: missing",
    ]


def test_a_vendor_that_the_import_contracts_forget_is_found(tmp_path: Path) -> None:
    (tmp_path / "connectors" / "acme").mkdir(parents=True)
    (tmp_path / "connectors" / "kit").mkdir()
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    findings = house.vendors_in_contracts(tmp_path)
    forgotten = [f for f in findings if f.endswith("connectors.acme has a folder and is not named")]
    assert [f.split(":")[0] for f in forgotten] == [
        "vendors-are-strangers",
        "inside-an-adapter",
        "kit-knows-no-vendor",
    ]
    assert "inside-an-adapter: connectors.zuora is named and has no folder" in findings


def test_a_saga_without_tests_is_found(tmp_path: Path) -> None:
    _plant(tmp_path, workflows__roll_dot_py="", workflows__pay_dot_py="", workflows__amend_dot_py="")
    _plant(tmp_path, tests__workflows__test_amend_dot_py="")
    assert house.saga_tests(tmp_path) == ["workflows/pay.py: has no tests/workflows/test_pay.py"]


def test_a_long_file_and_a_long_function_are_found(tmp_path: Path) -> None:
    _plant(tmp_path, cli_dot_py="x = 1\n" * 400)
    _plant(
        tmp_path,
        canonical__a_dot_py="async def f():\n" + "    x = 1\n" * 69 + "def g():\n" + "    y = 2\n" * 68,
    )
    assert house.sizes(tmp_path) == ["canonical/a.py:1: f has 70 lines", "cli.py: 400 lines"]


def test_a_vendor_name_outside_its_folder_is_found(tmp_path: Path) -> None:
    (tmp_path / "connectors" / "acme").mkdir(parents=True)
    _plant(
        tmp_path,
        workflows__pay_dot_py='QUEUE = "ACME-rpc"\n',
        activities__settings_dot_py='ERP = "netsuite"\n',
    )
    _plant(
        tmp_path,
        canonical__a_dot_py="pacmeman = 1\nzuora_id = 2\n",
        connectors__ports_dot_py="# Stripe only\n",
    )
    assert house.vendor_words(tmp_path) == [
        "canonical/a.py:2: names the vendor 'zuora'",
        "workflows/pay.py:1: names the vendor 'ACME'",
        "connectors/ports.py:1: names the vendor 'Stripe'",
    ]


def test_a_registry_host_and_a_machine_path_are_found(tmp_path: Path) -> None:
    host, path = "files.python" + "hosted.org", "/ho" + "me/ann/revsaga"
    _plant(
        tmp_path, requirements_dot_lock=f"--index-url https://{host}/simple\n", docs__a_dot_md=f"see {path}\n"
    )
    assert [f.split(": ")[0] for f in house.foreign_places(tmp_path)] == [
        "docs/a.md:1",
        "requirements.lock:1",
    ]


def test_unfinished_work_is_found(tmp_path: Path) -> None:
    later = "TO" + "DO"
    _plant(
        tmp_path,
        worker_dot_py=f"# {later}: later\ntry:\n    x = 1\nexcept ValueError:\n    pass\n",
        activities__contracts__a_dot_py="raise NotImplementedError\n",
        activities__a_dot_py="raise NotImplementedError('x')\n",
        tests__test_a_dot_py="import pytest\n@pytest.mark." + "xfail\ndef test_a(): ...\n",
    )
    assert house.unfinished(tmp_path) == [
        "activities/a.py:1: NotImplementedError",
        "tests/test_a.py:2: a test is skipped or expected to fail",
        f"worker.py:1: {later}",
        "worker.py:4: an exception is swallowed",
    ]
