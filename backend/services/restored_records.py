"""Chosen records brought back to what they were, under the columns of today."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Raw

from backend.errors import InvalidRecord
from backend.repositories import record_images, restores
from backend.repositories.database import Tx
from backend.repositories.restores import Counts, Then
from backend.schemas.columns import Column
from backend.schemas.datasets import Snapshot
from backend.schemas.problems import ErrorItem
from backend.services.quotas import require
from backend.services.record_values import MOST_ERRORS, Values, stored_value
from backend.services.writing import Writing

_values = msgspec.json.Decoder(dict[str, Raw])


async def restore_records(tx: Tx, writing: Writing, target: Snapshot, ids: Sequence[int]) -> Counts:
    """Deleted ones come back, those that were not there go.

    Raises QuotaExceeded, and InvalidRecord with a pointer to each bad id.
    """
    found = {each.id: each for each in await restores.list_images(tx, writing.scope, target, ids)}
    then = {column.key: column for column in target.columns}
    errors, places = list[ErrorItem](), dict[int, int]()
    fresh, gone, added = dict[int, Values](), list[int](), 0
    for place, record_id in enumerate(ids):
        if places.setdefault(record_id, place) != place:
            continue
        if (images := found.get(record_id)) is None:
            text = f"No version that is kept has a record {record_id}."
            errors.append(ErrorItem(text, f"/ids/{place}", code="RECORD_NOT_FOUND", record=record_id))
        elif images.then is None:
            gone += [record_id] if images.now is not None else []
        else:
            values = _brought_back(images, writing.columns, then, place, errors)
            if images.now is None or values != _seen(images.now, writing.columns):
                fresh[record_id] = values
                added += images.now is None
    if errors:
        text = f"{errors[0].message} Nothing was restored."
        raise InvalidRecord(text, errors=errors[:MOST_ERRORS])
    if fresh:
        await require(tx, writing.scope, writing.quotas, rows=added - len(gone))
    await record_images.close(tx, writing.target, [*fresh, *gone])
    await restores.insert(tx, writing.scope, writing.store, writing.version, fresh)
    return Counts(added, len(fresh) - added, len(gone))


def _seen(image: Raw, columns: Sequence[Column]) -> Values:
    """What an image holds in these columns."""
    values = _values.decode(image)
    return {column.key: values[column.key] for column in columns if column.key in values}


def _brought_back(
    images: Then, columns: Sequence[Column], then: Mapping[str, Column], place: int, errors: list[ErrorItem]
) -> Values:
    """The old values in the columns of both times; those in columns added since stay. Adds to `errors`."""
    old = {} if images.then is None else _values.decode(images.then)
    now = {} if images.now is None else _values.decode(images.now)
    values: Values = {}
    for column in columns:
        was = then.get(column.key)
        raw = now.get(column.key) if was is None else old.get(column.key)
        wrong = None
        if raw is None:
            if not column.nullable:
                wrong = ErrorItem("This column needs a value, and there was none.", code="NULL")
        elif was is None or (was.type, was.format) == (column.type, column.format):
            values[column.key] = raw
        elif isinstance(stored := stored_value(column, _as_type(raw, was, column)), str):
            wrong = ErrorItem(f"{stored} The column was of type {was.type}.", code="INVALID_VALUE")
        else:
            values[column.key] = Raw(stored)
        if wrong is not None:
            text = f"Record {images.id}, column {column.name!r}: {wrong.message}"
            errors.append(ErrorItem(text, f"/ids/{place}", column=column.name, code=wrong.code, record=images.id))
    return values


def _as_type(raw: Raw, was: Column, column: Column) -> bytes:
    """A stored value as the JSON that another type would have, if it fits that."""
    value = bytes(raw)
    if column.type == "json":
        return value
    text = msgspec.json.decode(value, type=str) if value.startswith(b'"') else value.decode()
    if was.type == "boolean" and was.format in {"TRUE", "True"}:
        text = text.upper() if was.format == "TRUE" else text.title()
    if column.type in {"integer", "number", "boolean"}:
        return text.strip().lower().encode()
    return msgspec.json.encode(text)
