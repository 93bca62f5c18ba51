"""Calls a sandbox in process, through the same handler as real HTTP; waits and cuts become httpx errors at once."""

import httpx
from starlette.datastructures import Headers

from connectors.kit.sandbox.core import Sandbox
from connectors.kit.sandbox.wire import Call


class SandboxTransport(httpx.AsyncBaseTransport):
    """Give it to `Http(settings, transport=...)`; any host name will do."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer, or raise ReadTimeout, RemoteProtocolError or ReadError as the wire would."""
        url = request.url
        raw_path, _, query = url.raw_path.decode("ascii").partition("?")
        host = url.host if url.port is None else f"{url.host}:{url.port}"
        call = Call(
            request.method,
            raw_path,
            query_string=query,
            headers=Headers(raw=[(k.lower(), v) for k, v in request.headers.raw]),
            body=await request.aread(),
            scheme=url.scheme,
            host=host,
        )
        reply = await self.sandbox.respond(call)
        if reply.wire == "hang":
            raise httpx.ReadTimeout("the sandbox never answers", request=request)
        if reply.wire == "reset":
            raise httpx.ReadError("the sandbox cut the connection", request=request)
        body = reply.half if reply.wire == "cut" else reply.body
        if request.method == "HEAD":
            body = b""
        headers = {**reply.headers, "content-length": str(len(body))}
        return httpx.Response(reply.status, headers=headers, content=body, request=request)
