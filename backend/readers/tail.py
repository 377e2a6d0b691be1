"""What is left out at the end of a table: told footers, and records of nulls."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

import polars as pl

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
    """All batches without the records of nulls behind the last other one, whose number and first row go to `report`."""
    held: list[Batch] = []
    for batch in batches:
        filled = _filled(batch.frame)
        if filled == 0:
            held.append(batch)
            continue
        yield from held
        held.clear()
        if filled < batch.frame.height:
            held.append(_rows(batch, filled, batch.frame.height - filled))
            batch = _rows(batch, 0, filled)
        yield batch
    if held:
        report(sum(batch.frame.height for batch in held), held[0].rows[0])


def _filled(frame: pl.DataFrame) -> int:
    """Records up to the last one with a value."""
    if not frame.height or any(column[-1] is not None for column in frame.iter_columns()):
        return frame.height
    values = frame.select(pl.any_horizontal(pl.all().is_not_null())).to_series()
    found = values.reverse().arg_max() if values.any() else None
    return 0 if found is None else frame.height - found


def _rows(batch: Batch, offset: int, length: int) -> Batch:
    kinds = None if batch.kinds is None else batch.kinds.slice(offset, length)
    return Batch(batch.frame.slice(offset, length), batch.rows.slice(offset, length), kinds)
