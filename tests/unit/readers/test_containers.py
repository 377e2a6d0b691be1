"""gzip and ZIP around one file: what is in them is read as if it came alone, or they are refused."""

from __future__ import annotations

import gzip
import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import xlsxwriter

from backend.errors import AppError, Invalid, TooLarge, UnreadableFile, UnsupportedFormat
from backend.readers import ReadLimits, Source, open_source
from backend.schemas.imports import ImportOptions

CSV = b"id,name\n1,Ann\n2,Bo\n"


def zipped(method: int = zipfile.ZIP_DEFLATED, **members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def workbook() -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        book.add_worksheet("Sales").write_row(0, 0, ["sku"])
    return file.getvalue()


def opened(
    folder: Path, data: bytes, name: str, told: str | None = None, limit: int = 2**20, **options: object
) -> tuple[Source, list[tuple[str | None, ...]]]:
    """The source, closed, and its records."""
    (folder / "upload").write_bytes(data)
    with (folder / "upload").open("rb") as file:
        source = open_source(
            file,
            filename=name,
            media_type=None,
            options=msgspec.convert(options, ImportOptions),
            limits=ReadLimits(max_inflated=limit, folder=folder),
            told=told,
        )
        try:
            return source, [row for batch in source.batches() for row in batch.frame.rows()]
        finally:
            source.close()
            assert [path.name for path in folder.iterdir()] == ["upload"]


@pytest.mark.parametrize(
    ("data", "name", "format_"),
    [
        (gzip.compress(CSV), "orders.csv.gz", "csv"),
        (gzip.compress(CSV[:9]) + gzip.compress(CSV[9:]) + bytes(512), "orders.gz", "csv"),
        (gzip.compress(json.dumps([{"id": 1, "name": "Ann"}, {"id": 2, "name": "Bo"}]).encode()), "a.json.gz", "json"),
        (zipped(**{"a/orders.csv": CSV}), "orders.zip", "csv"),
        (zipped(zipfile.ZIP_STORED, **{"orders.csv": CSV}), "orders.zip", "csv"),
        (zipped(**{"x/": b"", "x/o.csv": CSV, "__MACOSX/x/._o.csv": b"\0", ".DS_Store": b"\0"}), "o.zip", "csv"),
        (zipped(**{"o.ndjson": b'{"id": "1", "name": "Ann"}\n{"id": 2, "name": "Bo"}'}), "o.zip", "ndjson"),
    ],
)
def test_the_one_file_is_read(tmp_path: Path, data: bytes, name: str, format_: str) -> None:
    source, rows = opened(tmp_path, data, name)
    assert (source.format, source.names, rows) == (format_, ["id", "name"], [("1", "Ann"), ("2", "Bo")])
    assert (source.warnings.items, source.share) == ([], 1)


def test_a_workbook_in_a_zip(tmp_path: Path) -> None:
    source, _ = opened(tmp_path, zipped(**{"book.xlsx": workbook()}), "book.zip")
    assert (source.format, source.sheet, [each.name for each in source.sheets]) == ("xlsx", "Sales", ["Sales"])


def test_the_format_inside_may_be_told(tmp_path: Path) -> None:
    for told in ("csv", "gzip"):
        source, rows = opened(tmp_path, gzip.compress(CSV), "x", told=told, header=False)
        assert (source.format, len(rows), source.warnings.items) == ("csv", 3, [])
    with pytest.raises(Invalid, match="format=json is told, but the content is delimited text"):
        opened(tmp_path, gzip.compress(CSV), "x", told="json")


def test_a_name_that_says_something_else_is_remarked(tmp_path: Path) -> None:
    source, _ = opened(tmp_path, gzip.compress(CSV), "orders.csv")
    (remark,) = source.warnings.items
    assert remark.message == "The file name says text, but the content is gzip: read as that"
    source, _ = opened(tmp_path, zipped(**{"a.json": CSV}), "a.zip")
    (remark,) = source.warnings.items
    assert remark.message == "The file name says json, but the content is delimited text: read as that"


def encrypted() -> bytes:
    data = bytearray(zipped(**{"a.csv": CSV}))
    data[data.find(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (zipped(**{"a.csv": CSV, "b.csv": CSV}), UnreadableFile, "holds 2 files: a.csv, b.csv. Send one of them."),
        (zipped(**{f"{at}.csv": b"" for at in range(12)}), UnreadableFile, "9.csv and 2 more"),
        (zipped(), UnreadableFile, "holds no file"),
        (zipped(**{"x/": b""}), UnreadableFile, "holds no file"),
        (encrypted(), UnreadableFile, "encrypted"),
        (zipped(zipfile.ZIP_BZIP2, **{"a.csv": CSV}), UnsupportedFormat, "other than deflate"),
        (zipped(**{"a.csv.gz": gzip.compress(CSV)}), UnsupportedFormat, "The zip file holds a gzip file"),
        (gzip.compress(gzip.compress(CSV)), UnsupportedFormat, "The gzip file holds a gzip file"),
        (gzip.compress(CSV)[:-12], UnreadableFile, "cut off"),
        (flipped(gzip.compress(CSV), -6), UnreadableFile, "damaged"),
        (flipped(gzip.compress(os.urandom(500)), 100), UnreadableFile, "damaged"),
        (flipped(zipped(**{"a.csv": CSV * 9}), 45), UnreadableFile, "damaged"),
        (gzip.compress(b"\x89PNG\r\n\x1a\n"), UnsupportedFormat, "a PNG image"),
    ],
)
def test_what_is_refused(tmp_path: Path, data: bytes, error: type[AppError], says: str) -> None:
    with pytest.raises(error) as caught:
        opened(tmp_path, data, "x")
    assert says in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["upload"]


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: zipped(**{"a.csv": data})])
def test_a_bomb_is_refused_at_the_limit(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    with pytest.raises(TooLarge, match="more than SHEAF_MAX_INFLATED, 1,048,576 bytes"):
        opened(tmp_path, pack(b"a,b\n" * 2**22), "x")
