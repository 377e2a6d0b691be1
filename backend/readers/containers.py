"""gzip and ZIP around one file: what is in them, unpacked within bounds into a file without a name."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePath
from tempfile import TemporaryFile
from typing import BinaryIO

from isal import igzip_lib, isal_zlib

from backend.errors import TooLarge, UnreadableFile, UnsupportedFormat
from backend.inference.batch import Batch
from backend.readers.base import Source

_BLOCK = 2**20
_DIRECTORY = 4 * 2**20
"""Most bytes of a ZIP's directory, which is held in memory: some 40,000 files."""
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, struct.error, ValueError)
"""What the standard library raises for a ZIP that is not well formed."""
_SHOWN = 10


class Unpacked:
    """A source whose file was unpacked for it, and goes away with it."""

    def __init__(self, source: Source, file: BinaryIO) -> None:
        self._source = source
        self._file = file
        self.format = source.format
        self.encoding = source.encoding
        self.delimiter = source.delimiter
        self.quote = source.quote
        self.sheet = source.sheet
        self.header_row = source.header_row
        self.names = source.names
        self.warnings = source.warnings
        self.sheets = source.sheets

    @property
    def share(self) -> float:
        return 1.0 if self._file.closed else self._source.share

    def batches(self) -> Iterator[Batch]:
        return self._source.batches()

    def close(self) -> None:
        self._source.close()
        self._file.close()


def unpack(
    file: BinaryIO,
    kind: str,
    filename: str | None,
    *,
    folder: Path | None,
    limit: int,
) -> tuple[BinaryIO, str | None]:
    """The one file in a gzip or ZIP file, and its name; unpacked into `folder`, at most `limit` bytes.

    Raises UnreadableFile for a damaged or encrypted archive or one with several files, UnsupportedFormat for a rare
    way of packing, TooLarge past the limit.
    """
    inner: BinaryIO = TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 (closed by the source)
    try:
        if kind == "gzip":
            name = _gzip_name(filename)
            _store(_inflated(file), inner, limit)
        else:
            name = _unzip(file, inner, limit)
        inner.seek(0)
    except BaseException:
        inner.close()
        raise
    return inner, name


def _store(blocks: Iterator[bytes], inner: BinaryIO, limit: int) -> None:
    size = 0
    for block in blocks:
        size += len(block)
        if size > limit:
            raise TooLarge(f"The file unpacks to more than SHEAF_MAX_INFLATED, {limit:,} bytes.")
        view = memoryview(block)
        while view:
            view = view[inner.write(view) :]


def _inflated(file: BinaryIO) -> Iterator[bytes]:
    """What a gzip file holds, all its members; zero bytes behind the last are padding."""
    file.seek(0)
    data = file.read(_BLOCK)
    try:
        while data:
            member = isal_zlib.decompressobj(wbits=31)
            while not member.eof:
                if block := member.decompress(data, _BLOCK):
                    yield block
                data = member.unconsumed_tail or (b"" if member.eof else file.read(_BLOCK))
                if not data and not member.eof and not block:
                    raise UnreadableFile("The gzip file is cut off: it ends too early.")
            data = (member.unused_data or file.read(_BLOCK)).lstrip(b"\0")
    except igzip_lib.IsalError as error:  # type: ignore[misc]  # its stub declares an instance
        raise UnreadableFile("The gzip file is damaged.") from error


def _gzip_name(filename: str | None) -> str | None:
    """`orders.csv` for `orders.csv.gz`."""
    path = PurePath(filename or "")
    return path.stem if path.suffix.lower() in (".gz", ".gzip") else filename


def _unzip(file: BinaryIO, inner: BinaryIO, limit: int) -> str:
    try:
        with open_zip(file) as archive:
            member = _only_member(archive)
            with archive.open(member) as packed:
                _store(iter(lambda: packed.read(_BLOCK), b""), inner, limit)
            return PurePath(member.filename).name
    except DAMAGE as error:
        raise UnreadableFile("The ZIP archive is damaged: it could not be unpacked.") from error


def _only_member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """The one file in an archive. Raises UnreadableFile, UnsupportedFormat."""
    members = [each for each in archive.infolist() if not _is_by_the_way(each)]
    if len(members) != 1:
        names = ", ".join(each.filename[:100] for each in members[:_SHOWN])
        more = f" and {len(members) - _SHOWN:,} more" if len(members) > _SHOWN else ""
        what = f"{len(members):,} files: {names}{more}. Send one of them" if members else "no file"
        raise UnreadableFile(f"The ZIP archive holds {what}.")
    member = members[0]
    if member.flag_bits & 1:
        raise UnreadableFile("The file in the ZIP archive is encrypted: send it without a password.")
    if member.compress_type not in METHODS:
        raise UnsupportedFormat("The file in the ZIP archive is packed in a way other than deflate; pack it anew.")
    return member


def _is_by_the_way(member: zipfile.ZipInfo) -> bool:
    """Folders, and what macOS adds of its own."""
    parts = PurePath(member.filename).parts  # none where it has no name, which `is_dir` does not survive
    return (
        member.filename.endswith("/")
        or "__MACOSX" in parts
        or (bool(parts) and parts[-1] in (".DS_Store", "Thumbs.db"))
    )


def open_zip(file: BinaryIO) -> zipfile.ZipFile:
    """A ZIP archive whose directory is small. Raises UnreadableFile, and what is in DAMAGE."""
    bounded = _Bounded(file)
    archive = zipfile.ZipFile(bounded)
    bounded.most = None
    return archive


class _Bounded:
    """A ZIP file that is read where it is, and while `most` is set not more than so many bytes of it at once.

    A directory is read at once, and where it and the files begin and end is told in several places: all may lie.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, os.SEEK_END)
        self.most: int | None = _DIRECTORY
        self.tell = file.tell
        self.seekable = file.seekable

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if whence == os.SEEK_SET and not 0 <= offset <= self._size:
            raise zipfile.BadZipFile("something begins outside of the file")
        return self._file.seek(offset, whence)

    def read(self, size: int | None = -1, /) -> bytes:
        if self.most is None:
            return self._file.read(-1 if size is None else size)
        data = self._file.read(self.most + 1 if size is None or size < 0 else min(size, self.most + 1))
        if len(data) > self.most:
            raise UnreadableFile("The ZIP archive holds too many files.")
        return data
