"""Whom the service takes for its caller behind proxies."""

from __future__ import annotations

from typing import Any

import pytest

from backend.security.proxies import behind

pytestmark = pytest.mark.anyio
PEER = "10.0.0.9"


async def seen(proxies: int, *forwarded: str, proto: str = "") -> tuple[str, str]:
    """Client and scheme that the application sees."""
    found: list[dict[str, Any]] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        found.append(scope)

    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    headers += [(b"x-forwarded-proto", proto.encode())] if proto else []
    scope = {"type": "http", "headers": headers, "client": (PEER, 1), "scheme": "http"}
    await behind(proxies, app)(scope, None, None)  # type: ignore[arg-type]
    return found[0]["client"][0], found[0]["scheme"]


@pytest.mark.parametrize(
    ("proxies", "forwarded", "client"),
    [
        (1, ["1.1.1.1"], "1.1.1.1"),
        (1, ["6.6.6.6, 1.1.1.1"], "1.1.1.1"),
        (1, ["6.6.6.6", "1.1.1.1"], "1.1.1.1"),
        (2, ["6.6.6.6, 1.1.1.1, 10.0.0.8"], "1.1.1.1"),
        (2, ["1.1.1.1"], "1.1.1.1"),
        (1, ["1.1.1.1:4711"], "1.1.1.1"),
        (1, ["[2001:db8::1]:4711"], "2001:db8::1"),
        (1, ["2001:DB8::1"], "2001:db8::1"),
        (1, ["unknown"], PEER),
        (1, [""], PEER),
        (1, [","], PEER),
        (1, [], PEER),
    ],
)
async def test_the_caller_is_whom_the_outermost_proxy_saw(proxies: int, forwarded: list[str], client: str) -> None:
    assert (await seen(proxies, *forwarded))[0] == client


@pytest.mark.parametrize(("proto", "scheme"), [("https", "https"), ("http", "http"), ("", "http"), ("x", "http")])
async def test_the_scheme_is_what_the_caller_used(proto: str, scheme: str) -> None:
    assert (await seen(1, "1.1.1.1", proto=proto))[1] == scheme
