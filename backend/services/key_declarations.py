"""Declaring a dataset's key column: from then on each live record has a value in it that no other one has."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from backend.errors import DuplicateKeys, InvalidSchema
from backend.query.text import nearest, shown
from backend.repositories import datasets, record_keys
from backend.repositories.database import Tx, translating
from backend.schemas.columns import Column
from backend.schemas.problems import ErrorItem
from backend.schemas.versions import Change
from backend.services.dataset_leases import refuse_busy
from backend.services.writing import Writing, publish


async def declare(tx: Tx, writing: Writing, name: str | None) -> str | None:
    """The column of this name becomes the key, or with None there is none any more; answers the column's own key.

    A column that could hold nulls cannot from now on, which makes a version. Raises InvalidSchema, DuplicateKeys,
    DatasetBusy.
    """
    refuse_busy(writing.head)
    scope, store = writing.scope, writing.store
    column = None if name is None else _named(writing, name)
    await record_keys.drop(tx, scope, store, await record_keys.list_indexes(tx, scope, store))
    if column is None:
        return None
    if ids := await record_keys.without(tx, scope, store, column):
        text = f"Column {shown(column.name)} cannot be the key: record {ids[0]} has no value in it."
        errors = [ErrorItem("there is no value", "/key", column=column.name, code="NULL", record=each) for each in ids]
        raise InvalidSchema(text, errors=errors)
    try:
        async with tx.transaction():
            with translating(column.name):
                await record_keys.build(tx, scope, store, column)
    except DuplicateKeys as error:
        raise _doubled(column, await record_keys.repeated(tx, scope, store, column)) from error
    if column.nullable:
        await _require(tx, writing, column)
        await publish(tx, writing, Change("schema"), next_id=writing.head.next_id)
    return column.key


def _named(writing: Writing, name: str) -> Column:
    column = writing.by_name.get(name)
    if column is None:
        text = f"There is no column {shown(name)}; {nearest(name, writing.by_name)}."
        raise InvalidSchema(text, errors=[ErrorItem(text, "/key", column=name, code="UNKNOWN_COLUMN")])
    return column


def _doubled(column: Column, found: Sequence[tuple[list[int], str]]) -> DuplicateKeys:
    say, code = "several records have this value", "DUPLICATE_KEY"
    errors = [
        ErrorItem(say, "/key", column=column.name, code=code, record=each, value=value)
        for ids, value in found
        for each in ids
    ]
    ids, value = found[0]
    listed = ", ".join(map(str, ids))
    text = f"Column {shown(column.name)} cannot be the key: the records {listed} all have {shown(value)} in it."
    return DuplicateKeys(text, errors=errors)


async def _require(tx: Tx, writing: Writing, column: Column) -> None:
    """The column takes no nulls from this write's version on."""
    scope, dataset = writing.scope, writing.head.dataset
    place = writing.columns.index(column)
    known = (await datasets.list_evidence(tx, scope, dataset.id, dataset.version)).get(column.key)
    needed = structs.replace(column, nullable=False)
    evidence = None if known is None else bytes(known)
    await datasets.end_columns(tx, scope, dataset.id, writing.version, [column.key])
    await datasets.add_columns(tx, scope, dataset.id, writing.version, [(place + 1, needed, evidence)])
    writing.columns = (*writing.columns[:place], needed, *writing.columns[place + 1 :])
