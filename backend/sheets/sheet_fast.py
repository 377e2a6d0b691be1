"""The cells of one OOXML sheet of the usual shape, by vectorised matching; `sheet_exact` reads the others."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain

import polars as pl

from backend.sheets import texts
from backend.sheets.raw import RAW, TYPES, Type, check_bounds, column_index
from backend.sheets.strings import OddShape, pieces

CHUNK = 3 << 20
AHEAD = 2
"""Chunks that are matched before they are asked for."""
_START = re.compile(rb"<((?:[A-Za-z_][\w.-]*:)?)sheetData\s*(/?)>")
_ROWS = r"(?:</?{p}row[^>]*>|[ \r\n\t])*$"
_CELL = r'^r="(?<letters>[A-Z]{1,3})(?<number>[0-9]{1,7})"(?<attributes>[^>]*)>'
_INLINE = r"<{p}is>\s*<{p}t[^>]*>(?<value>[^<]*)</{p}t>\s*</{p}is>"
_SHAPES = (
    _CELL + "<{p}v>(?<value>[^<]*)</{p}v></{p}c>" + _ROWS,
    _CELL + _INLINE + "</{p}c>" + _ROWS,
    _CELL + r"\s*(?<formula><{p}f)(?:[^>]*/>|[^>]*>[^<]*</{p}f>)\s*"
    r"(?:<{p}v[^>]*/>|<{p}v[^>]*>(?<value>[^<]*)</{p}v>)?\s*</{p}c>" + _ROWS,
    _CELL + r"\s*(?:<{p}v[^>]*/>|<{p}v[^>]*>(?<value>[^<]*)</{p}v>|<{p}is>\s*<{p}t[^>]*/>\s*</{p}is>)?\s*"
    r"(?:</{p}c>)?" + _ROWS,
)
"""What stands behind `<c `, most frequent first: a value, a text in place, a formula, a cell that holds little."""
_FOUND = ["order", "letters", "number", "attributes", "value", "formula"]
_ATTRIBUTE = re.compile(r'([\w:]+)="([^"]*)"')


def fast(blocks: Iterator[bytes], after: Callable[[bytes], None]) -> Iterator[tuple[pl.DataFrame, int]]:
    """Raw cells by vectorised matching, each time with the bytes of XML read for them; `after` gets what follows them.

    Raises OddShape as soon as the XML is not of the usual shape.
    """
    head, start = bytearray(), None
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
    rows = _rows(chain([bytes(head[start.end() :])], blocks), f"</{prefix}row>".encode(), end, after)
    read, sizes = start.end(), deque[int]()

    def sized() -> Iterator[bytes]:
        for body in rows:
            sizes.append(len(body))
            yield body

    for cells in ahead(matcher.cells, sized()):
        read += sizes.popleft()
        yield cells, read


def _rows(blocks: Iterable[bytes], row_end: bytes, end: bytes, after: Callable[[bytes], None]) -> Iterator[bytes]:
    """Whole rows, up to the end of the sheet's data. Raises OddShape where there is none."""
    for chunk in pieces(blocks, row_end, CHUNK):
        body, closed, tail = chunk.partition(end)
        if b"\0" in body:
            raise OddShape
        if closed:
            after(tail)
        yield body
        if closed:
            return
    raise OddShape


def ahead(work: Callable[[bytes], pl.DataFrame], items: Iterator[bytes]) -> Iterator[pl.DataFrame]:
    """`work` on each item in turn, begun while the result before it is in use."""
    with ThreadPoolExecutor(1) as pool:
        waiting: deque[Future[pl.DataFrame]] = deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


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
        self._shapes = [shape.replace("{p}", escaped) for shape in _SHAPES]
        self._between = re.compile(_ROWS.replace("{p}", escaped))

    def cells(self, body: bytes) -> pl.DataFrame:
        """Raw cells. Raises OddShape when a single one looks different."""
        try:
            cut = pl.Series([body.decode()]).str.split(self._cell).explode()
        except UnicodeDecodeError as error:
            raise OddShape from error
        if not self._between.match(cut[0] or ""):
            raise OddShape
        return _typed(self._match(cut.slice(1)))

    def _match(self, cut: pl.Series) -> pl.DataFrame:
        found = []
        left = pl.DataFrame({"cut": cut}).with_row_index("order")
        for shape in self._shapes:
            groups = left["cut"].str.extract_groups(shape).struct.unnest()
            matched = groups["letters"].is_not_null()
            if "formula" not in groups.columns:
                groups = groups.with_columns(formula=pl.lit(None, pl.String))
            groups = groups.with_columns(left["order"]).select(_FOUND)
            if matched.all():
                found.append(groups)
                break
            found.append(groups.filter(matched))
            left = left.filter(~matched)
        else:
            raise OddShape
        return pl.concat(found).sort("order") if len(found) > 1 else found[0]


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
    cells = cells.with_columns(row=pl.col("number").cast(pl.UInt32) - 1, formula=pl.col("formula").is_not_null())
    cells = cells.select(*RAW)
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
