"""Workbooks as openpyxl sees them."""

import datetime as dt
import io
from zipfile import ZipFile

import openpyxl
import pytest
from msgspec import json

from backend.errors import BadRequest
from backend.schemas.columns import Column
from backend.schemas.exports import ExportOptions
from backend.writers import Table, writer_for
from backend.writers.xlsx import XlsxWriter
from backend.writers.xlsx.skeleton import sheet_name

OPTIONS = ExportOptions(format="xlsx")


def column(kind: str, shape: str | None = None, name: str | None = None) -> Column:
    return Column("k", name or kind, kind, shape)


def field(value: str | None) -> bytes:
    return b"" if value is None else b'"' + value.replace('"', '""').encode() + b'"'


def workbook(columns: list[Column], records: list[list[str | None]], *, sheet_rows: int = 1_048_575, title="Orders"):
    lines = [b",".join(map(field, record)) + b"\n" for record in records]
    table = Table(title, tuple(columns), len(lines))
    data = b"".join(XlsxWriter(sheet_rows=sheet_rows).write([lines], table, OPTIONS))
    return openpyxl.load_workbook(io.BytesIO(data))


def cells(kind: str, *values: str | None, shape: str | None = None) -> list[tuple[object, str]]:
    """Each value's cell: what openpyxl reads and its type (n number, s text, b boolean, d date)."""
    sheet = workbook([column(kind, shape)], [[value] for value in values]).active
    return [(cell.value, cell.data_type) for (cell,) in sheet.iter_rows(min_row=2, max_row=1 + len(values))]


class TestCells:
    def test_text_is_never_a_formula_and_keeps_its_white_space(self):
        values = ["=1+1", "  a \n b\t", "é𝄞", "a & b < c > d", "1,5", "007", "a\r\nb", "]]>"]
        assert cells("text", *values) == [(value, "s") for value in values]

    def test_null_is_no_cell_and_empty_text_is_one(self):
        assert cells("text", None, "", "x") == [(None, "n"), ("", "s"), ("x", "s")]

    def test_what_xml_cannot_hold_is_escaped_as_excel_does(self):
        given = ["\x01\x1f", "_x000D_", "_x0041_x0042_", "_xZZZZ_", "￾￿"]
        escaped = ["_x0001__x001F_", "_x005F_x000D_", "_x005F_x0041_x005F_x0042_", "_xZZZZ_", "_xFFFE__xFFFF_"]
        assert cells("text", *given) == [(value, "s") for value in escaped]

    def test_whole_numbers_up_to_15_digits(self):
        given = ["0", "-7", "999999999999999", "-999999999999999"]
        assert cells("integer", *given, None) == [*((int(value), "n") for value in given), (None, "n")]

    def test_whole_numbers_beyond_15_digits_are_text(self):
        given = ["1234567890123456", "-1000000000000000", "9" * 40]
        assert cells("integer", *given, "5") == [*((value, "s") for value in given), (5, "n")]

    def test_numbers_that_a_double_holds(self):
        given = ["0.10", "-12.5", "123456789012.345", "0.30000000000000004", "0.000001", "1" + "0" * 14 + ".0"]
        assert cells("number", *given) == [(float(value), "n") for value in given]

    def test_numbers_that_no_double_holds_are_text(self):
        given = ["0.12345678901234567890", "12345678901234567.5", "0." + "0" * 310 + "1", "1" + "0" * 20]
        assert cells("number", *given) == [(value, "s") for value in given]

    @pytest.mark.parametrize(("yes", "no", "shape"), [("true", "false", None), ("TRUE", "FALSE", "TRUE")])
    def test_booleans(self, yes: str, no: str, shape: str | None):
        assert cells("boolean", yes, no, None, shape=shape) == [(True, "b"), (False, "b"), (None, "n")]

    def test_dates(self):
        dates = ["1900-03-01", "2024-02-29", "9999-12-31"]
        assert cells("date", *dates) == [(dt.datetime.fromisoformat(date), "d") for date in dates]

    def test_dates_that_excel_does_not_know_are_text(self):
        dates = ["1900-02-28", "0001-01-01", "2025-02-30", "10000-01-01"]
        assert cells("date", *dates) == [(date, "s") for date in dates]

    @pytest.mark.parametrize(
        ("shape", "value"),
        [
            ("0000-00-00T00:00:00", "2025-01-31T10:20:30"),
            ("0000-00-00 00:00:00", "2025-01-31 23:59:59"),
            ("0000-00-00T00:00", "2025-01-31T10:20"),
            ("0000-00-00T00:00:00.000", "2025-01-31T10:20:30.123"),
            ("0000-00-00 00:00:00.000000", "2025-01-31 10:20:30.120000"),
            (None, "1900-03-01T00:00:00"),
        ],
    )
    def test_datetimes(self, shape: str | None, value: str):
        assert cells("datetime", value, shape=shape) == [(dt.datetime.fromisoformat(value), "d")]

    @pytest.mark.parametrize(
        "value",
        [
            "2025-01-31T10:20:30Z",
            "2025-01-31T10:20:30+02:00",
            "2025-01-31T10:20:30.123456",
            "1900-02-28T10:20:30",
            "2025-01-31T24:00:00",
            "2016-12-31T23:59:60",
        ],
    )
    def test_datetimes_with_a_zone_or_finer_than_excel_are_text(self, value: str):
        assert cells("datetime", value) == [(value, "s")]

    @pytest.mark.parametrize(
        ("shape", "value"),
        [("00:00:00", "10:20:30"), ("00:00", "23:59"), ("00:00:00.000", "00:00:00.001"), (None, "01:02:03")],
    )
    def test_times(self, shape: str | None, value: str):
        assert cells("time", value, shape=shape) == [(dt.time.fromisoformat(value), "d")]

    def test_times_with_a_zone_are_text(self):
        assert cells("time", "10:20:30Z", "24:00:00", shape="00:00:00Z") == [("10:20:30Z", "s"), ("24:00:00", "s")]

    def test_json_is_text(self):
        assert cells("json", '{"a":1}', "[]", "5", '"x"') == [('{"a":1}', "s"), ("[]", "s"), ("5", "s"), ('"x"', "s")]

    def test_how_typed_cells_are_shown(self):
        columns = [
            column("integer"),
            column("number"),
            column("date"),
            column("datetime", "0000-00-00T00:00:00.00"),
            column("datetime", "0000-00-00 00:00"),
            column("time"),
        ]
        record = ["1", "1", "2025-01-31", "2025-01-31T10:20:30.12", "2025-01-31 10:20", "10:20:30"]
        sheet = workbook(columns, [record]).active
        assert [cell.number_format for cell in sheet[2]] == [
            "0",
            "General",
            "yyyy-mm-dd",
            "yyyy-mm-dd hh:mm:ss.00",
            "yyyy-mm-dd hh:mm",
            "hh:mm:ss",
        ]


class TestSheet:
    def test_the_header_is_bold_and_frozen_with_a_filter(self):
        sheet = workbook([column("text", name="=a"), column("text", name="b & c")], [["x", "y"], ["z", None]]).active
        assert [(cell.value, cell.data_type, cell.font.bold) for cell in sheet[1]] == [
            ("=a", "s", True),
            ("b & c", "s", True),
        ]
        assert sheet.freeze_panes == "A2"
        assert sheet.auto_filter.ref == sheet.dimensions == "A1:B3"

    def test_columns_are_as_wide_as_their_values_within_reason(self):
        columns = [column("text", name=name) for name in ("a", "b", "a long column name")]
        sheet = workbook(columns, [["x", "y" * 200, "z"], ["x" * 20, "", None]]).active
        widths = [round(sheet.column_dimensions[letter].width) for letter in "ABC"]
        assert widths == [22, 61, 22]

    def test_no_records(self):
        sheet = workbook([column("text"), column("date")], []).active
        assert [[cell.value for cell in row] for row in sheet.iter_rows()] == [["text", "date"]]

    def test_no_columns(self):
        assert workbook([], []).sheetnames == ["Orders"]

    def test_further_sheets_have_the_header_too(self):
        book = workbook([column("integer"), column("date")], [[str(n), None] for n in range(7)], sheet_rows=3)
        assert book.sheetnames == ["Orders (1)", "Orders (2)", "Orders (3)"]
        found = [[row[0].value for row in sheet.iter_rows()] for sheet in book]
        assert found == [["integer", 0, 1, 2], ["integer", 3, 4, 5], ["integer", 6]]
        assert [sheet.auto_filter.ref for sheet in book] == ["A1:B4", "A1:B4", "A1:B2"]

    @pytest.mark.parametrize("count", [3, 6])
    def test_a_sheet_that_is_just_full_is_not_followed_by_an_empty_one(self, count: int):
        assert len(workbook([column("integer")], [["1"]] * count, sheet_rows=3).sheetnames) == count // 3

    def test_a_sheet_has_as_many_records_as_excel_takes(self):
        rows = 1_048_575 + 2
        lists = [[b"7\n"] * 1_000] * (rows // 1_000) + [[b"7\n"] * (rows % 1_000)]
        data = b"".join(writer_for(OPTIONS).write(lists, Table("t", (column("integer"),), rows), OPTIONS))
        with ZipFile(io.BytesIO(data)) as package:
            sheets = [package.read(f"xl/worksheets/sheet{number}.xml") for number in (1, 2)]
        assert [sheet.count(b"<row ") for sheet in sheets] == [1_048_576, 3]
        assert b'<row r="1048576"' in sheets[0]

    def test_many_batches_are_one_sheet(self):
        records = [[str(number), "text " * 20] for number in range(20_000)]
        sheet = workbook([column("integer"), column("text")], records).active
        assert [row[0] for row in sheet.iter_rows(min_row=2, values_only=True)] == list(range(20_000))

    def test_a_wide_table_comes_as_json_arrays(self):
        columns = tuple(Column(str(n), f"c{n}", "integer" if n % 2 else "text") for n in range(2000))
        values = [["" if n == 0 else None if n == 1 else str(n) for n in range(2000)] for _ in range(3)]
        lines = [field(json.encode(row).decode()) + b"\n" for row in values]
        data = b"".join(writer_for(OPTIONS).write([lines], Table("t", columns, 3, wide=True), OPTIONS))
        rows = list(openpyxl.load_workbook(io.BytesIO(data)).active.iter_rows(min_row=2, values_only=True))
        expected = tuple("" if n == 0 else None if n == 1 else n if n % 2 else str(n) for n in range(2000))
        assert rows == [expected] * 3


class TestStream:
    def test_the_parts_are_those_of_a_workbook_and_whole(self):
        data = b"".join(writer_for(OPTIONS).write([[b"x\n"]], Table("t", (column("text"),), 1), OPTIONS))
        with ZipFile(io.BytesIO(data)) as package:
            assert package.testzip() is None
            assert package.namelist()[0] == "[Content_Types].xml"
            assert package.namelist()[-1] == "xl/worksheets/sheet1.xml"

    def test_no_moment_of_its_making_is_in_it(self):
        data = b"".join(writer_for(OPTIONS).write([[b"x\n"]], Table("t", (column("text"),), 1), OPTIONS))
        with ZipFile(io.BytesIO(data)) as package:
            assert b"dcterms:W3CDTF" not in package.read("docProps/core.xml")
            assert {each.date_time for each in package.infolist()} == {(1980, 1, 1, 0, 0, 0)}

    @pytest.mark.parametrize("announced", [0, 1, 3, 4, 10])
    def test_another_number_of_records_than_announced_breaks_the_transfer(self, announced: int):
        chunks = XlsxWriter(sheet_rows=3).write([[b"x\n"] * 2], Table("t", (column("text"),), announced), OPTIONS)
        with pytest.raises(RuntimeError, match="announced number"):
            b"".join(chunks)

    def test_what_the_records_raise_is_raised(self):
        def rows():
            yield [b"x\n"]
            msg = "the connection is gone"
            raise ConnectionError(msg)

        with pytest.raises(ConnectionError):
            b"".join(writer_for(OPTIONS).write(rows(), Table("t", (column("text"),), 9), OPTIONS))

    def test_delimited_options_are_refused(self):
        with pytest.raises(BadRequest, match="bom is no option of the format xlsx"):
            writer_for(ExportOptions(format="xlsx", bom=True))


class TestSheetName:
    @pytest.mark.parametrize(
        ("title", "name"),
        [
            ("Orders", "Orders"),
            ("a[b]c:d*e?f/g\\h", "a b c d e f g h"),
            ("'quoted'", "quoted"),
            ("  a \n b  ", "a b"),
            ("", "Sheet"),
            ("***", "Sheet"),
            ("History", "Sheet"),
            ("x" * 40, "x" * 31),
            ("𝄞" * 20, "𝄞" * 15),
        ],
    )
    def test_is_one_that_excel_takes(self, title: str, name: str):
        assert sheet_name(title) == name
        assert workbook([column("text")], [["x"]], title=title).sheetnames == [name]

    def test_is_numbered_within_its_length(self):
        assert sheet_name("x" * 40, 12) == "x" * 26 + " (12)"
