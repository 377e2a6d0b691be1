"""Formats are recognised by content; names and media types are only believed where they agree."""

from __future__ import annotations

import io
import random
import zipfile

import pytest

from backend.errors import AppError, UnreadableFile, UnsupportedFormat
from backend.readers import ReadLimits, open_source
from backend.readers.recognise import recognise
from backend.schemas.imports import ImportOptions

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"a,b\n1,2\n", "text"),
        (b"", "text"),
        ("\ufeffa,b\n\x01".encode("utf-16"), "text"),
        (zipped("[Content_Types].xml", "xl/workbook.xml"), "xlsx"),
        (zipped("[Content_Types].xml", "xl/workbook.xml", "xl/vbaProject.bin"), "xlsm"),
        (zipped("[Content_Types].xml", "xl/workbook.bin"), "xlsb"),
        (zipped("mimetype", "content.xml"), "ods"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "xls"),
        (b"\x09\x08\x08\0\0\x05\x05\0", "xls"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (zipped("a.csv"), "zip"),
        (b"PAR1\x15\x04", "parquet"),
        (b'[{"a": 1}]', "json"),
        (b"[]", "json"),
        (b'\n {"a": 1}\n', "json"),
        (b'{\n "a": 1\n}', "json"),
        (b'{"a": 1}\n{"a": 2}\n', "ndjson"),
        ('[{"a": 1}]'.encode("utf-16"), "json"),
        ('{"Größe": 1}\n'.encode("latin-1"), "json"),
        ('{"Größe": 1}\n{"Größe": 2}\n'.encode("latin-1"), "ndjson"),
        (b"[1],[2]\n3,4\n", "text"),
        (b"{a},b\n1,2\n", "text"),
    ],
)
def test_content_says_the_format(data: bytes, found: str) -> None:
    assert recognise(io.BytesIO(data), None, None) == (found, None)


@pytest.mark.parametrize(
    ("data", "name", "media", "error"),
    [
        (random.Random(1).randbytes(5000), "x.csv", "text/csv", UnreadableFile),
        (b"%PDF-1.7\n", "x.csv", None, UnsupportedFormat),
        (b"BZh91AY", "x.csv.bz2", None, UnsupportedFormat),
        (bytes(257) + b"ustar\x0000", "x.tar", None, UnsupportedFormat),
        (b"<html><table>", "x.xls", None, UnsupportedFormat),
        (zipped("a.csv"), "x.xlsx", None, UnreadableFile),
        (b"PK\x03\x04" + bytes(range(100)), "x.xlsx", None, UnreadableFile),
        (b"PK\x03\x04" + bytes(range(100)), "x.csv", None, UnreadableFile),
    ],
)
def test_what_cannot_be_read_is_refused(
    data: bytes, name: str | None, media: str | None, error: type[AppError]
) -> None:
    with pytest.raises(error):
        recognise(io.BytesIO(data), name, media)


@pytest.mark.parametrize(
    ("name", "media", "part"),
    [
        ("x.xlsx", None, "file name says xlsx, but the content is delimited text"),
        (None, XLSX, "media type says xlsx, but the content is delimited text"),
        ("x.json", "text/csv", "file name says json"),
    ],
)
def test_a_disagreement_is_reported(name: str | None, media: str | None, part: str) -> None:
    file = io.BytesIO(b"a,b\n1,2\n")
    source = open_source(file, filename=name, media_type=media, options=ImportOptions(), limits=ReadLimits())
    assert source.format == "csv"
    assert part in source.warnings.items[0].message
