"""What browsers are told: security headers, and which other sites' scripts may read answers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import backend
from backend.security.headers import protected, readable_from

pytestmark = pytest.mark.anyio
OURS, OTHER = "https://a.example", "https://b.example"
API = "/api/v1/datasets"


async def told(app: Any, method: str = "GET", path: str = API, scheme: str = "http", **headers: str) -> dict[str, str]:
    """The headers of the answer, and its status."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "scheme": scheme, "headers": pairs}
    await app(scope, None, send)
    found: dict[str, str] = {"status": str(sent[0]["status"])}
    for name, value in sent[0]["headers"]:
        found[name.decode()] = ", ".join(filter(None, [found.get(name.decode()), value.decode()]))
    return found


async def answering(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"vary", b"Accept-Encoding")]})
    await send({"type": "http.response.body", "body": b""})


class TestSecurity:
    async def test_nothing_runs_in_a_browser_or_is_framed(self) -> None:
        found = await told(protected(answering, "/schema"))
        assert found == {
            "status": "200",
            "vary": "Accept-Encoding",
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "referrer-policy": "no-referrer",
            "cross-origin-resource-policy": "same-origin",
            "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
        }

    async def test_the_page_about_the_api_runs_its_own_scripts(self) -> None:
        policy = (await told(protected(answering, "/schema"), path="/schema"))["content-security-policy"]
        assert "script-src 'self' 'unsafe-inline'" in policy
        assert "default-src 'none'" in policy
        assert "http" not in policy

    async def test_https_is_asked_for_where_it_is_used(self) -> None:
        found = await told(protected(answering, "/schema"), scheme="https")
        assert found["strict-transport-security"] == "max-age=31536000"


class TestOtherSites:
    @pytest.mark.parametrize("origin", [OTHER, "null", "", "https://a.example.evil", "https://xa.example", "*"])
    async def test_those_not_listed_read_nothing(self, origin: str) -> None:
        found = await told(readable_from([OURS], answering), origin=origin)
        assert found == {"status": "200", "vary": "Accept-Encoding, Origin"}

    async def test_one_that_is_listed_reads_what_it_needs(self) -> None:
        found = await told(readable_from([OTHER, OURS], answering), origin=OURS)
        assert found["access-control-allow-origin"] == OURS
        assert "access-control-allow-credentials" not in found
        exposed = set(found["access-control-expose-headers"].split(", "))
        assert {"ETag", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-Id", "Location"} <= exposed

    async def test_it_reads_every_header_of_our_own(self) -> None:
        exposed = (await told(readable_from([OURS], answering), origin=OURS))["access-control-expose-headers"].split(
            ", "
        )
        sources = "".join(path.read_text() for path in (Path(backend.__file__).parent / "controllers").glob("*.py"))
        own = set(re.findall(r'"((?:X-|Preference-|Content-Range|Accept-Ranges)[A-Za-z-]*)"[:\]]', sources))
        assert {"X-Dataset-Version", "X-From-Version", "X-Row-Count"} <= own <= set(exposed)

    async def test_all_without_cookies(self) -> None:
        found = await told(readable_from(["*"], answering), origin=OTHER, cookie="a=b")
        assert found["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in found

    async def test_a_browser_that_asks_first_is_answered_without_a_key(self) -> None:
        asks = {"origin": OURS, "access_control_request_method": "PATCH"}
        found = await told(readable_from([OURS], answering), "OPTIONS", **asks)
        assert (found["status"], found["access-control-allow-origin"]) == ("204", OURS)
        assert "PATCH" in found["access-control-allow-methods"]
        allowed = found["access-control-allow-headers"].lower().split(", ")
        assert {"x-api-key", "authorization", "if-match", "idempotency-key", "content-type"} <= set(allowed)

    async def test_another_site_that_asks_first_is_not(self) -> None:
        asks = {"origin": OTHER, "access_control_request_method": "PATCH"}
        assert (await told(readable_from([OURS], answering), "OPTIONS", **asks))["status"] == "200"
