"""What the values of columns need in a file whose types are fixed before its first byte."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from backend.query.compile import UNPACKED
from backend.query.sqltext import literal
from backend.repositories.current import Kept, check_kept
from backend.repositories.database import BulkTx, Tx
from backend.repositories.records import AS_OF, NEWEST, records
from backend.repositories.selections import Selection
from backend.schemas.columns import Column
from backend.schemas.exports import Digits, Extent, Span

_AT_ONCE = 500
"""Columns that one statement looks at: it can return three times as many values."""
_VALUE = {"integer": "(x.d->{})::numeric", "number": "(x.d->{})::numeric", "datetime": '(x.d->>{}) COLLATE "C"'}
_MEASURES = {
    "integer": "max(abs({0})), 0",
    "number": "max(abs({0})), max(scale({0}))",
    "datetime": "min({0}), max({0})",
}


def extents(tx: BulkTx, chosen: Selection, columns: Sequence[Column]) -> dict[str, Extent]:
    """Of these columns of numbers and datetimes, by key, over all that matches; none of a column without a value.

    Raises VersionPruned, DatasetNotFound.
    """
    kept = check_kept(tx, chosen.scope, chosen.snapshot)
    found: dict[str, Extent] = {}
    for start in range(0, len(columns), _AT_ONCE):
        found |= _measured(tx, chosen, columns[start : start + _AT_ONCE], kept)
    return found


def _measured(tx: BulkTx, chosen: Selection, columns: Sequence[Column], kept: Kept) -> dict[str, Extent]:
    """Each value is taken out of its record once, by a sub-select that is not merged into what measures it."""
    values = [f"{_VALUE[column.type].format(literal(column.key))} AS c{at}" for at, column in enumerate(columns)]
    measures = [_MEASURES[column.type].format(f"c{at}") for at, column in enumerate(columns)]
    query = sql.SQL(
        "SELECT {} FROM (SELECT {} FROM (SELECT {} FROM {} r WHERE {} AND {} OFFSET 0) AS x OFFSET 0) AS y"
    ).format(
        sql.SQL(", ".join(measures)),
        sql.SQL(", ".join(values)),
        UNPACKED,
        records(chosen.scope, kept.store),
        NEWEST if kept.newest else AS_OF,
        chosen.compiled.where,
    )
    params = {**chosen.compiled.params, "version": chosen.snapshot.version}
    row = tx.execute(query, params).fetchone() or ()
    pairs = zip(columns, row[::2], row[1::2], strict=True)
    return {
        column.key: Span(one, other) if column.type == "datetime" else Digits(one, other)
        for column, one, other in pairs
        if one is not None
    }


async def first_long_cell(tx: Tx, chosen: Selection, longest: int, *, newest: bool) -> tuple[int, str] | None:
    """Id and column key of the first matching cell of more than `longest` UTF-16 code units.

    Only images that PostgreSQL has compressed or moved out of line can hold one: the others are never unpacked.
    """
    query = sql.SQL(
        "SELECT r.id, cell.key FROM {} r CROSS JOIN LATERAL jsonb_each_text(r.data) AS cell WHERE {} AND {}"
        " AND (pg_column_compression(r.data) IS NOT NULL OR pg_column_size(r.data) > %(longest)s)"
        " AND cell.key = ANY(%(keys)s) AND length(cell.value) + regexp_count(cell.value, '[\\U00010000-\\U0010ffff]')"
        " > %(longest)s ORDER BY r.id LIMIT 1"
    ).format(records(chosen.scope, chosen.snapshot.store), NEWEST if newest else AS_OF, chosen.compiled.where)
    keys = [column.key for column in chosen.compiled.columns]
    params = {**chosen.compiled.params, "version": chosen.snapshot.version, "longest": longest, "keys": keys}
    row = await (await tx.execute(query, params)).fetchone()
    return (row[0], row[1]) if row else None
