"""A file's rows beside a dataset's records: which are new, which differ, which are gone.

The rows lie in temporary tables that go with the transaction that publishes them.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Sequence

from msgspec import Raw, Struct
from psycopg import sql

from backend.query.compile import record_json
from backend.query.fields import value_expression
from backend.query.sqltext import literal
from backend.repositories.database import Tx
from backend.repositories.records import FROZEN, HASHED, records
from backend.repositories.tables import LIVE
from backend.schemas.callers import WorkspaceScope
from backend.schemas.columns import Column
from backend.schemas.datasets import Store

SHOWN = 20
"""Rows and records that are named where a key is not of one row or of one record."""


_KINDS = {
    "added": sql.SQL("m.id IS NULL"),
    "changed": sql.SQL("NOT m.same"),
    "removed": sql.SQL("m.row IS NULL"),
}


class Stage(Struct, frozen=True):
    """The names of the tables: the records, the file's rows, and which row is which live record (`matched`)."""

    records: sql.Identifier
    rows: sql.Identifier = sql.Identifier("pg_temp", "file_rows")
    matched: sql.Identifier = sql.Identifier("pg_temp", "file_matched")

    def sql(self, text: str, **more: sql.Composable) -> sql.Composed:
        """A statement with these names filled in."""
        names = {"records": self.records, "rows": self.rows, "matched": self.matched, "live": sql.Literal(LIVE)}
        return sql.SQL(text).format(**names, **more)


class Tally(Struct, frozen=True):
    """What was paired: how many rows and ids there are, doubled ones counted each time.

    `added`: rows without a record; `lacking`: records without a row; `changed` and `same`: pairs.
    """

    rows: int
    ids: int
    added: int
    changed: int
    lacking: int
    same: int


class Touched(Struct, frozen=True):
    """Which column keys a file has something to say about.

    `told`: the file's own. `kept`: of the dataset's other columns, whose values stay. `past`: of columns that are no
    more; their values go.
    """

    told: tuple[str, ...]
    kept: tuple[str, ...]
    past: tuple[str, ...]


class Pair(Struct, frozen=True):
    """A row of the file and a record, each as JSON text by column name; None where there is no other."""

    id: int | None
    row: int | None
    before: Raw | None
    after: Raw | None


async def create(tx: Tx, scope: WorkspaceScope, store: Store) -> Stage:
    """An empty table for the file's rows, which goes with the transaction; until then joins get more memory."""
    stage = Stage(records(scope, store))
    await tx.execute("SET LOCAL work_mem = '96MB'")
    await tx.execute("SET LOCAL enable_mergejoin = off")
    await tx.execute(
        "CREATE TEMPORARY TABLE file_rows (id bigint NOT NULL, added_in integer NOT NULL, data jsonb NOT NULL)"
        " ON COMMIT DROP"
    )
    return stage


async def load(tx: Tx, stage: Stage, lines: AsyncIterable[bytes]) -> None:
    """Lines of `row \\x02 version \\x02 {json}`."""
    query = stage.sql("COPY {rows} (id, added_in, data) FROM STDIN {options}", options=FROZEN)
    async with tx.cursor() as cursor, cursor.copy(query) as copy:
        async for chunk in lines:
            await copy.write(chunk)


async def empty(tx: Tx, stage: Stage) -> None:
    await tx.execute(stage.sql("TRUNCATE {rows}"))


async def repeated(tx: Tx, stage: Stage, keys: Sequence[Column], *, new: bool = False) -> list[tuple[list[int], str]]:
    """The first keys that are in the file more than once: the first rows of each, and the key as text.

    `new`: only among rows without a record.
    """
    unmatched = stage.sql("JOIN {matched} m ON m.row = s.id AND m.id IS NULL")
    values = sql.SQL(", ").join(_value("s", key) for key in keys)
    query = stage.sql(
        "SELECT (array_agg(s.id ORDER BY s.id))[:{shown}], concat_ws(', ', {texts}) FROM {rows} s WHERE ({values}) IN"
        " (SELECT {values} FROM {rows} s {join} GROUP BY {values} HAVING count(*) > 1 ORDER BY min(s.id) LIMIT {shown})"
        " GROUP BY {values} ORDER BY min(s.id)",
        values=values,
        texts=sql.SQL(", ").join(sql.SQL("min(s.data->>{})").format(sql.Literal(key.key)) for key in keys),
        join=unmatched if new else sql.SQL(""),
        shown=sql.Literal(SHOWN),
    )
    return [(row[0], row[1]) for row in await (await tx.execute(query)).fetchall()]


async def taken(tx: Tx, stage: Stage, key: Column) -> list[tuple[int, int, str]]:
    """The first rows whose value in the dataset's key column a live record has: the row, the record, the value."""
    query = stage.sql(
        "SELECT s.id, r.id, s.data->>{key} FROM {rows} s JOIN {records} r ON r.removed_in = {live}"
        " AND {theirs} = {mine} ORDER BY s.id LIMIT {shown}",
        key=sql.SQL(literal(key.key)),
        theirs=sql.SQL(value_expression(key)),
        mine=sql.SQL(value_expression(key, "s.data")),
        shown=sql.Literal(SHOWN),
    )
    return [(row[0], row[1], row[2]) for row in await (await tx.execute(query, {})).fetchall()]


async def pair_none(tx: Tx, stage: Stage, *, lacking: bool) -> None:
    """Each row is new; with `lacking` each live record is without a row."""
    await _make_matched(tx, stage.sql("SELECT id AS row, NULL::bigint AS id, NULL::boolean AS same FROM {rows}"))
    if lacking:
        await tx.execute(stage.sql("INSERT INTO {matched} (id) SELECT id FROM {records} WHERE removed_in = {live}"))


async def match(tx: Tx, stage: Stage, keys: Sequence[Column], touched: Touched, *, lacking: bool, most: int) -> None:
    """Pairs each row with the records of its key, `most` pairs; with `lacking` records without a row are there too."""
    others = [*touched.kept, *touched.past]
    before = sql.SQL("(r.data - {}::text[])").format(sql.Literal(others)) if others else sql.SQL("r.data")
    query = stage.sql(
        "SELECT s.id AS row, r.id, CASE WHEN s.id IS NOT NULL AND r.id IS NOT NULL"
        " THEN record_image_eq(ROW({before}), ROW(s.data)) OR ({before} = s.data AND {before}::text = s.data::text) END"
        " AS same FROM {rows} s {kind} JOIN (SELECT id, data FROM {records} WHERE removed_in = {live}) r ON {on}"
        " LIMIT {most}",
        before=before,
        kind=sql.SQL("FULL" if lacking else "LEFT"),
        on=sql.SQL(" AND ").join(sql.SQL("{} = {}").format(_value("s", key), _value("r", key)) for key in keys),
        most=sql.Literal(most),
    )
    await tx.execute(stage.sql("ANALYZE {rows} (id)"))
    await _make_matched(tx, query)
    await tx.execute(stage.sql("ANALYZE {matched}"))


async def _make_matched(tx: Tx, query: sql.Composed) -> None:
    await tx.execute(sql.SQL("CREATE TEMPORARY TABLE file_matched ON COMMIT DROP AS ") + query)


async def ambiguous(tx: Tx, stage: Stage) -> list[tuple[int, list[int]]]:
    """The first rows whose key several records have: the row, and the first of these records."""
    query = stage.sql(
        "SELECT row, (array_agg(id ORDER BY id))[:{shown}] FROM {matched} WHERE row IS NOT NULL GROUP BY row"
        " HAVING count(*) > 1 ORDER BY row LIMIT {shown}",
        shown=sql.Literal(SHOWN),
    )
    return [(row[0], row[1]) for row in await (await tx.execute(query)).fetchall()]


async def count(tx: Tx, stage: Stage) -> Tally:
    query = stage.sql(
        "SELECT count(row), count(id), count(*) FILTER (WHERE id IS NULL), count(*) FILTER (WHERE NOT same),"
        " count(*) FILTER (WHERE row IS NULL), count(*) FILTER (WHERE same) FROM {matched}"
    )
    return Tally(*(await (await tx.execute(query)).fetchone() or (0,) * 6))


async def apply(
    tx: Tx, stage: Stage, version: int, first_id: int, touched: Touched, *, lacking: bool, keyed: bool
) -> None:
    """The records become what the rows say, from `version` on; new ones are numbered from `first_id` in file order.

    `lacking`: records without a row go. `keyed`: old images have to be closed before new ones begin, or a value of the
    dataset's key column would be there twice in between.
    """
    close = stage.sql(
        "UPDATE {records} r SET removed_in = {version} FROM {matched} m WHERE m.id = r.id AND r.removed_in = {live}"
        " AND r.added_in < {version} AND {wanted}",
        version=sql.Literal(version),
        wanted=sql.SQL("(m.row IS NULL OR NOT m.same)" if lacking else "NOT m.same"),
    )
    after, join = _after(touched)
    change = stage.sql(
        "INSERT INTO {records} (id, added_in, data) SELECT m.id, {version}, {after} FROM {matched} m"
        " JOIN {rows} s ON s.id = m.row {join} WHERE NOT m.same",
        version=sql.Literal(version),
        after=after,
        join=join.format(records=stage.records, until=sql.Literal(version if keyed else LIVE), version=version),
    )
    if keyed:
        await tx.execute(HASHED)
    for statement in (close, change) if keyed else (change, close):
        await tx.execute(statement)
    await tx.execute(
        stage.sql(
            "INSERT INTO {records} (id, added_in, data) SELECT {first} + n.place, {version}, s.data FROM"
            " (SELECT row, row_number() OVER (ORDER BY row) - 1 AS place FROM {matched} WHERE id IS NULL) n"
            " JOIN {rows} s ON s.id = n.row ORDER BY n.place",
            version=sql.Literal(version),
            first=sql.Literal(first_id),
        )
    )


async def list_pairs(
    tx: Tx, stage: Stage, columns: Sequence[Column], touched: Touched, kind: str, *, most: int
) -> list[Pair]:
    """The first pairs that are `added`, `changed` or `removed`, as these columns show them."""
    after, _ = _after(touched)
    shown = sql.SQL("CASE WHEN {} IS NOT NULL THEN (SELECT {} FROM (SELECT {} AS data OFFSET 0) AS r) END")
    json = record_json(columns)
    query = stage.sql(
        "SELECT m.id, m.row, {before}, {after} FROM (SELECT id, row FROM {matched} m WHERE {wanted}"
        " ORDER BY row, id LIMIT {most}) m LEFT JOIN {rows} s ON s.id = m.row"
        " LEFT JOIN {records} r ON r.id = m.id AND r.removed_in = {live} ORDER BY m.row, m.id",
        before=shown.format(sql.SQL("m.id"), json, sql.SQL("r.data")),
        after=shown.format(sql.SQL("m.row"), json, sql.SQL("coalesce({}, s.data)").format(after)),
        wanted=_KINDS[kind],
        most=sql.Literal(most),
    )
    rows = await (await tx.execute(query)).fetchall()
    return [Pair(row[0], row[1], *(None if text is None else Raw(text) for text in row[2:])) for row in rows]


def _value(alias: str, key: Column) -> sql.Composable:
    """What keys are compared by: the stored text, numbers as numbers."""
    arrow = sql.SQL("->" if key.type in {"number", "json"} else "->>")
    return sql.SQL("({}.data{}{})").format(sql.Identifier(alias), arrow, sql.Literal(key.key))


def _after(touched: Touched) -> tuple[sql.Composable, sql.SQL]:
    """A matched record's new image, and the join with the old one that it needs."""
    if not touched.kept:
        return sql.SQL("s.data"), sql.SQL("")
    gone = sql.Literal([*touched.told, *touched.past])
    join = sql.SQL("JOIN {records} r ON r.id = m.id AND r.removed_in = {until} AND r.added_in < {version}")
    return sql.SQL("(r.data - {}::text[]) || s.data").format(gone), join
