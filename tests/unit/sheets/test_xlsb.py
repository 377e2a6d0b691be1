"""XLSB, record by record."""

from __future__ import annotations

from struct import pack

import pytest
from support.sheets import read
from support.workbooks import opened, records
from support.xlsb import cell, merged, part, real, record, row, strings, styles, text, wide, xlsb

from backend.errors import Invalid, UnreadableFile
from backend.sheets import package
from backend.sheets import xlsb as reader
from backend.sheets.protocol import SheetInfo
from backend.sheets.xlsb import ERRORS

ALL = part(
    row(0),
    text(0, "a_x0041_"),
    cell(7, 1, pack("<I", 1)),
    cell(62, 2, b"\1" + wide("rich") + bytes(8)),
    row(2),
    cell(2, 0, pack("<I", 7 << 2 | 2)),
    cell(2, 1, pack("<i", -(12345 << 2) | 3)),
    cell(2, 2, pack("<Q", int.from_bytes(pack("<d", 1.5), "little"))[4:]),
    cell(4, 3, b"\1"),
    cell(3, 4, b"\x2a"),
    cell(1, 5),
    real(6, 0.1),
    row(3),
    real(0, 45688, 1),
    real(1, 1069, 2),
    real(2, 1.5, 3),
    row(4),
    cell(8, 0, wide("formula") + bytes(6)),
    cell(9, 1, pack("<d", 2.5) + bytes(6)),
    cell(10, 2, b"\0" + bytes(6)),
    cell(11, 3, b"\x07" + bytes(6)),
)
FORMATS = styles("yyyy-mm-dd", "00000", "[h]:mm:ss")


def test_every_kind_of_cell() -> None:
    found = read(xlsb(ALL, style=FORMATS, shared=strings("x", "shared ☃")), format="xlsb")
    assert found.chosen.format == "xlsb"
    assert found.chosen.notes == ()
    assert found.cells == {
        "A1": ("text", "a_x0041_"),
        "B1": ("text", "shared ☃"),
        "C1": ("text", "rich"),
        "A3": ("number", "7"),
        "B3": ("number", "-123.45"),
        "C3": ("number", "1.5"),
        "D3": ("boolean", "true"),
        "E3": ("error", None),
        "G3": ("number", "0.1"),
        "A4": ("date", "2025-01-31"),
        "B4": ("text", "01069"),
        "C4": ("text", "36:00:00"),
        "A5": ("text", "formula"),
        "B5": ("number", "2.5"),
        "C5": ("boolean", "false"),
        "D5": ("error", None),
    }
    assert [(problem.row, problem.column, problem.value) for problem in found.problems] == [
        (2, 4, "#N/A"),
        (4, 3, "#DIV/0!"),
    ]


def test_cells_that_say_no_column() -> None:
    short = [record(18, bytes(4) + pack("<I", 0)), record(16, bytes(4) + pack("<d", 0.5)), record(12, bytes(4))]
    found = read(xlsb(part(row(0), real(3, 1), *short, record(13, bytes(4) + pack("<I", 14))), shared=strings("x")))
    assert found.texts == {"D1": "1", "E1": "x", "F1": "0.5", "H1": "3"}


def test_dates_counted_from_1904() -> None:
    assert read(xlsb(part(row(0), real(0, 44226, 1)), style=FORMATS, from_1904=True)).texts == {"A1": "2025-01-31"}


def test_sheets() -> None:
    one = part(row(0), real(0, 1), last_row=0)
    lying = part(row(0), real(0, 1), last_row=1_000_000)
    made = xlsb({"a": one, "b": lying, "c": one, "d": one}, hidden=("b",), charts=("c",))
    assert read(made).chosen.sheets == (
        SheetInfo("a", rows=1),
        SheetInfo("b", hidden=True),
        SheetInfo("c", cells=False),
        SheetInfo("d", rows=1),
    )
    assert read(made, sheet=4).chosen.sheet == "d"
    with pytest.raises(Invalid, match="'c' holds no cells"):
        read(made, sheet=3)


def test_merged_areas() -> None:
    made = xlsb(part(row(0), text(0, "a"), real(1, 1), row(1), real(1, 2), tail=merged(0, 1, 0, 0)))
    assert read(made).end.merged == ((0, 0, 1, 0),)
    assert read(made, fill_merged=True).texts == {"A1": "a", "B1": "1", "A2": "a", "B2": "2"}


@pytest.mark.no_cover
def test_many_rows_come_in_slices_and_tell_how_far_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "_INFLATED", 2**15)
    monkeypatch.setattr(reader, "BATCH", 10_000)
    rows = b"".join(row(at) + b"".join(real(column, at) for column in range(4)) for at in range(8_000))
    found = read(xlsb(part(rows)))
    shares = [each.share for each in found.parts]
    assert len(shares) > 2
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.9
    assert found.texts["D8000"] == "7999"


@pytest.mark.parametrize(
    "made",
    [
        part(row(0), record(5, b"\0\0")),
        part(row(0), cell(6, 0, pack("<I", 900))),
        part(row(0), cell(4, 0)),
        part(row(0), real(0, 1)) + b"\5\x80\x80",
        part(row(0)) + b"\5\x7f",
        part(row(0)) + b"\5\xff\xff\xff\x7f",
        part(record(0, b"")),
        part(row(2_000_000), real(0, 1)),
        part(row(0), cell(7, 0, pack("<I", 9))),
    ],
)
def test_damage_is_refused(made: bytes) -> None:
    with pytest.raises(UnreadableFile, match="damaged"):
        read(xlsb(made))


@pytest.mark.parametrize("book", [record(156, bytes(5)), record(153), record(156, bytes(8) + pack("<I", 99))])
def test_a_damaged_list_of_sheets_is_refused(book: bytes) -> None:
    with pytest.raises(UnreadableFile, match="damaged"):
        read(xlsb(part(), book=book))


def test_as_a_table() -> None:
    made = xlsb(part(row(0), text(0, "id"), text(1, "n"), row(1), real(0, 1), cell(3, 1, b"\x17")))
    with opened(made, format="xlsb") as source:
        assert records(source) == [("1", None)]
        assert [(item.cell, item.value) for item in source.warnings.items] == [("Data!B2", "#REF!")]


def test_every_error_has_a_name() -> None:
    cells = [cell(3, at, bytes([code])) for at, code in enumerate((*ERRORS, 0x99))]
    assert [problem.value for problem in read(xlsb(part(row(0), *cells))).problems] == [*ERRORS.values(), "#ERROR"]
