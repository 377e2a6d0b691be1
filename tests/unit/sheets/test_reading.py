"""Which sheet is read, and what is said about it."""

from __future__ import annotations

import pytest
from support.sheets import read
from support.workbooks import sheet, xlsx

from backend.errors import Invalid, TooLarge, UnreadableFile
from backend.sheets import child, grid, package, sheet_fast
from backend.sheets.protocol import SheetInfo, column_letters

ONE = sheet('<row r="1"><c r="A1"><v>1</v></c></row>')
TWO = sheet('<row r="1"><c r="A1"><v>2</v></c></row>')
EMPTY = sheet("")


def test_the_first_visible_sheet_with_data() -> None:
    made = xlsx({"cover": EMPTY, "secret": ONE, "data": TWO}, hidden=("secret",))
    found = read(made)
    assert found.texts == {"A1": "2"}
    assert found.chosen.sheet == "data"
    assert found.chosen.others == (SheetInfo("cover"), SheetInfo("secret", hidden=True))


def test_the_first_visible_sheet_when_none_has_data() -> None:
    found = read(xlsx({"a": ONE, "b": EMPTY, "c": EMPTY}, hidden=("a",)))
    assert (found.chosen.sheet, found.cells) == ("b", {})


def test_a_hidden_sheet_when_there_is_no_other() -> None:
    assert read(xlsx({"a": ONE}, hidden=("a",))).chosen.sheet == "a"


@pytest.mark.parametrize(
    ("wanted", "text"), [("b", "2"), (2, "2"), ("2", "1"), ("3", "1"), (1, "1"), ("Ü &amp; x", "1")]
)
def test_a_sheet_by_name_or_number(wanted: str | int, text: str) -> None:
    made = xlsx({"2": ONE, "b": TWO, "Ü &amp; x": ONE})
    wanted = wanted.replace("&amp;", "&") if isinstance(wanted, str) else wanted
    assert read(made, sheet=wanted).texts == {"A1": text}


@pytest.mark.parametrize("wanted", ["nope", 0, 3, -1, "3"])
def test_a_sheet_that_is_not_there(wanted: str | int) -> None:
    with pytest.raises(Invalid, match="1 'a', 2 'b'"):
        read(xlsx({"a": ONE, "b": TWO}), sheet=wanted)


def test_a_workbook_without_sheets() -> None:
    with pytest.raises(UnreadableFile, match="no sheet"):
        read(xlsx({}))


def test_macros() -> None:
    made = xlsx(ONE, extra={"xl/vbaProject.bin": b"macros"})
    found = read(made)
    assert found.chosen.format == "xlsm"
    assert found.chosen.notes == ("The macros of the workbook were left out",)
    with pytest.raises(UnreadableFile, match="macros"):
        read(made, xlsx_named=True)


def test_problems_of_a_sheet_without_values() -> None:
    found = read(xlsx(sheet('<row r="3"><c r="B3"><f>A1</f></c></row>')))
    assert found.parts == []
    assert found.end.last_row == 3
    assert [(problem.row, problem.column) for problem in found.problems] == [(2, 1)]


def test_styled_cells_behind_the_last_value() -> None:
    found = read(xlsx(sheet('<row r="1"><c r="A1"><v>1</v></c></row><row r="500"><c r="B500" s="1"/></row>')))
    assert (found.texts, found.end.last_row) == ({"A1": "1"}, 500)


MERGED = sheet(
    '<row r="1"><c r="A1" t="str"><v>a</v></c><c r="B1"><v>1</v></c></row>'
    '<row r="2"><c r="A2" s="1"/><c r="B2"><v>2</v></c></row>'
    '<row r="4"><c r="B4"><v>4</v></c><c r="C4" t="str"><v>c</v></c></row>',
    tail='<mergeCells count="3"><mergeCell ref="A1:A4"/><mergeCell ref="C4:D5"/><mergeCell ref="E1:F9"/></mergeCells>',
)


def test_merged_cells_are_filled_where_told() -> None:
    made = xlsx(MERGED)
    assert read(made).texts == {"A1": "a", "B1": "1", "B2": "2", "B4": "4", "C4": "c"}
    filled = {"A1": "a", "A2": "a", "A4": "a", "B1": "1", "B2": "2", "B4": "4", "C4": "c", "D4": "c"}
    assert read(made, fill_merged=True).texts == filled


@pytest.mark.no_cover
def test_a_merged_area_over_several_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "_INFLATED", 2**15)
    monkeypatch.setattr(sheet_fast, "CHUNK", 2**17)
    rows = "".join(f'<row r="{row}"><c r="B{row}"><v>{row}</v></c></row>' for row in range(2, 6_000))
    part = sheet(
        f'<row r="1"><c r="A1" t="str"><v>a</v></c></row>{rows}',
        tail='<mergeCells><mergeCell ref="A1:A5500"/></mergeCells>',
    )
    found = read(xlsx(part), fill_merged=True)
    assert len(found.parts) > 1
    assert [found.texts.get(f"A{row}") for row in (2, 3_000, 5_500, 5_501)] == ["a", "a", "a", None]


def test_merged_areas_beyond_measure() -> None:
    rows = "".join(f'<row r="{row}"><c r="A{row}"><v>1</v></c></row>' for row in range(1, 2000))
    part = sheet(rows, tail='<mergeCells><mergeCell ref="A1:XFD1048576"/></mergeCells>')
    with pytest.raises(TooLarge, match="merged"):
        read(xlsx(part), fill_merged=True)


@pytest.mark.no_cover
def test_cells_spread_over_too_large_an_area(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "AREA", 1_500_000)
    rows = "".join(
        f'<row r="{row + 1}"><c r="{column_letters(row)}{row + 1}"><v>1</v></c></row>' for row in range(1300)
    )
    with pytest.raises(TooLarge, match="spreads"):
        read(xlsx(sheet(rows)))


@pytest.mark.no_cover
def test_texts_that_are_repeated_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "TEXT", 2 * 2**20)
    rows = "".join(f'<row r="{row}"><c r="A{row}" t="s"><v>0</v></c></row>' for row in range(1, 400))
    shared = f"<sst><si><t>{'x' * 2**16}</t></si></sst>"
    with pytest.raises(TooLarge, match="SHEAF_WORKBOOK_MEMORY"):
        read(xlsx(sheet(rows), shared=shared), memory=4 * 2**20)
    assert len(read(xlsx(sheet(rows), shared=shared)).parts) > 10


def test_a_row_that_no_record_could_hold() -> None:
    cells = "".join(f'<c r="{column_letters(at)}1" t="s"><v>0</v></c>' for at in range(300))
    shared = f"<sst><si><t>{'x' * 2**20}</t></si></sst>"
    with pytest.raises(TooLarge, match="A row"):
        read(xlsx(sheet(f'<row r="1">{cells}</row>'), shared=shared))
