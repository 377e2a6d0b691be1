"""Imports that run or ran, and files that are kept, as they go over the wire."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct, field

from backend.schemas.datasets import Dataset, ImportAnswer
from backend.schemas.imports import Changes, ImportOptions, ImportReport
from backend.schemas.plans import Plan
from backend.schemas.problems import Problem

ImportState = Literal["queued", "running", "done", "failed", "cancelled"]


class ImportStatus(Struct, frozen=True, omit_defaults=True):
    """How far an import is. `percent` is of the whole import; `bytes` the file's size; `dataset` what it made.

    `report`, `dataset` and `changes`, or `datasets` of all sheets of a workbook, are what a caller who waits is
    answered; `plan` or `plans` the same for a dry run, `problem` for a failure. From the database these come as JSON
    text, which is not decoded.
    """

    id: UUID
    state: ImportState
    phase: str
    rows: int
    bytes: int
    percent: float
    rows_per_second: float | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    dataset: Dataset | None
    datasets: tuple[ImportAnswer, ...] | None = None
    report: ImportReport | None = None
    changes: Changes | None = None
    plan: Plan | None = None
    plans: tuple[Plan, ...] | None = None
    problem: Problem | None = None


class ImportList(Struct, frozen=True):
    data: tuple[ImportStatus, ...]
    total: int
    has_more: bool


class KeptUpload(Struct, frozen=True, omit_defaults=True):
    """A file that is kept; `plan` is what a new dataset would be made of, `plans` the same for all sheets."""

    id: UUID
    filename: str | None
    bytes: int
    sha256: str
    expires_at: datetime
    plan: Plan | None = None
    plans: tuple[Plan, ...] | None = None


class UploadedDataset(Struct, frozen=True, forbid_unknown_fields=True):
    """A new dataset from a file that is kept."""

    upload: UUID
    name: str | None = None
    workspace: str | None = None
    options: ImportOptions = field(default_factory=ImportOptions)
    dry_run: bool = False


class UploadedFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file that is kept, into a dataset that is there."""

    upload: UUID
    mode: Literal["append", "replace", "upsert", "sync"] = "append"
    key: str | Annotated[tuple[str, ...], Meta(max_length=100)] = ()
    options: ImportOptions = field(default_factory=ImportOptions)
    dry_run: bool = False
