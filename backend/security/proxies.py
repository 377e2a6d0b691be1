"""Who called, where proxies stand in front."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from litestar.enums import ScopeType

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send


def behind(proxies: int, app: ASGIApp) -> ASGIApp:
    """`app`, which takes for its client whom the outermost of so many proxies has seen, and its scheme for that used.

    Each proxy adds an address to the end of X-Forwarded-For; what stands before those was written by the caller.
    """

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            seen = _values(scope, b"x-forwarded-for")
            address = _address(seen[-min(proxies, len(seen))]) if seen else None
            if address is not None:
                scope["client"] = (address, 0)
            if _values(scope, b"x-forwarded-proto")[-1:] == ["https"]:
                scope["scheme"] = "https"
        await app(scope, receive, send)

    return call


def _values(scope: HTTPScope, name: bytes) -> list[str]:
    """All that stands in headers of this name, in order."""
    values = ",".join(value.decode("latin-1") for header, value in scope["headers"] if header == name)
    return [value.strip() for value in values.split(",")] if values else []


def _address(text: str) -> str | None:
    """An address without its port, which some proxies add; None for what is no address."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return None
