"""An export beside 20 writers holds one version and nothing of any other, in each format."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import polars as pl
import pytest
from support.client import Client
from support.waiting import until

WRITERS = 20
ROWS = 60_000
_HALF = ROWS // 2

Rows = list[tuple[Any, ...]]


def as_csv(content: bytes) -> Rows:
    return [(int(n), label) for n, label in list(csv.reader(io.StringIO(content.decode())))[1:]]


def as_objects(objects: list[dict[str, Any]]) -> Rows:
    return [(each["n"], each["label"]) for each in objects]


READERS: dict[str, Callable[[bytes], Rows]] = {
    "json": lambda content: as_objects(json.loads(content)),
    "ndjson": lambda content: as_objects([json.loads(line) for line in content.splitlines()]),
    "parquet": lambda content: pl.read_parquet(io.BytesIO(content)).rows(),
}


@contextmanager
def writing(caller: Client, dataset: str) -> Iterator[None]:
    """While the block runs, 20 callers each give two records, half a table apart, a new label by one call."""
    stop = Event()

    def edit(writer: int) -> None:
        with Client(caller.base, caller.key) as client:
            turn = 0
            while not stop.is_set():
                turn += 1
                record = (writer + turn * 7919) % _HALF + 1
                changes = [{"id": each, "set": {"label": f"{writer} {turn}"}} for each in (record, record + _HALF)]
                client.http.patch(f"/datasets/{dataset}/records", json={"changes": changes}).raise_for_status()

    with ThreadPoolExecutor(WRITERS) as writers:
        running = [writers.submit(edit, each) for each in range(WRITERS)]
        try:
            until(lambda: caller.version(dataset) > WRITERS, "all write")
            yield
        finally:
            stop.set()
        for each in running:
            each.result()


@pytest.mark.parametrize("form", READERS)
def test_one_version_is_in_the_file(caller: Client, form: str) -> None:
    text = "n,label\n" + "".join(f"{n},new\n" for n in range(1, ROWS + 1))
    dataset = caller.made(caller.upload(text.encode(), "pairs.csv"))
    with writing(caller, dataset):
        chunks = []
        with caller.http.stream("GET", f"/datasets/{dataset}/export", params={"format": form}) as answer:
            for chunk in answer.iter_bytes(2**16):
                chunks.append(chunk)
                seen = caller.version(dataset)
                if len(chunks) < 4:
                    until(lambda seen=seen: caller.version(dataset) > seen, "another edit")
        version = int(answer.headers["x-dataset-version"])
        assert caller.version(dataset) > version
    found = READERS[form](b"".join(chunks))
    assert int(answer.headers["x-row-count"]) == len(found) == ROWS
    assert [label for _, label in found[:_HALF]] == [label for _, label in found[_HALF:]]
    assert sum(label != "new" for _, label in found) > 0
    assert found == as_csv(caller.export(dataset, "csv", version=version))
