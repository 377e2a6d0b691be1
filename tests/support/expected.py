"""The list of real files beside the checkout, and what must come of each (see the README in that folder)."""

import gzip
import os
import zipfile
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
MISSING = f"the folder of real files ({'/'.join(DATA.parts[-2:])} beside the checkout) is not there"


ALL_FILES = "ALL_FILES" in os.environ
"""Whether a run may take longer than twenty minutes."""


class Expected(Struct, kw_only=True):
    """One file, or one sheet of it. A field that is missing is not known for sure."""

    path: str = ""
    format: str = ""
    outcome: str = "ok"
    container: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    sheet: str | None = None
    options: dict[str, Any] = {}
    header_row: int | list[int] | UnsetType | None = UNSET
    rows: int | None = None
    columns: list[str] | str | None = None
    column_count: int | None = None
    extra_columns: int = 0
    types: dict[str, str] = {}
    cells: list[tuple[int, int | str, str | None]] = []
    more: list["Expected"] = []

    @property
    def file(self) -> Path:
        return DATA / self.path

    @property
    def content(self) -> bytes:
        """The bytes of the file, out of its container."""
        if self.container == "gzip":
            return gzip.decompress(self.file.read_bytes())
        if self.container == "zip":
            with zipfile.ZipFile(self.file) as archive:
                return archive.read(archive.namelist()[0])
        return self.file.read_bytes()

    @property
    def names(self) -> list[str] | None:
        """The columns' names, those of rows longer than the header left out."""
        if isinstance(self.columns, str):
            return [f"c{number}" for number in range(1, (self.column_count or 0) + 1)]
        return self.columns


class SheetCell(NamedTuple):
    row: int
    column: int
    kind: str
    text: str | None


class Sheet(Struct):
    """What independent readers found in one sheet; `complete`: nothing but the cells listed."""

    path: str
    sheet: str
    index: int
    visible: bool
    readers: int
    complete: bool
    cells: list[SheetCell]


@cache
def expected() -> tuple[Expected, ...]:
    """Every entry; further sheets of a workbook stand as entries of their own."""
    found = []
    for entry in msgspec.json.decode((DATA / "expected.json").read_bytes(), type=list[Expected]):
        found.append(entry)
        found += [msgspec.structs.replace(each, path=entry.path, format=entry.format) for each in entry.more]
    return tuple(found)


def some(entries: list[Expected]) -> list[Expected]:
    """Every second one, or all if they are asked for by `ALL_FILES=1`."""
    return entries if ALL_FILES else entries[::2]


@cache
def sheets() -> dict[tuple[str, str], Sheet]:
    """The truth about workbooks, by path and name of the sheet."""
    lines = (DATA / "workbooks-truth.ndjson").read_bytes().splitlines()
    found = [msgspec.json.decode(line, type=Sheet) for line in lines]
    return {(each.path, each.sheet): each for each in found}


def name(entry: Expected) -> str:
    """How a test of this entry is called."""
    sheet = entry.options.get("sheet")
    return entry.path if sheet is None else f"{entry.path}:{sheet}"
