"""ZIP files that are damaged, lie or swell."""

from __future__ import annotations

import io
import os
import zipfile

import pytest
from support.sheets import read
from support.workbooks import ods, sheet, xlsx, zipped

from backend.errors import TooLarge, UnreadableFile
from backend.sheets.package import Package

ROW = '<row r="1"><c r="A1"><v>1</v></c></row>'


def test_what_is_no_workbook() -> None:
    for content in (b"", b"PK\3\4 and no more", os.urandom(1000), b"<html>", zipped({"hello.txt": "hello"})):
        with pytest.raises(UnreadableFile):
            read(content)


def test_a_file_cut_short() -> None:
    content = xlsx(sheet(ROW))
    for length in (10, len(content) // 2, len(content) - 1):
        with pytest.raises(UnreadableFile, match="damaged"):
            read(content[:length])


def test_broken_data_inside() -> None:
    content = xlsx({"Data": sheet(ROW * 50)})
    start = content.index(b"xl/worksheets/sheet1.xml") + 40
    with pytest.raises(UnreadableFile, match=r"sheet1\.xml"):
        read(content[:start] + bytes(10) + content[start + 10 :])


def test_a_part_that_is_not_there() -> None:
    package = Package(io.BytesIO(zipped({"a": "b"})), 2**20)
    with pytest.raises(UnreadableFile, match="missing"):
        package.read("c")
    assert package.read("/A") == b"b"


def test_an_encrypted_part() -> None:
    flagged = xlsx(sheet(ROW)).replace(b"PK\1\2\x14\x03\x14\x00\x00\x00", b"PK\1\2\x14\x03\x14\x00\x01\x00")
    with pytest.raises(UnreadableFile, match="encrypted"):
        read(flagged)


def test_an_unknown_compression() -> None:
    content = xlsx(sheet(ROW)).replace(b"PK\1\2\x14\x03\x14\x00\x00\x00\x08", b"PK\1\2\x14\x03\x14\x00\x00\x00\x63")
    with pytest.raises(UnreadableFile, match="packed in a way"):
        read(content)


def test_an_encrypted_open_document() -> None:
    manifest = (
        "<manifest:manifest><manifest:file-entry><manifest:encryption-data/></manifest:file-entry></manifest:manifest>"
    )
    with pytest.raises(UnreadableFile, match="encrypted"):
        read(ods("", extra={"META-INF/manifest.xml": manifest}))


def test_a_part_that_swells_is_refused_before_it_does() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("bomb", "w") as part:
        for _ in range(80):
            part.write(bytes(2**20))
    with pytest.raises(TooLarge, match="SHEAF_WORKBOOK_MEMORY"):
        next(Package(made, 2**30).blocks("bomb"))
    with pytest.raises(TooLarge, match="SHEAF_WORKBOOK_MEMORY"):
        next(Package(made, 2**20).blocks("bomb"))


def test_a_small_part_that_is_not_small() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive, archive.open("styles", "w") as part:
        for _ in range(65):
            part.write(bytes(2**20))
    with pytest.raises(TooLarge):
        Package(made, 2**30).read("styles")


def test_a_part_that_says_it_is_shorter() -> None:
    content = xlsx(sheet(ROW * 500))
    place = content.rindex(b"xl/worksheets/sheet1.xml") - 46
    with pytest.raises(UnreadableFile):
        read(content[: place + 24] + (300).to_bytes(4, "little") + content[place + 28 :])


def test_nesting_without_end() -> None:
    with pytest.raises(UnreadableFile, match="nested too deep"):
        read(xlsx(sheet(ROW), style="<a>" * 10_000 + "</a>" * 10_000))


@pytest.mark.parametrize("more", [1, 100, 258])
def test_a_part_that_inflates_to_a_little_more_than_a_block(more: int) -> None:
    """What is unpacked keeps some back when all that is packed has been read."""
    part = b"<c/>" * 2**18 + b"x" * more
    assert Package(io.BytesIO(zipped({"a": part})), 2**24).read("a") == part
