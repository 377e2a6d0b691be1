"""The second reader, where the first refuses or fails."""

from __future__ import annotations

import os

import pytest
from support.processes import children
from support.workbooks import MAIN, OFFICE, ods, opened, records, sheet, styles, xlsx
from support.xlsb import part, real, record, row, text, xlsb

from backend.errors import Invalid, UnreadableFile

TABLE = sheet(
    '<row r="1"><c r="A1" t="str"><v>id</v></c><c r="B1" t="str"><v>zip</v></c></row>'
    '<row r="2"><c r="A2"><v>1</v></c><c r="B2" s="1"><v>1069</v></c></row>'
    '<row r="3"><c r="A3"><v>2</v></c><c r="B3" t="e"><v>#N/A</v></c></row>'
)
CELL = '<table:table-cell office:value-type="float" office:value="{}"/>'
ODD = "<definedNames><definedName name='a'>\x01</definedName></definedNames>"
"""A control character, which no XML may hold, in the list of sheets."""


def test_a_list_of_sheets_that_is_no_xml() -> None:
    with opened(xlsx(TABLE, style=styles("00000"), properties=ODD)) as source:
        assert source.format == "xlsx"
        assert records(source) == [("1", "1069"), ("2", None)]
        (warning,) = source.warnings.items
        assert "workbook.xml is broken at line 1); a second one read it" in warning.message
        assert "check what came out" in warning.message


def test_an_open_document_that_is_no_xml() -> None:
    shown = CELL.replace("/>", "><text:p>\x01</text:p></table:table-cell>").format(7)
    table = f'<table:table table:name="a"><table:table-row>{shown}</table:table-row></table:table>'
    made = ods(table, extra={"META-INF/manifest.xml": "<manifest:manifest/>"})
    with opened(made, format="ods", header=False) as source:
        assert records(source) == [("7",)]
        assert "second" in source.warnings.items[0].message


def test_cells_outside_of_every_sheet() -> None:
    far = sheet('<row r="1"><c r="A1"><v>1</v></c></row><row r="1048577"><c r="A1048577"><v>2</v></c></row>')
    with opened(xlsx(far), header=False) as source:
        assert records(source) == [("1",), ("2",)]


def test_the_second_one_finds_sheets_by_the_same_numbers() -> None:
    made = xlsx({"a": TABLE, "b": sheet(""), "c": TABLE}, properties=ODD)
    with opened(made, sheet=3) as source:
        assert source.sheet == "c"
        assert [(each.name, each.index) for each in source.sheets] == [("a", 1), ("b", 2), ("c", 3)]
    with pytest.raises(Invalid, match="no sheet"), opened(made, sheet="d"):
        pass


def test_what_neither_reads_is_refused_as_the_first_one_did() -> None:
    broken = xlsx(sheet('<row r="1"><c r="A1"><v>1</c></row>'))
    with pytest.raises(UnreadableFile, match=r"sheet1\.xml is broken at line 1"), opened(broken):
        pass


def test_a_panic_of_the_second_one_is_a_refusal() -> None:
    damaged = part(row(0), text(0, "id"), row(1), real(0, 1)) + b"\5\x7f"
    panics = xlsb(damaged, shared=record(159))
    with pytest.raises(UnreadableFile, match=r"sheet1\.bin breaks off"), opened(panics, format="xlsb"):
        pass
    assert not children(os.getpid(), b"backend.sheets.child")


def test_what_is_refused_on_purpose_is_not_asked_again() -> None:
    listed = '<sheets><sheet name="Data" r:id="rId1"/></sheets>'
    odd = f'<!DOCTYPE a [<!ENTITY b "c">]><workbook xmlns="{MAIN}" xmlns:r="{OFFICE}">{listed}</workbook>'
    with (
        pytest.raises(UnreadableFile, match="document type"),
        opened(xlsx(TABLE, extra={"xl/workbook.xml": odd})),
    ):
        pass
    macros = xlsx(TABLE, extra={"xl/vbaProject.bin": b"x"}, properties=ODD)
    with pytest.raises(UnreadableFile, match="macros"), opened(macros, format="xlsm", filename="a.xlsx"):
        pass
    with opened(macros, format="xlsm", filename="a.xlsm") as source:
        assert source.format == "xlsm"
        assert [item.message for item in source.warnings.items][1:] == ["The macros of the workbook were left out"]
