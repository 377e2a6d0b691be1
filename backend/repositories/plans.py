"""How PostgreSQL would go about a statement, by its own word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct
from psycopg import AsyncClientCursor, sql
from psycopg.abc import Query

from backend.repositories.database import Tx

Statement = Query
_ID = re.compile(r"\bid [=<>]")


class Plan(Struct, frozen=True):
    """The names of the indexes that it goes by, and whether it reads a table from end to end, or by records' ids."""

    indexes: frozenset[str]
    scans: bool
    by_id: bool


async def plan(tx: Tx, statement: Statement, params: Mapping[str, Any], table: str) -> Plan:
    """The plan of a statement as far as one table, by its bare name, is read."""
    async with AsyncClientCursor(tx) as cursor:
        rendered = cursor.mogrify(statement, params)
    found = await tx.execute(sql.SQL("EXPLAIN (FORMAT JSON, COSTS OFF) {}").format(sql.SQL(rendered)))
    row = await found.fetchone()
    nodes = [node for top in msgspec.json.decode(row[0] if row else b"[]") for node in _nodes(top["Plan"])]
    indexes = {str(node["Index Name"]) for node in nodes if "Index Name" in node}
    scans = any(node["Node Type"] == "Seq Scan" and node.get("Relation Name") == table for node in nodes)
    own = {f"pk_{table}", f"ix_{table}_live"}
    by_id = any(_ID.search(node.get("Index Cond", "")) for node in nodes if node.get("Index Name") in own)
    return Plan(frozenset(indexes), scans, by_id)


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)
