"""What is left out at the end of a table: told footers, and records of nulls."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

import polars as pl
from msgspec import structs

from backend.inference.batch import Batch


def drop_last(batches: Iterable[Batch], count: int) -> Iterator[Batch]:
    """All but the last `count` records."""
    held: deque[Batch] = deque()
    height = 0
    for batch in batches:
        held.append(batch)
        height += batch.frame.height
        while height - held[0].frame.height >= count:
            height -= held[0].frame.height
            yield held.popleft()
    keep = height - count
    for batch in held:
        if keep <= 0:
            return
        yield _rows(batch, 0, min(keep, batch.frame.height))
        keep -= batch.frame.height


def drop_trailing_nulls(batches: Iterable[Batch], report: Callable[[int, int], None]) -> Iterator[Batch]:
    """All batches without the records of nulls behind the last other one, whose number and first row go to `report`.

    Such records are held back as row numbers alone until another record follows.
    """
    held: list[tuple[int, pl.Series]] = []
    for batch in batches:
        filled = _filled(batch.frame)
        if filled:
            for width, rows in held:
                yield Batch(_nulls(width, len(rows)), rows)
            held.clear()
            yield _rows(batch, 0, filled) if filled < batch.frame.height else batch
        if filled < batch.frame.height:
            held.append((batch.frame.width, batch.rows.slice(filled)))
    if held:
        report(sum(len(rows) for _, rows in held), held[0][1][0])


def _nulls(width: int, height: int) -> pl.DataFrame:
    empty = pl.Series([None], dtype=pl.String).new_from_index(0, height)
    return pl.DataFrame([empty.alias(str(index)) for index in range(width)])


def _filled(frame: pl.DataFrame) -> int:
    """Records up to the last one with a value."""
    if not frame.height or any(column[-1] is not None for column in frame.iter_columns()):
        return frame.height
    values = frame.select(pl.any_horizontal(pl.all().is_not_null())).to_series()
    return int(values.arg_true()[-1]) + 1 if values.any() else 0


def _rows(batch: Batch, offset: int, length: int) -> Batch:
    kinds = None if batch.kinds is None else batch.kinds.slice(offset, length)
    frame, rows = batch.frame.slice(offset, length), batch.rows.slice(offset, length)
    return structs.replace(batch, frame=frame, rows=rows, kinds=kinds)
