"""Contracts and implementations: Temporal joins them by name, so nothing else notices when the two drift apart.

The comparison is of source: every annotation is written out with the module it was imported from.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.architecture.house import python_files

CONTRACTS = "activities/contracts"


@dataclass(frozen=True)
class Promise:
    """An activity as its source declares it: its name on the wire, its argument types and its result type."""

    name: str
    arguments: tuple[str, ...]
    result: str
    where: str


def findings(root: Path) -> list[str]:
    """Every contract has exactly one implementation of equal types, and the other way round."""
    contracts = list(_activities(root, python_files(root, CONTRACTS)))
    rest = [
        p
        for p in python_files(root, "activities")
        if not p.relative_to(root).as_posix().startswith(CONTRACTS)
    ]
    implementations = list(_activities(root, rest))
    found = [f"{p.where}: contract {p.name} is declared twice" for p in _twice(contracts)]
    found += [f"{p.where}: {p.name} is implemented twice" for p in _twice(implementations)]
    promised = {p.name: p for p in contracts}
    kept = {p.name: p for p in implementations}
    found += [
        f"{promised[n].where}: contract {n} has no implementation"
        for n in sorted(promised.keys() - kept.keys())
    ]
    found += [f"{kept[n].where}: activity {n} has no contract" for n in sorted(kept.keys() - promised.keys())]
    for name in sorted(promised.keys() & kept.keys()):
        ours, theirs = promised[name], kept[name]
        if ours.arguments != theirs.arguments:
            takes, promised_types = _list(theirs.arguments), _list(ours.arguments)
            found.append(f"{theirs.where}: {name} takes {takes}, its contract {promised_types}")
        if ours.result != theirs.result:
            found.append(f"{theirs.where}: {name} returns {theirs.result}, its contract {ours.result}")
    return found


def _list(types: tuple[str, ...]) -> str:
    return f"({', '.join(types)})"


def _twice(promises: list[Promise]) -> list[Promise]:
    names = [p.name for p in promises]
    return [p for i, p in enumerate(promises) if p.name in names[:i]]


def _activities(root: Path, files: list[Path]) -> Iterator[Promise]:
    for path in files:
        where = path.relative_to(root)
        module = ".".join(where.with_suffix("").parts).removesuffix(".__init__")
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        names = _names(tree, module)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (name := _wire_name(node)):
                arguments = [
                    a for a in (*node.args.posonlyargs, *node.args.args) if a.arg not in {"self", "cls"}
                ]
                yield Promise(
                    name=name,
                    arguments=tuple(_written_out(a.annotation, names) for a in arguments),
                    result=_written_out(node.returns, names),
                    where=f"{where}:{node.lineno}",
                )


def _wire_name(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """The name Temporal knows the activity by, or nothing if the function is none."""
    for decorator in node.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if ast.unparse(called) not in {"activity.defn", "defn", "temporalio.activity.defn"}:
            continue
        for keyword in decorator.keywords if isinstance(decorator, ast.Call) else []:
            if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
                return str(keyword.value.value)
        return node.name
    return ""


def _names(tree: ast.Module, module: str) -> dict[str, str]:
    """What each name at module level stands for, written out."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names.update({a.asname or a.name: f"{node.module}.{a.name}" for a in node.names})
        elif isinstance(node, ast.Import):
            names.update({a.asname: a.name for a in node.names if a.asname})
    names.update({node.name: f"{module}.{node.name}" for node in tree.body if isinstance(node, ast.ClassDef)})
    return names


class _WriteOut(ast.NodeTransformer):
    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(id=self.names.get(node.id, node.id), ctx=node.ctx)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        # A quoted annotation means what its content means.
        if isinstance(node.value, str) and node.value.replace(".", "").isidentifier():
            return _WriteOut(self.names).visit_Name(ast.Name(id=node.value, ctx=ast.Load()))
        return node


def _written_out(annotation: ast.expr | None, names: dict[str, str]) -> str:
    if annotation is None:
        return "(not annotated)"
    return ast.unparse(_WriteOut(names).visit(ast.parse(ast.unparse(annotation), mode="eval").body))
