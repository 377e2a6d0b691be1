"""Random steps of a dataset's life: what is sent for each, and what the model makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

from history_model import Column, Data, History, Num, Refused, converted, dumps, merged
from hypothesis import strategies as st
from msgspec import Struct, field
from msgspec.structs import replace as replaced

BIG = "123456789012345678901234567890"
POOLS: dict[str, list[Any]] = {
    "text": ["x", "", "0.10", "ä𝄞", 'a,"b"\n', "007", "5", None],
    "number": [Num("0.1"), Num("0.10"), Num("-2"), Num(f"{BIG}.50"), Num("5"), None],
    "integer": [Num("5"), Num("0"), Num("-7"), Num(BIG), None],
    "json": [{"k": Num("0.10")}, {"k": {"m": None, "ä": [Num("1"), ""]}}, {"k": None}, [], "", True, Num("0.1"), None],
}
BAD = {"text": Num("1"), "number": "x", "integer": Num("0.5"), "json": None}
LOOSE: list[Any] = [
    "x",
    Num("5"),
    Num("0.10"),
    None,
    {"k": {"m": None}},
    True,
    "",
    [Num("0.10")],
    {"k": None},
    Num(BIG),
]
"""What is written where any value goes."""
NAMES = "abcde"
KEYS = ["x", "5", "k1", "ä"]
NDJSON = "application/x-ndjson"
CSV = "text/csv"

PLACES = st.integers(0, 5)
CELLS = st.integers(0, 7)
ROW = st.dictionaries(st.integers(0, 4), CELLS, max_size=3)
WRONG = st.dictionaries(st.integers(0, 4), st.integers(0, 9), max_size=2)
FEW = st.integers(0, 7)
"""A record by its place among those there are, or one that may be gone or was never."""


class Call(Struct):
    """A request below `/datasets/{ds}`; `after` changes the model and says what the answer holds, or raises Refused."""

    method: str
    path: str
    after: Callable[[History], dict[str, Any] | None]
    content: str = ""
    media_type: str = "application/json"
    params: dict[str, str] = field(default_factory=dict)
    status: int = 200
    then: Call | None = None

    def tried(self) -> Call:
        """The same as a dry run: the model stays what it is."""

        def after(history: History) -> dict[str, Any]:
            would = deepcopy(history)
            told = self.after(would) or {}
            return {name: each for name, each in told.items() if name != "id"} | {
                "version": would.number,
                "dry_run": True,
            }

        return replaced(self, after=after, params={**self.params, "dry_run": "true"}, status=200)


NOTHING = Call("GET", "/schema", lambda _: None)


def item(history: History, row: dict[int, int]) -> tuple[dict[str, Any], Data | None]:
    """What is sent for a row, and its values by column key; None if one of them does not fit."""
    if history.open:
        loose = {NAMES[place % len(NAMES)]: LOOSE[cell % len(LOOSE)] for place, cell in row.items()}
        return loose, {history.key_of(name): value for name, value in loose.items()}
    sent: dict[str, Any] = {}
    values: Data | None = {}
    columns = history.newest.columns
    for place, cell in row.items():
        column = columns[place % len(columns)]
        bad = cell > 7 and BAD[column.kind] is not None
        sent[column.name] = BAD[column.kind] if bad else POOLS[column.kind][cell % len(POOLS[column.kind])]
    for column in columns:
        if column.name in sent and values is not None:
            value = sent[column.name]
            values = None if value is not None and value == BAD[column.kind] else {**values, column.key: value}
    return sent, values


def record_at(history: History, place: int) -> int:
    live = sorted(history.newest.records)
    return live[place % len(live)] if live and place < 6 else place * 3 % history.next_id + 1


def fitting(values: Data | None) -> Data:
    if values is None:
        raise Refused(422)
    return values


def there(history: History, record: int) -> Data:
    if record not in history.newest.records:
        raise Refused(404)
    return history.newest.records[record]


def create(history: History, rows: list[dict[int, int]], form: int) -> Call:
    items = [item(history, row) for row in rows]
    if form == 0:
        items = items[:1]
        content = dumps(items[0][0])
    else:
        sent = [dumps(each) for each, _ in items]
        content = f"[{','.join(sent)}]" if form == 1 else "".join(f"{line}\n" for line in sent)

    def after(history: History) -> dict[str, Any] | None:
        data = [fitting(values) for _, values in items]
        first = history.next_id
        ids = history.take_ids(len(data))
        grown = history.grown([sent for sent, _ in items])
        history.write({**history.newest.records, **dict(zip(ids, data, strict=True))}, grown)
        return {"id": first} if form == 0 else {"count": len(data)}

    return Call("POST", "/records", after, content, NDJSON if form == 2 else "application/json", status=201)


def patch(history: History, place: int, row: dict[int, int]) -> Call:
    record, (sent, values) = record_at(history, place), item(history, row)

    def after(history: History) -> dict[str, Any] | None:
        before = there(history, record)
        new = {key: merged(before.get(key), value) for key, value in fitting(values).items()}
        history.write({**history.newest.records, record: {**before, **new}}, history.grown([sent]))
        return {"id": record, "version": history.newest.touched[record]}

    return Call("PATCH", f"/records/{record}", after, dumps(sent))


def replace(history: History, place: int, row: dict[int, int]) -> Call:
    record, (sent, values) = record_at(history, place), item(history, row)

    def after(history: History) -> dict[str, Any] | None:
        before = there(history, record)
        hidden = {key: value for key, value in before.items() if key not in history.newest.seen(record)}
        history.write({**history.newest.records, record: {**hidden, **fitting(values)}}, history.grown([sent]))
        return {"id": record, "version": history.newest.touched[record]}

    return Call("PUT", f"/records/{record}", after, dumps(sent))


def delete(history: History, place: int) -> Call:
    record = record_at(history, place)

    def after(history: History) -> None:
        there(history, record)
        history.write({each: data for each, data in history.newest.records.items() if each != record})

    return Call("DELETE", f"/records/{record}", after, status=204)


def reshape(history: History, place: int, how: int, to: int) -> Call:
    """Renames, drops, retypes, adds or moves a column."""
    columns = history.newest.columns
    if not columns:
        return NOTHING
    column = columns[place % len(columns)]
    name = NAMES[to % 5]
    kind = ("text", "number", "integer")[to % 3]
    change: dict[str, Any] = {"name": column.name}
    body: dict[str, Any] = {"columns": [change]}
    match how:
        case 0:
            change["rename_to"] = name
        case 1:
            change["drop"] = True
        case 2:
            change["type"] = kind
        case 3:
            body = {"add": [{"name": name, "type": kind}]}
        case _:
            body = {"order": [column.name]}

    def after(history: History) -> dict[str, Any] | None:
        records = history.newest.records
        new: list[Column] = list(columns)
        at = new.index(column)
        if how == 0:
            new[at] = Column(column.key, name, column.kind)
        elif how == 1:
            del new[at]
        elif how == 2:
            new[at] = Column(column.key, column.name, kind)
            values = {each: converted(data.get(column.key), column.kind, kind) for each, data in records.items()}
            records = {each: {**data, column.key: values[each]} for each, data in records.items()}
        elif how == 3:
            new.append(history.column(name, kind))
        else:
            new.insert(0, new.pop(at))
        if not new or len({each.name for each in new}) < len(new):
            raise Refused(422)
        history.write(records, tuple(new))
        return None

    if how == 2 and column.kind in {"json", "boolean"}:
        return NOTHING
    return Call("PATCH", "/schema", after, dumps(body))


def bring(history: History, mode: str, keys: list[int], cells: list[int]) -> Call:
    """A file of a key column and one more."""
    texts = history.newest.of_kind("text")
    others = [each for each in history.newest.of_kind("text", "number", "integer") if each not in texts[:1]]
    if history.open or not texts or not others:
        return NOTHING
    key, other = texts[0], others[cells[0] % len(others)]
    pool = POOLS[other.kind]
    rows = [(KEYS[at % len(KEYS)], pool[cells[place % len(cells)] % len(pool)]) for place, at in enumerate(keys)]
    lines = [f"{key.name},{other.name}", *(f'"{first}",{_cell(second)}' for first, second in rows)]
    keyed = mode in {"upsert", "sync"}

    def after(history: History) -> dict[str, Any] | None:
        before = history.newest.records
        found = {}
        if keyed:
            if len({first for first, _ in rows}) < len(rows):
                raise Refused(422)
            found = keyed_by(history, key, [first for first, _ in rows])
        told: dict[int, Data] = {}
        for first, second in rows:
            record = found.get(first)
            if record is None:
                (record,) = history.take_ids(1)
            told[record] = {**before.get(record, {}), key.key: first, other.key: second}
        history.write(told if mode in {"replace", "sync"} else {**before, **told})
        return None

    params = {"mode": mode, "header": "true"} | ({"key": f'"{key.name}"'} if keyed else {})
    return Call("POST", "/imports", after, "\n".join([*lines, ""]), CSV, params, 201)


def keyed_by(history: History, key: Column, values: Sequence[Any]) -> dict[Any, int]:
    """The one live record of each value; raises Refused for a value that several have."""
    found: dict[Any, int] = {}
    for record, data in history.newest.records.items():
        value = data.get(key.key)
        if value in values and value is not None:
            if value in found:
                raise Refused(422)
            found[value] = record
    return found


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value.text if isinstance(value, Num) else '"' + value.replace('"', '""') + '"'


Maker = tuple[Callable[..., Call], tuple[st.SearchStrategy[Any], ...]]
MAKERS: dict[str, Maker] = {
    "create": (create, (st.lists(ROW | WRONG, min_size=1, max_size=3), st.integers(0, 2))),
    "patch": (patch, (FEW, ROW | WRONG)),
    "replace": (replace, (FEW, ROW | WRONG)),
    "delete": (delete, (FEW,)),
    "reshape": (reshape, (PLACES, st.integers(0, 4), PLACES)),
    "bring": (
        bring,
        (
            st.sampled_from(["append", "replace", "upsert", "sync"]),
            st.lists(PLACES, min_size=1, max_size=3, unique=True),
            st.lists(CELLS, min_size=1, max_size=3),
        ),
    ),
}
