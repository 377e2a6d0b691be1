"""Random changes of columns and records, and restores, beside a plain model; every version reads as that was then."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from copy import deepcopy
from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from httpx import ASGITransport, AsyncClient, Response
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.service import ADDRESS, exact

pytestmark = pytest.mark.anyio

TYPES = ("text", "integer", "number", "boolean", "date")
CELLS = st.sampled_from(
    [None, "", "0", "1", "-7", "007", " 5 ", "2.50", "+3.0", "1,5", "x", "yes", "no", "2025-01-31", "31/01/2025", "NA"]
)
POOLS = (
    ("0", "1", "007", " 5 ", "12", "-7"),
    ("0", "2.50", "+3.0", "10.00", "-7", "NA"),
    ("1,5", "12", "-0,50", "NA"),
    ("yes", "no", "1", "0", "true", "NA"),
    ("2025-01-31", "31/01/2025", "01/02/2024", "NA"),
    ("2025-01-31", "2024-02-29"),
    ("x", "", "1", "no"),
)
NAMES = st.sampled_from(["a", "b", "c", "d", "ä b", "limit", "a.b", 'q"'])
PLACES = st.integers(0, 3)
RETYPES = st.fixed_dictionaries({"type": st.sampled_from(TYPES)}) | st.sampled_from(
    [
        {"type": "date", "date_format": "%d/%m/%Y"},
        {"type": "date", "date_format": "%d/%m/%Y", "null_values": ["NA"]},
        {"type": "number", "decimal_comma": True, "null_values": ["NA"]},
        {"type": "number", "null_values": ["NA"]},
        {"type": "boolean", "null_values": ["NA"]},
    ]
)
OPTIONS = (
    RETYPES
    | st.just({"drop": True})
    | st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(TYPES),
            "rename_to": NAMES,
            "nullable": st.booleans(),
            "null_values": st.just(["NA", "0"]),
            "date_format": st.just("%d/%m/%Y"),
            "decimal_comma": st.just(True),
        },
    )
)
CHANGES = st.tuples(
    st.just("schema"), st.dictionaries(PLACES, OPTIONS, min_size=1, max_size=3), st.lists(NAMES, max_size=1), PLACES
)
WRITES = st.tuples(st.just("write"), PLACES, PLACES, CELLS, st.just(None))
ROWS = st.tuples(st.sampled_from(POOLS), st.sampled_from(POOLS), st.sampled_from(POOLS)).flatmap(
    lambda pools: st.lists(st.tuples(*(st.sampled_from([None, *pool]) for pool in pools)), min_size=1, max_size=5)
)
RESTORES = st.tuples(st.just("restore"), st.integers(0, 8))
STEPS = st.lists(CHANGES | WRITES.map(lambda each: each[:4]) | RESTORES, min_size=1, max_size=8)


class Refused(Exception):
    """The model does not do this."""


class Column:
    """A column of the model and its values by record id; None is null."""

    def __init__(self, name: str, kind: str, values: dict[int, Any]) -> None:
        self.name, self.kind, self.values, self.nullable = name, kind, values, True


Table = list[Column]


def converted(column: Column, kind: str, options: dict[str, Any]) -> dict[int, Any]:
    """The values in another type. Raises Refused if one of them cannot be."""
    if column.kind == kind and "null_values" not in options:
        return column.values
    told = options if column.kind == "text" else {**options, "decimal_comma": False, "date_format": None}
    return {record: read(shown(value), kind, told) for record, value in column.values.items()}


def shown(value: Any) -> str | None:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else value


def read(text: str | None, kind: str, options: dict[str, Any]) -> Any:
    if text is None or text in options.get("null_values", ()):
        return None
    if kind == "text":
        return text
    bare = text.strip()
    found: Any = None
    if kind == "boolean":
        found = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(bare)
    elif kind == "date":
        found = read_date(bare, options.get("date_format"))
    else:
        if options.get("decimal_comma"):
            bare = "x" if "." in bare else bare.replace(",", ".")
        number = re.fullmatch(r"([+-]?)0*([0-9]+)(\.[0-9]+)?", bare)
        if number and (kind == "number" or set(number[3] or "") <= {".", "0"}):
            found = number[1].removeprefix("+") + number[2] + ((number[3] or "") if kind == "number" else "")
    if found is None:
        raise Refused
    return found


def read_date(text: str, form: str | None) -> str | None:
    swapped = re.sub(r"^(\d\d)/(\d\d)/(\d{4})$", r"\3-\2-\1", text) if form else text
    try:
        return date.fromisoformat(swapped).isoformat() if re.fullmatch(r"\d{4}-\d\d-\d\d", swapped) else None
    except ValueError:
        return None


def changed(table: Table, step: Any) -> tuple[Table | None, dict[str, Any]]:
    """The table after a change of its columns, None if it is to be refused, and the change as it is asked for."""
    _, by_place, added, first = step
    options = {table[place].name: each for place, each in by_place.items() if place < len(table)}
    ordered = [table[first].name] if first < len(table) else []
    body = {
        "columns": [{"name": name, **each} for name, each in options.items()],
        "add": [{"name": name} for name in added],
        "order": ordered,
    }
    try:
        return after(table, options, added, ordered), body
    except Refused:
        return None, body


def after(table: Table, changes: dict[str, dict[str, Any]], added: Sequence[str], ordered: Sequence[str]) -> Table:
    result: Table = []
    for column in table:
        options = changes.get(column.name, {})
        kind = options.get("type", column.kind)
        if options.get("drop"):
            continue
        if options.get("decimal_comma") and kind not in {"integer", "number"}:
            raise Refused
        if options.get("date_format") and kind != "date":
            raise Refused
        new = Column(options.get("rename_to", column.name), kind, converted(column, kind, options))
        new.nullable = options.get("nullable", column.nullable)
        if not new.nullable and None in new.values.values():
            raise Refused
        result.append(new)
    result += [Column(name, "text", dict.fromkeys(table[0].values)) for name in added]
    names = [column.name for column in result]
    if not names or len(set(names)) < len(names) or not set(ordered) <= set(names):
        raise Refused
    return sorted(result, key=lambda column: column.name not in ordered)


def as_read(table: Table) -> list[dict[str, Any]]:
    return [{column.name: column.values[record] for column in table} for record in table[0].values]


@pytest.fixture(scope="module")
async def caller_(service: ASGITransport) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(transport=service, base_url=ADDRESS) as client:
        registered = await client.post("/users", json={"name": "Ada"})
        client.headers["X-API-Key"] = registered.json()["api_key"]
        yield client


async def write(client: AsyncClient, path: str, table: Table, step: Any) -> tuple[Table, Response] | None:
    """One cell of a text column written; None where there is none at that place."""
    _, place, record, cell = step
    if place >= len(table) or table[place].kind != "text" or record + 1 not in table[0].values:
        return None
    if cell is None and not table[place].nullable:
        return None
    result = deepcopy(table)
    result[place].values[record + 1] = cell
    return result, await client.patch(f"{path}/records/{record + 1}", json={table[place].name: cell})


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, steps=STEPS)
async def test_every_version_reads_as_it_was(
    caller_: AsyncClient, rows: list[tuple[str | None, ...]], steps: list[Any]
) -> None:
    columns = [{"name": name} for name in "abc"]
    made = (await caller_.post("/datasets", json={"name": str(uuid4()), "columns": columns})).json()
    path = f"/datasets/{made['id']}"
    created = await caller_.post(f"{path}/records", json=[dict(zip("abc", row, strict=True)) for row in rows])
    assert created.status_code == 201
    ids = range(1, len(rows) + 1)
    table = [Column(name, "text", {at: rows[at - 1][place] for at in ids}) for place, name in enumerate("abc")]
    versions = {2: table}
    for step in steps:
        before, number = versions[max(versions)], max(versions)
        if step[0] == "write":
            if (done := await write(caller_, path, before, step)) is None:
                continue
            table, answer = done
            assert answer.status_code == 200, answer.text
        elif step[0] == "restore":
            chosen = sorted(versions)[step[1] % len(versions)]
            table = versions[chosen]
            answer = await caller_.post(f"{path}/restore", json={"version": chosen})
            assert answer.status_code == 200, answer.text
        else:
            expected, body = changed(before, step)
            answer = await caller_.patch(f"{path}/schema", json=body)
            assert answer.status_code == (422 if expected is None else 200), (answer.text, body)
            if expected is None:
                continue
            table = expected
        now = (await caller_.get(path)).json()["version"]
        same = _facts(before) == _facts(table) and not (step[0] == "schema" and step[2])
        assert now == number + (not same) or (step[0] == "restore" and same and now == number + 1)
        versions[now] = table
    for number, expected in versions.items():
        schema = (await caller_.get(f"{path}/schema", params={"version": number})).json()["columns"]
        assert [(each["name"], each["type"], each["nullable"]) for each in schema] == [
            (column.name, column.kind, column.nullable) for column in expected
        ]
        read_back = exact(await caller_.get(f"{path}/records", params={"version": number}))["data"]
        assert [record["data"] for record in read_back] == as_read(expected)
    await caller_.delete(path)


def _facts(table: Table) -> list[Any]:
    return [(column.name, column.kind, column.nullable, column.values) for column in table]
