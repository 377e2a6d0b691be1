"""Returns to older versions, tags, pruning and deletion, as in `history_steps`; and all steps together."""

from __future__ import annotations

import re
from typing import Any

from history_bulk import BULK, counted
from history_model import History, Num, Refused, converted, dumps, stored, visible
from history_steps import FEW, MAKERS, NOTHING, PLACES, Call, Maker, record_at
from hypothesis import strategies as st


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


def restore_anew(history: History, to: int) -> Call:
    """As `restore`, by the way that many records go: all images in a new table."""
    call = restore(history, to)
    call.method = "ANEW"
    return call


def restore_some(history: History, to: int, places: list[int]) -> Call:
    """Chosen records as they were, in the columns of today."""
    number = to % history.number + 1
    ids = [record_at(history, place) for place in places]
    body = {"version": Num(str(number)), "ids": [Num(str(each)) for each in ids]}
    if history.open or any(each < history.next_id and not history.images(each) for each in ids):
        return NOTHING

    def after(history: History) -> dict[str, Any]:
        target, records = history.readable(number), dict(history.newest.records)
        kinds = {column.key: column.kind for column in target.columns}
        for record in ids:
            if record >= history.next_id:
                raise Refused(422)
            now, then = records.pop(record, {}), target.records.get(record)
            if then is None:
                continue
            values = {
                column.key: taken(then.get(column.key), kinds[column.key], column.kind)
                if column.key in kinds
                else now.get(column.key)
                for column in history.newest.columns
            }
            same = record in history.newest.records and stored(values) == visible(now, history.newest.columns)
            records[record] = now if same else values
        return counted(history.write(records), version=history.number)

    return Call("POST", "/restore", after, dumps(body))


def taken(value: Any, before: str, kind: str) -> Any:
    """An old value as the type of today would be given it: 007 is no number."""
    if kind == "json":
        return value
    if before != kind and isinstance(value, str) and re.fullmatch(r"-?0[0-9].*", value):
        raise Refused(422)
    number = converted(value, before, kind)
    if kind == "integer" and isinstance(number, Num) and before != kind and number != Num(text_of(value)):
        raise Refused(422)
    return number


def text_of(value: Any) -> str:
    return value.text if isinstance(value, Num) else str(value)


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
    if history.open:
        return NOTHING
    kept = None if many > 4 else many + 1

    def after(history: History) -> None:
        history.keep = kept
        history.prune()

    return Call("PATCH", "", after, dumps({"keep_versions": None if kept is None else Num(str(kept))}))


def bury(_: History) -> Call:
    """Deleted, and brought back."""
    return Call("DELETE", "", lambda _: None, status=204, then=Call("POST", "/undelete", lambda _: None))


def sweep(_: History) -> Call:
    """What was pruned is removed."""
    return Call("SWEEP", "", lambda _: None)


PAST: dict[str, Maker] = {
    "restore": (restore, (st.integers(0, 11),)),
    "restore_anew": (restore_anew, (st.integers(0, 11),)),
    "restore_some": (restore_some, (st.integers(0, 11), st.lists(FEW, min_size=1, max_size=3))),
    "bury": (bury, ()),
    "sweep": (sweep, ()),
    "tag": (tag, (st.integers(0, 11), PLACES)),
    "untag": (untag, (st.integers(0, 11),)),
    "keep": (keep, (st.integers(0, 7),)),
}
DRY = ["create", "patch", "replace", "delete", "batch", "filtered", "removed", "upsert", "restore"]
DRY += ["restore_anew", "restore_some"]
ALL = MAKERS | BULK | PAST
ONE = st.one_of(*(st.tuples(st.just(name), *told) for name, (_, told) in ALL.items()))
STEP = st.tuples(ONE, st.integers(0, 5).map(lambda each: each == 5))
"""A step, and whether it is only tried out."""


def call_of(history: History, step: tuple[tuple[Any, ...], bool]) -> Call:
    (name, *arguments), dry = step
    call = ALL[name][0](history, *arguments)
    return call.tried() if dry and name in DRY and call is not NOTHING else call
