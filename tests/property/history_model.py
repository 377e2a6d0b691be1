"""A dataset and its whole history in plain Python: a list of versions, each with its columns and all of its records."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from msgspec import Struct, field

Data = dict[int, Any]
"""Values by column key; null is an absent key."""
Records = dict[int, Data]


class Num(Struct, frozen=True):
    """A JSON number, by how it is written: 0.1 and 0.10 are two."""

    text: str


class Column(Struct, frozen=True):
    key: int
    name: str
    kind: str


class Version(Struct):
    """`touched` says in which version each record got its image, which may hold values that no column shows now."""

    columns: tuple[Column, ...]
    records: Records
    touched: dict[int, int]
    counts: tuple[int, int, int]
    tag: str | None = None
    pruned: bool = False

    def shown(self, data: Data) -> dict[str, Any]:
        return {column.name: data.get(column.key) for column in self.columns}

    def in_order(self) -> list[tuple[int, Data]]:
        return sorted(self.records.items())

    def page(self) -> list[tuple[int, int, list[tuple[str, Any]]]]:
        """All records as a reader sees them: id, version, names and values in order."""
        return [(each, self.touched[each], [*self.shown(data).items()]) for each, data in self.in_order()]

    def seen(self, record: int) -> Data:
        """What the columns show of a record; nothing of one that is not there."""
        return visible(self.records.get(record, {}), self.columns)

    def of_kind(self, *kinds: str) -> list[Column]:
        return [column for column in self.columns if column.kind in kinds]


class Refused(Exception):
    """The model does not do this; with the status that the service must answer."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class History(Struct):
    """`open`: the columns grow with what is written; `spare` are the keys of those that may come."""

    versions: list[Version] = field(default_factory=list)
    next_id: int = 1
    next_key: int = 0
    keep: int | None = None
    open: bool = False
    spare: dict[str, int] = field(default_factory=dict)

    @property
    def newest(self) -> Version:
        return self.versions[-1]

    @property
    def number(self) -> int:
        return len(self.versions)

    def column(self, name: str, kind: str) -> Column:
        self.next_key += 1
        return Column(self.next_key, name, kind)

    def key_of(self, name: str) -> int:
        """The key of a column that is there, or that a write would make."""
        known = {column.name: column.key for column in self.newest.columns}
        if name not in known and name not in self.spare:
            self.spare[name] = self.column(name, "text").key
        return known[name] if name in known else self.spare[name]

    def grown(self, items: Sequence[dict[str, Any]]) -> tuple[Column, ...]:
        """The columns that take what is sent: types widen, new columns come; only where the schema is open."""
        columns = self.newest.columns
        if not self.open:
            return columns
        filled = {key for version in self.versions for data in version.records.values() for key in data}
        kinds = {each.name: None if each.kind == "text" and each.key not in filled else each.kind for each in columns}
        for each in items:
            for name, value in each.items():
                kinds[name] = widened(kinds.get(name), kind_of(value))
        new = [name for name in kinds if name not in {column.name for column in columns}]
        return (
            *(Column(each.key, each.name, kinds[each.name] or each.kind) for each in columns),
            *(Column(self.spare.pop(name), name, kinds[name] or "text") for name in new),
        )

    def begin(self, columns: Sequence[Column]) -> None:
        self.versions.append(Version(tuple(columns), {}, {}, (0, 0, 0)))

    def write(self, records: Records, columns: tuple[Column, ...] | None = None) -> tuple[int, int, int]:
        """Makes the next version, unless nothing changes; how many records are added, changed, removed."""
        before = self.newest
        columns = before.columns if columns is None else columns
        added, removed = records.keys() - before.records.keys(), before.records.keys() - records.keys()
        changed = {
            each
            for each in records.keys() & before.records.keys()
            if visible(records[each], columns) != visible(before.records[each], columns)
        }
        counts = (len(added), len(changed), len(removed))
        if any(counts) or columns != before.columns:
            fresh = added | changed
            images = {each: stored(data) if each in fresh else before.records[each] for each, data in records.items()}
            touched = {each: self.number + 1 if each in fresh else before.touched[each] for each in records}
            self.versions.append(Version(columns, images, touched, counts))
            self.prune()
        return counts

    def prune(self) -> None:
        """What is not kept is gone for good; the newest and those with a tag stay."""
        for number, version in enumerate(self.versions[:-1], 1):
            if self.keep is not None and number <= self.number - self.keep and version.tag is None:
                version.pruned = True

    def readable(self, number: int) -> Version:
        """Raises Refused for a version that is pruned or was never there."""
        if not 0 < number <= self.number:
            raise Refused(404)
        if self.versions[number - 1].pruned:
            raise Refused(410)
        return self.versions[number - 1]

    @property
    def kept(self) -> list[int]:
        return [number for number, version in enumerate(self.versions, 1) if not version.pruned]

    def take_ids(self, count: int) -> range:
        first, self.next_id = self.next_id, self.next_id + count
        return range(first, self.next_id)

    def images(self, record: int) -> list[tuple[int, int | None, dict[str, Any]]]:
        """All that a record ever was: from which version on, until before which, and what; as far as one shows it."""
        found: list[tuple[int, int | None, dict[str, Any], set[int]]] = []
        for number, version in enumerate(self.versions, 1):
            if found and found[-1][1] is None and (record not in version.records or version.touched[record] == number):
                found[-1] = (found[-1][0], number, *found[-1][2:])
            if version.touched.get(record) == number:
                found.append((number, None, version.shown(version.records[record]), set()))
            if record in version.records:
                found[-1][3].add(number)
        return [each[:3] for each in found if each[3] & {*self.kept}]

    def diff(self, low: int, high: int) -> list[tuple[int, str, dict[str, tuple[Any, Any]]]]:
        """Each record that differs, how, and its cells before and after; compared by the later columns.

        A record in both versions with one and the same image does not differ, whatever columns came and went.
        """
        before, after = self.versions[low - 1], self.versions[high - 1]
        found: list[tuple[int, str, dict[str, tuple[Any, Any]]]] = []
        for record in sorted(before.records.keys() | after.records.keys()):
            told = before.columns if record not in after.records else after.columns
            old, new = before.seen(record), after.seen(record)
            cells = {
                column.name: (old.get(column.key), new.get(column.key))
                for column in told
                if old.get(column.key) != new.get(column.key)
            }
            both = record in before.records and record in after.records
            if both and cells and before.touched[record] != after.touched[record]:
                found.append((record, "changed", cells))
            elif not both:
                found.append((record, "added" if record in after.records else "removed", cells))
        return found


def kind_of(value: Any) -> str | None:
    if value is None or isinstance(value, bool):
        return None if value is None else "boolean"
    if isinstance(value, Num):
        return "number" if "." in value.text else "integer"
    return "text" if isinstance(value, str) else "json"


def widened(known: str | None, seen: str | None) -> str | None:
    if known is None or seen is None or known == seen:
        return known or seen
    return "number" if {known, seen} == {"integer", "number"} else "json"


def stored(data: Data) -> Data:
    return {key: value for key, value in data.items() if value is not None}


def visible(data: Data, columns: Sequence[Column]) -> Data:
    keys = {column.key for column in columns}
    return {key: value for key, value in data.items() if key in keys and value is not None}


def merged(current: Any, patch: Any) -> Any:
    """RFC 7396 for a value; the nulls of an object are taken out."""
    if not isinstance(patch, dict):
        return patch
    target = dict(current) if isinstance(current, dict) else {}
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = merged(target.get(name), value)
    return target


def converted(value: Any, before: str, kind: str) -> Any:
    """A value of one type as another type's. Raises Refused when it cannot be."""
    text = value.text if isinstance(value, Num) else value
    if before == kind or value is None:
        return value
    if kind == "text":
        return text
    number = re.fullmatch(r"(-?)0*([0-9]+)(\.[0-9]+)?", text)
    if number is None or (kind == "integer" and not set(number[3] or "") <= {".", "0"}):
        raise Refused(422)
    return Num(number[1] + number[2] + ((number[3] or "") if kind == "number" else ""))


def loads(text: str | bytes) -> Any:
    return json.loads(text, parse_int=Num, parse_float=Num)


def dumps(value: Any) -> str:
    """JSON with numbers as they are written."""
    if isinstance(value, Num):
        return value.text
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{dumps(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(dumps, value)) + "]"
    return json.dumps(value if not isinstance(value, int) or isinstance(value, bool) else int(value))
