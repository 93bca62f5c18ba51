"""Logs as one JSON object a line, with saga and correlation id, without secrets; health and metrics over HTTP."""

import contextlib
import json
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from temporalio import activity, workflow
from temporalio.common import SearchAttributeKey
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from canonical.failures import Misconfigured
from connectors.kit.redact import RedactingFilter, redact

_CORRELATION = SearchAttributeKey.for_keyword("CorrelationId")
_correlation: ContextVar[str] = ContextVar("correlation", default="")


class JsonFormatter(logging.Formatter):
    """`at`, `level`, `logger`, `message`, and where it was said: workflow, run, activity, attempt, correlation id."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        said: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_place(),
        }
        if record.exc_text or record.exc_info:
            said["trace"] = record.exc_text or redact(self.formatException(record.exc_info or (None,) * 3))
        return json.dumps(said, ensure_ascii=False, default=str)


def _place() -> dict[str, Any]:
    """Where this process is just now, in the engine's terms."""
    if activity.in_activity():
        info = activity.info()
        return {
            "workflow_id": info.workflow_id,
            "run_id": info.workflow_run_id,
            "activity": info.activity_type,
            "attempt": info.attempt,
            "correlation_id": _correlation.get(),
        }
    if workflow.in_workflow():
        run = workflow.info()
        return {
            "workflow_id": run.workflow_id,
            "run_id": run.run_id,
            "workflow": run.workflow_type,
            "correlation_id": run.typed_search_attributes.get(_CORRELATION, ""),
        }
    return {}


def log_as_json(level: int = logging.INFO) -> None:
    """Everything that this process logs goes to standard error, one JSON object a line, redacted."""
    handler = logging.StreamHandler()
    handler.addFilter(RedactingFilter())
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("httpx", "httpcore", "uvicorn.error", "uvicorn.access", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


class _Correlating(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        found = next((getattr(a, "correlation_id", "") for a in input.args), "")
        token = _correlation.set(str(found or ""))
        try:
            return await super().execute_activity(input)
        finally:
            _correlation.reset(token)


class Correlation(Interceptor):
    """Every line that is logged inside an activity names the correlation id that the activity was given."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """The engine's hook."""
        return _Correlating(next)


def host_and_port(text: str, variable: str) -> tuple[str, int]:
    """`host:port` taken apart. Raises Misconfigured `address-invalid`."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise Misconfigured(
            f"{text!r} is not host:port",
            code="address-invalid",
            field=variable,
            fix="say, e.g., 127.0.0.1:8090",
        )
    return host, int(port)


class _Quiet(uvicorn.Server):
    """Signals belong to the worker, which drains before this page goes."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield


Look = Callable[[], Awaitable[dict[str, Any]]]
"""The state of a process as JSON; `ready` says whether it takes work."""


def health_server(
    address: str, look: Look, registry: CollectorRegistry
) -> tuple[uvicorn.Server, socket.socket]:
    """`/health` (the process lives), `/ready` (it takes work: 200, else 503), `/metrics`. Run `serve(sockets=[...])`.

    Raises Misconfigured `address-invalid` or `address-in-use`.
    """
    host, port = host_and_port(address, "REVSAGA_HEALTH_ADDRESS")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Misconfigured(
            f"cannot listen on {address}: {error}",
            code="address-in-use",
            field="REVSAGA_HEALTH_ADDRESS",
            fix="choose another port, or stop the program that has it",
        ) from error

    async def health(_: Request) -> Response:
        return JSONResponse({"alive": True})

    async def ready(_: Request) -> Response:
        state = await look()
        return JSONResponse(state, 200 if state["ready"] else 503)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), headers={"content-type": CONTENT_TYPE_LATEST})

    routes = [Route("/health", health), Route("/ready", ready), Route("/metrics", metrics)]
    config = uvicorn.Config(
        Starlette(routes=routes),
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    return _Quiet(config), listener
