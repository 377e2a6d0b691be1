"""Which content coding an answer may come in."""

from __future__ import annotations

from functools import cache, lru_cache

from backend.services.packing import Coding

_BEST: tuple[Coding, ...] = ("zstd", "gzip")
"""What we know, in the order in which we take it where the client does not say."""


@lru_cache(maxsize=256)
def accepted(header: str) -> Coding:
    """The coding that `Accept-Encoding` (RFC 9110, section 12.5.3) likes best; none where it names none of ours."""
    weights: dict[str, float] = {}
    for item in header.lower().split(","):
        name, _, parameter = item.partition(";")
        weights[name.strip()] = _weight(parameter.replace(" ", ""))
    liked = max(_BEST, key=lambda coding: weights.get(coding, 0.0))
    weight = weights.get(liked, 0.0)
    return liked if weight > 0 and weight >= weights.get("identity", 0.0) else ""


@cache
def coded(coding: Coding) -> tuple[tuple[bytes, bytes], ...]:
    """The headers of an answer in this coding that others may get in another one."""
    varies = b"vary", b"Accept-Encoding"
    return (varies, (b"content-encoding", coding.encode())) if coding else (varies,)


def _weight(parameter: str) -> float:
    try:
        return float(parameter[2:]) if parameter.startswith("q=") else 1.0
    except ValueError:
        return 0.0
