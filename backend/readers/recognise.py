"""Which format a file is of: by its content first, then by its name, then by what the sender called it."""

from __future__ import annotations

import os
import re
from pathlib import PurePath
from typing import BinaryIO, Literal

from backend.errors import UnreadableFile, UnsupportedFormat
from backend.readers.encoding import wide_encoding
from backend.readers.json_form import json_form

Format = Literal["text", "json", "ndjson", "parquet", "xlsx", "xlsm", "xlsb", "xls", "ods", "gzip", "zip"]

_HEAD = 65_536
_DIRECTORY = 4 * 2**20
"""Bytes at the end of a ZIP in which its directory, or enough of it, must lie."""
_REFUSED = (
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\0", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"PARE", "an encrypted Parquet file"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"%PDF-", "a PDF document"),
    (b"\x89PNG\r\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"\x7fELF", "a program"),
)
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|table|\?xml|head|body|meta)\b", re.IGNORECASE)
_ENDINGS: dict[str, str] = {
    **dict.fromkeys((".csv", ".tsv", ".tab", ".txt", ".psv", ".ssv"), "text"),
    **{f".{name}": name for name in ("xlsx", "xlsm", "xlsb", "xls", "ods")},
    **dict.fromkeys((".json", ".geojson"), "json"),
    **dict.fromkeys((".ndjson", ".jsonl", ".ldjson"), "ndjson"),
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
    **dict.fromkeys((".gz", ".gzip"), "gzip"),
    ".zip": "zip",
}
_MEDIA = {
    "text/csv": "text",
    "text/tab-separated-values": "text",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.ms-excel.sheet.macroenabled.12": "xlsm",
    "application/vnd.ms-excel.sheet.binary.macroenabled.12": "xlsb",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    **dict.fromkeys(("application/x-ndjson", "application/ndjson", "application/jsonl"), "ndjson"),
    **dict.fromkeys(("application/json", "application/geo+json"), "json"),
    **dict.fromkeys(("application/vnd.apache.parquet", "application/x-parquet"), "parquet"),
    **dict.fromkeys(("application/gzip", "application/x-gzip"), "gzip"),
    **dict.fromkeys(("application/zip", "application/x-zip-compressed"), "zip"),
}
_NEVER_TABLES = ("image/", "audio/", "video/")
OPEN_XML = ("xlsx", "xlsm", "xlsb")
CONTAINERS = ("gzip", "zip")


def recognise(file: BinaryIO, filename: str | None, media_type: str | None) -> tuple[Format, str | None]:
    """The format, and a remark when name or media type say otherwise.

    Raises UnsupportedFormat for what cannot be imported, UnreadableFile for a damaged archive or bytes that are
    no text.
    """
    ending = _ENDINGS.get(PurePath(filename or "").suffix.lower())
    sent = (media_type or "").partition(";")[0].strip().lower()
    media = _MEDIA.get(sent) or (sent if sent.startswith(_NEVER_TABLES) else None)
    file.seek(0)
    head = file.read(_HEAD)
    found = _by_content(file, head, ending or media)
    for claimed, what in ((ending, "file name"), (media, "media type")):
        if claimed is not None and not _agree(claimed, found):
            return found, f"The {what} says {claimed}, but the content is {shown(found)}: read as that"
    return found, None


def shown(found: Format) -> str:
    """A format as people call it."""
    return {"text": "delimited text", "parquet": "Parquet", "gzip": "gzip"}.get(found, found.upper())


def _agree(claimed: str, found: Format) -> bool:
    """Whether the content is what name or media type claim; Open XML and ODS are ZIP archives, too."""
    if claimed == "zip":
        return found in ("zip", "ods", *OPEN_XML)
    return claimed == found or (claimed in OPEN_XML and found in OPEN_XML)


def _by_content(file: BinaryIO, head: bytes, claimed: str | None) -> Format:
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zipped(file, claimed)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") or re.match(
        rb"\x09[\x00\x02\x04\x08][\x04\x06\x08]\0", head
    ):
        return "xls"
    for signature, what in _REFUSED:
        if head.startswith(signature):
            raise UnsupportedFormat(f"This is {what}, which cannot be imported.")
    if _MARKUP.match(head):
        raise UnsupportedFormat("This is HTML or XML, which cannot be imported; save it as CSV or XLSX.")
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head[257:262] == b"ustar":
        raise UnsupportedFormat("This is a tar archive, which cannot be imported; send the file that is in it.")
    if _is_binary(head):
        raise UnreadableFile("The file is binary, not text: it holds control characters from its first bytes on.")
    return json_form(head, claimed) or "text"


def _zipped(file: BinaryIO, claimed: str | None) -> Format:
    """The workbook format of a ZIP, by the names in its directory."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _DIRECTORY))
    directory = file.read()
    if b"PK\x05\x06" not in directory:
        if claimed in ("text", "json", None):
            raise UnreadableFile("The file is a damaged ZIP archive: its directory is missing.")
        raise UnreadableFile("The workbook is damaged or cut off: it is a ZIP archive without a directory.")
    if b"[Content_Types].xml" in directory:
        if b"xl/workbook.bin" in directory:
            return "xlsb"
        return "xlsm" if b"xl/vbaProject.bin" in directory else "xlsx"
    if b"content.xml" in directory:
        return "ods"
    if claimed in OPEN_XML or claimed == "ods":
        raise UnreadableFile("The file is a ZIP archive without a workbook in it.")
    return "zip"


def _is_binary(head: bytes) -> bool:
    """Whether bytes hold many different control characters and are no UTF-16 or UTF-32."""
    controls = head.translate(None, bytes(range(0x20, 0x100)) + b"\t\n\v\f\r\x1a\x1b\x1c\x1d\x1e\x1f")
    if len(set(controls)) < 4 or len(controls) * 100 < len(head):
        return False
    return not head.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")) and wide_encoding(head) is None
