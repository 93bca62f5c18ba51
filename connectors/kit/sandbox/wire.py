"""A request as a sandbox sees it, and an answer as it gives it."""

from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.datastructures import Headers, QueryParams

from connectors.kit import decimal_json


class Call:
    """One request. `path` is still percent-encoded; `path_params` are decoded.

    `partial` is set by the fault `partial_batch`: a handler of a batch then does only part of it, as its vendor would.
    `notes` is free for what `guard` finds out and a handler needs (who is calling, for example).
    """

    __slots__ = (
        "_json",
        "body",
        "headers",
        "host",
        "method",
        "notes",
        "partial",
        "path",
        "path_params",
        "query",
        "query_string",
        "scheme",
    )

    def __init__(
        self,
        method: str,
        path: str,
        *,
        query_string: str = "",
        headers: Headers,
        body: bytes = b"",
        scheme: str = "http",
        host: str = "",
    ) -> None:
        self.method = method
        self.path = path
        self.query_string = query_string
        self.query = QueryParams(query_string)
        self.headers = headers
        self.body = body
        self.scheme = scheme
        self.host = host
        self.path_params: dict[str, str] = {}
        self.notes: dict[str, Any] = {}
        self.partial = False
        self._json: Any = _UNREAD

    @property
    def url(self) -> str:
        """The whole address as the client wrote it, which is what signatures cover."""
        query = f"?{self.query_string}" if self.query_string else ""
        return f"{self.scheme}://{self.host}{self.path}{query}"

    @property
    def origin(self) -> str:
        """Scheme, host and port, for links to this sandbox itself."""
        return f"{self.scheme}://{self.host}"

    def json(self) -> Any:
        """The body as JSON with Decimals. Raises ValueError when it is not JSON."""
        if self._json is _UNREAD:
            self._json = decimal_json.loads(self.body)
        return self._json

    def form(self) -> QueryParams:
        """The url-encoded body; `getlist` and `multi_items` for repeated names."""
        return QueryParams(self.body.decode("utf-8", "replace"))

    @property
    def bearer(self) -> str:
        """The bearer token, or an empty text."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


_UNREAD = object()


@dataclass(slots=True)
class Reply:
    """One answer. `wire` tells what becomes of it: sent, never sent, cut off before the first byte or after half."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    wire: Literal["answer", "hang", "reset", "cut"] = "answer"

    @staticmethod
    def json(obj: Any, status: int = 200, headers: dict[str, str] | None = None) -> "Reply":
        """A JSON answer; Decimals are written exactly."""
        return Reply(status, {"content-type": "application/json", **(headers or {})}, decimal_json.dumps(obj))

    @staticmethod
    def text(body: str, status: int = 200, content_type: str = "text/plain; charset=utf-8") -> "Reply":
        """An answer in words."""
        return Reply(status, {"content-type": content_type}, body.encode())

    @staticmethod
    def empty(status: int = 204, headers: dict[str, str] | None = None) -> "Reply":
        """An answer without a body."""
        return Reply(status, dict(headers or {}))

    @property
    def half(self) -> bytes:
        """The part of the body that arrives when the answer is cut."""
        return self.body[: len(self.body) // 2]

    def copy(self) -> "Reply":
        """An answer that may be changed without changing this one."""
        return Reply(self.status, dict(self.headers), self.body, self.wire)


class Refusal(Exception):
    """Raised anywhere inside a handler to answer with the vendor's own error."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"refused with {reply.status}")
        self.reply = reply
