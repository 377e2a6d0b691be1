"""Records as lines of JSON, in a body of any length."""

from __future__ import annotations

from typing import Any

from litestar import Response

from backend.controllers.answers import preference
from backend.controllers.parameters import CallerRequest, wants_minimal
from backend.controllers.uploads import body_chunks
from backend.services.record_streams import RecordStreams

MEDIA_TYPES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})


async def create_from_lines(
    request: CallerRequest,
    streams: RecordStreams,
    ref: str,
    workspace: str | None,
    *,
    if_match: str | None,
    dry_run: bool,
) -> Response[Any]:
    """New records of all lines, or none."""
    await streams.check(request.user, ref, workspace, if_match=if_match)
    with streams.folder.open() as upload:
        await upload.receive(body_chunks(request), request.content_length)
        minimal = wants_minimal(request)
        done, etag = await streams.append(
            request.user, ref, workspace, upload, if_match=if_match, answer=not minimal, dry_run=dry_run
        )
    headers = {"ETag": etag, **preference(minimal=minimal)}
    return Response(done, status_code=200 if dry_run else 201, headers=headers)
