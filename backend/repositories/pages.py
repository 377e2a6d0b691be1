"""The statements of pages, at a place in the order or behind one, over a record table `source`.

Each answers one row: the records' JSON, one behind the page too, how many these are, the id of the page's last one if
full.
"""

from __future__ import annotations

from uuid import UUID

from msgspec.structs import replace
from psycopg import sql

from backend.query.compile import Compiled, record_json
from backend.query.indexing import by_order
from backend.query.nodes import Query
from backend.query.ordering import behind_here, list_ranges, place
from backend.repositories.records import NEWEST

BOUNDARY = ",\n"
"""Between two records of a page: within one, JSON that PostgreSQL writes holds no bare line feed."""

_HERE = (
    "here AS MATERIALIZED ({place}), ahead_0 AS MATERIALIZED (SELECT CASE WHEN EXISTS (SELECT FROM pg_index"
    " WHERE indexrelid IN ({names}) AND indisvalid) THEN 0 END AS records)"
)
"""How many records are ahead of the first range: 0; null where no index is in the order, or in its first column's."""
_PART = (
    "part_{number} AS MATERIALIZED (SELECT {number} AS part, row_number() OVER () AS place, r.* FROM ({images}) AS r)"
)
_WANTED = "(SELECT records FROM ahead_{number}) < {more} AND {live} AND ({condition})"
_AT_ONCE = "(SELECT records FROM ahead_0) IS NULL AND {live} AND ({condition})"
_EVERY = "SELECT * FROM part_{}"
_FOUND = "SELECT * FROM ({every}) AS r ORDER BY part, place LIMIT {more}"
_AHEAD = (
    "ahead_{following} AS MATERIALIZED"
    " (SELECT (SELECT records FROM ahead_{number}) + count(*) AS records FROM part_{number})"
)


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
    """The newest version's page at `%(offset)s`, no filter and no order: where as many records live as ids were given,
    the offset is an id. One statement for all offsets: what the plan depends on is not known before it runs."""
    complete = sql.SQL("(SELECT CASE WHEN h.next_id = h.rows + 1 THEN {} ELSE {} END FROM {} h WHERE h.id = {})")
    offset = sql.SQL("%(offset)s::bigint")
    behind = complete.format(offset, 0, heads, dataset_id)
    passed = complete.format(0, offset, heads, dataset_id)
    live = sql.SQL("{} AND r.id > {}").format(NEWEST, behind)
    return page(compiled, query, live, source=source, offset=passed)


def page_behind(compiled: Compiled, query: Query, *, source: sql.Composable) -> sql.Composed:
    """The newest version's page behind a record.

    Where an index is in the order, it is asked for range by range, and one that the page is full without is not read;
    else at once, for each range would go through all records.
    """
    access, more, terms = by_order(compiled.terms), query.page_size + 1, compiled.terms
    if access is None:
        behind = sql.SQL("{} AND ({})").format(NEWEST, compiled.keyset(source))
        return page(compiled, query, behind, source=source, offset=0)
    images = _images(compiled, query, sql.Placeholder("wanted"), source=source, offset=0).as_string(None)
    select, _, rest = images.partition("%(wanted)s")
    table, live = source.as_string(None), NEWEST.as_string(None)
    names = [_index(table, digest) for digest in (access.digest, replace(access, following=()).digest)]
    parts = [_HERE.format(place=place(terms, table), names=",".join(names))]
    ranges = list_ranges(terms)
    for number, condition in enumerate(ranges):
        wanted = _WANTED.format(number=number, more=more, live=live, condition=condition)
        parts.append(_PART.format(number=number, images=select + wanted + rest))
        parts.append(_AHEAD.format(number=number, following=number + 1))
    wanted = _AT_ONCE.format(live=live, condition=behind_here(terms))
    parts.append(_PART.format(number=len(ranges), images=select + wanted + rest))
    every = " UNION ALL ".join(map(_EVERY.format, range(len(ranges) + 1)))
    found = sql.SQL(_FOUND.format(every=every, more=more))
    return sql.SQL(f"WITH {', '.join(parts)} ") + _written(compiled, query, found)


def _index(table: str, digest: str) -> str:
    """The name of a record table's index from use, as a constant; both are in the workspace's schema."""
    schema, _, store = table.rpartition('"records_')
    return f"""to_regclass('{schema}"xu_{store[:-1]}_{digest}"')"""


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
