"""Any table that PostgreSQL can hand out is in the file, to the letter."""

import datetime as dt
import io
import re

import openpyxl
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.schemas.columns import Column
from backend.schemas.exports import ExportOptions, Span
from backend.writers import Table, writer_for

Record = list[str | None]

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
NASTY = st.text(st.sampled_from("'=+-@\t\r\n\",;|NA&<>_x000D é\x01"), max_size=8)
CELL = st.none() | TEXT | NASTY | st.sampled_from(["", "NA", "\\.", "_x0041_x0042_"])

DATETIMES = st.datetimes(dt.datetime.fromisoformat("1900-03-01")).map(lambda moment: moment.replace(microsecond=0))


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[Record]]:
    """Column names and records of as many cells."""
    names = draw(st.lists(TEXT | NASTY, min_size=1, max_size=4))
    return names, draw(st.lists(st.lists(CELL, min_size=len(names), max_size=len(names)), max_size=8))


def copied(record: Record, delimiter: str) -> bytes:
    """The record as COPY writes it."""

    def field(value: str | None) -> str:
        if value is None:
            return ""
        special = value == "" or (len(record) == 1 and value == "\\.") or set(value) & {delimiter, '"', "\r", "\n"}
        return '"' + value.replace('"', '""') + '"' if special else value

    return delimiter.join(map(field, record)).encode() + b"\n"


def parsed(text: str, delimiter: str, line_end: str, null: str) -> list[Record]:
    """RFC 4180 by a grammar; an unquoted null word is None, and any other unquoted field must need no quotes."""
    separator = re.escape(delimiter)
    token = re.compile(f'(?:"((?:[^"]|"")*)"|([^"\\r\\n{separator}]*))({separator}|{line_end})')
    records: list[Record] = [[]]
    position = 0
    while position < len(text):
        found = token.match(text, position)
        assert found is not None, text[position : position + 40]
        quoted, plain, end = found.groups()
        records[-1].append(quoted.replace('""', '"') if quoted is not None else None if plain == null else plain)
        if end == line_end:
            records.append([])
        position = found.end()
    assert records.pop() == []
    return records


def unguarded(value: str | None) -> str | None:
    return value[1:] if value is not None and re.match(r"'+[=+\-@\t\r]", value) else value


@settings(max_examples=150, deadline=None)
@given(
    table=tables(),
    name=st.sampled_from(["csv", "tsv"]),
    delimiter=st.sampled_from([None, ",", ";", "|", "^"]),
    newline=st.sampled_from(["crlf", "lf"]),
    null=st.sampled_from(["", "NA", "null", "'"]),
    bom=st.booleans(),
    escape_formulas=st.booleans(),
)
def test_a_delimited_file_holds_the_same_table(table, name, **given_options) -> None:
    names, records = table
    options = ExportOptions(name, **given_options)
    writer = writer_for(options)
    delimiter = writer.delimiter(options)
    columns = tuple(Column(str(position), column, "text") for position, column in enumerate(names))
    lines = [copied(record, delimiter) for record in records]
    data = b"".join(writer.write([lines[:3], lines[3:]], Table("t", columns, len(records)), options))
    text = data.decode("utf-8-sig" if options.bom else "utf-8")
    found = parsed(text, delimiter, "\r\n" if options.newline == "crlf" else "\n", options.null)
    if options.escape_formulas:
        shown = [value for record in found for value in record if value is not None]
        assert not any(re.match(r"[=+\-@\t\r]", value) for value in shown)
        found = [[unguarded(value) for value in record] for record in found]
    assert found == [names, *records]


def read_back(kinds: list[str], records: list[tuple[str | None, ...]]) -> list[tuple[object, ...]]:
    options = ExportOptions(format="xlsx")
    columns = tuple(Column(str(position), f"c{position}", kind) for position, kind in enumerate(kinds))
    lines = [copied(list(record), ",") for record in records]
    data = b"".join(writer_for(options).write([lines], Table("t", columns, len(records)), options))
    sheet = openpyxl.load_workbook(io.BytesIO(data)).active
    return [
        tuple(decoded(value) for value in row)
        for row in sheet.iter_rows(2, 1 + len(records), 1, len(kinds), values_only=True)
    ]


def decoded(value: object) -> object:
    """openpyxl leaves Excel's `_xHHHH_` as it is."""
    if not isinstance(value, str):
        return value
    return re.sub("_x([0-9A-Fa-f]{4})_", lambda escape: chr(int(escape[1], 16)), value)


def as_text(value: object) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return str(value).lower()
        case dt.datetime():
            return value.isoformat()
        case _:
            return str(value)


@settings(max_examples=50, deadline=None)
@given(records=st.lists(st.tuples(CELL, CELL), max_size=8))
def test_a_workbook_holds_the_same_texts(records: list[tuple[str | None, str | None]]) -> None:
    assert read_back(["text", "text"], records) == records


@settings(max_examples=50, deadline=None)
@given(
    records=st.lists(
        st.tuples(
            st.none() | st.integers(-(10**15) + 1, 10**15 - 1),
            st.none() | st.decimals(-(10**9), 10**9, places=4),
            st.none() | st.booleans(),
            st.none() | DATETIMES,
            st.none() | st.integers(10**15),
        ),
        max_size=8,
    )
)
def test_a_workbook_holds_the_same_values(records: list[tuple[object, ...]]) -> None:
    texts = [tuple(map(as_text, record)) for record in records]
    expected = [(*record[:4], None if record[4] is None else str(record[4])) for record in records]
    found = read_back(["integer", "number", "boolean", "datetime", "integer"], texts)
    assert found == [(a, None if b is None else float(b), *rest) for a, b, *rest in expected]


MOMENTS = st.tuples(
    st.datetimes(dt.datetime.fromisoformat("1700-01-01"), dt.datetime.fromisoformat("2250-01-01")), st.integers(0, 999)
)
EPOCH = dt.datetime.fromisoformat("1970-01-01")


@settings(max_examples=50, deadline=None)
@given(
    moments=st.lists(MOMENTS, min_size=1, max_size=4),
    digits=st.integers(0, 9),
    offset=st.none() | st.integers(-15 * 60, 15 * 60),
)
def test_a_parquet_file_holds_the_same_moments(moments, digits: int, offset: int | None) -> None:
    zone = "" if offset is None else f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02}:{abs(offset) % 60:02}"
    fractions = [f".{point.microsecond:06}{nanosecond:03}"[: 1 + digits] for point, nanosecond in moments]
    whole = [point.replace(microsecond=0) for point, _ in moments]
    texts = [f"{at.isoformat()}{rest if digits else ''}{zone}" for at, rest in zip(whole, fractions, strict=True)]
    column = Column("k", "k", "datetime", re.sub("[0-9]", "0", texts[0][: len(texts[0]) - len(zone)]) + zone)
    table = Table("t", (column,), len(texts), extents={"k": Span(min(texts), max(texts))})
    options = ExportOptions(format="parquet")
    data = b"".join(writer_for(options).write([[f"{text}\n".encode() for text in texts]], table, options))
    found = pl.read_parquet(io.BytesIO(data))["k"]
    assert found.dtype.time_zone == (None if offset is None else "UTC")
    seconds = [int((at - EPOCH).total_seconds()) - (offset or 0) * 60 for at in whole]
    expected = [at * 10**9 + int(rest[1:].ljust(9, "0")) for at, rest in zip(seconds, fractions, strict=True)]
    assert found.dt.epoch("ns").to_list() == expected
