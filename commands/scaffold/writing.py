"""Writes the folder of a new adapter and names it where the import contracts name their vendors."""

import keyword
import re
import sys
from pathlib import Path

from commands._shared import REFUSED, USAGE, Stop

HERE = Path(__file__).parent
_CONTRACTS = {
    "vendors-are-strangers": "modules",
    "inside-an-adapter": "containers",
    "kit-knows-no-vendor": "forbidden_modules",
}
"""Import contracts that name every vendor, and the list in each."""
_WIDTH = 110
_TAKEN = ("kit", "ports", "registry", "acme")
"""Modules of ours, and the vendor of the examples in the kit, which must stay nobody's."""


def files(name: str, role: str) -> dict[str, str]:
    """The files of the folder by their path in it: those of `common`, some of them continued by the role."""
    made: dict[str, str] = {}
    for place in ("common", role):
        for path in sorted((HERE / place).rglob("*.tmpl")):
            target = path.relative_to(HERE / place).as_posix().removesuffix(".tmpl")
            part = path.read_text(encoding="utf-8")
            made[target] = _continued(made[target], part) if target in made else part
    words = {"vendor": name, "Vendor": name.capitalize(), "VENDOR": name.upper(), "role": role}
    return {target: _sorted(_filled(text, words)) for target, text in made.items()}


def _filled(text: str, words: dict[str, str]) -> str:
    return re.sub(r"@(vendor|Vendor|VENDOR|role)@", lambda match: words[match[1]], text)


_IMPORT = re.compile(r"^from ([\w.@]+) import (?:\(([^)]*)\)|(.+))\n", re.MULTILINE)


def _continued(text: str, part: str) -> str:
    """`text` and then `part`, whose imports go to the other imports."""
    body = part
    while (found := _IMPORT.match(body)) is not None:
        body = body[found.end() :]
    imports = part[: len(part) - len(body)]
    first = _IMPORT.search(text)
    if imports and first is not None:
        text = text[: first.start()] + imports + text[first.start() :]
    elif imports:
        raise ValueError("a part brings imports to a file that has none")
    return text + body


def _sorted(text: str) -> str:
    """The file with its imports merged and sorted: the standard library, then other packages, then ours."""
    found: dict[str, set[str]] = {}
    spans = list(_IMPORT.finditer(text))
    if not spans:
        return text
    for match in spans:
        names = (match[2] or match[3]).replace("\n", " ").split(",")
        found.setdefault(match[1], set()).update(name.strip() for name in names if name.strip())
    plain = re.findall(r"^import (\w+)\n", text, re.MULTILINE)
    lines: list[list[str]] = [[], [], []]
    for module in sorted(plain):
        lines[_section(module)].append(f"import {module}")
    for module in sorted(found):
        lines[_section(module)].append(_import_line(module, sorted(found[module], key=_order)))
    whole = _IMPORT.sub("", re.sub(r"^import \w+\n", "", text, flags=re.MULTILINE))
    head, _, rest = whole.partition("\n\n")
    block = "\n\n".join("\n".join(section) for section in lines if section)
    return f"{head}\n\n{block}\n{_gap(rest)}{rest.lstrip()}"


def _gap(rest: str) -> str:
    """Two empty lines before a class or a function, one before anything else."""
    return "\n\n" if rest.lstrip().startswith(("class ", "def ", "async ", "@")) else "\n"


def _section(module: str) -> int:
    top = module.partition(".")[0]
    return 2 if top in ("canonical", "connectors") else 0 if top in sys.stdlib_module_names else 1


def _order(name: str) -> tuple[int, str]:
    """Constants, classes, functions: as the linter sorts them."""
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2, name)


def _import_line(module: str, names: list[str]) -> str:
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= _WIDTH:
        return line
    return f"from {module} import (\n" + "".join(f"    {name},\n" for name in names) + ")"


def write(root: Path, name: str, role: str) -> list[str]:
    """Write the adapter under `root`; the paths made or changed. Stop when the name is taken or impossible."""
    connectors, project = root / "connectors", root / "pyproject.toml"
    if not (connectors / "ports.py").is_file() or not project.is_file():
        raise Stop(
            "this is no checkout of revsaga", fix="run it at the root of one, or say --root", code=USAGE
        )
    if not re.fullmatch(r"[a-z][a-z0-9]{1,30}", name) or keyword.iskeyword(name) or name in _TAKEN:
        raise Stop(
            f"{name!r} cannot be the name of a vendor",
            fix="use small letters and digits, e.g. vega",
            code=USAGE,
        )
    folder = connectors / name
    if folder.exists():
        raise Stop(f"connectors/{name} is there already", fix="choose another name", code=REFUSED)
    contracts = with_vendor(project.read_text(encoding="utf-8"), name)
    made = []
    for target, text in files(name, role).items():
        path = folder / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        made.append(path.relative_to(root).as_posix())
    project.write_text(contracts, encoding="utf-8")
    return [*sorted(made), "pyproject.toml"]


def with_vendor(project: str, name: str) -> str:
    """The project file with the vendor in each of the three lists, sorted. Stop when a list is not found."""
    for contract, key in _CONTRACTS.items():
        found = re.search(
            rf'id = "{contract}"\n(?:(?!\[\[).*\n)*?{key} = \[\n((?:    "[\w.]+",\n)*)\]', project
        )
        if found is None:
            raise Stop(
                f"pyproject.toml has no list {key} in the import contract {contract}",
                fix="put the contract back as it was",
                code=REFUSED,
            )
        lines = sorted({*found[1].splitlines(), f'    "connectors.{name}",'})
        project = project[: found.start(1)] + "\n".join(lines) + "\n" + project[found.end(1) :]
    return project
