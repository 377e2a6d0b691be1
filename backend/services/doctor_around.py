"""Whether there is room on the disk, and how Redis is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from backend.schemas.findings import Finding, error, fine, warning

_OLDEST = 7
_LEAST = 512 * 2**20
"""Bytes: with less on its disk a private database may stop."""
_GIBIBYTE = 2**30
_OPEN_TO_OTHERS = 0o077


def check_disk(data: Path, spool: Path, *, max_upload: int) -> Iterator[Finding]:
    """The folders need not be there yet."""
    try:
        yield from _disk(data, spool, max_upload)
    except PermissionError as failure:
        yield error(
            "data folder",
            f"{data} is closed to this user: {failure.filename} cannot be looked at.",
            "Run it as the user that the service runs as, such as by `sudo -u`.",
        )


def _disk(data: Path, spool: Path, max_upload: int) -> Iterator[Finding]:
    if data.exists() and data.stat().st_mode & _OPEN_TO_OTHERS:
        yield warning(
            "data folder",
            f"Others on this machine may look into {data}.",
            f"chmod 700 {data}",
        )
    for name, place in _places(data, spool):
        free = _free(place)
        found = f"{place}: {free / _GIBIBYTE:,.1f} GiB free; an upload may take {max_upload / _GIBIBYTE:,.1f} GiB."
        if free < _LEAST:
            yield error(name, found, "Make room: a database whose disk is full takes no writes.")
        elif free < max_upload:
            yield warning(name, found, "Make room, or lower SHEAF_MAX_UPLOAD.")
        else:
            yield fine(name, found)


def _places(data: Path, spool: Path) -> Iterator[tuple[str, Path]]:
    """Two where uploads lie on another disk."""
    folder, waiting = _existing(data), _existing(spool)
    yield "disk", folder
    if waiting.stat().st_dev != folder.stat().st_dev:
        yield "disk of uploads", waiting


def _existing(path: Path) -> Path:
    return next(each for each in (path, *path.absolute().parents) if each.exists())


def _free(path: Path) -> int:
    """Bytes that an ordinary user may still write there."""
    told = os.statvfs(path)
    return told.f_bavail * told.f_frsize


def check_redis(url: str) -> Iterator[Finding]:
    """Without an address `sheaf serve` starts a private one, which is as it should be."""
    if not url:
        yield fine("redis", "A private Valkey, which `sheaf serve` starts.")
        return
    try:
        with Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5) as redis:
            told: dict[str, Any] = redis.info()
    except (RedisError, OSError, ValueError) as failure:
        yield warning(
            "redis",
            f"Redis cannot be asked: {_first_line(failure)}",
            "Look whether it runs, and at SHEAF_REDIS_URL. The service works on without it, but each worker keeps its"
            " own answers, and no rate limit holds.",
        )
        return
    yield from _redis(told)


def _redis(told: dict[str, Any]) -> Iterator[Finding]:
    name = "Valkey" if "valkey_version" in told else "Redis"
    number = str(told.get("valkey_version") or told.get("redis_version", "0"))
    most, policy = int(told.get("maxmemory", 0)), str(told.get("maxmemory_policy", "noeviction"))
    memory = f"at most {most / 2**20:,.0f} MiB, {policy}" if most else "as much memory as it likes"
    found = f"{name} {number}, {memory}."
    if int(number.partition(".")[0]) < _OLDEST:
        yield error("redis", found, f"Upgrade it: Sheaf needs Redis {_OLDEST} or Valkey.")
    elif most and policy == "noeviction":
        yield warning("redis", found, "When it is full it takes no more answers: set maxmemory-policy allkeys-lru.")
    elif not most:
        yield warning("redis", found, "Set maxmemory (256mb will do) and maxmemory-policy allkeys-lru.")
    else:
        yield fine("redis", found)


def _first_line(failure: Exception) -> str:
    return (str(failure).strip().splitlines() or [type(failure).__name__])[0].rstrip(".") + "."
