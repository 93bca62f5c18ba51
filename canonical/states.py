"""State machines: states move only along declared transitions, and never backwards by accident."""

from collections.abc import Mapping
from dataclasses import dataclass

from canonical.failures import Conflict


@dataclass(frozen=True)
class Machine:
    """The legal moves of one aggregate. A move to the state one is already in is no move and is allowed."""

    name: str
    moves: Mapping[str, frozenset[str]]

    @property
    def states(self) -> frozenset[str]:
        """Every state that is named."""
        return frozenset(self.moves) | frozenset(s for targets in self.moves.values() for s in targets)

    def allows(self, current: str, target: str) -> bool:
        """Whether the move is legal."""
        return current == target or target in self.moves.get(current, frozenset())

    def move(self, current: str, target: str) -> str:
        """`target`, or Conflict that names the illegal move and the legal ones."""
        if self.allows(current, target):
            return target
        legal = ", ".join(sorted(self.moves.get(current, frozenset()))) or "none: it is final"
        raise Conflict(
            f"{self.name} cannot go from {current} to {target}",
            code=f"{self.name}-transition-illegal",
            field=f"{self.name}.state",
            fix=f"from {current} these moves are legal: {legal}",
        )
