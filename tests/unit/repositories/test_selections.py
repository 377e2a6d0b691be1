"""Compiled queries that are kept: one for all pages of a query, and none that is too heavy for all the others."""

from uuid import UUID

from msgspec import structs

from backend.query.nodes import Condition, Query
from backend.repositories.selections import selection
from backend.schemas.callers import WorkspaceScope
from backend.schemas.columns import Column
from backend.schemas.datasets import Snapshot, Store

ID = UUID("0190a000-0000-7000-8000-000000000000")
SCOPE = WorkspaceScope(ID, "mine", "Mine", "owner", has_schema=True)
SNAPSHOT = Snapshot(ID, Store(ID), 3, "token", 10, (Column("k1", "city", "text"),), "orders", 1)


def test_pages_behind_a_cursor_share_what_was_compiled() -> None:
    query = Query(Condition("city", "eq", ("Oslo",)))
    first = selection(SCOPE, SNAPSHOT, query, "C")
    assert selection(SCOPE, SNAPSHOT, structs.replace(query, cursor="behind"), "C") is first


def test_one_that_is_too_heavy_is_not_kept() -> None:
    query = Query(Condition("city", "eq", ("x" * 9 * 2**20,)))
    assert selection(SCOPE, SNAPSHOT, query, "C") is not selection(SCOPE, SNAPSHOT, query, "C")
