"""OpenTelemetry: a span for each request and for what it waits for, told to wherever the `OTEL_…` variables say.

No span holds a value: neither the caller's address nor headers, the path's place holders but not what stands there, no
statement and nothing of an error but its kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version
from time import time_ns
from typing import TYPE_CHECKING, Any, cast

from litestar.enums import ScopeType
from litestar.plugins.opentelemetry import OpenTelemetryConfig, OpenTelemetryInstrumentationMiddleware
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.trace import Span, StatusCode, format_trace_id, get_current_span
from structlog.contextvars import bind_contextvars

from backend.metrics import known_method
from backend.timings import on_timing

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

_CARRIED = {b"traceparent", b"tracestate"}
_OWN, _FAILED = "sheaf.scope", "sheaf.failed"
_NAMES = {"database": "database", "cache": "cache", "wait": "wait for a database connection"}


class Telemetry:
    """The spans of one process, on their way out."""

    def __init__(self, exporter: Callable[[], SpanExporter], environment: Mapping[str, str]) -> None:
        """Made in the worker; `exporter` is made with the standard variables."""
        named = "OTEL_SERVICE_NAME" in environment or "service.name=" in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
        told = {"service.version": version("sheaf"), **({} if named else {"service.name": "sheaf"})}
        self._provider = TracerProvider(resource=Resource.create(told))
        self._provider.add_span_processor(BatchSpanProcessor(exporter()))
        self._tracer = self._provider.get_tracer("sheaf")

    def traced(self, app: ASGIApp) -> ASGIApp:
        """`app` with a span around each request, named by method and route."""

        async def inside(masked: Scope, receive: Receive, send: Send) -> None:
            scope = cast("dict[str, Any]", masked)[_OWN]
            span = get_current_span()
            trace_id = format_trace_id(span.get_span_context().trace_id)
            scope.setdefault("state", {})["trace_id"] = trace_id
            bind_contextvars(trace_id=trace_id)
            on_timing.set(self._tell if span.is_recording() else None)

            async def name_and_send(message: Message) -> None:
                """The library ends the span with the last message."""
                if message["type"] == "http.response.start":
                    _name(span, scope)
                await send(message)

            try:
                await app(scope, receive, name_and_send)
            except Exception as error:  # raised by `call`: the library would tell its text
                cast("dict[str, Any]", masked)[_FAILED] = error
                if span.is_recording():
                    span.set_status(StatusCode.ERROR, _kind(error))

        config = OpenTelemetryConfig(
            tracer_provider=self._provider, exclude_spans=["receive", "send"], scope_span_details_extractor=_unnamed
        )
        around = OpenTelemetryInstrumentationMiddleware(inside, config)

        async def call(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP:
                await app(scope, receive, send)
                return
            masked = _masked(scope)
            await around(masked, receive, send)
            if (failed := cast("dict[str, Any]", masked).pop(_FAILED, None)) is not None:
                raise failed

        return call

    def close(self) -> None:
        """Sends what waits. Blocking, for some seconds at most."""
        self._provider.force_flush(2_000)
        self._provider.shutdown()

    def _tell(self, part: str, seconds: float) -> None:
        """A span that ends now."""
        now = time_ns()
        self._tracer.start_span(_NAMES[part], start_time=now - int(seconds * 1e9)).end(now)


def telemetry(environment: Mapping[str, str]) -> Telemetry:
    """As the standard variables say, where one of them asks for spans."""
    to_console = environment.get("OTEL_TRACES_EXPORTER") == "console"
    return Telemetry(ConsoleSpanExporter if to_console else _otlp, environment)


def _otlp() -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 no dev tool

    exporter: SpanExporter = OTLPSpanExporter()
    return exporter


def _masked(scope: Scope) -> Scope:
    """What the library sees of a request: where its trace comes from, and nothing that could be somebody's."""
    headers = [(name, value) for name, value in scope["headers"] if name in _CARRIED]
    nothing = {"path": "/", "raw_path": b"/", "query_string": b"", "root_path": "", "client": None, "headers": headers}
    method = known_method(cast("dict[str, Any]", scope)["method"])
    return cast("Scope", {**scope, **nothing, "method": method, _OWN: scope})


def _kind(error: BaseException) -> str:
    """Of the first error; the framework wraps it."""
    while (within := error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__) is not None:
        error = within
    return type(error).__name__


def _name(span: Span, scope: Mapping[str, Any]) -> None:
    route = scope.get("path_template", "unknown")
    span.update_name(f"{known_method(scope['method'])} {route}")
    span.set_attribute("http.route", route)
    span.set_attribute("sheaf.request_id", scope["state"].get("request_id", ""))


def _unnamed(scope: Scope) -> tuple[str, dict[str, Any]]:
    """The route is known when the answer begins."""
    return known_method(cast("dict[str, Any]", scope)["method"]), {}
