"""The writes that a client of the trials sends, each with what there must be of it afterwards."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct, field

from scripts.trials.journal import NO_VERSION, Journal, Op

JSON = {"Content-Type": "application/json"}
LINES = {"Content-Type": "application/x-ndjson"}
CSV = {"Content-Type": "text/csv"}
LATER = {**CSV, "Prefer": "respond-async"}
COLUMNS = [{"name": "op"}, {"name": "n", "type": "integer"}, {"name": "sku"}]


class Wish(Struct):
    """A request, and the write that it stands for."""

    op: Op
    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def is_repeatable(self) -> bool:
        """Whether an `Idempotency-Key` has an effect."""
        return self.method in {"POST", "PATCH"}


class Desk:
    """One client's wishes: into a dataset that it shares with others, and into one of its own.

    It touches only records that it knows to be there: its own, from answers of 2xx, and none that a write in doubt was
    about.
    """

    def __init__(self, name: str, journal: Journal, chance: random.Random, *, shared: str, own: str) -> None:
        """`shared`, `own`: ids of datasets."""
        self._name, self._journal, self._chance = name, journal, chance
        self._shared, self._own = shared, own
        self._records: list[int] = []
        self._imported: list[str] = []
        self._own_version = 1
        self._kinds: dict[str, tuple[int, Callable[[], Wish]]] = {
            "create": (20, self._create),
            "array": (8, self._array),
            "patch": (25, self._patch),
            "put": (6, self._put),
            "delete": (8, self._delete),
            "delete_many": (3, self._delete_many),
            "batch": (10, self._batch),
            "lines": (3, lambda: self._lines(300)),
            "many_lines": (1, lambda: self._lines(11_000)),
            "upsert": (6, self._upsert),
            "append": (2, self._append),
            "import": (2, lambda: self._import("import", 500, CSV)),
            "large_import": (1, lambda: self._import("large_import", 20_000, CSV)),
            "later": (2, lambda: self._import("later", 2_000, LATER)),
            "drop": (3, self._drop),
            "own_create": (5, self._own_create),
            "restore": (5, self._restore),
        }

    def next(self) -> Wish:
        """Any kind of write for which there is something to write to."""
        kinds = list(self._kinds)
        if len(self._records) < 10:
            kinds = ["create", "array"]
        elif not self._imported:
            kinds.remove("drop")
        (kind,) = self._chance.choices(kinds, [self._kinds[each][0] for each in kinds])
        return self._kinds[kind][1]()

    def learn(self, wish: Wish, told: Any) -> None:
        """Takes what a 2xx answered: its version, and the ids of new records."""
        op = wish.op
        if op.kind in {"import", "large_import"}:
            op.made = told["dataset"]["id"]
            self._imported.append(op.made)
        elif op.kind == "append":
            op.version = told["dataset"]["version"]
        elif op.kind == "later":
            op.import_id = told["id"]
        elif told:
            op.version = told["version"]
            if op.dataset == self._own:
                self._own_version = told["version"]
            if op.kind == "restore" and not any(told[name] for name in ("added", "changed", "removed")):
                op.version, op.found = None, NO_VERSION
        if op.kind in {"create", "array", "batch", "lines"} and op.dataset == self._shared:
            self._records += _ids(told, op)
        if op.changed:
            self._records += op.changed

    def _op(self, kind: str, dataset: str, values: int = 0) -> Op:
        op = self._journal.open(kind, dataset)
        op.values = frozenset(self._journal.next() for _ in range(values))
        return op

    def _rows(self, op: Op) -> list[dict[str, Any]]:
        return [{"op": op.tag, "n": n} for n in sorted(op.values)]

    def _take(self, count: int) -> list[int]:
        """Records that nothing is under way for, for one write: they come back when it is answered."""
        taken = []
        for _ in range(min(count, len(self._records))):
            at = self._chance.randrange(len(self._records))
            self._records[at], self._records[-1] = self._records[-1], self._records[at]
            taken.append(self._records.pop())
        return taken

    def give_back(self, op: Op) -> None:
        """What was refused has not touched its records."""
        self._records += [*(op.changed or ()), *op.removed]

    def _to_records(self, op: Op, method: str, body: Any, end: str = "") -> Wish:
        return Wish(op, method, f"/datasets/{op.dataset}/records{end}", msgspec.json.encode(body), JSON)

    def _create(self) -> Wish:
        op = self._op("create", self._shared, 1)
        return self._to_records(op, "POST", self._rows(op)[0])

    def _own_create(self) -> Wish:
        op = self._op("array", self._own, 3)
        return self._to_records(op, "POST", self._rows(op))

    def _array(self) -> Wish:
        op = self._op("array", self._shared, 20)
        return self._to_records(op, "POST", self._rows(op))

    def _patch(self, method: str = "PATCH") -> Wish:
        (record,) = self._take(1)
        op = self._op(method.lower(), self._shared, 1)
        op.changed = frozenset({record})
        return self._to_records(op, method, self._rows(op)[0], f"/{record}")

    def _put(self) -> Wish:
        return self._patch("PUT")

    def _delete(self) -> Wish:
        op = self._op("delete", self._shared)
        (record,) = self._take(1)
        op.removed = frozenset({record})
        return Wish(op, "DELETE", f"/datasets/{self._shared}/records/{record}")

    def _delete_many(self) -> Wish:
        op = self._op("delete_many", self._shared)
        op.removed = frozenset(self._take(5))
        return self._to_records(op, "DELETE", {"ids": sorted(op.removed)})

    def _batch(self) -> Wish:
        op = self._op("batch", self._shared, 6)
        changed, removed = self._take(4), self._take(2)
        op.changed, op.removed = frozenset(changed), frozenset(removed)
        rows = self._rows(op)
        changes = [{"id": record, "set": row} for record, row in zip(changed, rows, strict=False)]
        body = {"changes": changes, "deletes": removed, "creates": rows[len(changed) :]}
        return self._to_records(op, "PATCH", body)

    def _lines(self, count: int) -> Wish:
        op = self._op("lines", self._shared, count)
        body = b"\n".join(msgspec.json.encode(row) for row in self._rows(op))
        return Wish(op, "POST", f"/datasets/{self._shared}/records", body, LINES)

    def _upsert(self) -> Wish:
        op = self._op("upsert", self._shared, 8)
        keys = self._chance.sample(range(40), 8)
        rows = [{**row, "sku": f"{self._name}-{key}"} for row, key in zip(self._rows(op), keys, strict=True)]
        return self._to_records(op, "PUT", rows, "?key=sku")

    def _table(self, op: Op) -> bytes:
        return "\n".join(["op,n,sku", *(f"{op.tag},{n}," for n in sorted(op.values)), ""]).encode()

    def _append(self) -> Wish:
        op = self._op("append", self._shared, 100)
        return Wish(op, "POST", f"/datasets/{self._shared}/imports?mode=append", self._table(op), CSV)

    def _import(self, kind: str, rows: int, headers: dict[str, str]) -> Wish:
        op = self._op(kind, "", rows)
        return Wish(op, "POST", f"/datasets?name={op.tag}", self._table(op), headers)

    def _drop(self) -> Wish:
        op = self._op("drop", self._imported.pop(self._chance.randrange(len(self._imported))))
        return Wish(op, "DELETE", f"/datasets/{op.dataset}")

    def _restore(self) -> Wish:
        op = self._op("restore", self._own)
        op.restored = self._chance.randint(1, self._own_version)
        body = {"version": op.restored, "note": op.tag}
        return Wish(op, "POST", f"/datasets/{self._own}/restore", msgspec.json.encode(body), JSON)


def _ids(told: Any, op: Op) -> list[int]:
    """Ids of new records in an answer."""
    if "data" not in told:
        return []
    if op.kind == "create":
        return [told["id"]]
    return [each["id"] for each in told["data"] if each["id"] not in (op.changed or ())]
