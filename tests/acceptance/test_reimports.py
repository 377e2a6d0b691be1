"""The next month's file into the dataset of the last one."""

import pytest
from support.client import Client, problem
from support.expected import DATA, MISSING

if not DATA.is_dir():
    pytest.skip(MISSING, allow_module_level=True)

MADE = DATA / "made"


def test_february_into_january(client: Client) -> None:
    dataset = client.made(client.upload((MADE / "reupload_january.csv").read_bytes(), "january.csv"))
    path, file = f"/datasets/{dataset}/imports", (MADE / "reupload_february.csv").read_bytes()
    told = {"mode": "sync", "key": "sku"}
    plan = client.http.post(path, files={"file": file}, data=told | {"dry_run": "true"}).json()["against"]
    counts = {"added": 1, "changed": 2, "removed": 1, "unchanged": 0, "new_columns": ["aisle"], "missing_columns": []}
    assert {name: plan[name] for name in counts} == counts
    answer = client.http.post(path, files={"file": file}, data=told)
    assert (answer.status_code, answer.json()["changes"]) == (201, counts)
    page = client.http.get(f"/datasets/{dataset}/records").json()["data"]
    assert [(each["id"], *each["data"].values()) for each in page] == [
        (1, "x1", "bolt", 4, "A"),
        (3, "x3", "washer", 9, "B"),
        (4, "x4", "screw", 1, "A"),
    ]
    assert client.http.post(path, files={"file": file}, data=told).status_code == 200
    assert client.version(dataset) == 2


def test_doubled_keys(client: Client) -> None:
    dataset = client.made(client.upload((MADE / "reupload_january.csv").read_bytes(), "january.csv"))
    file = (MADE / "duplicate_keys.csv").read_bytes()
    answer = client.http.post(f"/datasets/{dataset}/imports?mode=upsert&key=sku", content=file)
    assert [each["row"] for each in problem(answer, 422)["errors"]] == [2, 4]
    assert client.version(dataset) == 1
