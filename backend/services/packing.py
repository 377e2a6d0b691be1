"""Answers packed for their way to the client."""

from __future__ import annotations

import asyncio
from typing import Literal

from backports import zstd
from isal import igzip

Coding = Literal["", "gzip", "zstd"]
"""A content coding (RFC 9110); empty for none."""

_WORTH_IT = 1_000
"""Bytes; a smaller answer fits into one packet as it is."""
_LARGE = 256 * 2**10
"""Bytes; a larger one is packed by a thread, so that no other request waits for it."""
_ZSTD_LEVEL, _GZIP_LEVEL = 3, 2


def pays(body: bytes) -> bool:
    """Whether it is worth packing."""
    return len(body) >= _WORTH_IT


async def packed(body: bytes, coding: Coding) -> bytes:
    """The body in this coding."""
    if len(body) > _LARGE:
        return await asyncio.to_thread(_packed, body, coding)
    return _packed(body, coding)


def _packed(body: bytes, coding: Coding) -> bytes:
    return zstd.compress(body, _ZSTD_LEVEL) if coding == "zstd" else igzip.compress(body, _GZIP_LEVEL)
