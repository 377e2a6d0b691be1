"""Random writes of many records at once, as in `history_steps`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from history_model import Column, Data, History, Num, Records, Refused, dumps, merged, visible
from history_steps import (
    BAD,
    CELLS,
    FEW,
    NOTHING,
    PLACES,
    POOLS,
    ROW,
    WRONG,
    Call,
    Maker,
    fitting,
    item,
    keyed_by,
    record_at,
)
from hypothesis import strategies as st


def patched(before: Data, new: Data) -> Data:
    return before | {key: merged(before.get(key), value) for key, value in new.items()}


def counted(counts: tuple[int, int, int], **more: Any) -> dict[str, Any]:
    return dict(zip(("added", "changed", "removed"), counts, strict=True)) | more


class Batch:
    """Operations that are looked at one by one, then carried out together."""

    def __init__(self, history: History) -> None:
        self.history, self.seen, self.wrong = history, set[int](), list[str]()
        self.records = dict(history.newest.records)

    def named(self, record: int, if_version: int | None) -> bool:
        """Whether a record may be written."""
        newest = self.history.newest
        code = None
        if record in self.seen:
            code = "DUPLICATE_ID"
        elif record not in newest.records:
            code = "RECORD_NOT_FOUND"
        elif if_version is not None and not newest.touched[record] <= if_version <= self.history.number:
            code = "STALE"
        self.seen.add(record)
        self.wrong += [code] if code else []
        return code is None

    def fits(self, values: Data | None) -> bool:
        self.wrong += ["INVALID_VALUE"] if values is None else []
        return values is not None


def if_version(history: History, record: int, how: int) -> int | None:
    """None, the version of the record, one before that, or one that is yet to come."""
    touched = history.newest.touched.get(record, 1)
    return {1: touched, 2: max(1, touched - 1), 3: history.number + 1}.get(how)


def batch(
    history: History,
    changes: list[tuple[int, dict[int, int], int]],
    deletes: list[tuple[int, int]],
    creates: list[dict[int, int]],
    partial: bool,
) -> Call:
    changing = [(record_at(history, place), item(history, row), how) for place, row, how in changes]
    deleting = [(record_at(history, place), how) for place, how in deletes]
    creating = [item(history, row) for row in creates]
    body = {
        "changes": [
            {"id": record, "set": sent} | _if(if_version(history, record, how)) for record, (sent, _), how in changing
        ],
        "deletes": [{"id": record} | _if(if_version(history, record, how)) for record, how in deleting],
        "creates": [sent for sent, _ in creating],
    }

    def after(history: History) -> dict[str, Any]:
        told, unchanged = Batch(history), 0
        sent = [each for _, (each, _), _ in changing] + [each for each, _ in creating]
        good = [told.named(record, if_version(history, record, how)) for record, _, how in changing]
        for record, how in deleting:
            if told.named(record, if_version(history, record, how)):
                del told.records[record]
        for may, (record, (_, values), _) in zip(good, changing, strict=True):
            if may and told.fits(values):
                told.records[record] = patched(told.records[record], values or {})
                unchanged += history.newest.seen(record) == visible(told.records[record], history.newest.columns)
        new = [values for _, values in creating if told.fits(values)]
        if told.wrong and not partial:
            raise Refused(412 if {*told.wrong} == {"STALE"} else 422)
        columns = history.grown([*(each for may, each in zip(good, sent, strict=False) if may), *sent[len(good) :]])
        told.records |= dict(zip(history.take_ids(len(new)), (values or {} for values in new), strict=True))
        counts = history.write(told.records, columns)
        return counted(counts, unchanged=unchanged, version=history.number)

    return Call("PATCH", "/records", after, dumps(body), params={"partial": "true"} if partial else {})


def _if(version: int | None) -> dict[str, Any]:
    return {} if version is None else {"if_version": version}


def condition(history: History, place: int, cell: int) -> tuple[dict[str, Any], Records]:
    """A filter and the records that it lets through."""
    columns, records = history.newest.columns, history.newest.records
    if cell > 5 or not columns:
        return {}, records
    column = columns[place % len(columns)]
    values = [data[column.key] for data in records.values() if isinstance(data.get(column.key), str | Num)]
    if column.kind == "json" or cell > 3 or not values:
        return {column.name: {"is_null": True}}, {
            at: each for at, each in records.items() if each.get(column.key) is None
        }
    value = values[cell % len(values)]
    return {column.name: {"eq": value}}, {
        at: each for at, each in records.items() if _equal(column, each.get(column.key), value)
    }


def _equal(column: Column, left: Any, right: Any) -> bool:
    if column.kind == "text" or left is None:
        return bool(left == right)
    return Decimal(left.text) == Decimal(right.text)


def filtered(history: History, place: int, cell: int, row: dict[int, int], most: int) -> Call:
    where, matching = condition(history, place, cell)
    sent, values = item(history, row)
    body = {"where": where, "set": sent} | ({} if most > 2 else {"max_affected": most})

    def after(history: History) -> dict[str, Any]:
        if most <= 2 and len(matching) > most:
            raise Refused(409)
        new = fitting(values)
        columns = history.grown([sent] if matching else [])
        records = history.newest.records | {at: patched(each, new) for at, each in matching.items()}
        counts = history.write(records, columns)
        return counted(counts, unchanged=len(matching) - counts[1], version=history.number)

    return Call("PATCH", "/records", after, dumps(body))


def removed(history: History, place: int, cell: int, most: int) -> Call:
    where, matching = condition(history, place, cell)
    body = {"where": where} | ({} if most > 2 else {"max_affected": most})

    def after(history: History) -> dict[str, Any]:
        if not where:
            raise Refused(400)
        if most <= 2 and len(matching) > most:
            raise Refused(409)
        records = {at: each for at, each in history.newest.records.items() if at not in matching}
        return counted(history.write(records), unchanged=0, version=history.number)

    return Call("DELETE", "/records", after, dumps(body))


def upsert(history: History, place: int, rows: list[tuple[int, dict[int, int]]]) -> Call:
    columns = history.newest.of_kind("text", "integer")
    if history.open or not columns:
        return NOTHING
    key = columns[place % len(columns)]
    pool = POOLS[key.kind]
    items = []
    for cell, row in rows:
        sent, values = item(history, row)
        value = pool[cell % len(pool)]
        items.append((sent | {key.name: value}, item_values(history, values, sent, key), value))

    def after(history: History) -> dict[str, Any]:
        wanted = [value for _, _, value in items]
        if None in wanted or len({*wanted}) < len(wanted):
            raise Refused(422)
        found, records, unchanged = keyed_by(history, key, wanted), dict(history.newest.records), 0
        for _, values, value in items:
            new = fitting(values) | {key.key: value}
            if value in found:
                record = found[value]
                records[record] = patched(records[record], new)
                unchanged += visible(records[record], history.newest.columns) == history.newest.seen(record)
            else:
                (record,) = history.take_ids(1)
                records[record] = new
        grown = history.grown([sent for sent, _, _ in items])
        return counted(history.write(records, grown), unchanged=unchanged, version=history.number)

    return Call("PUT", "/records", after, dumps([sent for sent, _, _ in items]), params={"key": f'"{key.name}"'})


def item_values(history: History, values: Data | None, sent: dict[str, Any], key: Column) -> Data | None:
    """The values of an item whose key is replaced: it alone may have been the bad one."""
    others = {name: each for name, each in sent.items() if name != key.name}
    bad = any(
        others.get(each.name) == BAD[each.kind] for each in history.newest.columns if others.get(each.name) is not None
    )
    if bad:
        return None
    return {each.key: others[each.name] for each in history.newest.columns if each.name in others}


CHANGES = st.lists(st.tuples(FEW, ROW | WRONG, st.integers(0, 7)), max_size=3)
DELETES = st.lists(st.tuples(FEW, st.integers(0, 7)), max_size=2)
BULK: dict[str, Maker] = {
    "batch": (batch, (CHANGES, DELETES, st.lists(ROW | WRONG, max_size=2), st.booleans())),
    "filtered": (filtered, (PLACES, CELLS, ROW | WRONG, st.integers(0, 9))),
    "removed": (removed, (PLACES, CELLS, st.integers(0, 9))),
    "upsert": (upsert, (PLACES, st.lists(st.tuples(CELLS, ROW | WRONG), min_size=1, max_size=3))),
}
