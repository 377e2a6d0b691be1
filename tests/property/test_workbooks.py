"""Any table, written as a workbook, is read as it was."""

from __future__ import annotations

import datetime as dt
import io
import re

import openpyxl
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st
from support.sheets import read

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\ufffe\uffff"), min_size=1, max_size=20)
# Both writers keep 16 digits of a double.
NUMBER = st.one_of(
    st.integers(-(10**15), 10**15),
    st.floats(-1e300, 1e300).map(lambda number: float(f"{number:.16g}")),
)
MOMENT = st.builds(
    lambda day, clock: dt.datetime.combine(day, clock.replace(microsecond=clock.microsecond // 1000 * 1000)),
    st.dates(dt.date(1900, 3, 1)),
    st.times(),
)
CELL = st.one_of(st.none(), TEXT, NUMBER, st.booleans(), st.dates(dt.date(1900, 3, 1)), MOMENT)
TABLE = st.lists(st.lists(CELL, min_size=1, max_size=5), min_size=1, max_size=8)
ILLEGAL = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f]")


def expected(value: object) -> tuple[str, object] | None:
    """The kind, and the value to compare by."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "boolean", "true" if value else "false"
    if isinstance(value, int | float):
        return "number", float(value)
    if isinstance(value, dt.datetime):
        return "datetime", value
    if isinstance(value, dt.date):
        return "date", value
    return "text", str(value)


def found(kind: str, text: str | None) -> tuple[str, object]:
    assert text is not None
    if kind == "number":
        assert "e" not in text.lower()
        return kind, float(text)
    if kind == "datetime":
        return kind, dt.datetime.fromisoformat(text)
    return kind, dt.date.fromisoformat(text) if kind == "date" else text


@given(TABLE)
@settings(max_examples=20, deadline=None)
def test_as_xlsxwriter_writes_it(rows: list[list[object]]) -> None:
    made = io.BytesIO()
    with xlsxwriter.Workbook(made, {"in_memory": True}) as book:
        page = book.add_worksheet()
        day, moment = book.add_format({"num_format": "yyyy-mm-dd"}), book.add_format({"num_format": "d/m/yyyy h:mm:ss"})
        for at, row in enumerate(rows):
            for column, value in enumerate(row):
                if isinstance(value, bool):
                    page.write_boolean(at, column, value)
                elif isinstance(value, int | float):
                    page.write_number(at, column, value)
                elif isinstance(value, dt.date):
                    page.write_datetime(at, column, value, moment if isinstance(value, dt.datetime) else day)
                elif value is not None:
                    page.write_string(at, column, str(value))
    check(made.getvalue(), rows)


_LINE_END = re.compile("\r\n?")
"""openpyxl writes it raw, and XML knows only one line end (XML 1.0, section 2.11)."""


@given(TABLE)
@settings(max_examples=20, deadline=None)
def test_as_openpyxl_writes_it(rows: list[list[object]]) -> None:
    rows = [[ILLEGAL.sub("", cell) or None if isinstance(cell, str) else cell for cell in row] for row in rows]
    rows = [[_LINE_END.sub("\n", cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    rows = [["'" + cell if isinstance(cell, str) and cell.startswith("=") else cell for cell in row] for row in rows]
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    for row in rows:
        page.append(row)
    made = io.BytesIO()
    book.save(made)
    check(made.getvalue(), rows)


def check(content: bytes, rows: list[list[object]]) -> None:
    cells = read(content).cells
    wanted = {
        f"{'ABCDE'[column]}{at}": seen
        for at, row in enumerate(rows, 1)
        for column, value in enumerate(row)
        if (seen := expected(value)) is not None
    }
    assert {address: found(*cell) for address, cell in cells.items()} == wanted
