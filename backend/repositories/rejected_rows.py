"""The rows of an import's file that did not go in; number 0 holds the columns' names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from psycopg import ClientCursor, sql

from backend.query.output import WIDE
from backend.repositories.database import BulkTx, Tx
from backend.schemas.callers import WorkspaceScope
from backend.schemas.imports import Rejected

_OWN = sql.SQL(
    "FROM sheaf.rejected_rows r JOIN sheaf.imports i ON i.id = r.import_id"
    " WHERE r.import_id = %(id)s AND i.workspace_id = ANY(%(workspaces)s)"
)


async def add(tx: Tx, scope: WorkspaceScope, import_id: UUID, names: Sequence[str], rows: Iterable[Rejected]) -> None:
    """Stores them with an import of this workspace."""
    owned = await tx.execute("SELECT FROM sheaf.imports WHERE id = %s AND workspace_id = %s", (import_id, scope.id))
    if await owned.fetchone() is None:
        return
    query = "COPY sheaf.rejected_rows (import_id, number, row, error, cells) FROM STDIN"
    async with tx.cursor() as cursor, cursor.copy(query) as copy:
        await copy.write_row((import_id, 0, 0, "", list(names)))
        for number, row in enumerate(rows, 1):
            await copy.write_row((import_id, number, row.row, row.error, list(row.cells)))


async def table(tx: Tx, scopes: Sequence[WorkspaceScope], import_id: UUID) -> tuple[tuple[str, ...], int]:
    """The columns' names, and how many rows there are."""
    query = sql.SQL("SELECT max(r.cells) FILTER (WHERE r.number = 0), max(r.number) {}").format(_OWN)
    row = await (await tx.execute(query, _params(scopes, import_id))).fetchone() or (None, None)
    return tuple(row[0] or ()), row[1] or 0


def statement(tx: BulkTx, scopes: Sequence[WorkspaceScope], import_id: UUID, columns: int) -> bytes:
    """`COPY (SELECT …) TO STDOUT (FORMAT csv)`: row, error and so many cells; too many are one JSON array."""
    cells = [f"r.cells[{at}]" for at in range(1, columns + 1)]
    select = ", ".join(["r.row::text", "r.error", *cells])
    if columns + 2 > WIDE:
        select = "array_to_json(ARRAY[r.row::text, r.error] || r.cells)::text"
    query = sql.SQL("SELECT {} {} AND r.number > 0 ORDER BY r.number").format(sql.SQL(select), _OWN)
    with ClientCursor(tx) as cursor:
        rendered = cursor.mogrify(query, _params(scopes, import_id))
    return sql.SQL("COPY ({}) TO STDOUT (FORMAT csv)").format(sql.SQL(rendered)).as_bytes(tx)


def _params(scopes: Sequence[WorkspaceScope], import_id: UUID) -> dict[str, object]:
    return {"id": import_id, "workspaces": [scope.id for scope in scopes]}
