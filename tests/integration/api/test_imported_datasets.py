"""POST /workspaces/import: every dataset is as it was, to the letter."""

from __future__ import annotations

import pytest
from support.archives import bring, compared, exported
from support.service import Upload, User

pytestmark = pytest.mark.anyio


async def test_all_that_a_dataset_is(user: User, upload: Upload) -> None:
    text = (
        'sku,n,flag,day,at,clock,doc,note,"a,""b"\n'
        f"x,{'1234567890' * 4}.10,TRUE,2025-01-31,2025-01-31T10:20:30.120+02:00,10:20,"
        '"{""a"":[1,""x"",null]}","",=1+1\n'
        'y,,FALSE,,,,"""text""","line\r\nend",\'=x\n'
        "z,-0.50,,2025-02-01,2025-01-31T10:20:30.500+02:00,23:59,,,\n"
    ).encode()
    made = await upload(text, name="all kinds", types="doc:json")
    path = f"/datasets/{made['id']}"
    about = {"description": "of\nall kinds", "key": "sku", "keep_versions": 3, "keep_days": 7}
    assert (await user.client.patch(path, json=about)).status_code == 200
    change = {"columns": [{"name": "n", "description": "how many"}, {"name": "day", "rename_to": " the day "}]}
    assert (await user.client.patch(f"{path}/schema", json=change)).status_code == 200
    for options in (
        {},
        {"format": "tsv", "bom": "true"},
        {"delimiter": ";", "newline": "lf", "escape_formulas": "true"},
    ):
        archive = await exported(user.client, user.workspace["id"], **options)
        answer = await bring(user.client, archive)
        assert answer.status_code == 201, answer.text
        again = answer.json()["workspace"]
        assert compared(await exported(user.client, again["id"], **options)) == compared(archive)
        told = (await user.client.get("/datasets/all-kinds", params={"workspace": again["id"]})).json()
        assert {name: told[name] for name in about} == about
        found = await user.client.get("/datasets/all-kinds/records/by-key/y", params={"workspace": again["id"]})
        assert found.json()["data"]["note"] == "line\r\nend"


async def test_datasets_without_rows_or_columns(user: User) -> None:
    client = user.client
    for name, columns in (("bare", None), ("rows without columns", None), ("columns", [{"name": "a", "type": "date"}])):
        made = await client.post("/datasets", json={"name": name} | ({} if columns is None else {"columns": columns}))
        assert made.status_code == 201, made.text
    assert (await client.post("/datasets/rows-without-columns/records", json=[{}, {}, {}])).status_code == 201
    archive = await exported(client, user.workspace["id"])
    answer = await bring(client, archive)
    assert answer.status_code == 201, answer.text
    again = answer.json()["workspace"]["id"]
    assert compared(await exported(client, again)) == compared(archive)
    grown = await client.post("/datasets/rows-without-columns/records", params={"workspace": again}, json={"new": 1})
    assert grown.status_code == 201, grown.text
    assert (
        await client.post("/datasets/columns/records", params={"workspace": again}, json={"new": 1})
    ).status_code == 422


async def test_values_nested_as_deep_as_they_are_stored(user: User) -> None:
    deep = '{"a":' + "[" * 800 + "]" * 800 + "}"
    made = await user.client.post("/datasets", json={"name": "deep", "columns": [{"name": "a", "type": "json"}]})
    json_type = {"Content-Type": "application/json"}
    path = f"/datasets/{made.json()['id']}/records"
    assert (await user.client.post(path, content=deep, headers=json_type)).status_code == 201
    archive = await exported(user.client, user.workspace["id"])
    answer = await bring(user.client, archive)
    assert answer.status_code == 201, answer.text
    assert compared(await exported(user.client, answer.json()["workspace"]["id"])) == compared(archive)


async def test_a_column_that_was_widened(user: User) -> None:
    """It keeps the casing or shape that it had by then."""
    client = user.client
    await client.post("/datasets", json={"name": "open"})
    text = "b,t\nTRUE,2025-01-31T10:20:30Z\n"
    appended = await client.post("/datasets/open/imports", content=text, headers={"Content-Type": "text/csv"})
    assert appended.status_code == 201, appended.text
    assert (await client.post("/datasets/open/records", json={"b": "x", "t": {"a": 1}})).status_code == 201
    columns = (await client.get("/datasets/open/schema")).json()["columns"]
    assert [(each["type"], each["format"]) for each in columns] == [("json", "TRUE"), ("json", "0000-00-00T00:00:00Z")]
    archive = await exported(client, user.workspace["id"])
    again = (await bring(client, archive)).json()["workspace"]["id"]
    assert compared(await exported(client, again)) == compared(archive)


async def test_nulls_alone_on_their_lines(user: User, upload: Upload) -> None:
    made = await upload('only\nx\n""\n', name="one")
    values = [{"only": None}, {"only": ""}, {"only": None}]
    assert (await user.client.post(f"/datasets/{made['id']}/records", json=values)).status_code == 201
    archive = await exported(user.client, user.workspace["id"])
    again = (await bring(user.client, archive)).json()["workspace"]["id"]
    records = (await user.client.get("/datasets/one/records", params={"workspace": again})).json()["data"]
    assert [record["data"]["only"] for record in records] == ["x", "", None, "", None]


async def test_many_columns(user: User, upload: Upload) -> None:
    names = [f"c {at}" for at in range(2_000)]
    await upload(
        ",".join(names) + "\n" + ",".join(map(str, range(2_000))) + "\n" + "," * 1_999 + "\nx" + "," * 1_999,
        name="wide",
    )
    archive = await exported(user.client, user.workspace["id"])
    answer = await bring(user.client, archive)
    assert answer.status_code == 201, answer.text
    assert compared(await exported(user.client, answer.json()["workspace"]["id"])) == compared(archive)


async def test_records_keep_their_ids_where_the_export_has_them(user: User, upload: Upload) -> None:
    made = await upload("name\nAnn\nBob\nCid\nDi\n", name="people")
    await user.client.delete(f"/datasets/{made['id']}/records/2")
    await user.client.patch(f"/datasets/{made['id']}/records/4", json={"name": "Dee"})
    for options, ids in (({}, [1, 2, 3]), ({"ids": "true"}, [1, 3, 4])):
        archive = await exported(user.client, user.workspace["id"], **options)
        workspace = (await bring(user.client, archive)).json()["workspace"]["id"]
        assert compared(await exported(user.client, workspace, **options)) == compared(archive)
        found = await user.client.get("/datasets/people/records", params={"workspace": workspace})
        assert [each["id"] for each in found.json()["data"]] == ids
        params = {"workspace": workspace}
        created = await user.client.post("/datasets/people/records", params=params, json={"name": "Eve"})
        assert created.json()["id"] == ids[-1] + 1
