"""Any table of text → CSV → upload → export is the same table, cell by cell, read again in whatever format."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from support.service import ADDRESS

pytestmark = pytest.mark.anyio

Cell = str | None
Rows = list[list[Cell]]

_CELL = re.compile(r'(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)')
LOOK_ALIKES = st.sampled_from(
    [
        "0",
        "1",
        "-1",
        "007",
        "-0",
        "+1",
        "1.0",
        "0.10",
        ".5",
        "5.",
        "1e5",
        "1E5",
        "-1.50",
        "1,5",
        "1.234,5",
        "١٢٣",
        "½",
        "NaN",
        "inf",
        "0x1f",
        "1_000",
        "1234567890123456789",
        "12345678901234567890123456789012345678.90",
        "true",
        "false",
        "TRUE",
        "FALSE",
        "True",
        "yes",
        "null",
        "NULL",
        "NA",
        "N/A",
        "None",
        "-",
        "{}",
        "[]",
        '{"a":1}',
        "2025-01-31",
        "2025-02-30",
        "2025-1-3",
        "0000-00-00",
        "31.01.2025",
        "03/04/2025",
        "2025-01-31T10:20:30Z",
        "2025-01-31T10:20:30+00:00",
        "2025-01-31T10:20:30.120",
        "10:20:30",
        "10:20",
        "24:00:00",
        "2025-W05-5",
        "\\N",
        "\\.",
        "=1+1",
        "@x",
        "'",
    ]
)
# Control characters are left out: a file that is full of them is refused as binary.
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
AWKWARD = st.text(st.sampled_from(" \t\r\n\",;|'\\#a1\u00a0\u2028\ufeff😀é"), max_size=6)
CELLS = st.none() | LOOK_ALIKES | TEXT | AWKWARD | LOOK_ALIKES.map(" {}".format) | LOOK_ALIKES.map("{} ".format)
NAMES = (TEXT | AWKWARD | LOOK_ALIKES).map(str.strip).filter(bool)


@st.composite
def columns(draw: st.DrawFn, height: int, *, alone: bool) -> list[Cell]:
    """Cells of one column: of all kinds, or of one kind throughout, as real ones are."""
    kind = draw(st.sampled_from(["any", "integers", "numbers", "dates", "booleans", "few"]))
    cells = {
        "any": CELLS,
        "integers": st.none() | st.integers(-(10**20), 10**20).map(str),
        "numbers": st.none() | st.decimals(allow_nan=False, allow_infinity=False, places=2).map("{:f}".format),
        "dates": st.none() | st.dates().map(str),
        "booleans": st.none() | st.sampled_from(["TRUE", "FALSE"]),
        "few": st.sampled_from([None, "", "x", "1"]),
    }[kind]
    return draw(
        st.lists(cells.filter(lambda cell: cell is not None) if alone else cells, min_size=height, max_size=height)
    )


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], Rows]:
    """Names and records; no record of nulls at the end, and none at all where it would be an empty line."""
    names = draw(st.lists(NAMES, min_size=1, max_size=draw(st.sampled_from([1, 2, 5, 40])), unique=True))
    height = draw(st.integers(0, 8))
    drawn = [draw(columns(height, alone=len(names) == 1)) for _ in names]
    rows: Rows = [list(row) for row in zip(*drawn, strict=True)]
    while rows and all(cell is None for cell in rows[-1]):
        rows.pop()
    return names, rows


def written(rows: Sequence[Sequence[Cell]], newline: str) -> str:
    """CSV with no more quotes than are needed."""
    return "".join(",".join(map(_cell, row)) + newline for row in rows)


def _cell(cell: Cell) -> str:
    if cell is None:
        return ""
    return '"' + cell.replace('"', '""') + '"' if not cell or set(cell) & set('",\r\n') else cell


def parsed(text: str) -> Rows:
    """What an export says: null where nothing is written, empty text where there are two quotes."""
    rows: Rows = [[]]
    position = 0
    while position < len(text):
        match = _CELL.match(text, position)
        assert match, text[position : position + 80]
        quoted, plain, end = match.groups()
        rows[-1].append(quoted.replace('""', '"') if quoted is not None else plain or None)
        if end != ",":
            rows.append([])
        position = match.end()
    return rows[:-1]


@pytest.fixture(scope="module")
async def uploader(service: ASGITransport) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(transport=service, base_url=ADDRESS) as client:
        registered = await client.post("/users", json={"name": "Ada"})
        client.headers["X-API-Key"] = registered.json()["api_key"]
        yield client


TOLD = {"header": "1", "delimiter": ",", "quote": '"', "encoding": "utf-8"}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=tables(), newline=st.sampled_from(["\r\n", "\n"]))
@example(table=(["only"], [[""], [" "], ["x"]]), newline="\n")
@example(table=(["a", "b"], [[None, None], ["", None], [None, ""]]), newline="\n")
async def test_a_table_comes_back_as_it_went(
    uploader: AsyncClient, table: tuple[list[str], Rows], newline: str
) -> None:
    names, rows = table
    text = ",".join('"' + name.replace('"', '""') + '"' for name in names) + newline + written(rows, newline)
    made = await uploader.post("/datasets", params=TOLD, content=text.encode(), headers={"Content-Type": "text/csv"})
    assert made.status_code == 201, made.text
    dataset = made.json()["dataset"]
    exported = await uploader.get(f"/datasets/{dataset['id']}/export")
    await uploader.delete(f"/datasets/{dataset['id']}")
    assert dataset["rows"] == len(rows)
    assert parsed(exported.content.decode()) == [names, *rows]


async def records(client: AsyncClient, dataset: str) -> list[dict[str, Any]]:
    answer = await client.get(f"/datasets/{dataset}/records")
    return [each["data"] for each in json.loads(answer.text, parse_int=Decimal, parse_float=Decimal)["data"]]


def _moment(text: str) -> datetime:
    """A datetime, or a time on some day."""
    return datetime.fromisoformat(text if text[2:3] != ":" else f"2025-01-31T{text}")


def same(one: Any, other: Any) -> bool:
    """Whether two cells hold the same value: `0.1` is `0.10`, `10:20` is `10:20:00`, and noon in UTC is one in Paris.

    A number that no Parquet type holds is text there, and stays so.
    """
    if isinstance(one, Decimal) and isinstance(other, str):
        return str(one) == other
    if one == other or not (isinstance(one, str) and isinstance(other, str)):
        return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)
    try:
        return _moment(one) == _moment(other)
    except (ValueError, TypeError):
        return False


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=tables(), form=st.sampled_from(["json", "ndjson", "parquet"]))
@example(
    table=(["a", "b"], [["1", "0.10"], ["-9223372036854775808", "123456789012345678901234567890.123456789"]]),
    form="parquet",
)
@example(table=(["a", "b"], [["2025-01-31T10:20:30.123456789Z", "9" * 40], [None, "1"]]), form="parquet")
@example(table=(["a", "b"], [["2025-01-31T10:20+02:00", "TRUE"], ["1900-01-01T00:00+02:00", None]]), form="parquet")
@example(table=(["a", "b", "c"], [["10:20", "23:59:59.1234567", "00:00:00.0123456789"], [None] * 3]), form="parquet")
async def test_a_file_is_imported_as_it_was_exported(
    uploader: AsyncClient, table: tuple[list[str], Rows], form: str
) -> None:
    names, rows = table
    assume(rows)
    text = ",".join('"' + name.replace('"', '""') + '"' for name in names) + "\n" + written(rows, "\n")
    made = await uploader.post("/datasets", params=TOLD, content=text.encode(), headers={"Content-Type": "text/csv"})
    first = made.json()["dataset"]["id"]
    exported = await uploader.get(f"/datasets/{first}/export?format={form}")
    assert exported.status_code == 200, exported.text
    again = await uploader.post("/datasets", files={"file": (f"again.{form}", exported.content)})
    assert again.status_code == 201, again.text
    second = again.json()["dataset"]["id"]
    before, after = await records(uploader, first), await records(uploader, second)
    for dataset in (first, second):
        await uploader.delete(f"/datasets/{dataset}")
    assert len(before) == len(after)
    for one, other in zip(before, after, strict=True):
        assert [name for name in one if not same(one[name], other.get(name))] == [], (one, other)
