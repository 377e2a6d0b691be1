"""Which collation folds case."""

from __future__ import annotations

from typing import Any

import psycopg
import structlog
from psycopg import AsyncConnection

log = structlog.get_logger()

FOLDING = ("pg_catalog.pg_c_utf8", "pg_catalog.und-x-icu", "pg_catalog.C.utf8", "pg_catalog.default")
"""Collations tried, in this order, for `lower()` to know É and é: PostgreSQL 17 and newer, builds with ICU, glibc."""


async def folding_collation(connection: AsyncConnection[Any]) -> str:
    """The first of `FOLDING` that this server has and that knows É and é; without one the last."""
    for name in FOLDING:
        schema, _, collation = name.partition(".")
        known = await connection.execute(
            "SELECT 1 FROM pg_collation JOIN pg_namespace n ON n.oid = collnamespace "
            "WHERE nspname = %s AND collname = %s AND collencoding IN (-1, pg_char_to_encoding('UTF8'))",
            (schema, collation),
        )
        if await known.fetchone() is None:
            continue
        quoted = psycopg.sql.Identifier(schema, collation)
        folded = await connection.execute(psycopg.sql.SQL("SELECT lower('É' COLLATE {}) = 'é'").format(quoted))
        if await folded.fetchone() == (True,):
            return name
    log.warning("no_collation_folds_case", detail="ilike, icontains and q fold ASCII letters only")
    return FOLDING[-1]
