"""What an import may be told, and what it reports."""

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct, field

from backend.schemas.columns import ColumnType

Lines = Annotated[int, Meta(ge=0, lt=2**31)]
Delimiter = Annotated[str, Meta(min_length=1, max_length=3, pattern=r"^[^\r\n\x00]*$")]


class ImportOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """What the caller tells about a file; what is left out is detected."""

    encoding: str | None = None
    delimiter: Delimiter | None = None
    quote: Annotated[str, Meta(max_length=1)] | None = None
    escape: Annotated[str, Meta(min_length=1, max_length=1)] | None = None
    header: bool | Annotated[int, Meta(ge=1, lt=2**31)] | None = None
    skip_rows: Lines = 0
    skip_footer: Lines = 0
    sheet: str | int | None = None
    null_values: tuple[str, ...] = ()
    types: dict[str, ColumnType] = field(default_factory=dict)
    on_error: Literal["reject", "null", "skip"] = "reject"
    decimal_comma: bool = False
    date_format: str | None = None
    comment: Delimiter | None = None
    fill_merged: bool = False
    decode_formulas: bool = False


Mode = Literal["create", "append", "replace", "upsert", "sync"]


class ImportRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """All that is asked of one import but its file; as JSON it waits in a queue.

    `dataset`: the one that the file goes into, by id or slug; None for a new one, which `name` may name.
    `key`: the names of the columns by which `upsert` and `sync` find a row's record.
    """

    workspace: str | None = None
    name: str | None = None
    dataset: str | None = None
    mode: Mode = "create"
    key: tuple[str, ...] = ()
    options: ImportOptions = field(default_factory=ImportOptions)
    dry_run: bool = False
    if_match: str | None = None


class ReadWarning(Struct, frozen=True, omit_defaults=True):
    """Something a person should look at. `row` is the line or sheet row a person sees, `cell` e.g. `Sales!C4812`."""

    message: str
    row: int | None = None
    column: str | None = None
    cell: str | None = None
    value: str | None = None


class Warnings:
    """The first warnings in full, the others counted."""

    def __init__(self, keep: int = 100) -> None:
        self._keep = keep
        self.items: list[ReadWarning] = []
        self.total = 0

    @property
    def room(self) -> int:
        """How many more are kept in full."""
        return self._keep - len(self.items)

    def add(
        self,
        message: str,
        *,
        row: int | None = None,
        column: str | None = None,
        cell: str | None = None,
        value: str | None = None,
    ) -> None:
        self.total += 1
        if len(self.items) < self._keep:
            shown = value if value is None or len(value) <= 200 else value[:200] + "…"
            self.items.append(ReadWarning(message, row, column, cell, shown))


class Rejected(Struct, frozen=True, array_like=True):
    """A row that did not go in: where it is as a person counts, why, and its cells as text."""

    row: int
    error: str
    cells: tuple[str | None, ...]


class Refusal(Struct, frozen=True):
    """Why a stricter type was not taken, with the first cells that refuse it."""

    reason: str
    cells: tuple[ReadWarning, ...] = ()


class SuggestedChange(Struct, frozen=True, omit_defaults=True):
    """Members of a column in `PATCH …/schema`, or options of an upload, that take a suggestion."""

    type: ColumnType
    date_format: str | None = None
    decimal_comma: bool = False
    null_values: tuple[str, ...] = ()


class Evidence(Struct, frozen=True, omit_defaults=True):
    """What the whole file says about one column; `patch` is what makes the `suggestion` so."""

    type: ColumnType
    counts: dict[str, int]
    nulls: int
    distinct: int
    min: str | None = None
    max: str | None = None
    longest: int = 0
    refused: dict[str, Refusal] = field(default_factory=dict)
    suggestion: str | None = None
    patch: SuggestedChange | None = None


class SheetInfo(Struct, frozen=True):
    """One sheet of a workbook; `index` counts from 1, `rows` is None where the file does not tell."""

    name: str
    index: int
    visible: bool
    rows: int | None = None


class Changes(Struct, frozen=True):
    """What a file does to a dataset that is there, in records; columns by name.

    `new_columns` are in the file alone, `missing_columns` in the dataset alone.
    """

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    new_columns: tuple[str, ...] = ()
    missing_columns: tuple[str, ...] = ()


class ImportReport(Struct, frozen=True):
    """How a file was read and what came of it."""

    id: UUID
    format: str
    encoding: str | None
    delimiter: str | None
    quote: str | None
    sheet: str | None
    header_row: int | None
    rows: int
    columns: int
    rejected: int
    bytes: int
    sha256: str
    seconds: float
    warnings: tuple[ReadWarning, ...]
    warnings_total: int
