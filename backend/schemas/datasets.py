"""Datasets as they go over the wire, and a dataset at one version as the layers below hand it around."""

from datetime import datetime
from typing import Annotated, NewType
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from backend.schemas.columns import Column, ColumnType
from backend.schemas.imports import Changes, Evidence, ImportReport, ReadWarning

Store = NewType("Store", UUID)
"""What a record table is called by: the dataset's own id, until all of its records are written anew."""

Description = Annotated[str, Meta(max_length=10_000, pattern=r"^[^\x00]*$")]


class Dataset(Struct, frozen=True, omit_defaults=True):
    """`key`: the column by whose values records are found too. `keep_versions`, `keep_days`: which versions stay;
    without both all of them.
    """

    id: UUID
    slug: str
    name: str
    description: str | None
    kind: str
    workspace: UUID
    owner: UUID
    version: int
    rows: int
    columns: int
    bytes: int
    created_at: datetime
    updated_at: datetime
    key: str | None = None
    keep_versions: int | None = None
    keep_days: int | None = None


class Head(Struct, frozen=True):
    """A dataset with what only the service needs: its newest version's token and its bookkeeping.

    `store`: where its records lie. `busy`: who has the dataset to itself for now, an import as a rule. `key`: the
    immutable key of the key column.
    """

    dataset: Dataset
    token: str
    revision: int
    store: Store
    open_schema: bool
    next_id: int
    busy: UUID | None = None
    key: str | None = None

    @property
    def etag(self) -> str:
        return f'"{self.token}.{self.revision}"'


class Snapshot(Struct, frozen=True, cache_hash=True):
    """A dataset at one version: all that a read needs to know. `store`: where its records lay when it was found."""

    dataset_id: UUID
    store: Store
    version: int
    token: str
    rows: int
    columns: tuple[Column, ...]
    name: str
    revision: int


class ColumnCreate(Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=1000)]
    type: ColumnType = "text"
    nullable: bool = True
    description: Description | None = None


class DatasetCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """An empty dataset; without `columns` it takes any JSON object and its schema grows."""

    name: str
    description: Description | None = None
    columns: tuple[ColumnCreate, ...] | None = None
    workspace: str | None = None


class DatasetPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """Absent leaves a field alone; a null description clears it.

    `key`: the column by whose values records are found too, each of one record alone; null: by none.
    `keep_versions`: so many of the newest versions are kept, `keep_days`: those of the last so many days; a version
    stays that either keeps. Null: all of them.
    """

    name: str | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    key: str | UnsetType | None = UNSET
    keep_versions: Annotated[int, Meta(ge=1, le=2**31 - 1)] | UnsetType | None = UNSET
    keep_days: Annotated[int, Meta(ge=1, le=36_500)] | UnsetType | None = UNSET


class DatasetList(Struct, frozen=True):
    data: tuple[Dataset, ...]
    total: int
    has_more: bool


class ImportAnswer(Struct, frozen=True, omit_defaults=True, rename={"report": "import"}):
    """What an upload answers; `changes` where the dataset was there before."""

    dataset: Dataset
    report: ImportReport
    changes: Changes | None = None

    @property
    def rows(self) -> int:
        return self.report.rows

    @property
    def dataset_id(self) -> UUID | None:
        return self.dataset.id


class SheetsAnswer(Struct, frozen=True):
    """What an upload of all of a workbook's sheets answers; `warnings` tell which sheets were left out."""

    datasets: tuple[ImportAnswer, ...]
    warnings: tuple[ReadWarning, ...]

    @property
    def rows(self) -> int:
        return sum(each.rows for each in self.datasets)

    @property
    def dataset_id(self) -> UUID | None:
        """None: there are several."""
        return None


class ColumnInfo(Struct, frozen=True):
    """One column of a schema; `evidence` is null where no file said anything about it."""

    name: str
    type: ColumnType
    nullable: bool
    description: str | None
    format: str | None
    evidence: Evidence | None


class Schema(Struct, frozen=True):
    version: int
    columns: tuple[ColumnInfo, ...]
