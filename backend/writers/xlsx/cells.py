"""Columns of text → the XML of sheet rows, by polars expressions: no Python per row or cell.

A value becomes a typed cell where such a cell holds it exactly, and else a text cell: numbers of more than 15 digits
that are not the shortest form of a double, dates before 1900-03-01, datetimes with a zone or finer than milliseconds.
Text is an inline string, so it is never a formula. Null is no cell.
"""

from collections.abc import Sequence
from io import BytesIO

import polars as pl
from xlsxwriter.utility import xl_col_to_name

from backend.schemas.columns import Column

_SHORT_NUMBER = r"^-?[0-9.]{1,15}$"
_NUMBER = r"^-?[0-9]+(\.[0-9]+)?$"
_LONGEST_NUMBER = 300
_DAY_US = 86_400_000_000
_EPOCH_SERIAL = 25_569
_FIRST_SERIAL = 61
_DATE = "^[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"[0-9]{2}:[0-9]{2}(:[0-5][0-9](\.[0-9]{1,3}0*)?)?$"

_CONTROLS = [*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0xFFFE, 0xFFFF]
_XML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"} | {chr(code): f"_x{code:04X}_" for code in _CONTROLS}
_SPECIAL = "[&<>\\x00-\\x08\\x0b-\\x1f\ufffe\uffff]|_x[0-9A-Fa-f]{4}_"
_LITERAL_ESCAPE = "_(x[0-9A-Fa-f]{4})"


def rows_xml(frame: pl.DataFrame, columns: Sequence[Column], styles: Sequence[int], first: int) -> memoryview:
    """The `<row>` elements of these records, the first of them in sheet row `first` (from 1).

    `frame`: `String` columns named by position. `styles`: for each column the index of its cell format.
    """
    number = pl.int_range(first, first + frame.height, dtype=pl.UInt32).cast(pl.String).alias("row")
    values = _values(frame, columns)
    special = frame.select(pl.all().str.contains(_SPECIAL).any())
    cells = []
    for position, column in enumerate(columns):
        name = str(position)
        reference = f'<c r="{xl_col_to_name(position)}'
        text = _text_cell(reference, pl.col(name), escape=special[name][0])
        if column.type in {"text", "json"}:
            cells.append(text)
            continue
        typed = _typed_cell(reference, pl.lit(values[name]), _attributes(column, styles[position]))
        incomplete = values[name].null_count() > frame[name].null_count()
        cells.append(pl.coalesce(typed, text) if incomplete else typed)
    row = pl.concat_str(pl.lit('<row r="'), "row", pl.lit('">'), *cells, pl.lit("</row>"), ignore_nulls=True)
    out = BytesIO()
    frame.with_columns(number).select(row).write_csv(out, include_header=False, quote_style="never")
    return out.getbuffer()


def _attributes(column: Column, style: int) -> str:
    return (f' s="{style}"' if style else "") + (' t="b"' if column.type == "boolean" else "")


def _typed_cell(reference: str, value: pl.Expr, attributes: str) -> pl.Expr:
    return pl.concat_str(pl.lit(reference), "row", pl.lit(f'"{attributes}><v>'), value, pl.lit("</v></c>"))


def _text_cell(reference: str, text: pl.Expr, *, escape: bool | None) -> pl.Expr:
    if escape:
        text = text.str.replace_all(_LITERAL_ESCAPE, "_x005F_${1}").str.replace_many(_XML)
    opening = '" t="inlineStr"><is><t xml:space="preserve">'
    return pl.concat_str(pl.lit(reference), "row", pl.lit(opening), text, pl.lit("</t></is></c>"))


def _values(frame: pl.DataFrame, columns: Sequence[Column]) -> pl.DataFrame:
    """What stands in `<v>`; null where the value needs a text cell."""
    texts = [(str(position), column) for position, column in enumerate(columns)]
    values = frame.select(_value(pl.col(name), column).alias(name) for name, column in texts)
    longer = [
        _long_number(pl.col(name))
        for name, column in texts
        if column.type in {"integer", "number"} and values[name].null_count() > frame[name].null_count()
    ]
    return values.with_columns(frame.select(longer)) if longer else values


def _value(text: pl.Expr, column: Column) -> pl.Expr:
    shape = column.format or ""
    match column.type:
        case "integer" | "number":
            return pl.when(text.str.contains(_SHORT_NUMBER)).then(text)
        case "boolean":
            return pl.when(text.is_not_null()).then(
                text.str.slice(0, 1).is_in(["t", "T"]).cast(pl.Int8).cast(pl.String)
            )
        case "date":
            days = text.str.to_date("%Y-%m-%d", strict=False).cast(pl.Int32) + _EPOCH_SERIAL
            return pl.when(text.str.contains(_DATE + "$"), days >= _FIRST_SERIAL).then(days.cast(pl.String))
        case "datetime":
            serial = _days(text, "%Y-%m-%d" + (" " if shape[10:11] == " " else "T"), shape[11:]) + _EPOCH_SERIAL
            proper = text.str.contains(_DATE + "[T ]" + _TIME)
            return pl.when(proper, serial >= _FIRST_SERIAL).then(serial.cast(pl.String))
        case "time":
            days = _days(pl.lit("1970-01-01T") + text, "%Y-%m-%dT", shape)
            return pl.when(text.str.contains("^" + _TIME)).then(days.cast(pl.String))
        case _:
            return pl.when(False).then(text)


def _days(text: pl.Expr, date_format: str, time_shape: str) -> pl.Expr:
    """Days since 1970-01-01, with their fraction."""
    time_format = "%H:%M" if time_shape == "00:00" else "%H:%M:%S%.f"
    moment = text.str.to_datetime(date_format + time_format, time_unit="us", strict=False)
    return moment.cast(pl.Int64) / _DAY_US


def _long_number(text: pl.Expr) -> pl.Expr:
    """The numbers that a double holds: up to 15 significant digits, or with a fraction the shortest form of one."""
    digits = text.str.replace(r"^-?[0.]*", "").str.replace(".", "", literal=True).str.len_bytes()
    shortest = text.str.contains(".", literal=True) & (text.cast(pl.Float64, strict=False).cast(pl.String) == text)
    exact = (digits <= 15) | shortest
    return pl.when(text.str.contains(_NUMBER), text.str.len_bytes() <= _LONGEST_NUMBER, exact).then(text)
