"""The cells of one OOXML sheet of the usual shape, by vectorised matching; `sheet_exact` reads the others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

import polars as pl

from backend.readers.workbooks import texts
from backend.readers.workbooks.raw import RAW, TYPES, Type, check_bounds, column_index
from backend.readers.workbooks.strings import OddShape, pieces

CHUNK = 3 << 20
_START = re.compile(rb"<((?:[A-Za-z_][\w.-]*:)?)sheetData\s*(/?)>")
_ROWS = r"(?:</?{p}row[^>]*>|[ \r\n\t])*$"
_PLAIN = r'^r="([A-Z]{1,3})([0-9]{1,7})"([^>]*)><{p}v>([^<]*)</{p}v></{p}c>' + _ROWS
_FULL = (
    r'^r="([A-Z]{1,3})([0-9]{1,7})"([^>]*)>(?:\s*(<{p}f)(?:[^>]*/>|[^>]*>[^<]*</{p}f>))?\s*'
    r"(?:<{p}v[^>]*/>|<{p}v[^>]*>([^<]*)</{p}v>|<{p}is>\s*<{p}t[^>]*/>\s*</{p}is>"
    r"|<{p}is>\s*<{p}t[^>]*>([^<]*)</{p}t>\s*</{p}is>)?\s*(?:</{p}c>)?" + _ROWS
)
_ATTRIBUTE = re.compile(r'([\w:]+)="([^"]*)"')


def fast(blocks: Iterator[bytes]) -> Iterator[pl.DataFrame]:
    """Raw cells by vectorised matching. Raises OddShape as soon as the XML is not of the usual shape."""
    head = bytearray()
    for block in blocks:
        head += block
        if (start := _START.search(head)) or len(head) > CHUNK:
            break
    if not start or b"<!" in head[: start.start()] or _encoded(head):
        raise OddShape
    if start[2]:
        return
    prefix = start[1].decode()
    end = f"</{prefix}sheetData>".encode()
    matcher = _Matcher(prefix)
    for chunk in pieces(chain([bytes(head[start.end() :])], blocks), f"</{prefix}row>".encode(), CHUNK):
        body, closed, _ = chunk.partition(end)
        yield matcher.cells(body)
        if closed:
            return
    raise OddShape


def _encoded(head: bytearray) -> bool:
    declared = re.match(rb"(?:\xef\xbb\xbf)?<\?xml[^>]*encoding=[\"']([\w-]+)", head)
    return head.startswith((b"\xfe\xff", b"\xff\xfe")) or bool(
        declared and declared[1].lower() not in (b"utf-8", b"utf8")
    )


class _Matcher:
    """Takes cells out of whole rows of XML whose elements have this prefix."""

    def __init__(self, prefix: str) -> None:
        escaped = re.escape(prefix)
        self._cell = f"<{prefix}c "
        self._plain, self._full = _PLAIN.replace("{p}", escaped), _FULL.replace("{p}", escaped)
        self._between = re.compile(_ROWS.replace("{p}", escaped))

    def cells(self, body: bytes) -> pl.DataFrame:
        try:
            return self._match(body.decode())
        except (UnicodeDecodeError, pl.exceptions.PolarsError) as error:
            raise OddShape from error

    def _match(self, body: str) -> pl.DataFrame:
        cut = pl.Series([body]).str.split(self._cell).explode()
        if not self._between.match(cut[0] or ""):
            raise OddShape
        cut = cut.slice(1)
        plain = cut.str.extract_groups(self._plain).struct.unnest()
        plain.columns = ["letters", "number", "attributes", "value"]
        missed = plain["letters"].is_null()
        found = plain.with_columns(formula=pl.lit(value=False))
        if missed.any():
            full = self._match_full(cut.filter(missed))
            order = pl.int_range(len(cut), dtype=pl.UInt32, eager=True)
            place = pl.concat([order.filter(~missed), order.filter(missed)]).arg_sort()
            found = pl.concat([found.filter(~missed), full])[place]
        return _typed(found)

    def _match_full(self, cut: pl.Series) -> pl.DataFrame:
        full = cut.str.extract_groups(self._full).struct.unnest()
        full.columns = ["letters", "number", "attributes", "formula", "value", "inline"]
        if full["letters"].null_count():
            raise OddShape
        return full.select(
            "letters",
            "number",
            "attributes",
            pl.coalesce("value", "inline").alias("value"),
            pl.col("formula").is_not_null(),
        )


def _typed(found: pl.DataFrame) -> pl.DataFrame:
    letters = found["letters"].unique()
    columns = pl.DataFrame(
        {"letters": letters, "column": [column_index(name) for name in letters]}, schema_overrides={"column": pl.UInt32}
    )
    attributes = found["attributes"].unique()
    known = [_attributes(text) for text in attributes]
    meaning = pl.DataFrame(
        {"attributes": attributes, "type": [kind for kind, _ in known], "style": [style for _, style in known]},
        schema_overrides={"type": pl.UInt8, "style": pl.UInt32},
    )
    cells = found.join(columns, on="letters", how="left", maintain_order="left").join(
        meaning, on="attributes", how="left", maintain_order="left"
    )
    cells = cells.select(pl.col("number").cast(pl.UInt32).sub(1).alias("row"), *list(RAW)[1:])
    check_bounds(cells)
    is_text = cells["type"] == Type.TEXT
    if is_text.any():
        decoded = texts.decode(cells["value"].filter(is_text))
        cells = cells.with_columns(texts.changed(cells["value"], is_text, decoded.to_list()))
    return cells


def _attributes(text: str) -> tuple[int, int]:
    named = dict(_ATTRIBUTE.findall(text))
    kind = TYPES.get(named.get("t", "n"))
    if kind is None or not named.get("s", "0").isdecimal():
        raise OddShape
    return kind, int(named.get("s", "0"))
