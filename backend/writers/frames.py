"""COPY records → columns of text, for what cannot be done on the bytes."""

from collections.abc import Iterator

import polars as pl

from backend.writers.base import Row, Rows, Table

_BYTES = 1 << 20


def frames(rows: Rows, table: Table, delimiter: str) -> Iterator[pl.DataFrame]:
    """Consecutive records as `String` columns named `"0"`, `"1"`, …, about 1 MB of source at a time."""
    for raw in _joined(rows):
        yield _decode(raw, len(table.columns)) if table.wide else _parse(raw, len(table.columns), delimiter)


def _joined(rows: Rows) -> Iterator[bytes]:
    """Whole records, enough of them that a call to polars pays."""
    held: list[Row] = []
    size = 0
    for some in rows:
        held += some
        size += sum(map(len, some))
        if size >= _BYTES:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def _parse(raw: bytes, width: int, delimiter: str) -> pl.DataFrame:
    schema = {str(position): pl.String for position in range(width)}
    return pl.read_csv(raw, has_header=False, schema=schema, separator=delimiter)


def _decode(raw: bytes, width: int) -> pl.DataFrame:
    arrays = _parse(raw, 1, ",").to_series().str.json_decode(pl.List(pl.String))
    return arrays.list.to_struct(fields=[str(position) for position in range(width)]).struct.unnest()
