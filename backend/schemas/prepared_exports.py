"""Exports that are made beside the requests, as they go over the wire."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct

from backend.schemas.problems import Problem

ExportState = Literal["queued", "running", "done", "failed"]


class PreparedExport(Struct, frozen=True, omit_defaults=True):
    """How far an export is. `rows` of the whole file, `bytes` of it that are there; `url` where a finished one is.

    `problem` says why one has failed; from the database it comes as JSON text, which is not decoded.
    """

    id: UUID
    state: ExportState
    percent: float
    rows: int
    bytes: int
    filename: str
    media_type: str
    dataset: UUID
    version: int
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None
    url: str | None = None
    problem: Problem | None = None


class PreparedExportList(Struct, frozen=True):
    data: tuple[PreparedExport, ...]
    total: int
    has_more: bool
