"""CPU time of whole process trees, from the kernel's own files. Elsewhere than on Linux nothing is told."""

import os
from collections import defaultdict
from pathlib import Path

_PROC = Path("/proc")
_TICK = os.sysconf("SC_CLK_TCK")


def _table() -> dict[int, tuple[int, float]]:
    """Process -> (parent, CPU seconds of it and of its children that have ended)."""
    found = {}
    for entry in _PROC.iterdir() if (_PROC / "self" / "stat").exists() else ():
        if not entry.name.isdecimal():
            continue
        try:
            fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()
        except OSError:
            continue  # it ended while we looked
        found[int(entry.name)] = (int(fields[1]), sum(int(n) for n in fields[11:15]) / _TICK)
    return found


def cpu_seconds(roots: dict[str, int]) -> dict[str, float]:
    """CPU seconds so far by name, each with all its descendants."""
    table = _table()
    children: dict[int, list[int]] = defaultdict(list)
    for pid, (parent, _) in table.items():
        children[parent].append(pid)

    def whole(pid: int) -> float:
        return table.get(pid, (0, 0.0))[1] + sum(whole(child) for child in children[pid])

    return {name: round(whole(pid), 2) for name, pid in roots.items()}
