"""COPY records → columns of text, for what cannot be done on the bytes."""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import polars as pl

from backend.writers.base import Rows, Table

_BYTES, _WIDE_BYTES = 1 << 18, 1 << 20
"""Of source for each frame; more in wide tables, for a frame costs by its columns."""

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
Made = TypeVar("Made")


def frames(rows: Rows, table: Table, delimiter: str) -> Iterator[pl.DataFrame]:
    """Consecutive records as `String` columns named `"0"`, `"1"`, …, some of them at a time."""
    for raw in joined(rows, _WIDE_BYTES if table.wide else _BYTES):
        yield parsed(raw, table, delimiter)


def joined(rows: Rows, size: int) -> Iterator[bytes]:
    """Whole records, of at least so many bytes together but for the last ones."""
    held: list[bytes] = []
    held_size = 0
    for some in rows:
        held += some
        held_size += sum(map(len, some))
        if held_size >= size:
            yield b"".join(held)
            held, held_size = [], 0
    if held:
        yield b"".join(held)


def parsed(raw: bytes, table: Table, delimiter: str) -> pl.DataFrame:
    """Whole records as `String` columns named `"0"`, `"1"`, …."""
    if not table.columns:
        return pl.DataFrame(height=raw.count(b"\n"))
    frame = _parse(raw, 1 if table.wide else len(table.columns), delimiter)
    return _unpacked(frame.to_series(), len(table.columns)) if table.wide else frame


def beside(work: Callable[[Item], Made], items: Iterable[Item], *, ahead: int) -> Iterator[Made]:
    """What `work` makes of each item, in order: so many are worked on beside the reading and what is done with them."""
    with ThreadPoolExecutor(ahead, "writer") as workers:
        begun: deque[Future[Made]] = deque()
        for item in items:
            begun.append(workers.submit(work, item))
            if len(begun) > ahead:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()


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
    return pl.DataFrame([columns[position] for position in range(len(keys))]) if keys else frame


def rewritten(text: pl.Series, where: pl.Series, how: Callable[[pl.Expr], pl.Expr]) -> pl.Series:
    """The text with `how` done to the values `where` a Boolean says so, and to no others."""
    if not where.any():
        return text
    new = text.filter(where).to_frame("new").select(how(pl.col("new"))).to_series()
    place = (where.fill_null(value=False).cast(pl.UInt32).cum_sum().cast(pl.Int64) - 1).clip(0)
    return pl.select(pl.when(where).then(pl.lit(new).gather(place)).otherwise(text)).to_series()


def _parse(raw: bytes, width: int, delimiter: str) -> pl.DataFrame:
    schema = {str(position): pl.String for position in range(width)}
    return pl.read_csv(raw, has_header=False, schema=schema, separator=delimiter)


def _unpacked(arrays: pl.Series, width: int) -> pl.DataFrame:
    texts = arrays.str.json_decode(pl.List(pl.String)).list
    return texts.to_struct(fields=[str(position) for position in range(width)]).struct.unnest()
