"""Changes of columns that cannot be: each told with a pointer, and nothing of them done."""

from __future__ import annotations

from typing import Any

import pytest
from httpx import AsyncClient, Response
from support.calls import make, pointers, records
from support.service import Upload

pytestmark = pytest.mark.anyio


async def attempt(client: AsyncClient, **changes: Any) -> Response:
    """PATCH the schema of `people`; whatever comes of it, the dataset must still be at version 1 if refused."""
    answer = await client.patch("/datasets/people/schema", json=changes)
    version = (await client.get("/datasets/people")).json()["version"]
    assert version == (2 if answer.status_code == 200 else 1)
    return answer


@pytest.mark.reads
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"columns": [{"name": "nam"}]}, [("/columns/0/name", "UNKNOWN_COLUMN")]),
        ({"columns": [{"name": "name"}, {"name": "name"}]}, [("/columns/1/name", "NAMED_TWICE")]),
        ({"columns": [{"name": "name", "rename_to": "born"}]}, [("/columns/0/rename_to", "NAME_TAKEN")]),
        ({"columns": [{"name": "name", "rename_to": "x"}, {"name": "born", "rename_to": " x "}]},
         [("/columns/1/rename_to", "NAME_TAKEN")]),
        ({"columns": [{"name": "name", "rename_to": "__id"}]}, [("/columns/0/rename_to", "INVALID_NAME")]),
        ({"columns": [{"name": "name", "rename_to": "a\0b"}]}, [("/columns/0/rename_to", "INVALID_NAME")]),
        ({"columns": [{"name": "name", "rename_to": "  "}]}, [("/columns/0/rename_to", "INVALID_NAME")]),
        ({"columns": [{"name": "name", "drop": True, "type": "text"}]}, [("/columns/0/drop", "INVALID_VALUE")]),
        ({"columns": [{"name": each, "drop": True} for each in ("name", "amount", "born", "active")]},
         [("/columns", "NO_COLUMNS")]),
        ({"add": [{"name": "name"}]}, [("/add/0/name", "NAME_TAKEN")]),
        ({"add": [{"name": "x"}, {"name": "x"}, {"name": "__id"}]},
         [("/add/1/name", "NAME_TAKEN"), ("/add/2/name", "INVALID_NAME")]),
        ({"order": ["name", "nothing", "name"]}, [("/order/1", "UNKNOWN_COLUMN"), ("/order/2", "NAMED_TWICE")]),
        ({"columns": [{"name": "name", "rename_to": "x"}], "order": ["name"]}, [("/order/0", "UNKNOWN_COLUMN")]),
        ({"columns": [{"name": "name", "date_format": "%d.%m.%Y"}]}, [("/columns/0/date_format", "INVALID_VALUE")]),
        ({"columns": [{"name": "name", "type": "date", "date_format": "soon"}]},
         [("/columns/0/date_format", "INVALID_VALUE")]),
        ({"columns": [{"name": "name", "decimal_comma": True}]}, [("/columns/0/decimal_comma", "INVALID_VALUE")]),
        ({"columns": [{"name": "nam"}, {"name": "name", "rename_to": "born"}], "add": [{"name": " "}]},
         [("/columns/0/name", "UNKNOWN_COLUMN"), ("/columns/1/rename_to", "NAME_TAKEN"),
          ("/add/0/name", "INVALID_NAME")]),
    ],
)  # fmt: skip
async def test_a_change_that_cannot_be(
    client: AsyncClient, people: Any, changes: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    answer = await attempt(client, **changes)
    assert pointers(answer) == expected
    assert answer.json()["error_code"] == "INVALID_SCHEMA"


@pytest.mark.reads
@pytest.mark.parametrize(
    "changes",
    [{"columns": [{"name": "name", "colour": "red"}]}, {"columns": [{"name": "name", "type": "int"}]},
     {"columns": [{"type": "text"}]}, {"rename": {}}, [], {"columns": [{"name": "name", "nullable": None}]},
     {"columns": [{"name": "name", "rename_to": ""}]}, {"columns": [{"name": "name", "description": "\0"}]}],
)  # fmt: skip
async def test_a_body_of_another_shape(client: AsyncClient, people: Any, changes: Any) -> None:
    answer = await client.patch("/datasets/people/schema", json=changes)
    assert (answer.status_code, answer.json()["error_code"]) == (422, "INVALID_BODY")


@pytest.mark.reads
async def test_a_pointer_into_a_body_of_another_shape(client: AsyncClient, people: Any) -> None:
    changes = {"columns": [{"name": "name"}, {"name": "born", "type": "money"}]}
    answer = await client.patch("/datasets/people/schema", json=changes)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/columns/1/type")


@pytest.mark.reads
async def test_unknown_columns_come_with_the_nearest_names(client: AsyncClient, people: Any) -> None:
    answer = await attempt(client, columns=[{"name": "amont", "drop": True}])
    assert answer.json()["detail"] == ("There is no column 'amont'; the nearest is 'amount'. Nothing was changed.")


@pytest.mark.reads
async def test_a_value_that_does_not_convert(client: AsyncClient, people: Any) -> None:
    before = await records(client, "people")
    changes = [{"name": "amount", "type": "text", "rename_to": "sum"}, {"name": "born", "type": "integer"}]
    answer = await attempt(client, columns=changes)
    assert (answer.status_code, answer.json()["error_code"]) == (422, "BAD_CELLS")
    assert (
        answer.json()["detail"] == "Record 1, column 'born': '1990-01-31' is not of type integer. Nothing was changed."
    )
    assert [(each["record"], each["value"], each["pointer"]) for each in answer.json()["errors"]] == [
        (1, "1990-01-31", "/columns/1"),
        (3, "2001-12-01", "/columns/1"),
        (4, "1990-01-31", "/columns/1"),
        (5, "1985-05-05", "/columns/1"),
    ]
    assert await records(client, "people") == before


async def test_a_null_where_a_value_is_needed(client: AsyncClient, people: Any) -> None:
    answer = await attempt(client, columns=[{"name": "born", "nullable": False}])
    assert pointers(answer) == [("/columns/0/nullable", "NULL")]
    assert answer.json()["errors"][0]["record"] == 2
    answer = await attempt(client, columns=[{"name": "name", "nullable": False, "null_values": ["Bob", "bob"]}])
    assert [each["record"] for each in answer.json()["errors"]] == [2, 4]
    answer = await attempt(client, add=[{"name": "new", "nullable": False}])
    assert pointers(answer) == [("/add/0/nullable", "NULL")] * 5
    assert (await attempt(client, columns=[{"name": "name", "nullable": False}])).status_code == 200
    answer = await client.patch("/datasets/people/schema", json={"columns": [{"name": "name", "null_values": ["Ann"]}]})
    assert pointers(answer) == [("/columns/0", "NULL")]


async def test_an_empty_dataset_takes_any_change(client: AsyncClient) -> None:
    await make(client, columns=[{"name": "a"}, {"name": "b", "type": "json"}])
    changes = {"columns": [{"name": "a", "type": "date", "nullable": False}, {"name": "b", "type": "time"}],
               "add": [{"name": "c", "nullable": False}]}  # fmt: skip
    answer = await client.patch("/datasets/orders/schema", json=changes)
    assert (answer.status_code, answer.json()["version"], answer.json()["changed"]) == (200, 2, 0)


@pytest.mark.reads
async def test_more_columns_than_a_dataset_may_have(client: AsyncClient, people: Any) -> None:
    answer = await attempt(client, add=[{"name": f"c{n}"} for n in range(16_381)])
    assert (answer.status_code, answer.json()["error_code"]) == (422, "LIMIT_EXCEEDED")
    assert (answer.json()["errors"][0]["pointer"], "SHEAF_MAX_COLUMNS" in answer.json()["detail"]) == ("/add", True)


async def test_json_that_is_none(client: AsyncClient, upload: Upload) -> None:
    await upload("name,amount\nx,1\n", name="people")
    answer = await attempt(client, columns=[{"name": "name", "type": "json"}])
    assert answer.json()["errors"][0]["value"] == "x"
    assert (await attempt(client, columns=[{"name": "amount", "type": "json"}])).status_code == 200
    answer = await client.patch("/datasets/people/schema", json={"columns": [{"name": "amount", "null_values": ["1"]}]})
    assert pointers(answer) == [("/columns/0/null_values", "INVALID_VALUE")]
