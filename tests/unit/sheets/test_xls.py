"""XLS through xlrd, and what calamine reads instead."""

from __future__ import annotations

import io
from struct import pack

import pytest
import xlsxwriter
from support.sheets import read

from backend.errors import UnreadableFile
from backend.sheets import xls
from backend.sheets.second import Second

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def record(kind: int, content: bytes = b"") -> bytes:
    return pack("<HH", kind, len(content)) + content


def cell(kind: int, row: int, column: int, value: bytes, number_format: int = 0) -> bytes:
    """A BIFF2 cell: place, attributes (protection, font and number format, alignment), value."""
    return record(kind, pack("<HHBBB", row, column, 0, number_format, 0) + value)


def biff2(*cells: bytes, formats: tuple[str, ...] = (), more: bytes = b"") -> bytes:
    """A worksheet as Excel 2 wrote it: no container, one sheet."""
    codes = b"".join(record(0x1E, pack("<B", len(code)) + code.encode()) for code in ("General", *formats))
    return record(0x09, pack("<HH", 2, 0x10)) + more + codes + b"".join(cells) + record(0x0A)


def text(row: int, column: int, value: str) -> bytes:
    return cell(4, row, column, pack("<B", len(value)) + value.encode("latin-1"))


def test_every_kind_of_cell() -> None:
    made = biff2(
        text(0, 0, "a"),
        cell(3, 0, 1, pack("<d", 0.1)),
        cell(2, 0, 2, pack("<H", 7)),
        cell(5, 1, 0, b"\x01\x00"),
        cell(5, 1, 1, b"\x2a\x01"),
        cell(1, 1, 2, b""),
        cell(3, 2, 0, pack("<d", 45688.5), 1),
        cell(3, 2, 1, pack("<d", 1.5), 2),
        cell(2, 2, 2, pack("<H", 1069), 3),
        formats=("yyyy-mm-dd hh:mm", "[h]:mm:ss", "00000"),
    )
    found = read(made, format="xls")
    assert found.chosen.format == "xls"
    assert found.cells == {
        "A1": ("text", "a"),
        "B1": ("number", "0.1"),
        "C1": ("number", "7"),
        "A2": ("boolean", "true"),
        "B2": ("error", None),
        "A3": ("datetime", "2025-01-31T12:00:00"),
        "B3": ("text", "36:00:00"),
        "C3": ("text", "01069"),
    }
    assert [problem.value for problem in found.problems] == ["#N/A"]


def test_dates_counted_from_1904() -> None:
    made = biff2(cell(3, 0, 0, pack("<d", 44226), 1), formats=("yyyy-mm-dd",), more=record(0x22, b"\1\0"))
    assert read(made, format="xls").texts == {"A1": "2025-01-31"}


@pytest.mark.no_cover
def test_many_rows_come_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xls, "BATCH", 5_000)
    made = biff2(*(cell(2, row, column, pack("<H", row)) for row in range(1_600) for column in range(4)))
    found = read(made, format="xls")
    assert len(found.parts) > 1
    assert found.texts["D1600"] == "1599"


def test_encrypted() -> None:
    for made in (OLE + "EncryptedPackage".encode("utf-16le"), biff2(text(0, 0, "a"), more=record(0x2F, bytes(4)))):
        with pytest.raises(UnreadableFile, match="encrypted"):
            read(made, format="xls")


@pytest.mark.parametrize("content", [OLE + bytes(2000), OLE, biff2(text(0, 0, "abc"))[:-8], b""])
def test_damaged(content: bytes) -> None:
    with pytest.raises(UnreadableFile):
        read(content, format="xls")


def test_the_second_reader() -> None:
    made = io.BytesIO()
    with xlsxwriter.Workbook(made, {"in_memory": True}) as book:
        page = book.add_worksheet("data")
        day, span, clock = (book.add_format({"num_format": code}) for code in ("yyyy-mm-dd", "[h]:mm:ss", "hh:mm:ss"))
        page.write(2, 1, "text")
        page.write(2, 2, 0.1)
        page.write(2, 3, True)
        page.write(3, 1, 45688, day)
        page.write(3, 2, 1.5, span)
        page.write(3, 3, 0.5, clock)
        page.merge_range(5, 1, 6, 2, "merged")
        book.add_worksheet("hidden").hide()
        chart = book.add_chart({"type": "line"})
        chart.add_series({"values": "=data!$C$3:$C$4"})
        book.add_chartsheet("chart").set_chart(chart)
    second = Second(made, format_="xlsb")
    assert [(info.name, info.hidden) for info in second.sheets] == [("data", False), ("hidden", True), ("chart", False)]
    assert [info.cells for info in second.sheets] == [True, True, False]
    assert second.merged(0) == [(5, 1, 6, 2)]
    (cells,) = second.cells(0)
    _, found = second.values().resolve(cells)
    assert found.sort("row", "column")["text"].to_list() == [
        *("text", "0.1", "true"),
        *("2025-01-31", "36:00:00", "12:00:00"),
        "merged",
    ]
    with pytest.raises(UnreadableFile):
        Second(io.BytesIO(b"nothing"), format_="xlsb")
