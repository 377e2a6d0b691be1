"""Datasets: list, read, make an empty one, rename, describe, delete, undelete."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import cast

import msgspec
from msgspec import UNSET

from backend.errors import DatasetNameTaken, DatasetNotFound, Invalid, InvalidQuery
from backend.query.text import nearest, shown
from backend.repositories import datasets, lookup, prepared_exports, pruning, records, stores, workspaces
from backend.repositories.database import Database, Tx
from backend.schemas.callers import Caller, WorkspaceScope
from backend.schemas.columns import Column
from backend.schemas.datasets import (
    ColumnCreate,
    DatasetCreate,
    DatasetList,
    DatasetPatch,
    Head,
    Store,
)
from backend.schemas.limits import Quotas, Usage
from backend.schemas.problems import ErrorItem
from backend.schemas.versions import Change
from backend.services.column_keys import keys_for
from backend.services.columns import UNNAMEABLE, check_columns, is_column_name
from backend.services.first_version import NewDataset, publish
from backend.services.identifiers import check_name, dataset_slug, uuid7
from backend.services.key_declarations import declare
from backend.services.preconditions import require_match
from backend.services.quotas import NO_QUOTAS, check, require
from backend.services.turns import turn
from backend.services.writing import Writing

_KEEPS = ("keep_versions", "keep_days")
SORTABLE = ("name", "slug", "created_at", "updated_at", "rows", "columns", "bytes", "version")


class DatasetService:
    def __init__(self, database: Database, *, grace: timedelta, max_columns: int, quotas: Quotas = NO_QUOTAS) -> None:
        """`grace`: how long a deleted dataset can be restored; `max_columns`: the most that one may have."""
        self._quotas = quotas
        self._max_columns = max_columns
        self._database = database
        self._grace = grace

    async def list_page(
        self, caller: Caller, *, workspace: str | None, q: str | None, sort: str, limit: int, offset: int
    ) -> DatasetList:
        """The datasets of one workspace; `sort` like `-updated_at,name`. Raises InvalidQuery."""
        scope = lookup.workspace(caller, workspace)
        async with self._database.read() as tx:
            heads, total = await datasets.list_page(
                tx, scope, q=q or None, sort=_parse_sort(sort), limit=limit, offset=offset
            )
        return DatasetList(tuple(head.dataset for head in heads), total, offset + len(heads) < total)

    async def get(self, caller: Caller, ref: str, workspace: str | None) -> Head:
        async with self._database.read() as tx:
            _, head = await lookup.head(tx, caller, ref, workspace)
        return head

    async def create(self, caller: Caller, wanted: DatasetCreate, *, workspace: str | None) -> Head:
        """An empty dataset at version 1. Raises InvalidName, DatasetNameTaken, WorkspaceNotFound, QuotaExceeded."""
        if None not in {wanted.workspace, workspace}:
            raise InvalidQuery("The workspace is named twice, in the query string and in the body.")
        scope = lookup.workspace(caller, wanted.workspace or workspace)
        name = check_name(wanted.name)
        columns = _new_columns(wanted.columns or (), self._max_columns)
        async with self._database.publishing() as tx:
            await workspaces.ensure_schema(tx, scope)
            scope = msgspec.structs.replace(scope, has_schema=True)
            names, slugs = await datasets.taken(tx, scope, name=name, slug=dataset_slug(name))
            if name.lower() in names:
                raise DatasetNameTaken
            new = NewDataset(
                id=uuid7(),
                name=name,
                slug=dataset_slug(name, slugs),
                description=wanted.description,
                open_schema=wanted.columns is None,
                columns=columns,
                evidence=[None] * len(columns),
                change=Change("create"),
            )
            await require(tx, scope, self._quotas)
            store = Store(new.id)
            await records.create_table(tx, scope, store)
            await records.add_indexes(tx, scope, store)
            return await publish(tx, caller, scope, new, self._quotas)

    async def patch(
        self, caller: Caller, ref: str, workspace: str | None, changes: DatasetPatch, *, if_match: str | None
    ) -> Head:
        """Renames, describes, says which column is the key and which versions stay.

        Raises InvalidName, DatasetNameTaken, PreconditionFailed, InvalidSchema, DuplicateKeys, DatasetBusy.
        """
        values: dict[str, object] = {}
        if changes.name is not UNSET:
            values["name"] = check_name(changes.name)
        kept = {name: getattr(changes, name) for name in ("description", *_KEEPS)}
        values.update((name, value) for name, value in kept.items() if value is not UNSET)
        async with turn(self._database, caller, ref, workspace), self._database.publishing() as tx:
            scope, head = await lookup.head(tx, caller, ref, workspace, lock=True)
            require_match(if_match, head)
            if changes.name is not UNSET and values["name"] != head.dataset.name:
                values["slug"] = await _slug_for(tx, scope, str(values["name"]), own=head.dataset.slug)
            if changes.key is not UNSET and changes.key != head.dataset.key:
                snapshot = await lookup.snapshot(tx, scope, head)
                writing = Writing(caller, scope, head, snapshot, snapshot.columns, self._quotas)
                values["key"] = await declare(tx, writing, changes.key)
            now = datetime.now(UTC)
            if values:
                await datasets.patch(tx, scope, head.dataset.id, {**values, "updated_at": now})
            head = cast("Head", await datasets.find(tx, scope, head.dataset.id))
            if not values.keys().isdisjoint(_KEEPS):
                await pruning.mark(tx, scope, head.dataset, newest=head.dataset.version, at=now)
            return head

    async def delete(self, caller: Caller, ref: str, workspace: str | None, *, if_match: str | None) -> None:
        """The dataset is gone from sight and its name free; it can be restored for a grace time.

        Its prepared exports are gone for good.
        """
        async with turn(self._database, caller, ref, workspace), self._database.publishing() as tx:
            scope, head = await lookup.head(tx, caller, ref, workspace, lock=True)
            require_match(if_match, head)
            await datasets.patch(tx, scope, head.dataset.id, {"deleted_at": datetime.now(UTC)})
            await prepared_exports.delete_of(tx, scope.id, head.dataset.id)

    async def sweep(self) -> None:
        """Removes for good what was deleted longer ago than the grace time; a transaction for each workspace."""
        before = datetime.now(UTC) - self._grace
        async with self._database.read() as tx:
            scopes = await workspaces.list_scopes(tx)
        for scope in scopes:
            async with self._database.transaction() as tx:
                for dataset_id in await datasets.expired(tx, scope, before):
                    await stores.drop_all(tx, scope, dataset_id)
                    await datasets.remove(tx, scope, dataset_id)
                    await workspaces.remove_from_directory(tx, scope, dataset_id)

    async def undelete(self, caller: Caller, ref: str, workspace: str | None) -> Head:
        """Raises DatasetNameTaken when another dataset has taken the name meanwhile, QuotaExceeded."""
        if lookup.as_uuid(ref) is None:
            raise DatasetNotFound
        async with turn(self._database, caller, ref, workspace), self._database.publishing() as tx:
            since = datetime.now(UTC) - self._grace
            scope, head = await lookup.head(tx, caller, ref, workspace, deleted_since=since, lock=True)
            slug = await _slug_for(tx, scope, head.dataset.name)
            await datasets.patch(tx, scope, head.dataset.id, {"deleted_at": None, "slug": slug})
            await check(tx, scope, self._quotas, Usage(1, head.dataset.rows, head.dataset.bytes))
            return cast("Head", await datasets.find(tx, scope, head.dataset.id))


async def _slug_for(tx: Tx, scope: WorkspaceScope, name: str, *, own: str | None = None) -> str:
    """The slug of a new name, which may be the dataset's `own`; the unique index on names refuses a taken name."""
    await workspaces.lock(tx, scope)
    _, slugs = await datasets.taken(tx, scope, name=name, slug=dataset_slug(name))
    return dataset_slug(name, slugs - {own})


def _parse_sort(sort: str) -> list[tuple[str, bool]]:
    parsed = [(item.strip().removeprefix("-"), item.strip().startswith("-")) for item in sort.split(",") if item]
    for name, _ in parsed:
        if name not in SORTABLE:
            raise InvalidQuery(f"Datasets cannot be sorted by {name!r}; {nearest(name, SORTABLE)}.")
    return parsed


def _new_columns(wanted: tuple[ColumnCreate, ...], most: int) -> list[Column]:
    names = [column.name.strip() for column in wanted]
    check_columns(len(names), most, pointer="/columns")
    seen: set[str] = set()
    for at, name in enumerate(names):
        if name in seen or not is_column_name(name):
            reason = f"Column {at + 1} is named twice, {shown(name)}." if name in seen else UNNAMEABLE
            raise Invalid(reason, errors=[ErrorItem(reason, pointer=f"/columns/{at}/name")])
        seen.add(name)
    return [
        Column(key, name, each.type, nullable=each.nullable, description=each.description)
        for key, name, each in zip(keys_for(names, ()), names, wanted, strict=True)
    ]
