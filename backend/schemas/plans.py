"""What an import would do, without doing it."""

from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from msgspec import Raw, Struct

from backend.schemas.datasets import ColumnInfo
from backend.schemas.imports import ImportReport, ReadWarning, SheetInfo


class Cell(Struct, frozen=True):
    """One cell that would change, as JSON values."""

    before: Raw | None
    after: Raw | None


class Against(Struct, frozen=True):
    """What the file would do to a dataset that is there.

    `new_columns` are in the file alone, `missing_columns` in the dataset alone. `samples`: a few records of each kind
    that is `added`, `changed` (cell by cell) or `removed`.
    """

    version: int
    added: int
    changed: int
    removed: int
    unchanged: int
    new_columns: tuple[str, ...]
    missing_columns: tuple[str, ...]
    samples: dict[str, list[dict[str, Any]]]


class KeptFile(Struct, frozen=True):
    """A file that can be imported by its id, without being sent again."""

    id: UUID
    expires_at: datetime


class Plan(Struct, frozen=True, rename={"report": "import"}):
    """What an import would do: how the file is read, what its columns would be, its first rows, the bad cells.

    `bad_cells` holds the first of them, `bad_cells_total` counts all; with `on_error=reject` one is enough for the
    import to be `refused`. `rows`: the first ones as text, a null cell as null.
    """

    report: ImportReport
    sheets: tuple[SheetInfo, ...]
    columns: tuple[ColumnInfo, ...]
    rows: list[dict[str, str | None]]
    bad_cells: tuple[ReadWarning, ...]
    bad_cells_total: int
    refused: bool
    against: Against | None = None
    upload: KeptFile | None = None


class SheetPlans(Struct, frozen=True):
    """The plans of all sheets of a workbook; `warnings` tell which sheets were left out."""

    plans: tuple[Plan, ...]
    warnings: tuple[ReadWarning, ...]
    upload: KeptFile | None = None


AnyPlan: TypeAlias = Plan | SheetPlans
