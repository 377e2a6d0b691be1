"""All that the database holds of a workspace and of its owner, to the byte."""

from __future__ import annotations

from uuid import UUID

import psycopg
from psycopg import sql

_OF_ONE = """
SELECT table_name, min(column_name) FROM information_schema.columns
WHERE table_schema = 'sheaf' AND (column_name = %(by)s OR table_name = %(table)s AND column_name = 'id')
GROUP BY table_name ORDER BY table_name
"""
_TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s ORDER BY table_name"


def picture(url: str, workspace: str, user: str, dataset: str) -> dict[str, list[str]]:
    """The rows of each table as text: central ones of the workspace or user, the workspace's own, and the dataset's."""
    schema, records, found = f"ws_{UUID(workspace).hex}", f"records_{UUID(dataset).hex}", dict[str, list[str]]()
    with psycopg.connect(url) as tx:
        for by, table, value in (("workspace_id", "workspaces", workspace), ("user_id", "users", user)):
            for name, column in tx.execute(_OF_ONE, {"by": by, "table": table}).fetchall():
                condition = sql.SQL("WHERE {} = {}").format(sql.Identifier(column), value)
                found[f"{name} by {column}"] = _rows(tx, sql.Identifier("sheaf", name), condition)
        for (name,) in tx.execute(_TABLES, (schema,)).fetchall():
            if not name.startswith("records_") or name == records:
                found[name] = _rows(tx, sql.Identifier(schema, name), sql.SQL(""))
    return found


def _rows(tx: psycopg.Connection[tuple[str]], table: sql.Identifier, condition: sql.Composable) -> list[str]:
    query = sql.SQL("SELECT t::text FROM {} t {} ORDER BY 1").format(table, condition)
    return [row for (row,) in tx.execute(query).fetchall()]
