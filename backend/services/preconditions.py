"""If-Match and If-None-Match (RFC 9110, section 13.1)."""

from __future__ import annotations

from backend.errors import PreconditionFailed


def matches(header: str | None, etag: str, *, weak: bool) -> bool:
    """Whether a list of entity tags, or `*`, names this one; `weak` compares as If-None-Match does."""
    if header is None:
        return False
    if header.strip() == "*":
        return True
    tags = [tag.strip() for tag in header.split(",")]
    if weak:
        return etag.removeprefix("W/") in {tag.removeprefix("W/") for tag in tags}
    return not etag.startswith("W/") and etag in tags


def require_match(if_match: str | None, etag: str, version: int) -> None:
    """Raises PreconditionFailed when the caller has read something older of a dataset that is at this version."""
    if if_match is not None and not matches(if_match, etag, weak=False):
        raise PreconditionFailed(headers={"ETag": etag}, version=version)
