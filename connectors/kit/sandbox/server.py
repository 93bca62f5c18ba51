"""Sandboxes on real HTTP: uvicorn's protocol on 127.0.0.1, without its signal handlers and without its idle ticking."""

import asyncio
import contextlib
import logging
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from email.utils import formatdate
from typing import Any

import uvicorn
from starlette.datastructures import Headers

from connectors.kit.sandbox.core import Sandbox
from connectors.kit.sandbox.wire import Call, Reply

log = logging.getLogger("revsaga.sandbox")
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
_SAVE_AFTER = 1.0
_PATIENCE = 2.0


class App:
    """A sandbox as an ASGI application."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.closing = asyncio.Event()
        self._saving: asyncio.TimerHandle | None = None
        self._date = (0, b"")

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request."""
        call = await _read(scope, receive)
        if call is None:
            return
        try:
            reply = await self.sandbox.respond(call)
        except Exception:
            log.exception("bug in the %s sandbox at %s %s", self.sandbox.vendor, call.method, call.path)
            reply = Reply.text("bug in the sandbox; its log has the trace", 500)
        if self.sandbox.dirty and self.sandbox.persistent and self._saving is None:
            self._saving = asyncio.get_running_loop().call_later(_SAVE_AFTER, self._save)
        if reply.wire == "hang":
            await self._hang(receive)
        if reply.wire in ("hang", "reset"):
            _transport(send).abort()
            return
        await self._send(call, reply, send)

    async def _send(self, call: Call, reply: Reply, send: Send) -> None:
        headers = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in reply.headers.items()]
        if reply.status not in (204, 304):
            headers.append((b"content-length", str(len(reply.body)).encode()))
        headers.append((b"date", self._now()))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        if reply.wire == "cut":
            await send({"type": "http.response.body", "body": reply.half, "more_body": True})
            _transport(send).close()
            return
        body = b"" if call.method == "HEAD" else reply.body
        await send({"type": "http.response.body", "body": body})

    def _now(self) -> bytes:
        second = int(time.time())
        if self._date[0] != second:
            self._date = (second, formatdate(second, usegmt=True).encode())
        return self._date[1]

    async def _hang(self, receive: Receive) -> None:
        """Hold the connection until the client leaves or the sandbox closes."""
        closing = asyncio.ensure_future(self.closing.wait())
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait({closing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            closing.cancel()
            leaving.cancel()

    def _save(self) -> None:
        self._saving = None
        self.sandbox.save()

    def close(self) -> None:
        """Let go of waiting clients and write what is not yet written."""
        self.closing.set()
        if self._saving is not None:
            self._saving.cancel()
            self._saving = None
        if self.sandbox.dirty and self.sandbox.persistent:
            self.sandbox.save()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


def _transport(send: Send) -> asyncio.Transport:
    """The connection behind uvicorn's `send`: ASGI has no word for cutting it, and a fault needs that."""
    found: asyncio.Transport = send.__self__.transport  # type: ignore[attr-defined]
    return found


async def _read(scope: MutableMapping[str, Any], receive: Receive) -> Call | None:
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    headers = Headers(raw=scope["headers"])
    return Call(
        scope["method"],
        scope["raw_path"].decode("ascii", "replace"),
        query_string=scope["query_string"].decode("ascii", "replace"),
        headers=headers,
        body=chunks[0] if len(chunks) == 1 else b"".join(chunks),
        scheme=scope["scheme"],
        host=headers.get("host", ""),
    )


@contextlib.asynccontextmanager
async def serve(
    sandbox: Sandbox, port: int = 0, *, ssl_context: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """Serve `sandbox` on 127.0.0.1 while the block runs; yields its address. Port 0 takes a free one."""
    app = App(sandbox)
    config = uvicorn.Config(
        app,
        lifespan="off",
        http="auto",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        timeout_keep_alive=30,
    )
    config.load()
    config.ssl = ssl_context
    listener = _listen(port)
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    scheme = "https" if ssl_context else "http"
    try:
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        app.close()
        await _stop(server)


def _listen(port: int) -> socket.socket:
    # asyncio turns Nagle's algorithm off only for sockets that name their protocol; with it, each answer waits 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        raise
    return listener


async def _stop(server: uvicorn.Server) -> None:
    """Close at once what is idle, wait a moment for answers under way, then cut."""
    for listening in server.servers:
        listening.close()
    state = server.server_state
    for connection in list(state.connections):
        connection.shutdown()
    if state.tasks:
        _, late = await asyncio.wait(set(state.tasks), timeout=_PATIENCE)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=_PATIENCE)
    for connection in list(state.connections):
        transport = connection.transport
        if transport is not None:
            transport.abort()
    # Closed transports are let go of in the next turns of the loop.
    for _ in range(3):
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def serve_many(
    sandboxes: Mapping[str, Sandbox], ports: Mapping[str, int] | None = None
) -> AsyncIterator[dict[str, str]]:
    """Serve several sandboxes; yields their addresses by name. `ports` may name some of their ports."""
    async with contextlib.AsyncExitStack() as stack:
        urls = {}
        for name, sandbox in sandboxes.items():
            urls[name] = await stack.enter_async_context(serve(sandbox, (ports or {}).get(name, 0)))
        yield urls
