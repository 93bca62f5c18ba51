"""The control port of a sandbox, from another process: faults, log, effects, state, clock."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx

from canonical.failures import Misconfigured, Transient
from connectors.kit import decimal_json


class SandboxControl:
    """The control port of one vendor on loopback."""

    def __init__(self, vendor: str, url: str) -> None:
        self.vendor = vendor
        self.url = url

    async def _ask(self, method: str, what: str, body: Any = None) -> Any:
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
                answer = await http.request(method, f"{self.url}/_control/{what}", json=body)
        except httpx.TransportError as error:
            raise Transient(
                f"the sandbox of {self.vendor} at {self.url} does not answer: {error}",
                code="sandbox-unavailable",
                fix="start the embedded stack (`revsaga up`)",
            ) from error
        if answer.status_code != httpx.codes.OK:
            raise Misconfigured(
                f"{self.vendor} at {self.url} is no sandbox: {answer.status_code}",
                code="sandbox-refused",
                fix="only the embedded stack's own vendors have a control port",
            )
        return decimal_json.loads(answer.content)

    async def arm(self, *faults: Mapping[str, Any]) -> None:
        """Inject faults (`connectors.kit.sandbox.Fault` as a mapping)."""
        await self._ask("POST", "faults", [dict(fault) for fault in faults])

    async def armed(self) -> list[dict[str, Any]]:
        """The faults in force in the order in which they were armed, with how often each has `struck`."""
        found: list[dict[str, Any]] = await self._ask("GET", "faults")
        return found

    async def disarm(self) -> None:
        """No more faults."""
        await self._ask("DELETE", "faults")

    async def effects(self) -> dict[str, dict[str, int]]:
        """How often each change was really made, by kind and business key."""
        found: dict[str, dict[str, int]] = await self._ask("GET", "effects")
        return found

    async def log(self, since: int = 0) -> list[dict[str, Any]]:
        """The calls after number `since`."""
        found: list[dict[str, Any]] = await self._ask("GET", f"log?since={since}")
        return found

    async def state(self) -> dict[str, Any]:
        """Everything in the vendor's books, with exact numbers: what its `restore` takes."""
        found: dict[str, Any] = await self._ask("GET", "state")
        return found

    async def figures(self) -> dict[str, Any]:
        """Concurrency seen, tokens issued, stored failures replayed, calls."""
        found: dict[str, Any] = await self._ask("GET", "figures")
        return found

    async def seed(self, data: Any) -> None:
        """Add test data: the JSON form of `connectors.kit.world.World`."""
        await self._ask("POST", "seed", data)

    async def set_clock(self, now: datetime | None) -> None:
        """Stop the vendor's business clock at `now`, or let it run."""
        await self._ask("POST", "clock", {"now": now.isoformat() if now else None})

    async def expire(self) -> None:
        """All tokens expire."""
        await self._ask("POST", "expire")
