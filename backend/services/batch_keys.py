"""Operations of a batch that would give two live records the same declared key, found ahead of the unique index."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Raw

from backend.repositories import record_keys
from backend.repositories.database import Tx
from backend.repositories.record_images import Edit
from backend.schemas.batches import Batch
from backend.schemas.columns import Column
from backend.schemas.problems import ErrorItem, pointer
from backend.services.batch_errors import DUPLICATE_KEY, Wrong
from backend.services.record_keys import key_column
from backend.services.record_values import Values, as_text
from backend.services.writing import Writing


class Claim(NamedTuple):
    """An operation that gives a record a key.

    `record`: its id, None for a new one; `first`: the first claim to the same key; `holder`: the record that has it.
    """

    record: int | None
    first: int
    holder: int | None

    @property
    def is_met(self) -> bool:
        """Whether the record has the key already."""
        return self.record is not None and self.record == self.holder


def refused(claims: Sequence[Claim], leaving: Collection[int], *, partial: bool) -> dict[int, int | None]:
    """Claims that cannot be met, and the record that has the key; None where an earlier claim gets it.

    `leaving`: the records that give up their keys. In a partial write one whose claim is refused keeps its key after
    all, and those who want that are refused, too.
    """
    told: dict[int, int | None] = {}
    wanted = _wanted(claims)

    def keep(holder: int) -> None:
        staying = [holder]
        while staying:
            holder = staying.pop()
            for at in wanted.pop(holder, ()):
                told[at] = holder
                if partial and (record := claims[at].record) is not None:
                    staying.append(record)

    for holder in [each for each in wanted if each not in leaving]:
        keep(holder)
    winners: dict[int, int] = {}
    for at, claim in enumerate(claims):
        if at not in told and not claim.is_met and winners.setdefault(claim.first, at) != at:
            told[at] = None
            if partial and claim.record is not None:
                keep(claim.record)
    return told


def _wanted(claims: Sequence[Claim]) -> dict[int, list[int]]:
    """Record → the claims of others to its key."""
    wanted = defaultdict[int, list[int]](list)
    for at, claim in enumerate(claims):
        if claim.holder is not None and not claim.is_met:
            wanted[claim.holder].append(at)
    return wanted


async def check_keys(
    tx: Tx,
    writing: Writing,
    batch: Batch,
    edits: dict[int, Edit],
    rows: dict[int, Values],
    wrong: Wrong,
    *,
    partial: bool,
) -> None:
    """Takes out of `edits` and `rows`, by their index, what would double the declared key, and adds it to `wrong`."""
    column = None if writing.head.key is None else key_column(writing.head, writing.columns)
    if column is None:
        return
    places = [*(("changes", at) for at, edit in edits.items() if column.key in edit.values)]
    places += [("creates", at) for at, row in rows.items() if column.key in row]
    if not places:
        return
    values = [(edits[at].values if part == "changes" else rows[at])[column.key] for part, at in places]
    items = [Raw(msgspec.json.encode({column.key: value})) for value in values]
    paired = await record_keys.pair(tx, writing.scope, writing.store, [column], items)
    claims = [
        Claim(edits[at].id if part == "changes" else None, first, ids[0] if ids else None)
        for (part, at), (first, ids) in zip(places, paired, strict=True)
    ]
    leaving = _leaving(batch, claims, edits, column, wrong, partial=partial)
    for claim, holder in refused(claims, leaving, partial=partial).items():
        part, at = places[claim]
        text = "Another operation gives this key to a record." if holder is None else f"Record {holder} has this key."
        error = ErrorItem(
            text,
            _pointer(batch, part, at, column),
            column=column.name,
            code=DUPLICATE_KEY,
            record=holder,
            value=as_text(values[claim]),
        )
        wrong.add(part, at, [error])
        (edits if part == "changes" else rows).pop(at)


def _leaving(
    batch: Batch,
    claims: Sequence[Claim],
    edits: Mapping[int, Edit],
    column: Column,
    wrong: Wrong,
    *,
    partial: bool,
) -> set[int]:
    """The records that give up their keys; where all is refused anyway, those too that would by a bad operation."""
    ids = {claim.record for claim in claims if claim.record is not None and not claim.is_met}
    ids |= {each.id for at, each in enumerate(batch.deletes) if not (partial and wrong.has("deletes", at))}
    if not partial:
        ids |= {each.id for at, each in enumerate(batch.changes) if at not in edits and column.name in each.set}
    return ids


def _pointer(batch: Batch, part: str, at: int, column: Column) -> str:
    return pointer(column.name, batch.places.values(at) if part == "changes" else batch.places.creates(at))
