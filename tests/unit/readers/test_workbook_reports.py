"""What a source tells of its workbook: sheets, how far it is, merged areas, and notes above the table."""

from __future__ import annotations

import io

import pytest
import xlsxwriter
from openpyxl import Workbook
from support.sheets import read, within
from support.workbooks import ods, opened, records, sheet, xlsx

from backend.errors import Invalid, UnreadableFile
from backend.schemas.imports import SheetInfo

__all__ = ["within"]

pytestmark = pytest.mark.usefixtures("within")
ONE = sheet('<row r="1"><c r="A1"><v>1</v></c></row>')


def rows(*cells: tuple[str, ...], start: int = 1) -> str:
    """Rows of texts, or of numbers where they are digits; empty ones are left out."""
    made = ""
    for at, row in enumerate(cells, start):
        made += f'<row r="{at}">'
        for letter, text in zip("ABCDEFGH", row, strict=False):
            kind = "" if text.isdecimal() else ' t="str"'
            made += f'<c r="{letter}{at}"{kind}><v>{text}</v></c>' if text else ""
        made += "</row>"
    return made


def test_every_sheet_is_told() -> None:
    made = xlsx(
        {
            "a": sheet('<row r="1"><c r="A1"><v>1</v></c></row>', head='<dimension ref="A1:C9"/>'),
            "lies": sheet("", head='<dimension ref="A1:XFD1048576"/>'),
            "secret": ONE,
        },
        hidden=("secret",),
    )
    with opened(made) as source:
        assert source.sheets == (
            SheetInfo("a", 1, True, 9),
            SheetInfo("lies", 2, True),
            SheetInfo("secret", 3, False),
        )


def test_rows_of_open_document_sheets_without_those_that_are_only_styled() -> None:
    cell = '<table:table-cell office:value-type="float" office:value="1"/>'
    blank = '<table:table-row table:number-rows-repeated="1000"><table:table-cell/></table:table-row>'
    table = f'<table:table table:name="a"><table:table-row>{cell}</table:table-row>{blank}'
    more = f'<table:table-row table:number-rows-repeated="3">{cell}</table:table-row>{blank}</table:table>'
    with opened(ods(table + more), format="ods") as source:
        assert source.sheets == (SheetInfo("a", 1, True, 1004),)


def chart_book() -> bytes:
    made = io.BytesIO()
    with xlsxwriter.Workbook(made, {"in_memory": True}) as book:
        book.add_worksheet("data").write(0, 0, 1)
        chart = book.add_chart({"type": "line"})
        chart.add_series({"values": "=data!$A$1:$A$1"})
        book.add_chartsheet("chart").set_chart(chart)
        book.add_worksheet("more").write(0, 0, 2)
    return made.getvalue()


def test_a_chart_counts_as_a_tab_but_is_no_sheet() -> None:
    with opened(chart_book(), sheet=3) as source:
        assert source.sheet == "more"
        assert [(each.name, each.index) for each in source.sheets] == [("data", 1), ("more", 3)]
        assert ("Sheets without cells (charts, dialogs, macros) were left out", "chart") in [
            (item.message, item.value) for item in source.warnings.items
        ]
    for wanted in (2, "chart"):
        with pytest.raises(Invalid, match="'chart' holds no cells"), opened(chart_book(), sheet=wanted):
            pass


@pytest.mark.parametrize("wanted", ["Sales 2025", "sales 2025 ", 1, "1"])
def test_a_sheet_is_found_whatever_its_case(wanted: str | int) -> None:
    with opened(xlsx({"Sales 2025": ONE, "x": ONE, "X": ONE}), sheet=wanted) as source:
        assert source.sheet == "Sales 2025"


def test_names_that_differ_in_case_alone_are_told_apart() -> None:
    made = xlsx({"x": ONE, "X": ONE})
    with opened(made, sheet="X") as source:
        assert source.sheet == "X"


def test_the_share_grows_from_pass_to_pass() -> None:
    lines = "".join(f'<row r="{at}"><c r="A{at}"><v>{at}</v></c></row>' for at in range(1, 300_000))
    with opened(xlsx(sheet(lines)), header=False) as source:
        for _ in range(2):
            shares = [source.share for _ in source.batches()]
            assert shares == sorted(shares)
            assert len(shares) > 2
            assert shares[0] < 0.5
            assert all(0 < share <= 1 for share in shares)
            assert source.share == 1.0


MERGED = '<mergeCells count="3">{}</mergeCells>'


def test_merged_areas_among_records_are_reported_unless_filled() -> None:
    table = rows(("report", "", ""), ("region", "units", "n"), ("north", "1", "2"), ("", "3", "4"), ("south", "5", ""))
    areas = "".join(f'<mergeCell ref="{ref}"/>' for ref in ("A1:C1", "A3:A4", "B5:C5"))
    made = xlsx(sheet(table, tail=MERGED.format(areas)))
    message = "Merged areas have their value in the first cell alone; `fill_merged` fills them"
    with opened(made) as source:
        assert (source.header_row, source.names) == (2, ["region", "units", "n"])
        assert records(source) == [("north", "1", "2"), (None, "3", "4"), ("south", "5", None)]
        assert records(source)[0] == ("north", "1", "2")
        told = [(item.row, item.cell, item.value) for item in source.warnings.items if item.message == message]
        assert told == [(3, "Data!A3:A4", "2 in all")]
    with opened(made, fill_merged=True) as source:
        assert (source.header_row, source.names) == (2, ["region", "units", "n"])
        assert records(source) == [("north", "1", "2"), ("north", "3", "4"), ("south", "5", "5")]
        assert [item.value for item in source.warnings.items] == ["report"]


def test_a_header_that_is_merged_names_all_its_columns_once_filled() -> None:
    table = rows(("id", "name", ""), ("1", "ann", "lee"), ("2", "bob", "ray"))
    made = xlsx(sheet(table, tail=MERGED.format('<mergeCell ref="B1:C1"/>')))
    with opened(made, fill_merged=True) as source:
        assert source.names == ["id", "name", "name_2"]


def test_merged_areas_of_an_odd_sheet() -> None:
    table = rows(("a", "b"), ("1", "2"), ("", "3")) + "<!-- odd -->"
    with opened(xlsx(sheet(table, tail=MERGED.format('<mergeCell ref="A2:A3"/>')))) as source:
        assert records(source) == [("1", "2"), (None, "3")]
        assert [item.cell for item in source.warnings.items] == ["Data!A2:A3"]


NOTES = (
    ("Lots of people", "", "", ""),
    ("simply cannot resist writing", "", "", "some notes"),
    ("at", "the", "", "top"),
    ("Name", "Profession", "Age", "Died"),
    ("David Bowie", "musician", "69", "2016"),
    ("Carrie Fisher", "actor", "60", "2016"),
    ("Chuck Berry", "musician", "90", "2017"),
    ("This has been really fun, but", "", "", ""),
    ("we are signing off", "", "", "now"),
)


def test_a_header_below_scattered_notes() -> None:
    with opened(xlsx(sheet(rows(*NOTES)))) as source:
        assert (source.header_row, source.names) == (4, ["Name", "Profession", "Age", "Died"])
        assert records(source)[0] == ("David Bowie", "musician", "69", "2016")
        assert len(records(source)) == 5
        above = [(item.row, item.value) for item in source.warnings.items]
        assert above[:3] == [
            (1, "Lots of people"),
            (2, "simply cannot resist writing some notes"),
            (3, "at the top"),
        ]


@pytest.mark.parametrize("filled", [False, True])
def test_a_header_over_two_rows_is_joined(filled: bool) -> None:
    table = rows(
        ("Report", "", "", ""),
        ("Region", "Sales", "", "Cost"),
        ("", "Q1", "Q2", "EUR"),
        ("north", "1", "2", "3"),
        ("south", "4", "5", "6"),
    )
    areas = "".join(f'<mergeCell ref="{ref}"/>' for ref in ("A1:D1", "A2:A3", "B2:C2"))
    with opened(xlsx(sheet(table, tail=MERGED.format(areas))), fill_merged=filled) as source:
        assert (source.header_row, source.names) == (2, ["Region", "Sales Q1", "Sales Q2", "Cost EUR"])
        assert records(source) == [("north", "1", "2", "3"), ("south", "4", "5", "6")]
        assert [(item.message, item.row) for item in source.warnings.items] == [
            ("A row above the table was left out", 1),
            ("The header stands over several rows: their texts were joined", 2),
        ]


def test_the_same_row_again_is_a_record() -> None:
    with opened(xlsx(sheet(rows(("id", "name"), ("id", "name"), ("1", "ann"), ("2", "bob"))))) as source:
        assert records(source)[-3:] == [("id", "name"), ("1", "ann"), ("2", "bob")]


def test_a_sheet_without_header_is_told() -> None:
    with opened(xlsx(sheet(rows(("1", "2"), ("3", "4"))))) as source:
        assert (source.header_row, source.names) == (None, ["column_1", "column_2"])
        assert [item.message[:19] for item in source.warnings.items] == ["No header was found"]


def test_texts_in_the_first_records_are_no_notes() -> None:
    table = [("id", "code", "n"), ("a", "x", "none"), ("b", "y", "none"), ("c", "z", "1"), ("d", "w", "2")]
    with opened(xlsx(sheet(rows(*table)))) as source:
        assert (source.header_row, source.names) == (1, ["id", "code", "n"])


def test_numbers_of_open_document_that_show_leading_zeros() -> None:
    cell = '<table:table-cell office:value-type="float" office:value="{}"><text:p>{}</text:p></table:table-cell>'
    shown = [("1069", "01069"), ("0", "000"), ("7", "7"), ("7", "07,00"), ("0.5", "00"), ("12", "12")]
    line = "".join(cell.format(value, text) for value, text in shown)
    made = ods(f'<table:table table:name="a"><table:table-row>{line}</table:table-row></table:table>')
    with opened(made, format="ods", header=False) as source:
        assert records(source) == [("01069", "000", "7", "7", "0.5", "12")]


def test_formulas_that_were_never_calculated() -> None:
    book = Workbook()
    page = book.active
    assert page is not None
    page.title = "Q1"
    for row in (["n", "double"], [1, "=A2*2"], [2, "=A3*2"]):
        page.append(row)
    made = io.BytesIO()
    book.save(made)
    with opened(made.getvalue()) as source:
        assert records(source) == [("1", None), ("2", None)]
        assert [(item.message, item.cell) for item in source.warnings.items] == [
            ("A formula without a stored value", "Q1!B2"),
            ("A formula without a stored value", "Q1!B3"),
        ]


@pytest.mark.parametrize("entity", ['SYSTEM "file:///etc/passwd"', '"lol"', 'PUBLIC "a" "http://127.0.0.1/"'])
@pytest.mark.parametrize("part", ["worksheets/sheet1.xml", "workbook.xml", "sharedStrings.xml", "styles.xml"])
def test_entities_are_never_expanded(entity: str, part: str) -> None:
    cells = sheet('<row r="1"><c r="A1" t="s" s="0"><v>0</v></c></row>')
    hostile = f"<!DOCTYPE a [<!ENTITY x {entity}>]><a><b>&x;</b></a>"
    made = xlsx(hostile) if part.startswith("worksheets") else xlsx(cells, extra={f"xl/{part}": hostile})
    with pytest.raises(UnreadableFile, match="document type"):
        read(made)
