"""Spans of a whole service: named by route, joined to the caller's trace, with nothing of anybody's data."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest
from anyio import to_thread
from httpx import ASGITransport, AsyncClient
from litestar import Litestar, get
from litestar.exceptions import LitestarException
from litestar.response import Stream
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from support.service import ADDRESS, running

from backend.app import application, create_app
from backend.assembly import assemble
from backend.settings import Settings, SettingsError
from backend.telemetry import Telemetry, telemetry

TRACE = "0af7651916cd43dd8448eb211c80319c"
SECRET = "cell-of-somebody"


@get("/broken-off", sync_to_thread=False)
def broken_off() -> Stream:
    """An answer that fails once it has begun."""

    async def lines() -> AsyncIterator[str]:
        yield "sku\n"
        raise ValueError(f"Key (sku)=({SECRET}) already exists.")

    return Stream(lines())


@pytest.fixture(scope="module")
async def spans(postgres_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> list[ReadableSpan]:
    """What a page asked for three times, a record by its key, a wrong address, a HEAD and failures have left."""
    exporter, data = InMemorySpanExporter(), tmp_path_factory.mktemp("traced")
    (data / "spool").mkdir()
    settings = Settings(database_url=postgres_url, redis_url=redis_url, data=data, registration="open")
    traces = Telemetry(lambda: exporter, {})
    app = application(settings, assemble(settings), traces)
    async with running(app), AsyncClient(transport=ASGITransport(app), base_url=ADDRESS) as client:
        client.headers["X-API-Key"] = (await client.post("/users", json={"name": SECRET})).json()["api_key"]
        client.headers["traceparent"] = f"00-{TRACE}-b7ad6b7169203331-01"
        text = {"Content-Type": "text/csv"}
        made = await client.post(f"/datasets?name={SECRET}", content=f"sku\n{SECRET}\n", headers=text)
        assert made.status_code == 201, made.text
        address = f"/datasets/{SECRET}"
        assert (await client.patch(address, json={"key": "sku"})).status_code == 200
        for _ in range(3):  # the last ones take the fast path
            assert (await client.get(f"{address}/records?sku=eq:{SECRET}")).json()["count"] == 1
        await client.get(f"{address}/records/by-key/{SECRET}")
        await client.get(f"/{SECRET}")
        await client.head(address)
        twice = await client.post(f"{address}/records", json={"sku": SECRET})
        assert twice.status_code == 422, twice.text
        broken = ASGITransport(traces.traced(Litestar([broken_off], logging_config=None)))
        async with AsyncClient(transport=broken, base_url=ADDRESS, headers=client.headers) as other:
            with pytest.raises(LitestarException):
                await other.get("http://sheaf.test/broken-off")
    return list(exporter.get_finished_spans())


@pytest.mark.anyio
async def test_each_request_is_named_by_its_route(spans: list[ReadableSpan]) -> None:
    named = [span.name for span in spans if span.attributes and "http.route" in span.attributes]
    root = "/api/v1/datasets"
    assert [name.replace(":str", "") for name in named] == [
        "POST /api/v1/users", f"POST {root}", f"PATCH {root}/{{ref}}", *3 * [f"GET {root}/{{ref}}/records"],
        f"GET {root}/{{ref}}/records/by-key/{{key}}", "GET unknown", f"GET {root}/{{ref}}",
        f"POST {root}/{{ref}}/records", "GET /broken-off",
    ]  # fmt: skip


@pytest.mark.anyio
async def test_they_go_on_in_the_callers_trace_down_to_the_database(spans: list[ReadableSpan]) -> None:
    requests = {span.context.span_id: span for span in spans if span.attributes and "http.route" in span.attributes}
    assert {f"{span.context.trace_id:032x}" for span in list(requests.values())[1:]} == {TRACE}
    parts = [span for span in spans if span.context.span_id not in requests]
    assert {"database", "wait for a database connection"} <= {span.name for span in parts}
    assert all(span.parent is not None and span.parent.span_id in requests for span in parts)


@pytest.mark.anyio
async def test_no_span_holds_a_value(spans: list[ReadableSpan]) -> None:
    told = "".join(span.to_json() for span in spans)
    assert "sheaf.request_id" in told
    for secret in (SECRET, "b7ad6b7169203331-01", "sheaf_", "127.0.0.1", "INSERT", "SELECT"):
        assert secret not in told
    resource = json.loads(spans[0].to_json())["resource"]["attributes"]
    assert (resource["service.name"], resource["service.version"]) == ("sheaf", "0.1.0")


@pytest.mark.anyio
async def test_an_answer_that_breaks_off_is_an_error_of_its_kind(spans: list[ReadableSpan]) -> None:
    broken = next(span for span in spans if span.name == "GET /broken-off")
    assert (broken.status.status_code, broken.status.description) == (StatusCode.ERROR, "ValueError")
    assert broken.events == ()


def test_without_the_exporter_it_is_said_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    settings = Settings(database_url="postgresql://nobody@127.0.0.1:1/none", data=tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "backend.telemetry", None)
    with pytest.raises(SettingsError, match="the extra `telemetry` is not installed"):
        create_app(settings)
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    create_app(settings)


class _Collector(BaseHTTPRequestHandler):
    """Takes spans as a collector of OpenTelemetry does."""

    taken: ClassVar[list[tuple[str, bytes]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.taken.append((self.path, body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""


@pytest.mark.anyio
async def test_spans_arrive_at_the_address_of_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    with HTTPServer(("127.0.0.1", 0), _Collector) as collector:
        Thread(target=collector.serve_forever).start()
        address = f"http://127.0.0.1:{collector.server_port}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        traces = telemetry({"OTEL_EXPORTER_OTLP_ENDPOINT": address})
        app = Litestar([broken_off])
        async with AsyncClient(transport=ASGITransport(traces.traced(app)), base_url=ADDRESS) as client:
            await client.get("/nowhere")
        await to_thread.run_sync(traces.close)
        collector.shutdown()
    ((path, body),) = _Collector.taken
    assert path == "/v1/traces"
    assert b"GET unknown" in body
