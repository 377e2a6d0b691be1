"""If-Match and If-None-Match (RFC 9110, section 13.1)."""

from __future__ import annotations

from backend.errors import PreconditionFailed
from backend.schemas.datasets import Head


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


def require_match(if_match: str | None, head: Head, part: str | None = None) -> None:
    """Raises PreconditionFailed when the caller has read something older of the dataset.

    `part`: the ETag of that part of it which is written; it will do, too.
    """
    etag = part or head.etag
    if if_match is not None and not any(matches(if_match, each, weak=False) for each in (etag, head.etag)):
        raise PreconditionFailed(headers={"ETag": etag}, version=head.dataset.version)
