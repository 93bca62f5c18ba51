"""The rules of the house, each a function from a tree to its findings: an empty list is a clean tree.

A rule never looks at the running program, only at files under `root`, so that a test can break it on purpose in a
scratch tree. A room that does not exist yet has no findings.
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("canonical", "connectors", "activities", "workflows", "commands")
MODULES = ("worker.py", "cli.py", "stack.py")
PRODUCT = PACKAGES + MODULES

# Committed top-level entries. Another one needs an ADR first: which room did the new line not fit into?
TOP_LEVEL = frozenset(
    {
        *PRODUCT,
        ".ci",
        ".dockerignore",
        ".env.example",
        ".gitignore",
        "Dockerfile",
        "Makefile",
        "README.md",
        "docker-compose.yml",
        "docs",
        "pyproject.toml",
        "requirements-dev.lock",
        "requirements-judges.lock",
        "requirements.lock",
        "tests",
    }
)

# What a working copy holds beside that, and git ignores.
LOCAL = frozenset(
    {".env", ".git", ".hypothesis", ".revsaga", ".venv", ".venv-judges", "__pycache__"}
    | {"bench-results", "build", "dist", "secrets"}
)

VENDOR_FILES = frozenset(
    {
        "README.md",
        "__init__.py",
        "client.py",
        "connector.py",
        "errors.py",
        "manifest.py",
        "mapping.py",
        "sandbox",
        "schema.py",
        "settings.py",
    }
)

# A vendor with much to translate may split that one module by topic; everybody else finds it under the same name.
MAY_BE_PACKAGES = frozenset({"mapping"})

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 70


def _is_local(name: str) -> bool:
    cache = name.startswith(".") and name.endswith("_cache")
    return cache or name in LOCAL or name.endswith(".egg-info")


def python_files(root: Path, *rooms: str) -> list[Path]:
    """The Python files of some rooms (all product rooms by default), generated folders left out."""
    found: list[Path] = []
    for room in rooms or PRODUCT:
        place = root / room
        if place.is_file():
            found.append(place)
        elif place.is_dir():
            found.extend(p for p in place.rglob("*.py") if "__pycache__" not in p.parts)
    return sorted(found)


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


# Rooms and files


def top_level(root: Path) -> list[str]:
    """The top level is a closed list."""
    return [
        f"{entry.name}: not on the agreed top level; put it into a room, or write an ADR and extend the list"
        for entry in sorted(root.iterdir())
        if entry.name not in TOP_LEVEL and not _is_local(entry.name)
    ]


def vendor_folders(root: Path) -> list[Path]:
    """The adapters: every package under connectors/ except the shared kit."""
    connectors = root / "connectors"
    if not connectors.is_dir():
        return []
    return [d for d in sorted(connectors.iterdir()) if d.is_dir() and d.name not in {"kit", "__pycache__"}]


def vendor_files(root: Path) -> list[str]:
    """Every vendor folder holds the same closed list of files, and its sandbox is a package."""
    findings: list[str] = []
    for folder in vendor_folders(root):
        names = {
            f"{entry.name}.py" if entry.name in MAY_BE_PACKAGES else entry.name
            for entry in folder.iterdir()
            if entry.name not in {"__pycache__", "py.typed"}
        }
        findings += [f"connectors/{folder.name}/{name}: missing" for name in sorted(VENDOR_FILES - names)]
        findings += [
            f"connectors/{folder.name}/{name}: not on the closed list of files"
            for name in sorted(names - VENDOR_FILES)
        ]
        if "sandbox" in names and not (folder / "sandbox" / "__init__.py").is_file():
            findings.append(f"connectors/{folder.name}/sandbox/__init__.py: missing")
    return findings


def vendors_in_contracts(root: Path) -> list[str]:
    """The import contracts name their vendors one by one; the lists must equal the folders."""
    folders = {f"connectors.{folder.name}" for folder in vendor_folders(root)}
    if not folders:
        return []
    config = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    lists = {
        "vendors-are-strangers": "modules",
        "inside-an-adapter": "containers",
        "kit-knows-no-vendor": "forbidden_modules",
    }
    contracts = {c["id"]: c for c in config["tool"]["importlinter"]["contracts"]}
    findings: list[str] = []
    for contract, key in lists.items():
        named = set(contracts[contract][key]) if contract in contracts else set()
        findings += [
            f"{contract}: {vendor} has a folder and is not named" for vendor in sorted(folders - named)
        ]
        findings += [f"{contract}: {vendor} is named and has no folder" for vendor in sorted(named - folders)]
    return findings


def saga_tests(root: Path) -> list[str]:
    """Every saga module has its test file."""
    workflows = root / "workflows"
    if not workflows.is_dir():
        return []
    return [
        f"workflows/{path.name}: has no tests/workflows/test_{path.name}"
        for path in sorted(workflows.glob("*.py"))
        if path.stem not in {"__init__", "roll"}
        and not (root / "tests" / "workflows" / f"test_{path.name}").is_file()
    ]


def sizes(root: Path) -> list[str]:
    """Files stay under 400 lines and functions under 70: what is longer holds two things.

    A released migration is one statement after another and never edited again; only its file has a limit.
    """
    findings: list[str] = []
    for path in python_files(root):
        where = path.relative_to(root)
        count = len(path.read_text(encoding="utf-8").splitlines())
        if count >= MAX_FILE_LINES:
            findings.append(f"{where}: {count} lines")
        for node in ast.walk(_parse(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and "migrations" not in where.parts:
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length >= MAX_FUNCTION_LINES:
                    findings.append(f"{where}:{node.lineno}: {node.name} has {length} lines")
    return findings


# Words

_VENDOR_WORDS = ("avalara", "avatax", "netsuite", "salesforce", "stripe", "suiteql", "suitetalk", "zuora")


def vendor_words(root: Path) -> list[str]:
    """No vendor is named outside its folder: not in our words, not in a saga, not in an activity.

    `activities/settings.py` may name the default vendor of a role.
    """
    words = sorted({*_VENDOR_WORDS, *(folder.name for folder in vendor_folders(root))})
    pattern = re.compile(rf"(?<![a-z])({'|'.join(map(re.escape, words))})(?![a-z])", re.IGNORECASE)
    shared = [root / "connectors" / "ports.py", root / "connectors" / "registry.py"]
    files = python_files(root, "canonical", "workflows", "activities", "connectors/kit")
    files += [p for p in shared if p.is_file()]
    findings: list[str] = []
    for path in files:
        where = path.relative_to(root)
        if where.as_posix() == "activities/settings.py":
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if match := pattern.search(line):
                findings.append(f"{where}:{number}: names the vendor {match.group(1)!r}")
    return findings


# Hosts of package registries and of source hosting, and absolute paths of somebody's machine. Built from parts, so that
# this file does not find itself.
_HOSTS = tuple(
    f"{name}.{end}"
    for name, end in [
        ("pypi", "org"),
        ("python" + "hosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("golang", "org"),
    ]
)
_PATHS = tuple(f"/{top}/" for top in ("work", "home", "root", "Users", "farm")) + tuple(
    f"/{top}/{sub}" for top, sub in [("opt", "wheels"), ("opt", "pypi"), ("tmp", "team")]
)
_TEXT = frozenset(
    {
        "",
        ".cfg",
        ".css",
        ".example",
        ".html",
        ".ini",
        ".json",
        ".jsonl",
        ".lock",
        ".mako",
        ".md",
        ".py",
        ".sh",
    }
    | {".sql", ".svg", ".toml", ".txt", ".xml", ".yaml", ".yml"}
)


def foreign_places(root: Path, files: list[Path] | None = None) -> list[str]:
    """No registry host and no path of one machine stands in a committed file."""
    pattern = re.compile("|".join(re.escape(word) for word in (*_HOSTS, *_PATHS)))
    findings: list[str] = []
    for path in files if files is not None else list(_all_files(root)):
        if path.suffix not in _TEXT or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            if match := pattern.search(line):
                findings.append(f"{path.relative_to(root)}:{number}: holds {match.group(0)!r}")
    return findings


def _all_files(root: Path) -> Iterator[Path]:
    for entry in sorted(root.iterdir()):
        if _is_local(entry.name):
            continue
        if entry.is_file():
            yield entry
        else:
            yield from _all_files(entry)


_LATER = "|".join(
    first + second for first, second in [("TO", "DO"), ("FIX", "ME"), ("XX", "X"), ("HA", "CK")]
)
_MARKS = re.compile(rf"\b({_LATER})\b")


def unfinished(root: Path) -> list[str]:
    """Nothing is left for later, swallowed, skipped or without a body."""
    findings: list[str] = []
    for path in python_files(root, *PRODUCT, "tests"):
        where = path.relative_to(root)
        text = path.read_text(encoding="utf-8")
        for number, line in enumerate(text.splitlines(), 1):
            if match := _MARKS.search(line):
                findings.append(f"{where}:{number}: {match.group(1)}")
        # A promise has no body; a story made up for a test makes promises of its own.
        promise = where.parts[:2] == ("activities", "contracts") or where.parts[0] == "tests"
        for node in ast.walk(_parse(path)):
            if isinstance(node, ast.ExceptHandler) and all(_is_nothing(s) for s in node.body):
                findings.append(f"{where}:{node.lineno}: an exception is swallowed")
            if isinstance(node, ast.Raise) and _raised(node) == "NotImplementedError" and not promise:
                findings.append(f"{where}:{node.lineno}: NotImplementedError")
            if where.parts[0] == "tests" and isinstance(node, ast.Attribute) and _skips(node):
                findings.append(f"{where}:{node.lineno}: a test is skipped or expected to fail")
    return findings


def _is_nothing(node: ast.stmt) -> bool:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return node.value.value is ...
    return isinstance(node, ast.Pass)


def _raised(node: ast.Raise) -> str:
    raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    return raised.id if isinstance(raised, ast.Name) else ""


def _skips(node: ast.Attribute) -> bool:
    owner = ast.unparse(node.value)
    return node.attr in {"skip", "skipif", "xfail", "importorskip"} and owner in {
        "pytest",
        "pytest.mark",
        "mark",
    }
