"""Many operations on records as one write: all of them, or, where that is asked for, the good ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import UNSET, Raw, Struct

from backend.errors import DuplicateKeys, InvalidRecord, PreconditionFailed
from backend.readers.base import ReadLimits
from backend.repositories import record_images
from backend.repositories.database import Tx
from backend.repositories.record_images import Edit
from backend.schemas.batches import Batch, Item, RecordChange, RecordRemoval
from backend.schemas.problems import ErrorItem
from backend.schemas.records import Changed, Record
from backend.schemas.versions import Change
from backend.services import record_values
from backend.services.batch_errors import DUPLICATE_KEY, Wrong
from backend.services.batch_keys import check_keys
from backend.services.conflicts import conflicts
from backend.services.quotas import check_rows, require
from backend.services.record_values import MOST_ERRORS, Values, holds_object, merged_item, refuse_lengths
from backend.services.schema_growth import grow, unnameable
from backend.services.writing import Writing, etag_after, publish

MOST_OPERATIONS = 10_000
"""Operations, and records or ids, that one request may have; streams and filters are for more."""


class Outcome(Struct):
    """What a batch did. `created` and `changed` go along with the batch's operations: None where nothing was written.

    `version`: the newest version afterwards; `etag`: the dataset's.
    """

    version: int
    etag: str
    created: list[Record | None]
    changed: list[Record | None]
    removed: int
    unchanged: int
    errors: tuple[ErrorItem, ...] = ()

    @property
    def records(self) -> list[Record]:
        """The new images, changes first."""
        return [record for record in (*self.changed, *self.created) if record is not None]

    def as_changed(self, *, answer: bool, dry_run: bool) -> Changed:
        """As the caller is answered."""
        return Changed(
            self.version,
            added=sum(each is not None for each in self.created),
            changed=sum(each is not None for each in self.changed),
            removed=self.removed,
            unchanged=self.unchanged,
            data=self.records if answer else UNSET,
            errors=self.errors,
            dry_run=dry_run,
        )


class _Regrow(Exception):
    """Columns have grown by operations that turned out to be bad."""


async def apply(
    tx: Tx,
    writing: Writing,
    batch: Batch,
    *,
    limits: ReadLimits,
    partial: bool = False,
    answer: bool = True,
    operation: str = "batch",
) -> Outcome:
    """Carries out a batch and publishes it as one version, none when nothing changes.

    `partial`: bad operations are left out and told in `errors`. `answer`: whether the records are wanted with their
    data. Raises InvalidRecord, DuplicateKeys, PreconditionFailed, LimitExceeded, QuotaExceeded.
    """
    if batch.creates or batch.changes:
        items = [*batch.creates, *(each.set for each in batch.changes)]
        await require(tx, writing.scope, writing.quotas, items)
    wrong = Wrong(batch.places)
    await _check_records(tx, writing, batch, wrong)
    if writing.head.open_schema:
        _check_names(batch, wrong)
    edits, rows = await _grown(tx, writing, batch, wrong, partial=partial, limits=limits)
    if not partial:
        await _refuse(tx, writing, batch, wrong)
    if (more := len(rows) - sum(not wrong.has("deletes", at) for at in range(len(batch.deletes)))) > 0:
        check_rows(writing.head.dataset.rows + more, limits.max_rows)
    outcome = await _carry_out(tx, writing, batch, edits, rows, wrong, answer=answer)
    added, changed = len(rows), sum(each is not None for each in outcome.changed)
    if added or changed or outcome.removed or writing.columns != writing.snapshot.columns:
        change = Change(operation, added=added, changed=changed, removed=outcome.removed)
        token = await publish(tx, writing, change, next_id=writing.head.next_id + added)
        outcome.version, outcome.etag = writing.version, etag_after(writing, token)
    return outcome


async def _carry_out(
    tx: Tx,
    writing: Writing,
    batch: Batch,
    edits: Mapping[int, Edit],
    rows: Mapping[int, Values],
    wrong: Wrong,
    *,
    answer: bool,
) -> Outcome:
    """Deletes come first, then changes: what they leave of unique values is free for those that follow."""
    target, first = writing.target, writing.head.next_id
    removed = [each.id for at, each in enumerate(batch.deletes) if not wrong.has("deletes", at)]
    if removed:
        await record_images.close(tx, target, removed)
    written = await record_images.edit(tx, target, list(edits.values()), answer=answer) if edits else {}
    made = await record_images.insert(tx, target, first, list(rows.values()), answer=answer) if rows else []
    created = dict(zip(rows, made, strict=True))
    return Outcome(
        writing.head.dataset.version,
        writing.head.etag,
        [created.get(at) for at in range(len(batch.creates))],
        [written.get(edits[at].id) if at in edits else None for at in range(len(batch.changes))],
        len(removed),
        len(edits) - len(written),
        wrong.items,
    )


async def _refuse(tx: Tx, writing: Writing, batch: Batch, wrong: Wrong) -> None:
    """Raises PreconditionFailed when all that is wrong is that records have changed; DuplicateKeys, InvalidRecord."""
    items = wrong.items
    if not items:
        return
    refuse_lengths(items)
    if wrong.codes != {"STALE"}:
        refusal = DuplicateKeys if wrong.codes == {DUPLICATE_KEY} else InvalidRecord
        raise refusal(wrong.text, errors=items[:MOST_ERRORS])
    wanted = [
        *((each.id, each.set) for at, each in enumerate(batch.changes) if wrong.has("changes", at)),
        *((each.id, None) for at, each in enumerate(batch.deletes) if wrong.has("deletes", at)),
    ]
    current = await conflicts(tx, writing, wanted[:MOST_ERRORS])
    raise PreconditionFailed(wrong.text, errors=items[:MOST_ERRORS], current=current)


async def _check_records(tx: Tx, writing: Writing, batch: Batch, wrong: Wrong) -> None:
    """Each record is there, named once, and not changed since its `if_version`."""
    named: Sequence[tuple[str, int, RecordChange | RecordRemoval]] = [
        *(("changes", at, each) for at, each in enumerate(batch.changes)),
        *(("deletes", at, each) for at, each in enumerate(batch.deletes)),
    ]
    live = await record_images.live(tx, writing.target, [each.id for _, _, each in named]) if named else {}
    seen = set[int]()
    for part, at, each in named:
        if error := _why_not(each, live.get(each.id), writing.head.dataset.version, seen):
            message, code = error
            place = batch.places.changes(at) if part == "changes" else batch.places.deletes(at)
            wrong.add(part, at, [ErrorItem(message, place, code=code, record=each.id)])
        seen.add(each.id)


def _why_not(
    each: RecordChange | RecordRemoval, changed_in: int | None, newest: int, seen: set[int]
) -> tuple[str, str] | None:
    """What keeps a record from being written, and its code; `changed_in`: the version that last changed it."""
    if each.id in seen:
        return "This record is named twice.", "DUPLICATE_ID"
    if changed_in is None:
        return "There is no such record.", "RECORD_NOT_FOUND"
    if each.if_version is not None and not changed_in <= each.if_version <= newest:
        return f"This record was changed in version {changed_in}.", "STALE"
    return None


def _check_names(batch: Batch, wrong: Wrong) -> None:
    for at, change in enumerate(batch.changes):
        wrong.add("changes", at, unnameable(change.set, batch.places.values(at)))
    for at, item in enumerate(batch.creates):
        wrong.add("creates", at, unnameable(item, batch.places.creates(at)))


async def _grown(
    tx: Tx, writing: Writing, batch: Batch, wrong: Wrong, *, partial: bool, limits: ReadLimits
) -> tuple[dict[int, Edit], dict[int, Values]]:
    """As `_checked`, in the columns that the good operations ask for; those of bad ones do not stay."""
    longest = limits.max_cell
    if not writing.head.open_schema:
        return await _checked(tx, writing, batch, wrong, partial=partial, longest=longest)
    while True:
        before, known = (writing.columns, writing.indexed), len(wrong)
        try:
            async with tx.transaction():
                await grow(tx, writing, _good_items(batch, wrong), max_columns=limits.max_columns)
                found = await _checked(tx, writing, batch, wrong, partial=partial, longest=longest)
                if partial and len(wrong) > known and writing.columns != before[0]:
                    raise _Regrow
                return found
        except _Regrow:
            writing.columns, writing.indexed = before


def _good_items(batch: Batch, wrong: Wrong) -> list[Item]:
    changes = [each.set for at, each in enumerate(batch.changes) if not wrong.has("changes", at)]
    return [*changes, *(item for at, item in enumerate(batch.creates) if not wrong.has("creates", at))]


async def _checked(
    tx: Tx, writing: Writing, batch: Batch, wrong: Wrong, *, partial: bool, longest: int
) -> tuple[dict[int, Edit], dict[int, Values]]:
    """By their index: what becomes of the records that are changed, and the values of new ones."""
    by_name = writing.by_name
    rows: dict[int, Values] = {}
    edits: dict[int, Edit] = {}
    for at, item in enumerate(batch.creates):
        if wrong.has("creates", at):
            continue
        place = batch.places.creates(at)
        values, errors = record_values.check(item, by_name, writing.columns, place, longest=longest)
        wrong.add("creates", at, errors)
        if not errors:
            rows[at] = values
    changes = {at: each for at, each in enumerate(batch.changes) if not wrong.has("changes", at)}
    stored = await _to_merge(tx, writing, list(changes.values()))
    for at, change in changes.items():
        there = stored.get(change.id)
        item = change.set if there is None else merged_item(there, change.set, by_name)
        values, gone, errors = record_values.check_change(item, by_name, batch.places.values(at), longest=longest)
        wrong.add("changes", at, errors)
        if not errors:
            edits[at] = Edit(change.id, gone, values)
    await check_keys(tx, writing, batch, edits, rows, wrong, partial=partial)
    return edits, rows


async def _to_merge(tx: Tx, writing: Writing, changes: Sequence[RecordChange]) -> dict[int, dict[str, Raw]]:
    """What is stored of the records that an object is to be merged into."""
    ids = [each.id for each in changes if holds_object(each.set)]
    return await record_images.values(tx, writing.target, ids) if ids else {}
