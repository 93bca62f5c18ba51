"""Putting something around an activity that is wired already, so that the engine sees the same name and types."""

from collections.abc import Awaitable, Callable
from typing import Any, get_type_hints

from temporalio import activity

Implementation = Callable[[Any], Awaitable[Any]]
Around = Callable[[Implementation, Any], Awaitable[Any]]


def name_of(implementation: Callable[..., Any]) -> str:
    """The name under which an activity is known to the engine."""
    return str(implementation.__name__)


def wrapped(implementation: Implementation, around: Around) -> Implementation:
    """The same activity, which calls `around(implementation, argument)`."""
    hints = get_type_hints(implementation)
    taken = next(kind for name, kind in hints.items() if name != "return")

    async def call(argument: Any) -> Any:
        return await around(implementation, argument)

    call.__annotations__ = {"argument": taken, "return": hints["return"]}
    return activity.defn(name=name_of(implementation))(call)
