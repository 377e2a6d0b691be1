"""CSV and TSV by RFC 4180: UTF-8, CRLF, a header row, quotes where needed.

Null is an empty field and empty text `""`. A null alone on its line, in a table of one column, is an empty line: the
RFC's own form, which importers skip; `null=NA` keeps such records apart.

`escape_formulas` puts an apostrophe before each text cell and column name that matches `'*[=+-@\\t\\r]…`: any number of
apostrophes, then a character by which a formula begins. Taking one apostrophe from all that match `'+[=+-@\\t\\r]…`
gives every text back, those that began with an apostrophe before included. Numbers, booleans, dates and JSON stay.
"""

from collections.abc import Iterator, Sequence
from io import BytesIO
from operator import itemgetter

import polars as pl
from msgspec import Struct

from backend.schemas.columns import Column
from backend.schemas.exports import ExportOptions
from backend.writers.base import Limits, Rows, Table
from backend.writers.frames import frames, made, rewritten

_FORMULA = r"^'*[=+\-@\t\r]"
_without_line_end = itemgetter(slice(None, -1))


class DelimitedWriter(Struct, frozen=True):
    """Records as lines of fields; the delimiter is `default_delimiter` unless the options name one."""

    media_type: str
    extension: str
    default_delimiter: str
    options: frozenset[str] = frozenset({"bom", "delimiter", "newline", "null", "escape_formulas"})
    limits: Limits | None = None

    def delimiter(self, options: ExportOptions) -> str:
        """COPY does the delimiter itself."""
        return options.separator(self.default_delimiter)

    def measured(self, columns: Sequence[Column]) -> Sequence[Column]:
        """None: texts are written as they are."""
        return ()

    def write(self, rows: Rows, table: Table, options: ExportOptions) -> Iterator[bytes]:
        """The header at once, then a chunk for each list of records (with options that ask for it, for several)."""
        delimiter = self.delimiter(options)
        line_end = b"\r\n" if options.newline == "crlf" else b"\n"
        yield b"\xef\xbb\xbf" * options.bom + _header(table.columns, delimiter, options).encode() + line_end
        if table.columns and (options.null or options.escape_formulas or table.wide):
            for frame in frames(rows, table, delimiter):
                yield _formatted(frame, table.columns, delimiter, options)
        else:
            for some in rows:
                if some:
                    yield _lines(some, line_end)


def _lines(rows: Sequence[bytes], line_end: bytes) -> bytes:
    joined = b"".join(rows)
    if line_end == b"\n":
        return joined
    if joined.count(b"\n") == len(rows):
        return joined.replace(b"\n", line_end)
    return line_end.join(map(_without_line_end, rows)) + line_end


def _header(columns: tuple[Column, ...], delimiter: str, options: ExportOptions) -> str:
    names = pl.Series([column.name for column in columns], dtype=pl.String)
    return delimiter.join(_fields(names, delimiter, options, guard=options.escape_formulas))


def _formatted(frame: pl.DataFrame, columns: tuple[Column, ...], delimiter: str, options: ExportOptions) -> bytes:
    def fields(text: pl.Series, guard: bool, _: list[int]) -> pl.Series:
        return _fields(text, delimiter, options, guard=guard)

    out = BytesIO()
    made(frame, [options.escape_formulas and column.type == "text" for column in columns], fields).write_csv(
        out,
        include_header=False,
        separator=delimiter,
        line_terminator="\r\n" if options.newline == "crlf" else "\n",
        null_value=options.null,
        quote_style="never",
    )
    return out.getvalue()


def _fields(text: pl.Series, delimiter: str, options: ExportOptions, *, guard: bool) -> pl.Series:
    """Quoted as COPY does: what holds a delimiter, quote or line end, and what would read as null or be nothing."""
    if guard:
        text = rewritten(text, text.str.contains(_FORMULA), lambda formula: pl.lit("'") + formula)
    special = text.str.contains(f'["\\r\\n\\x{ord(delimiter):02x}]') | text.is_in(["", options.null])
    return rewritten(text, special, lambda field: '"' + field.str.replace_all('"', '""', literal=True) + '"')


CSV = DelimitedWriter("text/csv; charset=utf-8", "csv", ",")
TSV = DelimitedWriter("text/tab-separated-values; charset=utf-8", "tsv", "\t")
