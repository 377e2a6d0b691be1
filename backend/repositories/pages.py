"""The statements of pages, at a place in the order or behind one, over a record table `source`.

Each answers one row: the records' JSON, one behind the page too, how many these are, the id of the page's last one if
full.
"""

from __future__ import annotations

from uuid import UUID

from psycopg import sql

from backend.query.compile import Compiled, record_json
from backend.query.nodes import Query
from backend.repositories.records import NEWEST

BOUNDARY = ",\n"
"""Between two records of a page: within one, JSON that PostgreSQL writes holds no bare line feed."""

_COUNT = sql.SQL("(SELECT count(*) FROM {})")
_EVERY = sql.SQL("SELECT * FROM {}")
_PART = sql.SQL("{} AS MATERIALIZED (SELECT {} AS part, row_number() OVER () AS place, r.* FROM ({}) AS r)")


def page(
    compiled: Compiled, query: Query, visible: sql.Composable, *, source: sql.Composable, offset: int | sql.Composable
) -> sql.Composed:
    """`visible`: which images.

    Versions and limit are spelled out: with nothing left to guess PostgreSQL keeps one plan for a prepared statement.
    """
    return _written(compiled, query, _images(compiled, query, visible, source=source, offset=offset))


def page_at(
    compiled: Compiled, query: Query, heads: sql.Composable, dataset_id: UUID, *, source: sql.Composable
) -> sql.Composed:
    """The newest version's page at an offset, no filter and no order: where as many records live as ids were given,
    the offset is an id."""
    complete = sql.SQL("(SELECT CASE WHEN h.next_id = h.rows + 1 THEN {} ELSE {} END FROM {} h WHERE h.id = {})")
    behind = complete.format(query.offset, 0, heads, dataset_id)
    passed = complete.format(0, query.offset, heads, dataset_id)
    live = sql.SQL("{} AND r.id > {}").format(NEWEST, behind)
    return page(compiled, query, live, source=source, offset=passed)


def page_behind(compiled: Compiled, query: Query, *, source: sql.Composable) -> sql.Composed:
    """The newest version's page behind a record, range by range: one that the page is full without is not read."""
    visible = [sql.SQL("{} AND ({})").format(NEWEST, condition) for condition in compiled.ranges(source)]
    if len(visible) == 1:
        return page(compiled, query, visible[0], source=source, offset=0)
    names = [sql.Identifier(f"part_{number}") for number in range(len(visible))]
    parts, more = [], query.page_size + 1
    for number, (name, condition) in enumerate(zip(names, visible, strict=True)):
        ahead = sql.SQL(" + ").join(map(_COUNT.format, names[:number])) if number else sql.SQL("0")
        wanted = sql.SQL("{} < {} AND {}").format(ahead, more, condition)
        parts.append(_PART.format(name, number, _images(compiled, query, wanted, source=source, offset=0)))
    every = sql.SQL(" UNION ALL ").join(map(_EVERY.format, names))
    images = sql.SQL("SELECT * FROM ({}) AS r ORDER BY part, place LIMIT {}").format(every, more)
    return sql.SQL("WITH {} {}").format(sql.SQL(", ").join(parts), _written(compiled, query, images))


def _written(compiled: Compiled, query: Query, images: sql.Composable) -> sql.Composed:
    return sql.SQL(
        "SELECT string_agg('{{\"id\":'||r.id||',\"version\":'||r.added_in||',\"data\":'||{data}||'}}', {boundary}),"
        " count(*), (array_agg(r.id))[{limit}] FROM ({images}) AS r"
    ).format(limit=query.page_size, boundary=BOUNDARY, data=record_json(compiled.columns), images=images)


def _images(
    compiled: Compiled, query: Query, visible: sql.Composable, *, source: sql.Composable, offset: int | sql.Composable
) -> sql.Composed:
    return sql.SQL(
        "SELECT r.id, r.added_in, r.data FROM {source} r WHERE {visible} AND {where}"
        " ORDER BY {order} LIMIT {more} OFFSET {offset}"
    ).format(
        source=source,
        visible=visible,
        where=compiled.where,
        order=compiled.order_by,
        more=query.page_size + 1,
        offset=offset,
    )
