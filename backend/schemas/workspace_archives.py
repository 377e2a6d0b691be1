"""What an exported workspace says about itself, and what its import answers."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from backend.schemas.datasets import ColumnInfo, Description
from backend.schemas.exports import ExportOptions
from backend.schemas.workspaces import Workspace

MANIFEST = "manifest.json"
FORMAT = "sheaf-workspace"
FORMAT_VERSION = 1
"""Goes up when an older server could no longer read an archive right."""

Slug = Annotated[str, Meta(min_length=1, max_length=100)]
Counted = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class ArchivedFile(Struct, frozen=True):
    """A file of the archive: its name in there, its size in bytes and its SHA-256 in hexadecimal."""

    file: Annotated[str, Meta(min_length=1, max_length=1000)]
    bytes: Counted
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class ArchivedColumns(Struct, frozen=True):
    """The schema file of a dataset: as `GET …/schema` answers, but for the version's number."""

    columns: tuple[ColumnInfo, ...]


class ArchivedDataset(Struct, frozen=True):
    """A dataset at its newest version, which `created_at` to `tag` are about, and the files that hold it.

    `data`: the records; `schema`: the columns; `versions`: one line of JSON for each version that is kept, as
    `GET …/versions` tells it, the oldest first.
    """

    id: UUID
    slug: Slug
    name: str
    description: Description | None
    kind: str
    open_schema: bool
    key: str | None
    keep_versions: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None
    keep_days: Annotated[int, Meta(ge=1, le=36_500)] | None
    rows: Counted
    columns: Counted
    version: Counted
    created_at: datetime
    author: UUID
    operation: str
    note: str | None
    tag: str | None
    data: ArchivedFile
    schema: ArchivedFile
    versions: ArchivedFile

    @property
    def files(self) -> tuple[ArchivedFile, ...]:
        return self.data, self.schema, self.versions


class ArchivedWorkspace(Struct, frozen=True):
    id: UUID
    slug: Slug
    name: str
    description: Description | None


class ManifestHead(Struct, frozen=True):
    """By which an archive of ours is known, whatever else is in it."""

    format: str
    format_version: int


class Manifest(ManifestHead, frozen=True):
    """`options`: how the data files are written."""

    exported_at: datetime
    workspace: ArchivedWorkspace
    options: ExportOptions
    datasets: tuple[ArchivedDataset, ...]

    @property
    def rows(self) -> int:
        return sum(dataset.rows for dataset in self.datasets)


class ImportedFrom(Struct, frozen=True):
    """Where a dataset comes from: the workspace, the dataset and the version in the service that exported it."""

    workspace: UUID
    dataset: UUID
    version: int


class ImportedDataset(Struct, frozen=True):
    """A dataset as it came in; `id` is null in a dry run. `bytes` and `sha256` are of its data file."""

    id: UUID | None
    slug: str
    name: str
    rows: int
    columns: int
    bytes: int
    sha256: str
    origin: ImportedFrom


class PlannedWorkspace(Struct, frozen=True):
    """A workspace that an import would make."""

    slug: str
    name: str
    description: str | None


class WorkspaceImport(Struct, frozen=True):
    """What an import of a workspace made."""

    workspace: Workspace
    datasets: tuple[ImportedDataset, ...]
    rows: int
    seconds: float


class WorkspaceImportPlan(Struct, frozen=True):
    """What an import of a workspace would make; every file was read to its end."""

    workspace: PlannedWorkspace
    datasets: tuple[ImportedDataset, ...]
    rows: int


class WorkspaceImportRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked of an import; without `name` and `slug` they are those of the archive."""

    name: str | None = None
    slug: str | None = None
    dry_run: bool = False
