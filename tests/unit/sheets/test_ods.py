"""OpenDocument spreadsheets."""

from __future__ import annotations

import pytest
from support.sheets import read
from support.workbooks import ods

from backend.errors import TooLarge, UnreadableFile
from backend.sheets import ods as reader
from backend.sheets import package


def table(*rows: str, name: str = "Data", more: str = "") -> str:
    joined = "".join(f"<table:table-row>{row}</table:table-row>" for row in rows)
    return f'<table:table table:name="{name}" {more}>{joined}</table:table>'


def rows(times: object, *cells: str) -> str:
    joined = "".join(cells)
    return f'<table:table-row table:number-rows-repeated="{times}">{joined}</table:table-row>'


def repeated(times: object, **values: str) -> str:
    named = " ".join(f'office:{name.replace("_", "-")}="{value}"' for name, value in values.items())
    return f'<table:table-cell table:number-columns-repeated="{times}" {named}/>'


def cell(kind: str = "", inside: str = "", **values: str) -> str:
    typed = f'office:value-type="{kind}"' if kind else ""
    named = " ".join(f'office:{name.replace("_", "-")}="{value}"' for name, value in values.items())
    return f"<table:table-cell {typed} {named}>{inside}</table:table-cell>"


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (cell("float", "<text:p>0,10</text:p>", value="0.1"), ("number", "0.1")),
        (cell("percentage", value="0.5"), ("number", "0.5")),
        (cell("currency", value="1234.50"), ("number", "1234.5")),
        (cell("boolean", "<text:p>WAHR</text:p>", boolean_value="true"), ("boolean", "true")),
        (cell("date", date_value="2025-01-31"), ("date", "2025-01-31")),
        (cell("date", date_value="2025-01-31T10:20:30"), ("datetime", "2025-01-31T10:20:30")),
        (cell("time", time_value="PT10H20M30S"), ("time", "10:20:30")),
        (cell("time", time_value="PT30H15M00S"), ("text", "30:15:00")),
        (cell("string", "<text:p>007</text:p>"), ("text", "007")),
        (cell("string", "<text:p>shown</text:p>", string_value="exact"), ("text", "exact")),
        (cell("", "<text:p>untyped</text:p>"), ("text", "untyped")),
        (cell("string", "<text:p>a</text:p><text:p>b<text:span>c</text:span></text:p>"), ("text", "a\nbc")),
        (
            cell("string", '<text:p>a<text:s/><text:s text:c="2"/>b<text:tab/>c<text:line-break/>d</text:p>'),
            ("text", "a   b\tc\nd"),
        ),
        (cell("string", "<text:p>a\n   b</text:p>"), ("text", "a b")),
        (
            cell("string", "<office:annotation><text:p>no</text:p></office:annotation><text:p>yes</text:p>"),
            ("text", "yes"),
        ),
        (cell("string", "<text:p>Zoë &amp; 😀</text:p>"), ("text", "Zoë & 😀")),
    ],
)
def test_one_cell(made: str, expected: tuple[str, str]) -> None:
    assert read(ods(table(made))).cells == {"A1": expected}


def test_an_error_and_a_formula_without_value() -> None:
    error = '<table:table-cell calcext:value-type="error"><text:p>#N/A</text:p></table:table-cell>'
    found = read(ods(table(error + '<table:table-cell table:formula="of:=1"/>')))
    assert found.cells == {"A1": ("error", None)}
    assert [(problem.column, problem.value) for problem in found.problems] == [(1, None), (0, "#N/A")]


def test_repeated_cells_and_rows() -> None:
    value = rows(2, repeated(3), repeated(2, value_type="float", value="7"))
    blank = rows(1_048_000, repeated(16_384))
    head = f"<table:table-header-rows>{value}</table:table-header-rows>"
    found = read(ods(f'<table:table table:name="a">{head}{blank}</table:table>'))
    assert found.texts == {"D1": "7", "E1": "7", "D2": "7", "E2": "7"}
    assert found.end.last_row == 2


@pytest.mark.parametrize("times", ["99999", "999999999"])
def test_repetition_without_end_is_refused_at_once(times: str) -> None:
    value = rows(times, repeated(times, value_type="float", value="7"))
    with pytest.raises((TooLarge, UnreadableFile)):
        read(ods(f'<table:table table:name="a">{value}</table:table>'))


def test_a_table_too_wide() -> None:
    with pytest.raises(UnreadableFile, match="16,384"):
        read(ods(table(repeated(16_385, value_type="float", value="7"))))


def test_repeated_rows_beyond_memory() -> None:
    value = rows(1_000_000, cell("float", value="1") * 100)
    with pytest.raises(TooLarge, match="SHEAF_WORKBOOK_MEMORY"):
        read(ods(f'<table:table table:name="a">{value}</table:table>'))


@pytest.mark.no_cover
def test_many_rows_come_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "_INFLATED", 2**15)
    monkeypatch.setattr(reader, "BATCH", 5_000)
    found = read(ods(table(*[cell("float", value=str(row)) for row in range(6_000)])))
    assert len(found.parts) > 1
    assert found.texts["A6000"] == "5999"


def test_sheets_hidden_sheets_and_inner_tables() -> None:
    style = (
        '<style:style style:name="h" style:family="table"><style:table-properties table:display="false"/></style:style>'
    )
    inner = cell("", table(cell("float", value="9"), name="inner"))
    made = ods(
        table(cell("float", value="1"), name="one", more='table:style-name="h"')
        + table(inner + cell("float", value="2"), name="two"),
        automatic=style,
    )
    found = read(made)
    assert found.chosen.sheet == "two"
    assert [(other.name, other.hidden) for other in found.chosen.others] == [("one", True)]
    assert found.texts["B1"] == "2"


def test_merged_cells() -> None:
    merged = cell("string", "<text:p>m</text:p>").replace(
        "<table:table-cell", '<table:table-cell table:number-rows-spanned="2" table:number-columns-spanned="2"'
    )
    covered = "<table:covered-table-cell/>"
    made = ods(table(merged + covered + cell("float", value="1"), covered + covered + cell("float", value="2")))
    assert read(made).texts == {"A1": "m", "C1": "1", "C2": "2"}
    assert read(made, fill_merged=True).texts == {"A1": "m", "B1": "m", "C1": "1", "A2": "m", "B2": "m", "C2": "2"}


def test_broken_content() -> None:
    with pytest.raises(UnreadableFile, match=r"content\.xml is broken"):
        read(ods("<table:table"))
