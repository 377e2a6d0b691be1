"""Which collation folds case."""

from __future__ import annotations

from typing import Any

import structlog
from psycopg import AsyncConnection, sql

log = structlog.get_logger()

FOLDING = ("pg_catalog.pg_c_utf8", "pg_catalog.und-x-icu", "pg_catalog.C.utf8", "pg_catalog.default")
"""Collations tried, in this order, for `lower()` to know É and é: PostgreSQL 17 and newer, builds with ICU, glibc."""
THERE = "SELECT to_regcollation(%s) IS NOT NULL"
FOLDS = sql.SQL("SELECT lower('É' COLLATE {}) = 'é'")


def quoted(name: str) -> sql.Identifier:
    """One of `FOLDING`, for `FOLDS` and, as text, for `THERE`."""
    return sql.Identifier(*name.split(".", 1))


async def folding_collation(connection: AsyncConnection[Any]) -> str:
    """The first of `FOLDING` that this server has and that knows É and é; without one the last."""
    for name in FOLDING:
        there = await connection.execute(THERE, (quoted(name).as_string(),))
        if await there.fetchone() == (True,):
            folded = await connection.execute(FOLDS.format(quoted(name)))
            if await folded.fetchone() == (True,):
                return name
    log.warning("no_collation_folds_case", detail="ilike, icontains and q fold ASCII letters only")
    return FOLDING[-1]
