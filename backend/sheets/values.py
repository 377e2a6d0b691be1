"""From raw cells to what a person reads: canonical text and its kind, columns at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cached_property

import polars as pl

from backend.errors import UnreadableFile
from backend.schemas.kinds import Kind
from backend.sheets import texts
from backend.sheets.calendar import Calendar
from backend.sheets.formats import Format, Style
from backend.sheets.protocol import Problem, address
from backend.sheets.raw import Type

KEEP = 100
_CANONICAL = r"^(?:-?[1-9][0-9]{0,14}|-?(?:0|[1-9][0-9]{0,13})\.[0-9]{0,13}[1-9]|0)$"
CELLS = {"line": pl.UInt32, "row": pl.UInt32, "column": pl.UInt32, "text": pl.String, "kind": pl.UInt8}
"""Columns of a frame of cells that have been read."""


class Values:
    """Turns the raw cells of one sheet into text.

    `strings` gives the shared strings, asked for once they are needed; `formats` are one number format per style,
    `from_1904` is the date system.
    """

    def __init__(self, strings: Callable[[], pl.Series], formats: Sequence[Format], *, from_1904: bool) -> None:
        self._load_strings = strings
        self._formats = formats or (Format(),)
        self._looks = pl.Series([format_.style for format_ in self._formats], dtype=pl.UInt8)
        self._calendar = Calendar(from_1904=from_1904)
        self._problems: list[Problem] = []
        self._problems_total = 0

    @cached_property
    def _strings(self) -> tuple[pl.Series, bool]:
        """The shared strings, and whether any holds a NUL character."""
        strings = self._load_strings()
        return strings, bool(strings.str.contains("\0", literal=True).any())

    def take_problems(self) -> tuple[tuple[Problem, ...], int]:
        """The problems since the last call, and how many there were in all."""
        taken = tuple(self._problems), self._problems_total
        self._problems.clear()
        self._problems_total = 0
        return taken

    def resolve(self, cells: pl.DataFrame) -> tuple[pl.Series, pl.DataFrame]:
        """The rows (from 0) that may hold something, and the cells that do, in another order than the sheet's.

        Cells have `line` (which of those rows), `row`, `column`, `text` (null for an error) and `kind`.
        Raises UnreadableFile where a cell refers to a text that is not there, or holds a NUL character.
        """
        self._report(cells.filter(pl.col("formula") & pl.col("value").is_null()), "A formula without a stored value")
        valued = cells.filter(pl.col("value").is_not_null())
        valued = valued.with_columns(line=pl.col("row").rle_id())
        rows = valued["row"].rle().struct.field("value")
        readers: dict[object, Callable[[pl.DataFrame], pl.DataFrame]] = {
            Type.NUMBER: self._numbers,
            Type.SHARED: self._shared,
            Type.TEXT: _texts,
            Type.BOOLEAN: _booleans,
            Type.ERROR: self._errors,
            Type.ISO: self._calendar.iso,
        }
        parts = [readers[kind](part) for (kind,), part in valued.partition_by("type", as_dict=True).items()]
        return rows, pl.concat([pl.DataFrame(schema=CELLS), *(part.select(*CELLS) for part in parts)])

    def _report(self, cells: pl.DataFrame, message: str) -> None:
        self._problems_total += cells.height
        for row, column, value in cells.select("row", "column", "value").head(KEEP).iter_rows():
            self._problems.append(Problem(row, column, message, value))

    def _shared(self, cells: pl.DataFrame) -> pl.DataFrame:
        strings, with_nul = self._strings
        index = cells["value"].str.strip_chars().cast(pl.UInt32, strict=False)
        if index.null_count() or int(index.max()) >= len(strings):  # type: ignore[arg-type]
            raise UnreadableFile("The workbook is damaged: a cell refers to a shared text that is not there.")
        found = cells.with_columns(text=strings.gather(index))
        if with_nul:
            _refuse_nul(found)
        return found.filter(pl.col("text") != "").with_columns(kind=_kind(Kind.TEXT))

    def _errors(self, cells: pl.DataFrame) -> pl.DataFrame:
        self._report(cells, "An error value, taken as null")
        return cells.with_columns(text=pl.lit(None, pl.String), kind=_kind(Kind.ERROR))

    def _numbers(self, cells: pl.DataFrame) -> pl.DataFrame:
        style = cells["style"].clip(upper_bound=len(self._formats))
        looks = pl.concat([self._looks, pl.Series([0], dtype=pl.UInt8)]).gather(style)
        parts = []
        for (look,), group in cells.with_columns(look=looks).partition_by("look", as_dict=True).items():
            if look == Style.NUMBER:
                parts.append(_plain_numbers(group))
            elif look == Style.PADDED:
                parts.append(self._padded(group))
            else:
                parts.append(self._dates(group))
        return pl.concat([part.select(*CELLS) for part in parts])

    def _dates(self, cells: pl.DataFrame) -> pl.DataFrame:
        read = self._calendar.serials(cells.with_columns(serial=floats(cells["value"])))
        no_date = pl.col("kind").is_null()
        if not read.select(no_date.any()).item():
            return read
        others = _plain_numbers(read.filter(no_date).drop("text", "kind"))
        return pl.concat([read.filter(~no_date).select(*CELLS), others.select(*CELLS)])

    def _padded(self, cells: pl.DataFrame) -> pl.DataFrame:
        read = _plain_numbers(cells)
        parts = []
        for (style,), group in read.partition_by("style", as_dict=True).items():
            template = self._formats[int(str(style))].template
            whole = pl.col("text").str.contains("^[0-9]+$")
            parts.append(
                group.with_columns(
                    text=pl.when(whole).then(_fill(pl.col("text"), template)).otherwise("text"),
                    kind=pl.when(whole).then(_kind(Kind.TEXT)).otherwise("kind"),
                )
            )
        return pl.concat(parts)


def no_strings() -> pl.Series:
    """For formats without shared strings."""
    return pl.Series([], dtype=pl.String)


def _kind(kind: Kind) -> pl.Expr:
    return pl.lit(int(kind), pl.UInt8)


def _texts(cells: pl.DataFrame) -> pl.DataFrame:
    found = cells.filter(pl.col("value") != "").with_columns(text=pl.col("value"), kind=_kind(Kind.TEXT))
    _refuse_nul(found)
    return found


def _refuse_nul(cells: pl.DataFrame) -> None:
    bad = cells.filter(pl.col("text").str.contains("\0", literal=True)).sort("row", "column")
    if bad.height:
        raise UnreadableFile(f"Cell {address(bad['row'][0], bad['column'][0])} holds a NUL character.")


def _booleans(cells: pl.DataFrame) -> pl.DataFrame:
    word = pl.col("value").str.strip_chars()
    yes, no = word.is_in(["1", "true", "TRUE"]), word.is_in(["0", "false", "FALSE"])
    known = pl.when(yes).then(pl.lit("true")).when(no).then(pl.lit("false"))
    return cells.with_columns(
        text=pl.coalesce(known, "value"),
        kind=pl.when(known.is_null()).then(_kind(Kind.TEXT)).otherwise(_kind(Kind.BOOLEAN)),
    )


def _fill(digits: pl.Expr, template: str) -> pl.Expr:
    """Digits under a template from the right: `501` under `00000` is `00501`, `12345678` under `000-00-0000` too."""
    zeros = template.count("0")
    padded = digits.str.zfill(zeros)
    pieces: list[pl.Expr] = []
    before = -zeros
    pieces.append(padded.str.slice(0, padded.str.len_chars() - zeros))
    for char in template:
        if char == "0":
            pieces.append(padded.str.slice(before, 1))
            before += 1
        else:
            pieces.append(pl.lit(char))
    return padded if template == "0" * zeros else pl.concat_str(pieces)


def _plain_numbers(cells: pl.DataFrame) -> pl.DataFrame:
    """Each number in the shortest decimal form of its double, never with an exponent; what is none stays text."""
    value = pl.col("value")
    usual = value.str.contains(_CANONICAL) & (value.str.len_bytes() <= 16)
    cells = cells.with_columns(text=value, kind=_kind(Kind.NUMBER), usual=usual)
    if cells["usual"].all():
        return cells
    others = cells.filter(~pl.col("usual"))
    exact = canonical(others["value"])
    others = others.with_columns(
        text=pl.coalesce(exact, value),
        kind=pl.when(exact.is_null()).then(_kind(Kind.TEXT)).otherwise(_kind(Kind.NUMBER)),
    )
    return pl.concat([cells.filter("usual"), others])


def canonical(values: pl.Series) -> pl.Series:
    """The shortest decimal form of the double behind each text; null for what is no number."""
    text = floats(values).cast(pl.String).str.strip_suffix(".0").replace("-0", "0")
    scientific = text.str.contains("e", literal=True).fill_null(value=False)
    if not scientific.any():
        return text
    return texts.changed(text, scientific, [format(Decimal(item), "f") for item in text.filter(scientific)])


def floats(values: pl.Series) -> pl.Series:
    """The doubles that these texts name; null for what is no number."""
    read = values.str.strip_chars().cast(pl.Float64, strict=False)
    return read.zip_with(read.is_finite(), pl.Series([None], dtype=pl.Float64))
