"""Writes to all live records that fit a condition, whatever their number: no id leaves the database.

Old images are closed before new ones begin, so that no value of a key column is there twice in between.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from psycopg import sql

from backend.query.compile import compile_query
from backend.query.merge_patch import MergePatch
from backend.query.nodes import Query
from backend.repositories.database import Tx
from backend.repositories.records import records
from backend.repositories.tables import LIVE
from backend.schemas.callers import WorkspaceScope
from backend.schemas.datasets import Snapshot


class Matching(Struct, frozen=True):
    """A record table and a condition over it, with its values."""

    source: sql.Identifier
    where: sql.SQL
    params: dict[str, Any]


def by_query(scope: WorkspaceScope, snapshot: Snapshot, query: Query, fold: str) -> Matching:
    """Raises InvalidQuery and its kin for what does not fit the columns."""
    compiled = compile_query(query, snapshot.columns, fold=fold)
    return Matching(records(scope, snapshot.store), compiled.where, compiled.params)


async def count(tx: Tx, matching: Matching, *, at_most: int | None = None) -> int:
    """How many live records match; `at_most` stops counting there."""
    query = _filled("SELECT count(*) FROM (SELECT FROM {source} r WHERE {live} LIMIT %(at_most)s) AS x", matching)
    row = await (await tx.execute(query, {**matching.params, "at_most": at_most})).fetchone()
    return int(row[0]) if row else 0


async def remove(tx: Tx, matching: Matching, version: int) -> int:
    """The matching records are gone from `version` on; how many these are."""
    query = _filled("UPDATE {source} r SET removed_in = {version} WHERE {live}", matching, version)
    return (await tx.execute(query, matching.params)).rowcount


_OTHERWISE = (
    "{live} AND NOT (SELECT record_image_eq(ROW(x.after), ROW(r.data))"
    " OR (x.after = r.data AND x.after::text = r.data::text) FROM (SELECT {after} AS after OFFSET 0) x)"
)
"""Matching records that are not the same with the changes in them, to the digit."""


async def count_patched(tx: Tx, matching: Matching, changes: MergePatch) -> int:
    """How many of the matching records `patch` would change."""
    query = _filled(
        f"SELECT count(*) FROM {{source}} r WHERE {_OTHERWISE}",  # noqa: S608
        matching,
        after=sql.SQL(changes.expression),
    )
    row = await (await tx.execute(query, {**matching.params, **changes.params})).fetchone()
    return int(row[0]) if row else 0


async def patch(tx: Tx, matching: Matching, version: int, changes: MergePatch) -> int:
    """The matching records have the changes in them from `version` on; how many were otherwise, to the digit."""
    after = sql.SQL(changes.expression)
    close = _filled(
        f"UPDATE {{source}} r SET removed_in = {{version}} WHERE {_OTHERWISE}",  # noqa: S608
        matching,
        version,
        after=after,
    )
    changed = (await tx.execute(close, {**matching.params, **changes.params})).rowcount
    if changed:
        begin = _filled(
            "INSERT INTO {source} (id, added_in, data) SELECT r.id, {version}, {after} FROM {source} r"
            " WHERE r.removed_in = {version} ORDER BY r.id",
            matching,
            version,
            after=after,
        )
        await tx.execute(begin, changes.params)
    return changed


def _filled(text: str, matching: Matching, version: int = 0, **more: sql.Composable) -> sql.Composed:
    live = sql.SQL("r.removed_in = {} AND ({})").format(sql.Literal(LIVE), matching.where)
    return sql.SQL(text).format(source=matching.source, live=live, version=sql.Literal(version), **more)
