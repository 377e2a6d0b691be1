"""The declared key of a dataset: the column by whose values records are found, each of which one live record has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, structs

from backend.errors import InvalidSchema, NoKeyColumn, RecordNotFound
from backend.query.fields import bound_value
from backend.query.text import shown
from backend.repositories import record_keys
from backend.repositories.database import Tx, translating
from backend.schemas.columns import Column
from backend.schemas.datasets import Head
from backend.schemas.problems import ErrorItem
from backend.schemas.schema_changes import SchemaPatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backend.services.writing import Writing


class ByKey(Struct, frozen=True):
    """A record by its value in the key column, written as text."""

    text: str


def key_column(head: Head, columns: Sequence[Column]) -> Column | None:
    """The dataset's key column among those of a version; None where it had no such column yet. Raises NoKeyColumn."""
    if head.key is None:
        raise NoKeyColumn
    return next((column for column in columns if column.key == head.key), None)


async def located(tx: Tx, writing: Writing, record: int | ByKey) -> int:
    """The record's id. Raises NoKeyColumn, and RecordNotFound where no live record has this key."""
    if isinstance(record, int):
        return record
    column = key_column(writing.head, writing.snapshot.columns)
    value = None if column is None else bound_value(column, record.text)
    if column is None or value is None:
        raise RecordNotFound
    found = await record_keys.find(tx, writing.scope, writing.store, column, value)
    if found is None:
        raise RecordNotFound
    return found


async def follow(tx: Tx, writing: Writing) -> None:
    """The index goes with the key column where a write changes what that is.

    Raises InvalidSchema where the column goes or may be without values.
    """
    key, scope, store = writing.head.key, writing.scope, writing.store
    if key is None or writing.columns == writing.snapshot.columns:
        return
    before = writing.indexed or key_column(writing.head, writing.snapshot.columns)
    after = key_column(writing.head, writing.columns)
    if before is None or after is None:
        raise InvalidSchema(f"The key column {shown(writing.head.dataset.key or key)} cannot go; clear the key first.")
    if after.nullable:
        if ids := await record_keys.without(tx, scope, store, after):
            text = f"Record {ids[0]} would have no value in the key column {shown(after.name)}; clear the key first."
            raise InvalidSchema(text, errors=[ErrorItem(text, column=after.name, code="NULL", record=ids[0])])
        await record_keys.require(tx, scope, writing.head.dataset.id, after)
        needed = structs.replace(after, nullable=False)
        writing.columns = tuple(needed if each == after else each for each in writing.columns)
    if not record_keys.same_index(before, after):
        old = await record_keys.list_indexes(tx, scope, store)
        with translating(after.name):
            await record_keys.build(tx, scope, store, after)
        await record_keys.drop(tx, scope, store, old)
    writing.indexed = after


async def build_anew(tx: Tx, writing: Writing) -> None:
    """The index in the record table that the write has made. Raises DuplicateKeys."""
    if writing.head.key is None or (column := key_column(writing.head, writing.columns)) is None:
        return
    with translating(column.name):
        await record_keys.build(tx, writing.scope, writing.store, column)
    writing.indexed = column


def refuse_loss(head: Head, patch: SchemaPatch) -> None:
    """Raises InvalidSchema for a change of columns after which the key could not be one."""
    for at, change in enumerate(patch.columns):
        if head.key is None or change.name != head.dataset.key:
            continue
        if change.drop or change.nullable is True:
            what, member = ("be dropped", "drop") if change.drop else ("hold nulls", "nullable")
            text = f"{shown(change.name)} is the dataset's key and cannot {what}; clear the key first."
            item = ErrorItem(text, f"/columns/{at}/{member}", column=change.name, code="KEY")
            raise InvalidSchema(text, errors=[item])
