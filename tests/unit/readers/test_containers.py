"""gzip and ZIP around one file: what is in them is read as if it came alone, or they are refused."""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import xlsxwriter

from backend.errors import AppError, Invalid, TooLarge, UnreadableFile, UnsupportedFormat
from backend.readers import ReadLimits, Source, open_source
from backend.readers.containers import open_zip
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
        (zipped(**{"o.csv": CSV}).replace(b"o.csv", b"\0.csv"), "nameless.zip", "csv"),
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


def zip64(data: bytes, *, directory: int) -> bytes:
    """The same archive with a ZIP64 record, which alone tells that its directory has so many bytes."""
    at = data.rfind(b"PK\x05\x06")
    entries, start = (
        struct.unpack("<H6xI", data[at + 8 : at + 20])[0],
        int.from_bytes(data[at + 16 : at + 20], "little"),
    )
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, directory, start)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, at, 1)
    return data[:at] + record + locator + data[at : at + 12] + bytes(4) + data[at + 16 :]


def crowded() -> tuple[bytes, int]:
    """An archive of 30,000 files without content, and the size of its directory."""
    data = zipped(zipfile.ZIP_STORED, **{f"{at:0100}": b"" for at in range(30_000)})
    at = data.rfind(b"PK\x05\x06")
    return data, int.from_bytes(data[at + 12 : at + 16], "little")


def displaced(data: bytes, by: int) -> bytes:
    """The archive with a directory that is told to begin elsewhere."""
    at = data.rfind(b"PK\x05\x06") + 16
    return data[:at] + (int.from_bytes(data[at : at + 4], "little") + by).to_bytes(4, "little") + data[at + 4 :]


def resized(data: bytes, size: bytes) -> bytes:
    """The archive with a directory that is told to have so many bytes."""
    at = data.rfind(b"PK\x05\x06") + 12
    return data[:at] + size + data[at + 4 :]


def far_away() -> bytes:
    """An archive whose only file is told to begin at the last byte that there can be."""
    data = bytearray(zipped(**{"a.csv": CSV}))
    at, end = data.rfind(b"PK\x01\x02"), data.rfind(b"PK\x05\x06")
    data[at + 42 : at + 46] = b"\xff" * 4
    extra = struct.pack("<HHQ", 1, 8, 2**63 - 1)
    data[at + 30 : at + 32] = len(extra).to_bytes(2, "little")
    data[end + 12 : end + 16] = (end - at + len(extra)).to_bytes(4, "little")
    data[end:end] = extra
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
        (displaced(zipped(**{"a.csv": CSV}), 1000), UnreadableFile, "damaged"),
        (displaced(zipped(**{"a.csv": CSV}), 2), UnreadableFile, "damaged"),
        (resized(zipped(**{"a.csv": CSV}), b"PK\5\6"), UnreadableFile, "damaged"),
        (far_away(), UnreadableFile, "damaged"),
        (gzip.compress(b"\x89PNG\r\n\x1a\n"), UnsupportedFormat, "a PNG image"),
    ],
)
def test_what_is_refused(tmp_path: Path, data: bytes, error: type[AppError], says: str) -> None:
    with pytest.raises(error) as caught:
        opened(tmp_path, data, "x")
    assert says in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["upload"]


def test_a_large_directory_is_not_read(tmp_path: Path) -> None:
    """Wherever its size is told, and whatever else looks like that."""
    data, size = crowded()
    path = tmp_path / "a.zip"
    for archive in (data, zip64(data, directory=size), data + b"PK"):
        path.write_bytes(archive)
        with path.open("rb") as file:
            tracemalloc.start()
            try:
                with pytest.raises(UnreadableFile, match="too many files"):
                    open_zip(file)
                assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
            finally:
                tracemalloc.stop()


def test_an_archive_with_a_zip64_record(tmp_path: Path) -> None:
    data = zipped(**{"a.csv": CSV})
    at = data.rfind(b"PK\x05\x06")
    size = int.from_bytes(data[at + 12 : at + 16], "little")
    assert opened(tmp_path, zip64(data, directory=size), "a.zip")[1] == [("1", "Ann"), ("2", "Bo")]


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: zipped(**{"a.csv": data})])
def test_a_bomb_is_refused_at_the_limit(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    with pytest.raises(TooLarge, match="more than SHEAF_MAX_INFLATED, 1,048,576 bytes"):
        opened(tmp_path, pack(b"a,b\n" * 2**19), "x")
