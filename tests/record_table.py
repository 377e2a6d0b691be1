"""A record table for tests of the query language, filled anew for each example."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from backend.query.compile import UNPACKED, Compiled, compile_query
from backend.query.nodes import Query
from backend.query.ordering import behind_here, list_ranges, place
from backend.repositories.database import FOLDING
from backend.schemas.columns import Column

AT = 5
"""The version that is read; each record also has an image before and one after it."""


class RecordTable:
    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self.table = sql.Identifier("records")
        known = connection.execute("SELECT collname FROM pg_collation WHERE collencoding IN (-1, 6)").fetchall()
        self.fold = next(name for name in FOLDING if (name.partition(".")[2],) in known)

    def fill(self, rows: Mapping[int, str]) -> None:
        """Record id → its data as JSON text."""
        images = []
        for record, data in rows.items():
            images += [(record, 1, 3, "{}"), (record, 3, 9, data), (record, 9, 2**31 - 1, "{}")]
        with self.connection.cursor() as cursor:
            cursor.execute(sql.SQL("DELETE FROM {}").format(self.table))
            cursor.executemany(sql.SQL("INSERT INTO {} VALUES (%s, %s, %s, %s)").format(self.table), images)

    def compiled(self, query: Query, columns: tuple[Column, ...]) -> Compiled:
        return compile_query(query, columns, fold=self.fold)

    def ids(
        self, compiled: Compiled, *, limit: int | None = None, offset: int = 0, after: int | None = None
    ) -> list[int]:
        """What a page's statement finds; behind a record, by the one condition and by its ranges."""
        if after is None:
            return self._found(compiled, sql.SQL("TRUE"), limit=limit, offset=offset)
        found = self._found(compiled, compiled.keyset(self.table), limit=limit, after=after)
        if compiled.terms[0].indexed is not None:
            assert found == self._found(compiled, sql.SQL(behind_here(compiled.terms)), limit=limit, after=after)
            parts = [
                self._found(compiled, sql.SQL(part), limit=limit, after=after) for part in list_ranges(compiled.terms)
            ]
            assert found == [record for part in parts for record in part][:limit]
        return found

    def _found(
        self,
        compiled: Compiled,
        behind: sql.Composable,
        *,
        limit: int | None = None,
        offset: int = 0,
        after: int | None = None,
    ) -> list[int]:
        statement = sql.SQL(
            "WITH here AS ({}) SELECT r.id FROM {} r"
            " WHERE r.added_in <= %(version)s AND r.removed_in > %(version)s AND {} AND {}"
            " ORDER BY {} LIMIT %(limit)s OFFSET %(offset)s"
        ).format(
            sql.SQL(place(compiled.terms, self.table.as_string(None))),
            self.table,
            compiled.where,
            behind,
            compiled.order_by,
        )
        values = {**compiled.params, "version": AT, "after": after, "limit": limit, "offset": offset}
        return [row[0] for row in self.connection.execute(statement, values)]

    def texts(self, expression: sql.Composable, *sources: sql.Composable) -> list[tuple[Any, ...]]:
        """A select list over the records, in their order."""
        tables = sql.SQL(", ").join([sql.SQL("{} r").format(self.table), *sources])
        statement = sql.SQL("SELECT {} FROM {} WHERE r.added_in = 3 ORDER BY r.id").format(expression, tables)
        return self.connection.execute(statement, {}).fetchall()


X = sql.SQL("LATERAL (SELECT {} OFFSET 0) AS x").format(UNPACKED)
"""What `csv_select` selects from."""


@contextmanager
def record_table(url: str) -> Iterator[RecordTable]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "CREATE TEMP TABLE records"
            " (id bigint, added_in integer, removed_in integer, data jsonb, PRIMARY KEY (id, added_in))"
        )
        yield RecordTable(connection)
