"""COPY records → columns of text, for what cannot be done on the bytes."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TypeVar

import polars as pl

from backend.writers.base import Rows, Table

_BYTES = 1 << 18

Key = TypeVar("Key", bound=Hashable)


def frames(rows: Rows, table: Table, delimiter: str) -> Iterator[pl.DataFrame]:
    """Consecutive records as `String` columns named `"0"`, `"1"`, …, some 0.25 MB of source at a time."""
    for raw in _joined(rows):
        frame = _parse(raw, 1 if table.wide else len(table.columns), delimiter)
        yield _unpacked(frame.to_series(), len(table.columns)) if table.wide else frame


def made(
    frame: pl.DataFrame, keys: Sequence[Key], make: Callable[[pl.Series, Key, list[int]], pl.Series]
) -> pl.DataFrame:
    """Each column put through `make`, together with all others of its key: so hundreds cost no more than a few.

    `keys`: one for each column. `make` gets the columns of one key below one another, the key, and their positions,
    and returns as many values.
    """
    groups: dict[Key, list[int]] = {}
    for position, key in enumerate(keys):
        groups.setdefault(key, []).append(position)
    columns: dict[int, pl.Series] = {}
    for key, positions in groups.items():
        values = make(pl.concat([frame[str(position)] for position in positions], rechunk=True), key, positions)
        for number, position in enumerate(positions):
            columns[position] = values.slice(number * frame.height, frame.height).alias(str(position))
    return pl.DataFrame([columns[position] for position in range(len(keys))])


def rewritten(text: pl.Series, where: pl.Series, how: Callable[[pl.Expr], pl.Expr]) -> pl.Series:
    """The text with `how` done to the values `where` a Boolean says so, and to no others."""
    if not where.any():
        return text
    new = text.filter(where).to_frame("new").select(how(pl.col("new"))).to_series()
    place = (where.fill_null(value=False).cast(pl.UInt32).cum_sum().cast(pl.Int64) - 1).clip(0)
    return pl.select(pl.when(where).then(pl.lit(new).gather(place)).otherwise(text)).to_series()


def _joined(rows: Rows) -> Iterator[bytes]:
    """Whole records, enough of them that a call to polars pays."""
    held: list[bytes] = []
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


def _unpacked(arrays: pl.Series, width: int) -> pl.DataFrame:
    texts = arrays.str.json_decode(pl.List(pl.String)).list
    return texts.to_struct(fields=[str(position) for position in range(width)]).struct.unnest()
