"""Whether a dataset still is as it was found: what is left to ask where the answer itself is known."""

from __future__ import annotations

from functools import lru_cache

from msgspec import Struct
from psycopg import sql

from backend.errors import DatasetNotFound, VersionPruned
from backend.repositories.database import BulkTx, Tx
from backend.repositories.workspaces import table
from backend.schemas.callers import WorkspaceScope
from backend.schemas.datasets import Snapshot, Store


class Found(Struct, frozen=True):
    """A dataset at a version, as found under this name; `newest`: as the newest one."""

    scope: WorkspaceScope
    snapshot: Snapshot
    ref: str
    newest: bool


async def holds(tx: Tx, found: Found) -> bool:
    """Whether the dataset is there under that name, and the version is kept, or still the newest."""
    snapshot = found.snapshot
    told = {"id": snapshot.dataset_id, "ref": found.ref, "version": snapshot.version, "token": snapshot.token}
    return (await tx.execute(_statement(found.scope, newest=found.newest), told)).rowcount == 1


@lru_cache(maxsize=4096)
def _statement(scope: WorkspaceScope, *, newest: bool) -> bytes:
    query = sql.SQL(
        "SELECT FROM {} h WHERE h.id = %(id)s AND h.deleted_at IS NULL AND %(ref)s IN (h.slug, h.id::text) AND {}"
    )
    kept = is_kept(scope, sql.Placeholder("id"), sql.Placeholder("version"), sql.Placeholder("token"))
    check = sql.SQL("h.token = %(token)s") if newest else kept
    return query.format(table(scope, "datasets"), check).as_bytes(None)


def is_kept(scope: WorkspaceScope, dataset_id: object, version: object, token: object) -> sql.Composed:
    """Whether a version is there and not pruned: then all its images are, for a statement that sees it so.

    What tells the version are values or placeholders.
    """
    return sql.SQL(
        "EXISTS (SELECT FROM {} v WHERE v.dataset_id = {} AND v.version = {} AND v.token = {} AND v.pruned_at IS NULL)"
    ).format(table(scope, "versions"), dataset_id, version, token)


class Kept(Struct, frozen=True):
    """A version that is there for a transaction: whether it is the newest one, and where its images lie."""

    newest: bool
    store: Store


def check_kept(tx: BulkTx, scope: WorkspaceScope, snapshot: Snapshot) -> Kept:
    """Makes sure that the version is there for this transaction. Raises VersionPruned, DatasetNotFound."""
    query = sql.SQL(
        "SELECT v.pruned_at IS NOT NULL, h.token = v.token, h.store FROM {} v JOIN {} h ON h.id = v.dataset_id"
        " WHERE v.dataset_id = %s AND v.version = %s AND v.token = %s"
    ).format(table(scope, "versions"), table(scope, "datasets"))
    row = tx.execute(query, (snapshot.dataset_id, snapshot.version, snapshot.token)).fetchone()
    if row is None:
        raise DatasetNotFound
    if row[0]:
        raise VersionPruned
    return Kept(row[1], row[2])
