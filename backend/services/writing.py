"""One write to a dataset: its head locked, its next version published or nothing changed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

from msgspec import Struct, structs

from backend.repositories import lookup, records, stores, versions
from backend.repositories.database import Database, Tx, translating
from backend.repositories.record_images import Target
from backend.schemas.callers import Caller, WorkspaceScope
from backend.schemas.columns import Column
from backend.schemas.datasets import Head, Snapshot, Store
from backend.schemas.limits import Quotas, Usage
from backend.schemas.versions import Change
from backend.services.dataset_leases import Lease, refuse_busy
from backend.services.identifiers import new_token, uuid7
from backend.services.quotas import NO_QUOTAS, check
from backend.services.record_keys import follow
from backend.services.turns import turn

MANY = 20_000
"""A write that may touch more records than these takes a lease, see `Writers.write_long`."""


class Writing(Struct):
    """A dataset that is being written to: its head row locked, or held by a `lease`.

    `indexed`: the key column as the write has made its index. `moved`: where it has written all records anew.
    """

    caller: Caller
    scope: WorkspaceScope
    head: Head
    snapshot: Snapshot
    columns: tuple[Column, ...]
    quotas: Quotas
    lease: Lease | None = None
    indexed: Column | None = None
    moved: Store | None = None

    @property
    def store(self) -> Store:
        """Where the records lie from this version on."""
        return self.moved or self.head.store

    @property
    def version(self) -> int:
        """The version that this write makes."""
        return self.head.dataset.version + 1

    @property
    def target(self) -> Target:
        """Where the write's images go."""
        return Target(self.scope, self.head.dataset.id, self.store, self.version, self.columns)

    @property
    def by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}


class Writers:
    """Where each write begins. Within a process writers to one dataset take turns, see `turns`."""

    def __init__(self, database: Database, quotas: Quotas = NO_QUOTAS) -> None:
        """`quotas`: what one workspace may hold."""
        self.quotas = quotas
        self._database = database

    @asynccontextmanager
    async def write(
        self, caller: Caller, ref: str, workspace: str | None, *, dry_run: bool = False
    ) -> AsyncIterator[tuple[Tx, Writing]]:
        """A short write: others wait for it. A dry run leaves nothing. Raises DatasetNotFound, DatasetBusy."""
        async with (
            turn(self._database, caller, ref, workspace),
            self._database.rolled_back() if dry_run else self._database.publishing() as tx,
        ):
            writing = await begin(tx, caller, ref, workspace, self.quotas)
            with translating(writing.head.dataset.key):
                yield tx, writing

    @asynccontextmanager
    async def write_long(
        self, caller: Caller, ref: str, workspace: str | None, *, dry_run: bool = False
    ) -> AsyncIterator[tuple[Tx, Writing]]:
        """A write that takes its time: meanwhile others' are refused instead of waiting, and no lock is held.

        Raises DatasetNotFound, DatasetBusy.
        """
        async with turn(self._database, caller, ref, workspace), self._database.transaction() as tx:
            writing = await begin(tx, caller, ref, workspace, self.quotas)
            lease = Lease(self._database, writing.scope, writing.head.dataset.id, uuid7())
            await lease.take(tx)
        writing.lease = lease
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(lease.held())
            if dry_run:
                stack.push_async_callback(lease.give_back)
            tx = await stack.enter_async_context(
                self._database.rolled_back() if dry_run else self._database.publishing()
            )
            with translating(writing.head.dataset.key):
                yield tx, writing
            await lease.release(tx)


async def begin(
    tx: Tx, caller: Caller, ref: str, workspace: str | None, quotas: Quotas, *, lock: bool = True
) -> Writing:
    """Locks the dataset's head row, unless it is only to be looked at.

    Raises DatasetNotFound, and DatasetBusy while a long write has it to itself.
    """
    scope, head = await lookup.head(tx, caller, ref, workspace, lock=lock)
    refuse_busy(head)
    snapshot = await lookup.snapshot(tx, scope, head)
    return Writing(caller, scope, head, snapshot, snapshot.columns, quotas)


async def publish(tx: Tx, writing: Writing, change: Change, *, next_id: int) -> str:
    """The new version's token. Raises DatasetBusy when the write's lease was lost, QuotaExceeded."""
    if writing.lease is not None:
        writing.head = await writing.lease.lock(tx, writing.head.dataset.version)
    await follow(tx, writing)
    token = new_token()
    if writing.moved is not None:
        await stores.move(tx, writing.scope, writing.head.dataset.id, writing.moved)
    await versions.publish(
        tx,
        writing.scope,
        writing.head,
        token=token,
        author=writing.caller.user_id,
        at=datetime.now(UTC),
        change=change,
        columns=len(writing.columns),
        next_id=next_id,
        size=await records.total_bytes(tx, writing.scope, writing.store),
    )
    if (more := change.added - change.removed) > 0:
        await check(tx, writing.scope, writing.quotas, Usage(rows=more))
    if writing.columns == writing.snapshot.columns:
        lookup.remember_columns(token, writing.columns)
    return token


def etag_after(writing: Writing, token: str) -> str:
    """The dataset's ETag once the version with this token is published."""
    return structs.replace(writing.head, token=token).etag
