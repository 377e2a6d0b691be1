"""Real files planned first, then imported by their id, at once or later: the plan says what comes."""

import re

import pytest
from support.client import Client
from support.expected import DATA, MISSING

if not DATA.is_dir():
    pytest.skip(MISSING, allow_module_level=True)

FILES = ["real/countries.csv", "real/regions.csv", "real/countries.xlsx", "made/reupload_january.csv"]


@pytest.mark.parametrize("path", FILES)
def test_the_plan_says_what_comes(client: Client, path: str) -> None:
    file = DATA / path
    kept = client.http.post("/uploads", files={"file": (file.name, file.read_bytes())})
    assert kept.status_code == 201, kept.text
    plan, before = kept.json()["plan"], client.names()
    dataset = client.made(client.http.post("/datasets", json={"upload": kept.json()["id"]}))
    assert client.names() != before
    assert [(each["name"], each["type"]) for each in plan["columns"]] == [
        (each["name"], each["type"]) for each in client.schema(dataset)
    ]
    rows = client.http.get(f"/datasets/{dataset}").json()["rows"]
    assert plan["import"]["rows"] == rows
    first = client.export(dataset, limit=1, null="\\N").decode().splitlines()[1]
    assert plan["rows"][0][plan["columns"][0]["name"]] in {first.split(",")[0].strip('"'), None}


@pytest.mark.parametrize("path", FILES[:2])
def test_a_promised_import_is_the_same(client: Client, path: str) -> None:
    file = DATA / path
    at_once = client.made(client.upload(file.read_bytes(), file.name))
    promised = client.http.post(
        "/datasets", files={"file": (file.name, file.read_bytes())}, headers={"Prefer": "respond-async"}
    )
    assert promised.status_code == 202, promised.text
    with client.http.stream("GET", f"{promised.headers['location'].removeprefix('/api/v1')}/events") as events:
        told = "".join(events.iter_text())
    assert re.findall(r"^event: (\S+)", told, re.MULTILINE)[-1] == "done"
    status = client.http.get(promised.headers["location"].removeprefix("/api/v1")).json()
    assert client.export(str(status["dataset"]["id"])) == client.export(at_once)
