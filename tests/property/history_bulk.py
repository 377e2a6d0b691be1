"""Random writes of many records at once, returns to older versions, tags and pruning, as in `history_steps`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from history_model import Column, Data, History, Num, Records, Refused, dumps, merged, visible
from history_steps import CELLS, FEW, MAKERS, PLACES, ROW, WRONG, Call, Maker, fitting, item, record_at
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
        told.records |= dict(zip(history.take_ids(len(new)), (values or {} for values in new), strict=True))
        counts = history.write(told.records)
        return counted(counts, unchanged=unchanged, version=history.number)

    return Call("PATCH", "/records", after, dumps(body), params={"partial": "true"} if partial else {})


def _if(version: int | None) -> dict[str, Any]:
    return {} if version is None else {"if_version": version}


def condition(history: History, place: int, cell: int) -> tuple[dict[str, Any], Records]:
    """A filter and the records that it lets through."""
    columns, records = history.newest.columns, history.newest.records
    if cell > 5:
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
        counts = history.write(history.newest.records | {at: patched(each, new) for at, each in matching.items()})
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


def restore(history: History, to: int) -> Call:
    number = to % history.number + 1

    def after(history: History) -> dict[str, Any]:
        target, newest = history.readable(number), history.newest
        records = dict(target.records)
        for record in target.records.keys() & newest.records.keys():
            if visible(newest.records[record], target.columns) == target.seen(record):
                records[record] = newest.records[record]
        counts = history.write(records, target.columns)
        return counted(counts, version=history.number)

    return Call("POST", "/restore", after, dumps({"version": Num(str(number))}))


def tag(history: History, to: int, name: int) -> Call:
    number = to % history.number + 1
    called = f"tag {name % 3}"

    def after(history: History) -> None:
        version = history.readable(number)
        if any(other.tag == called and other is not version for other in history.versions):
            raise Refused(409)
        version.tag = called

    return Call("PUT", f"/versions/{number}/tag", after, dumps({"tag": called}))


def untag(history: History, to: int) -> Call:
    number = to % history.number + 1

    def after(history: History) -> None:
        history.readable(number).tag = None
        history.prune()

    return Call("DELETE", f"/versions/{number}/tag", after, status=204)


def keep(history: History, many: int) -> Call:
    kept = None if many > 4 else many + 1

    def after(history: History) -> None:
        history.keep = kept
        history.prune()

    return Call("PATCH", "", after, dumps({"keep_versions": None if kept is None else Num(str(kept))}))


def bury(_: History) -> Call:
    return Call("DELETE", "", lambda _: None, status=204)


CHANGES = st.lists(st.tuples(FEW, ROW | WRONG, st.integers(0, 7)), max_size=3)
DELETES = st.lists(st.tuples(FEW, st.integers(0, 7)), max_size=2)
BULK: dict[str, Maker] = {
    "batch": (batch, (CHANGES, DELETES, st.lists(ROW | WRONG, max_size=2), st.booleans())),
    "filtered": (filtered, (PLACES, CELLS, ROW | WRONG, st.integers(0, 9))),
    "removed": (removed, (PLACES, CELLS, st.integers(0, 9))),
    "restore": (restore, (st.integers(0, 11),)),
    "tag": (tag, (st.integers(0, 11), PLACES)),
    "untag": (untag, (st.integers(0, 11),)),
    "keep": (keep, (st.integers(0, 7),)),
}
DRY = ["create", "patch", "replace", "delete", "batch", "filtered", "removed", "restore"]
ALL = MAKERS | BULK
ONE = st.one_of(*(st.tuples(st.just(name), *told) for name, (_, told) in ALL.items()))
STEP = st.tuples(ONE, st.integers(0, 5).map(lambda each: each == 5))
"""A step, and whether it is only tried out."""


def call_of(history: History, step: tuple[tuple[Any, ...], bool]) -> Call:
    (name, *arguments), dry = step
    call = ALL[name][0](history, *arguments)
    return call.tried() if dry and name in DRY else call
