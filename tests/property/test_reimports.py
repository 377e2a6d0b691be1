"""Files into a dataset, one after the other, beside a plain table in Python."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct, field
from support.service import ADDRESS, exact

pytestmark = pytest.mark.anyio

Row = dict[str, str | None]
HEADERS = {"Content-Type": "text/csv"}
KEYS = [f"k{at}" for at in range(6)]
VALUES = st.none() | st.sampled_from(["a", "b", "", "c,d", '"', "ä"])
NUMBERS = st.none() | st.sampled_from(["1", "1.0", "1.00", "-2", "0.10", "12345678901234567890.5"])
COLUMNS: dict[str, st.SearchStrategy[str | None]] = {"text": VALUES, "number": NUMBERS, "more": VALUES}


class Model(Struct):
    """Records by id, as a reader of the contract would keep them."""

    columns: list[str]
    next_id: int = 1
    records: dict[int, Row] = field(default_factory=dict)

    def bring(self, mode: str, names: list[str], rows: list[Row]) -> tuple[int, int, int, int]:
        """Added, changed, removed, unchanged."""
        before = {number: dict(record) for number, record in self.records.items()}
        self.columns += [name for name in names if name not in self.columns]
        keyed = {row["sku"]: number for number, row in self.records.items()} if mode in {"upsert", "sync"} else {}
        touched: set[int] = set()
        for row in rows:
            number = keyed.get(row["sku"])
            if number is None:
                number, self.next_id = self.next_id, self.next_id + 1
            touched.add(number)
            self.records[number] = {**self.records.get(number, {}), **row}
        gone = set(before) - touched if mode in {"sync", "replace"} else set[int]()
        for number in gone:
            del self.records[number]
        met = touched & set(before)
        same = {number for number in met if self._whole(before[number]) == self._whole(self.records[number])}
        return len(touched) - len(met), len(met) - len(same), len(gone), len(same)

    def _whole(self, row: Row) -> Row:
        return {name: row.get(name) for name in self.columns}

    def shown(self) -> dict[int, Row]:
        return {number: self._whole(self.records[number]) for number in sorted(self.records)}


@st.composite
def files(draw: st.DrawFn) -> tuple[str, list[str], list[Row]]:
    """A mode, columns and rows; keys are there and differ, also for the modes that need none."""
    mode = draw(st.sampled_from(["append", "replace", "upsert", "sync"]))
    names = ["sku", *draw(st.lists(st.sampled_from(list(COLUMNS)), unique=True, max_size=3))]
    keys = draw(st.lists(st.sampled_from(KEYS), unique=True, min_size=1, max_size=6))
    rows: list[Row] = [{"sku": key, **{name: draw(COLUMNS[name]) for name in names[1:]}} for key in keys]
    return mode, draw(st.permutations(names)), rows


def csv(names: list[str], rows: list[Row]) -> bytes:
    lines = [",".join(names), *(",".join(_cell(row[name]) for name in names) for row in rows)]
    return "\n".join([*lines, ""]).encode()


def _cell(value: str | None) -> str:
    return "" if value is None else '"' + value.replace('"', '""') + '"'


@pytest.fixture(scope="module")
async def client(service: ASGITransport) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(transport=service, base_url=ADDRESS) as caller:
        key = (await caller.post("/users", json={"name": "model"})).json()["api_key"]
        caller.headers["X-API-Key"] = key
        yield caller


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(files(), min_size=1, max_size=4))
async def test_files_do_what_a_plain_table_does(
    client: AsyncClient, steps: list[tuple[str, list[str], list[Row]]]
) -> None:
    columns = [{"name": "sku"}, {"name": "text"}, {"name": "number", "type": "number"}, {"name": "more"}]
    made = await client.post("/datasets", json={"name": "model", "columns": columns})
    path = f"/datasets/{made.json()['id']}"
    model, versions = Model(["sku", "text", "number", "more"]), {}
    last: Any = None
    for mode, names, rows in steps:
        keys = [row["sku"] for row in model.records.values()]
        if mode in {"upsert", "sync"} and len(set(keys)) < len(keys):
            continue
        asked = {"mode": mode, "header": "true"} | ({"key": "sku"} if mode in {"upsert", "sync"} else {})
        body = csv(names, rows)
        if (asked, body) == last:
            continue
        plan = await client.post(f"{path}/imports", params={**asked, "dry_run": "true"}, content=body, headers=HEADERS)
        answer = await client.post(f"{path}/imports", params=asked, content=body, headers=HEADERS)
        wanted = model.bring(mode, names, rows)
        assert answer.status_code == (201 if any(wanted[:3]) else 200), answer.text
        if answer.status_code == 201:
            last = (asked, body)
        for told in (answer.json()["changes"], plan.json()["against"]):
            assert tuple(told[kind] for kind in ("added", "changed", "removed", "unchanged")) == wanted
        page = exact(await client.get(f"{path}/records?limit=1000"))
        assert {int(each["id"]): each["data"] for each in page["data"]} == model.shown()
        versions[page["version"]] = model.shown()
    for version, shown in versions.items():
        page = exact(await client.get(f"{path}/records?limit=1000&version={version}"))
        assert {int(each["id"]): each["data"] for each in page["data"]} == shown
    assert (await client.delete(path)).status_code == 204
