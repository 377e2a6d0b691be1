"""Settings that are dangerous together, or too much for this machine."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator

from backend.schemas.findings import Finding, error, fine, warning
from backend.settings import Settings


def check_settings(settings: Settings) -> Iterator[Finding]:
    """What can be known without asking anybody."""
    found = [*_doors(settings), *_room(settings)]
    yield from found or [fine("settings", "No setting is dangerous beside the others.")]


def _doors(settings: Settings) -> Iterator[Finding]:
    """Who can come in."""
    public = not _is_loopback(settings.host)
    if settings.key_policy == "any":
        make = error if public else warning
        yield make(
            "keys",
            f"SHEAF_KEY_POLICY=any lets every well-formed key in, at the address {settings.host}.",
            "That is for development: take it out, and make keys with `sheaf user create`.",
        )
    if public and settings.registration == "open":
        yield warning(
            "registration",
            f"SHEAF_REGISTRATION=open lets anyone make a user, at the address {settings.host}.",
            "Take it out unless that is meant; `sheaf user create` makes users.",
        )
    if public and not settings.rates:
        yield warning(
            "rate limit",
            f"Callers may send any number of requests, at the address {settings.host}.",
            "Set SHEAF_RATE_LIMIT, such as 600/minute, unless a proxy in front does so.",
        )
    if public and "*" in settings.origins:
        yield warning("origins", "Pages of every origin may call the service.", "Name yours in SHEAF_CORS_ORIGINS.")


def _room(settings: Settings) -> Iterator[Finding]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if settings.workbook_memory > memory // 2:
        yield warning(
            "workbooks",
            f"One workbook may take {settings.workbook_memory / 2**20:,.0f} MiB, and the machine has"
            f" {memory / 2**20:,.0f} MiB.",
            "Lower SHEAF_WORKBOOK_MEMORY.",
        )
    processors = os.cpu_count() or 1
    if settings.workers > 2 * processors:
        yield warning(
            "workers",
            f"{settings.workers} workers share {processors} processors.",
            "One worker per processor is a good number: lower SHEAF_WORKERS.",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
