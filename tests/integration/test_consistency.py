"""Whoever reads page by page, or slowly, reads one version, however much others write meanwhile."""

import json

import pytest
from support.client import Client
from support.delimited import parse
from support.editor import editing, model, table
from support.waiting import until

ORDERS = {
    "": lambda row: row[0],
    "-n": lambda row: -row[0],
    "kind": lambda row: (row[1], row[0]),
    "-label,kind": lambda row: ([-ord(letter) for letter in row[2]] + [1], row[0]),
}


@pytest.mark.parametrize("sort", ORDERS)
def test_pages_show_each_record_of_the_first_pages_version_once(caller: Client, sort: str) -> None:
    rows = 2500
    dataset = caller.made(caller.upload(table(rows), "edited.csv"))
    asked = {"limit": 250, **({"sort": sort} if sort else {})}
    with editing(caller, dataset, rows):
        page = caller.http.get(f"/datasets/{dataset}/records", params=asked).json()
        pinned, met = page["version"], page["data"]
        assert page["total"] == len(model(pinned, rows))
        while page["has_more"]:
            seen = caller.version(dataset)
            until(lambda seen=seen: caller.version(dataset) > seen, "another edit")
            page = caller.http.get(f"/datasets/{dataset}/records", params={**asked, "cursor": page["next"]}).json()
            assert page["version"] == pinned
            met += page["data"]
    found = [(each["id"], *each["data"].values()) for each in met]
    wanted = sorted(model(pinned, rows).values(), key=ORDERS[sort])
    assert found == [(row[0], *row) for row in wanted]


@pytest.mark.parametrize("form", ["export?format=csv", "records/stream"])
def test_a_slow_reader_gets_one_version(caller: Client, form: str) -> None:
    rows = 200_000
    dataset = caller.made(caller.upload(table(rows), "edited.csv"))
    chunks = []
    with editing(caller, dataset, rows), caller.http.stream("GET", f"/datasets/{dataset}/{form}") as answer:
        for chunk in answer.iter_bytes(2**18):
            chunks.append(chunk)
            seen = caller.version(dataset)
            if len(chunks) < 8:
                until(lambda seen=seen: caller.version(dataset) > seen, "another edit")
        pinned = int(answer.headers["x-dataset-version"])
    wanted = list(model(pinned, rows).values())
    text = b"".join(chunks).decode()
    if form.startswith("export"):
        assert int(answer.headers["x-row-count"]) == len(wanted)
        assert [each.cells for each in parse(text)][1:] == [tuple(map(str, row)) for row in wanted]
    else:
        assert [tuple(json.loads(line)["data"].values()) for line in text.splitlines()] == wanted
