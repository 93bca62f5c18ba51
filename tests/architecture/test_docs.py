"""The documents keep their word, and a document that does not is found."""

import tomllib
from pathlib import Path

import pytest

from tests.architecture import house, papers

ROOT = Path(__file__).resolve().parents[2]


def test_links_lead_somewhere() -> None:
    assert papers.links(ROOT) == []


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("[a](docs/) [b](docs/b.md#c) [c](https://example.com) [d](#here)")
    assert papers.links(tmp_path) == ["README.md: docs/b.md#c leads nowhere"]


def test_decisions_name_their_guard() -> None:
    assert papers.decisions(ROOT) == []


@pytest.mark.parametrize(
    ("name", "text", "finding"),
    [
        ("0002-b.md", "# 2\n", "docs/adr/0002-b.md: its last line names no guard that exists"),
        (
            "0002-b.md",
            "Guarded by: tests/test_gone.py\n",
            "docs/adr/0002-b.md: its last line names no guard that exists",
        ),
        (
            "0001-b.md",
            "Guarded by: tests/test_a.py::test_b\n",
            "docs/adr/0001-b.md: has the number of 0001-a.md",
        ),
        ("0002-b.md", "x\n" * 60 + "Guarded by: tests/test_a.py\n", "docs/adr/0002-b.md: has 61 lines"),
        ("notes.md", "Guarded by: tests/test_a.py\n", "docs/adr/notes.md: is not called NNNN-some-words.md"),
    ],
)
def test_a_careless_decision_is_found(name: str, text: str, finding: str, tmp_path: Path) -> None:
    for folder in ("docs/adr", "tests"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "tests" / "test_a.py").touch()
    (tmp_path / "docs" / "adr" / "0001-a.md").write_text("Guarded by: tests/test_a.py\n")
    (tmp_path / "docs" / "adr" / name).write_text(text)
    assert papers.decisions(tmp_path) == [finding]


def test_every_dependency_has_its_reason() -> None:
    assert papers.dependencies(ROOT) == []


def test_a_dependency_without_a_reason_and_a_reason_without_a_dependency_are_found(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    reasons = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(
        project.replace('    "rich~=', '    "left-pad~=1.0",\n    "rich~=')
    )
    (tmp_path / "docs" / "dependencies.md").write_text(reasons.replace("| ruff |", "| pylint |"))
    assert papers.dependencies(tmp_path) == [
        "What ships: left-pad has no reason",
        "What checks: ruff has no reason",
        "What checks: pylint is not declared",
    ]


def test_the_changelog_knows_the_version_or_says_unreleased() -> None:
    text = (ROOT / "docs" / "CHANGELOG.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "## [Unreleased]" in text or f"## [{project['version']}]" in text


def test_the_picture_shows_every_room() -> None:
    picture = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").split("```")[1]
    assert [name for name in house.PRODUCT if name.removesuffix("/") not in picture] == []


def test_the_first_screen_says_how_to_start() -> None:
    screen = "\n".join((ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:24])
    assert "make demo" in screen
    assert "make test" in screen


def test_make_and_ci_are_one() -> None:
    assert "exec make check </dev/null" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    documented = {line.partition(":")[0] for line in makefile.splitlines() if "## " in line and ":" in line}
    wanted = "setup demo test check judges chaos bench up format lint types contracts docs clean help".split()
    assert set(wanted) <= documented
