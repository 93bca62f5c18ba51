"""Imports that a contract of import-linter cannot express: allow lists, and entry points that are single files."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.house import python_files, vendor_folders

# Parts of the standard library that bring I/O, dice or threads into rooms that have none.
_IMPURE = frozenset(
    {
        "asyncio",
        "concurrent",
        "http",
        "multiprocessing",
        "os",
        "pathlib",
        "random",
        "secrets",
        "select",
        "shutil",
    }
    | {"signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time", "urllib"}
)
_PURE = frozenset(sys.stdlib_module_names) - _IMPURE

# A saga may await its own tasks: asyncio is deterministic there, because Temporal supplies the loop.
ALLOWED: dict[str, frozenset[str]] = {
    "canonical": _PURE | {"annotated_types", "canonical", "pydantic", "pydantic_core", "typing_extensions"},
    "activities/contracts": _PURE | {"activities.contracts", "canonical", "pydantic", "temporalio"},
    "workflows": _PURE
    | {"activities.contracts", "asyncio", "canonical", "pydantic", "temporalio", "workflows"},
}

# Who may import an entry point; everybody else may not.
ENTRY_POINTS: dict[str, frozenset[str]] = {
    "worker": frozenset({"stack.py", "cli.py", "commands"}),
    "stack": frozenset({"cli.py", "commands"}),
    "commands": frozenset({"cli.py", "commands"}),
    "cli": frozenset(),
}


def allow_lists(root: Path) -> list[str]:
    """canonical, the contracts and the sagas import what is allowed by name, and nothing else."""
    return [
        f"{path.relative_to(root)}:{line}: imports {module}"
        for room, allowed in ALLOWED.items()
        for path in python_files(root, room)
        for line, module in imported(path)
        if not any(module == name or module.startswith(f"{name}.") for name in allowed)
    ]


# Inside a vendor folder the transport is known to these only: the client speaks, the manifest hands the client its
# transport, and the sandbox answers.
_HTTP = ("aiohttp", "httpx", "requests", "socket", "urllib.request")
TRANSPORT = frozenset({"client.py", "manifest.py", "sandbox"})


def transports(root: Path) -> list[str]:
    """Mapping, errors, schema, settings and connector of a vendor never see the HTTP library."""
    return [
        f"{path.relative_to(root)}:{line}: imports {module}"
        for folder in vendor_folders(root)
        for path in python_files(root, f"connectors/{folder.name}")
        if path.relative_to(folder).parts[0] not in TRANSPORT
        for line, module in imported(path)
        if module.startswith(_HTTP)
    ]


def entry_points(root: Path) -> list[str]:
    """Nothing but another entry point imports the worker, the stack, the commands or the command line."""
    found: list[str] = []
    for path in python_files(root):
        where = path.relative_to(root)
        for line, module in imported(path):
            importers = ENTRY_POINTS.get(module.partition(".")[0])
            if importers is not None and where.parts[0] not in importers:
                found.append(f"{where}:{line}: imports {module}")
    return found


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything a file imports, at any depth; `from a import b` is named `a.b`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module or ''}.{alias.name}") for alias in node.names)
