"""What ships: the wheel holds exactly our names, and nothing else from the root."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

from tests.architecture import house

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _contents(root: Path, into: Path) -> list[str]:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(into)]
    built = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = into.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def _foreign(names: list[str]) -> list[str]:
    tops = {name.partition("/")[0] for name in names}
    ours = {*house.PRODUCT, f"revsaga-{PROJECT['project']['version']}.dist-info"}
    return sorted(tops - ours) + sorted(n for n in names if "__pycache__" in n or n.endswith(".pyc"))


def _copy(root: Path) -> Path:
    root.mkdir()
    for name in ("pyproject.toml", "README.md", *house.PRODUCT):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.is_file():
            shutil.copy(source, root)
    return root


def test_the_wheel_holds_exactly_our_names(tmp_path: Path) -> None:
    root = _copy(tmp_path / "tree")
    # What lies beside them must stay outside.
    for name in ("tests", "docs", "utils"):
        (root / name).mkdir()
        (root / name / "__init__.py").touch()
    names = _contents(root, tmp_path)
    assert _foreign(names) == []
    tops = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {name for name in house.PRODUCT if (ROOT / name).exists()}
    shipped = {name for name in names if name.endswith(".py")}
    assert shipped == {path.relative_to(root).as_posix() for path in house.python_files(root)}


def test_another_name_in_the_wheel_is_found(tmp_path: Path) -> None:
    root = _copy(tmp_path / "tree")
    (root / "utils").mkdir()
    (root / "utils" / "__init__.py").touch()
    project = (root / "pyproject.toml").read_text(encoding="utf-8")
    (root / "pyproject.toml").write_text(
        project.replace('    "canonical",\n', '    "canonical",\n    "utils",\n', 1)
    )
    assert _foreign(_contents(root, tmp_path)) == ["utils"]


def test_the_project_lists_the_names_of_the_house_and_is_private() -> None:
    assert tuple(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]) == house.PRODUCT
    assert "Private :: Do Not Upload" in PROJECT["project"]["classifiers"]
    assert PROJECT["project"]["scripts"] == {"revsaga": "cli:main"}


def test_the_locks_hold_a_hash_for_each_name_and_no_address() -> None:
    for name in ("requirements.lock", "requirements-dev.lock", "requirements-judges.lock"):
        entries = re.split(r"\n(?=[a-z0-9])", (ROOT / name).read_text(encoding="utf-8").strip())
        assert entries
        for entry in entries:
            first, *hashes = [line.strip().removesuffix("\\").strip() for line in entry.splitlines()]
            assert re.fullmatch(r"[a-z0-9._\[\]-]+==[^\s;]+( ; .+)?", first), f"{name}: {first}"
            assert hashes, f"{name}: {first}"
            assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", line) for line in hashes), (
                f"{name}: {first}"
            )


def test_every_declared_dependency_is_locked() -> None:
    groups = {
        "requirements.lock": PROJECT["project"]["dependencies"],
        "requirements-dev.lock": PROJECT["dependency-groups"]["dev"],
        "requirements-judges.lock": PROJECT["dependency-groups"]["judges"],
    }
    for lock, declared in groups.items():
        locked = set(re.findall(r"^([a-z0-9._-]+)", (ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE))
        names = {re.split(r"[\[<>=~!]", line, maxsplit=1)[0] for line in declared}
        assert names - locked == set(), lock
