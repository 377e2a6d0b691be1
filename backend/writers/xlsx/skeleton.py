"""All of a workbook but its records: made by xlsxwriter, cut open where the records go."""

import re
from collections.abc import Sequence
from io import BytesIO
from zipfile import ZipFile

import polars as pl
from msgspec import Struct
from xlsxwriter import Workbook
from xlsxwriter.utility import xl_col_to_name

from backend.schemas.columns import Column

_NAME_LENGTH = 31
_FORBIDDEN = re.compile(r"[\[\]:*?/\\\x00-\x1f\x7f\ufffe\uffff]+")
_NARROWEST, _WIDEST = 8, 60
_FILTER_BUTTON = 3
_SHEET_PART = "xl/worksheets/sheet"
_PROPERTIES = "docProps/core.xml"
_MOMENTS = re.compile(rb"<dcterms:(created|modified)\b.*?</dcterms:\1>")
_SHEET_DATA = re.compile(rb'<sheetData(?:/>|>(<row r="1".*?</row>)?(?:<row r="2".*?</row>)?</sheetData>)', re.DOTALL)


class Sheet(Struct, frozen=True):
    """One sheet's part: its name in the package, and the XML before and after its `rows` records."""

    part: str
    head: bytes
    tail: bytes
    rows: int


class Skeleton(Struct, frozen=True):
    """`styles`: for each column the index of its cell format; `parts`: everything that is no sheet."""

    parts: dict[str, bytes]
    sheets: tuple[Sheet, ...]
    styles: tuple[int, ...]


def skeleton(title: str, columns: Sequence[Column], counts: Sequence[int], sample: pl.DataFrame) -> Skeleton:
    """A workbook with a sheet for each of `counts` records; the columns are as wide as `sample`'s values ask for.

    It says nothing of when it was written: the same records are the same bytes.
    """
    package = ZipFile(_workbook(title, columns, counts, _widths(columns, sample)))
    parts = {name: package.read(name) for name in package.namelist()}
    parts[_PROPERTIES] = _MOMENTS.sub(b"", parts[_PROPERTIES])
    names = [f"{_SHEET_PART}{number}.xml" for number in range(1, len(counts) + 1)]
    styles = _styles(parts[names[0]].decode(), len(columns))
    sheets = [_cut(name, parts.pop(name), len(columns), count) for name, count in zip(names, counts, strict=True)]
    return Skeleton(parts, tuple(sheets), styles)


def sheet_name(title: str, number: int | None = None) -> str:
    """The title as Excel takes it for a sheet, the `number`-th of several: 31 UTF-16 units, none of `[]:*?/\\`."""
    suffix = "" if number is None else f" ({number})"
    name = " ".join(_FORBIDDEN.sub(" ", title).split()).strip("' ")
    cut = name.encode("utf-16-le")[: 2 * (_NAME_LENGTH - len(suffix))].decode("utf-16-le", "ignore").rstrip("' ")
    return ("Sheet" if cut.lower() in {"", "history"} else cut) + suffix


def _workbook(title: str, columns: Sequence[Column], counts: Sequence[int], widths: Sequence[int]) -> BytesIO:
    """Sheets with a header and, in row 2, one empty cell of each format."""
    out = BytesIO()
    with Workbook(out, {"in_memory": True}) as workbook:
        bold = workbook.add_format({"bold": True})
        codes = [_number_format(column) for column in columns]
        formats = {code: workbook.add_format({"num_format": code}) for code in dict.fromkeys(codes) if code}
        for number, count in enumerate(counts, 1):
            sheet = workbook.add_worksheet(sheet_name(title, number if len(counts) > 1 else None))
            sheet.freeze_panes(1, 0)
            for position, (column, code, width) in enumerate(zip(columns, codes, widths, strict=True)):
                sheet.write_string(0, position, column.name, bold)
                sheet.write_blank(1, position, None, formats.get(code))
                sheet.set_column(position, position, width)
            if columns:
                sheet.autofilter(0, 0, count, len(columns) - 1)
    return out


def _widths(columns: Sequence[Column], sample: pl.DataFrame) -> list[int]:
    """In characters: the longest of the name, beside its filter button, and the sampled values."""
    longest = sample.select(pl.all().str.len_chars().max().fill_null(0)).row(0) if columns and sample.height else ()
    values = longest or (0,) * len(columns)
    return [
        max(_NARROWEST, min(_WIDEST, max(len(column.name) + _FILTER_BUTTON, value + 1)))
        for column, value in zip(columns, values, strict=True)
    ]


def _number_format(column: Column) -> str:
    """How Excel shows the column's typed cells; empty for the general format."""
    match column.type:
        case "integer":
            return "0"
        case "date":
            return "yyyy-mm-dd"
        case "datetime":
            return "yyyy-mm-dd " + _time_format((column.format or "")[11:])
        case "time":
            return _time_format(column.format or "")
        case _:
            return ""


def _time_format(shape: str) -> str:
    if shape == "00:00":
        return "hh:mm"
    fraction = re.match(r"[0:]*(\.0{1,3})?", shape)
    return "hh:mm:ss" + (fraction[1] or "" if fraction else "")


def _styles(sheet: str, columns: int) -> tuple[int, ...]:
    found = {cell: int(style) for cell, style in re.findall(r'<c r="([A-Z]+)2" s="([0-9]+)"', sheet)}
    return tuple(found.get(xl_col_to_name(position), 0) for position in range(columns))


def _cut(part: str, xml: bytes, columns: int, rows: int) -> Sheet:
    last = f"{xl_col_to_name(max(columns - 1, 0))}{rows + 1}"
    xml = re.sub(rb'<dimension ref="[^"]*"', f'<dimension ref="A1:{last}"'.encode(), xml, count=1)
    head, header, tail = _SHEET_DATA.split(xml, maxsplit=1)
    return Sheet(part, head + b"<sheetData>" + (header or b""), b"</sheetData>" + tail, rows)
