"""The documents keep their word: links lead somewhere, decisions name their guard, each dependency has its reason."""

import re
import tomllib
from pathlib import Path

MAX_ADR_LINES = 60

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_ROW = re.compile(r"^\| ([a-z0-9][a-z0-9.-]*) \| \S.*\|$", re.MULTILINE)


def links(root: Path) -> list[str]:
    """Relative links of the README and of docs/ lead to something that exists."""
    pages = [
        root / "README.md",
        *sorted((root / "docs").rglob("*.md")),
        *sorted(root.glob("connectors/*/README.md")),
    ]
    found: list[str] = []
    for page in pages:
        if not page.is_file():
            continue
        for target in _LINK.findall(page.read_text(encoding="utf-8")):
            if "://" in target or target.startswith(("#", "mailto:")):
                continue
            if not (page.parent / target.partition("#")[0]).exists():
                found.append(f"{page.relative_to(root)}: {target} leads nowhere")
    return found


def decisions(root: Path) -> list[str]:
    """A decision record has its own number, is short, and its last line names a test or check that exists."""
    found: list[str] = []
    numbers: dict[str, str] = {}
    for page in sorted((root / "docs" / "adr").glob("*.md")):
        where = f"docs/adr/{page.name}"
        match = re.fullmatch(r"(\d{4})-[a-z0-9-]+\.md", page.name)
        if match is None:
            found.append(f"{where}: is not called NNNN-some-words.md")
            continue
        if match[1] in numbers:
            found.append(f"{where}: has the number of {numbers[match[1]]}")
        numbers[match[1]] = page.name
        lines = page.read_text(encoding="utf-8").rstrip().splitlines()
        if len(lines) > MAX_ADR_LINES:
            found.append(f"{where}: has {len(lines)} lines")
        last = lines[-1] if lines else ""
        guard = last.removeprefix("Guarded by: ").partition("::")[0].strip("` ")
        if not last.startswith("Guarded by: ") or not (root / guard).is_file():
            found.append(f"{where}: its last line names no guard that exists")
    return found


def dependencies(root: Path) -> list[str]:
    """docs/dependencies.md gives a reason for each declared dependency, and names no other."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    declared = {
        "What ships": project["project"]["dependencies"],
        "What checks": project["dependency-groups"]["dev"],
        "What judges": project["dependency-groups"]["judges"],
    }
    parts = re.split(
        r"^## (.+)$", (root / "docs" / "dependencies.md").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    found: list[str] = []
    for title, lines in declared.items():
        names = {re.split(r"[\[<>=~! ]", line, maxsplit=1)[0] for line in lines}
        reasons = set(_ROW.findall(sections.get(title, "")))
        found += [f"{title}: {name} has no reason" for name in sorted(names - reasons)]
        found += [f"{title}: {name} is not declared" for name in sorted(reasons - names)]
    return found
