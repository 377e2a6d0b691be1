"""Every sheet of a workbook as a source of its own."""

from __future__ import annotations

import gzip
import io
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import Any

import pytest
from support.processes import children
from support.workbooks import ods, records, sheet, xlsx, zipped
from support.workbooks import opened as one_sheet

from backend.errors import Invalid, UnreadableFile
from backend.readers import ReadLimits, SheetSources, open_sheets
from backend.schemas.imports import ImportOptions, SheetInfo

EMPTY = sheet("")


def table(name: str, *values: int) -> str:
    rows = "".join(f'<row r="{at}"><c r="A{at}"><v>{value}</v></c></row>' for at, value in enumerate(values, 2))
    return sheet(f'<row r="1"><c r="A1" t="str"><v>{name}</v></c></row>{rows}')


@contextmanager
def opened(content: bytes, filename: str = "a.xlsx", **options: Any) -> Iterator[SheetSources]:
    with TemporaryFile() as file:
        file.write(content)
        file.flush()
        sources = open_sheets(
            file,
            filename=filename,
            media_type=None,
            options=ImportOptions(sheet="*", **options),
            limits=ReadLimits(),
        )
        yield sources
        sources.close()


def told(sources: SheetSources) -> list[tuple[str, str | None]]:
    return [(item.message, item.value) for item in sources.warnings.items]


def test_each_visible_sheet_with_a_table() -> None:
    made = xlsx(
        {"cover": EMPTY, "a": table("one", 1, 2), "gap": EMPTY, "secret": table("x", 3), "b": table("two", 4)},
        hidden=("secret",),
    )
    with opened(made) as sources:
        found = [(source.sheet, source.names, records(source)) for source in sources]
        assert found == [("a", ["one"], [("1",), ("2",)]), ("b", ["two"], [("4",)])]
        expected = [
            ("Hidden sheets of the workbook were not read", "secret"),
            ("A sheet without any value was left out", "cover"),
            ("A sheet without any value was left out", "gap"),
        ]
        assert told(sources) == expected
        assert [source.sheet for source in sources] == ["a", "b"]
        assert told(sources) == expected


def test_a_source_says_nothing_of_the_others() -> None:
    with opened(xlsx({"a": table("one", 1), "b": table("two", 2)})) as sources:
        found = [(source.warnings.total, source.sheets) for source in sources]
    assert found == [(0, (SheetInfo("a", 1, True), SheetInfo("b", 2, True)))] * 2


def test_one_process_at_a_time() -> None:
    with opened(xlsx({name: table(name, 1) for name in "abcd"})) as sources:
        assert [len(children(os.getpid(), b"backend.sheets.child")) for _ in sources] == [1] * 4
        assert not children(os.getpid(), b"backend.sheets.child")


def test_left_before_the_last_sheet() -> None:
    with opened(xlsx({"a": table("one", 1), "b": table("two", 2)})) as sources:
        each = iter(sources)
        next(each)
        sources.close()
        assert not children(os.getpid(), b"backend.sheets.child")


def test_two_sheets_of_one_name() -> None:
    rows = '<table:table-row><table:table-cell office:value-type="float" office:value="{}"/></table:table-row>'
    made = ods("".join(f'<table:table table:name="x">{rows.format(value)}</table:table>' for value in (1, 2)))
    with opened(made, "a.ods", header=False) as sources:
        assert [records(source) for source in sources] == [[("1",)], [("2",)]]


@pytest.mark.parametrize("hidden", [(), ("b",)])
def test_no_sheet_with_a_table(hidden: tuple[str, ...]) -> None:
    made = xlsx({"a": EMPTY, "b": table("x", 1) if hidden else EMPTY}, hidden=hidden)
    with opened(made) as sources, pytest.raises(Invalid, match="No visible sheet"):
        list(sources)


def test_a_sheet_that_is_damaged() -> None:
    with opened(xlsx({"a": table("one", 1), "b": sheet('<row r="1"><c r="A1"><v>1</c></row>')})) as sources:
        each = iter(sources)
        assert next(each).sheet == "a"
        with pytest.raises(UnreadableFile, match=r"sheet2\.xml"):
            next(each)


def test_a_packed_workbook() -> None:
    made = xlsx({"a": table("one", 1), "b": table("two", 2)})
    for content, name in ((gzip.compress(made), "a.xlsx.gz"), (zipped({"a.xlsx": made}), "a.zip")):
        with opened(content, name) as sources:
            assert [(source.sheet, records(source)) for source in sources] == [("a", [("1",)]), ("b", [("2",)])]
    with pytest.raises(Invalid, match="for workbooks"), opened(gzip.compress(b"a,b\n1,2\n"), "a.csv.gz"):
        pass


def without_first_sheet() -> bytes:
    made = xlsx({"a": table("one", 1), "secret": table("x", 3), "b": table("two", 2)}, hidden=("secret",))
    with zipfile.ZipFile(io.BytesIO(made)) as whole:
        return zipped({name: whole.read(name) for name in whole.namelist() if not name.endswith("/sheet1.xml")})


def test_a_sheet_that_is_missing_in_the_file_is_told_and_keeps_its_number() -> None:
    missing = ("The workbook is damaged: sheets of it are missing in the file", "a")
    with opened(without_first_sheet()) as sources:
        assert [(source.sheet, records(source)) for source in sources] == [("b", [("2",)])]
        assert missing in told(sources)
    with one_sheet(without_first_sheet()) as source:
        assert source.sheet == "b"
        assert missing in [(item.message, item.value) for item in source.warnings.items]


@pytest.mark.parametrize("wanted", [1, "a"])
def test_a_sheet_that_is_missing_in_the_file_cannot_be_imported(wanted: str | int) -> None:
    with (
        pytest.raises(UnreadableFile, match="damaged: its sheet 'a' is missing"),
        one_sheet(without_first_sheet(), sheet=wanted),
    ):
        pass


def test_delimited_text_has_no_sheets() -> None:
    with pytest.raises(Invalid, match="for workbooks"), opened(b"a,b\n1,2\n", "a.csv"):
        pass


def test_a_name_that_says_otherwise_is_reported_once() -> None:
    with opened(xlsx({"a": table("one", 1), "b": table("two", 2)}), "a.csv") as sources:
        list(sources)
        assert [message for message, _ in told(sources)] == [
            "The file name says text, but the content is XLSX: read as that"
        ]
