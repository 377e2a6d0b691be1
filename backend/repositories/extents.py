"""What the values of columns need in a file whose types are fixed before its first byte."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from backend.query.compile import UNPACKED
from backend.query.nodes import Query
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


def extents(tx: BulkTx, chosen: Selection, query: Query, columns: Sequence[Column]) -> dict[str, Extent]:
    """Of these columns of numbers and datetimes, by key, over all that leaves; none of a column without a value.

    Raises VersionPruned, DatasetNotFound.
    """
    kept = check_kept(tx, chosen.scope, chosen.snapshot)
    found: dict[str, Extent] = {}
    for start in range(0, len(columns), _AT_ONCE):
        found |= _measured(tx, chosen, query, columns[start : start + _AT_ONCE], kept)
    return found


def _measured(tx: BulkTx, chosen: Selection, query: Query, columns: Sequence[Column], kept: Kept) -> dict[str, Extent]:
    """Each value is taken out of its record once, by a sub-select that is not merged into what measures it."""
    values = [f"{_VALUE[column.type].format(literal(column.key))} AS c{at}" for at, column in enumerate(columns)]
    measures = [_MEASURES[column.type].format(f"c{at}") for at, column in enumerate(columns)]
    statement = sql.SQL("SELECT {} FROM (SELECT {} FROM ({}) AS x OFFSET 0) AS y").format(
        sql.SQL(", ".join(measures)), sql.SQL(", ".join(values)), _leaving(chosen, query, UNPACKED, kept)
    )
    params = {**chosen.compiled.params, "version": chosen.snapshot.version}
    row = tx.execute(statement, params).fetchone() or ()
    pairs = zip(columns, row[::2], row[1::2], strict=True)
    return {
        column.key: Span(one, other) if column.type == "datetime" else Digits(one, other)
        for column, one, other in pairs
        if one is not None
    }


def _leaving(chosen: Selection, query: Query, wanted: sql.Composable, kept: Kept) -> sql.Composed:
    """The rows that leave, in a sub-select that is not merged; sorted only where that tells which these are."""
    rows = sql.SQL("SELECT {} FROM {} r WHERE {} AND {}").format(
        wanted, records(chosen.scope, kept.store), NEWEST if kept.newest else AS_OF, chosen.compiled.where
    )
    if query.limit is None and not query.offset:
        return sql.SQL("{} OFFSET 0").format(rows)
    return sql.SQL("{} ORDER BY {} LIMIT {} OFFSET {}").format(
        rows, chosen.compiled.order_by, query.limit, query.offset
    )


_TEXTS = sql.SQL(
    "SELECT key, value FROM jsonb_each_text(r.data) WHERE key = ANY(%(texts)s)"
    " AND (pg_column_compression(r.data) IS NOT NULL OR pg_column_size(r.data) > %(longest)s)"
)
"""Only images that PostgreSQL has compressed or moved out of line hold a long text: the others are not unpacked."""
_JSONS = sql.SQL(
    " UNION ALL SELECT key, (x.d->key)::text FROM (SELECT {} OFFSET 0) AS x, unnest(%(jsons)s::text[]) AS key"
).format(UNPACKED)
"""A few bytes may be long numbers; in a column of numbers none has so many digits."""


async def first_long_cell(
    tx: Tx, chosen: Selection, query: Query, longest: int, *, newest: bool
) -> tuple[int, str] | None:
    """Id and column key of the first cell that leaves with more than `longest` UTF-16 code units."""
    columns = chosen.compiled.columns
    jsons = [column.key for column in columns if column.type == "json"]
    rows = _leaving(chosen, query, sql.SQL("r.id, r.data"), Kept(newest, chosen.snapshot.store))
    statement = sql.SQL(
        "SELECT r.id, cell.key FROM ({}) AS r CROSS JOIN LATERAL ({}) AS cell"
        " WHERE octet_length(cell.value) > %(longest)s"
        " AND length(cell.value) + regexp_count(cell.value, '[\\U00010000-\\U0010ffff]') > %(longest)s"
        " ORDER BY {}, array_position(%(keys)s, cell.key) LIMIT 1"
    ).format(rows, _TEXTS + _JSONS if jsons else _TEXTS, chosen.compiled.order_by)
    params = {
        **chosen.compiled.params,
        "version": chosen.snapshot.version,
        "longest": longest,
        "keys": [column.key for column in columns],
        "texts": [column.key for column in columns if column.type != "json"],
        "jsons": jsons,
    }
    row = await (await tx.execute(statement, params)).fetchone()
    return (row[0], row[1]) if row else None
