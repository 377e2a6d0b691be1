"""Readers: uploaded files in, batches of text columns out."""

from typing import BinaryIO

from backend.readers.base import ReadLimits, Source
from backend.readers.delimited import open_delimited
from backend.schemas.imports import ImportOptions

__all__ = ["ReadLimits", "Source", "open_source"]


def open_source(
    file: BinaryIO, *, filename: str | None, media_type: str | None, options: ImportOptions, limits: ReadLimits
) -> Source:
    """The table in an uploaded file, recognised by content first, then by ending, then by media type.

    Raises UnsupportedFormat, UnreadableFile or LimitExceeded.
    """
    return open_delimited(file, options=options, limits=limits)
