"""Another user's program: edits a dataset without pause, in a process of its own, by a plan that can be retraced."""

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event

from support.client import Client
from support.waiting import until

KINDS = 3
_KEPT = 1000
"""Records that are never patched: they are deleted one by one."""

Row = tuple[int, int, str]
"""The cells `n`, `kind`, `label`; `n` is the record's id as well."""


def table(rows: int) -> bytes:
    """The CSV file of the dataset to edit."""
    return b"n,kind,label\n" + b"".join(b"%d,%d,row %d\n" % (n, n % KINDS, n) for n in range(1, rows + 1))


def edit(number: int, rows: int) -> tuple[int, str | None]:
    """The `number`th edit: a record and its new label, or None to delete it."""
    if number % 5 == 0:
        return number // 5, None
    return _KEPT + number * 7919 % (rows - _KEPT) + 1, f"edit {number}"


def model(version: int, rows: int) -> dict[int, Row]:
    """The records as of a version, by id: the file is version 1, each edit one more."""
    found = {n: (n, n % KINDS, f"row {n}") for n in range(1, rows + 1)}
    for number in range(1, version):
        record, label = edit(number, rows)
        if label is None:
            del found[record]
        else:
            found[record] = (*found[record][:2], label)
    return found


@contextmanager
def editing(client: Client, dataset: str, rows: int) -> Iterator[None]:
    """While the block runs, the dataset is edited by another process; edits have begun when it is entered."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    process = context.Process(target=_edit, args=(client.base, client.key, dataset, rows, stop))
    process.start()
    try:
        until(lambda: client.version(dataset) > 3, "the other process edits")
        yield
    finally:
        stop.set()
        process.join(180)
    assert process.exitcode == 0


def _edit(base: str, key: str, dataset: str, rows: int, stop: Event) -> None:
    client = Client(base, key)
    number = 0
    while not stop.is_set() and number < 5 * _KEPT - 1:
        number += 1
        record, label = edit(number, rows)
        at = f"/datasets/{dataset}/records/{record}"
        answer = client.http.delete(at) if label is None else client.http.patch(at, json={"label": label})
        answer.raise_for_status()
    client.close()
