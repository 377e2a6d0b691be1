"""The parts of a ZIP workbook (OOXML, OpenDocument), inflated within bounds."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import BinaryIO, cast

from isal import isal_zlib

from backend.errors import TooLarge, UnreadableFile, Unwelcome

RATIO = 400
"""No honest part of a workbook shrinks by more than this."""
SMALL = 64 * 2**20
"""Parts below this size may shrink as they like, and parts that are read whole end here."""
_READ, _INFLATED = 1 << 17, 1 << 20
_LOCAL_HEADER = 30
_BROKEN = cast("type[Exception]", isal_zlib.error)


class Package:
    """A ZIP file whose parts are found whatever their case and slashes.

    `memory` bounds what parts may inflate to: one part at most four times as much, since parts are streamed.
    """

    def __init__(self, file: BinaryIO, memory: int) -> None:
        self.memory = memory
        self._file = file
        try:
            with zipfile.ZipFile(file) as archive:
                listed = archive.infolist()
        except (zipfile.BadZipFile, ValueError, OSError, EOFError) as error:
            raise UnreadableFile("The workbook is damaged or cut short: its ZIP directory cannot be read.") from error
        self._parts = {_plain(info.filename): info for info in listed}

    def __contains__(self, name: str) -> bool:
        return _plain(name) in self._parts

    def names(self) -> list[str]:
        """All part names, in lower case."""
        return list(self._parts)

    def read(self, name: str) -> bytes:
        """A part that is read whole. Raises like `blocks`, and TooLarge beyond 64 MiB."""
        found = bytearray()
        for block in self.blocks(name):
            found += block
            if len(found) > SMALL:
                raise self._too_large(name, len(found))
        return bytes(found)

    def blocks(self, name: str) -> Iterator[bytes]:
        """The part's bytes piece by piece, several parts at once if need be.

        Raises UnreadableFile when it is missing, encrypted or damaged, TooLarge when it inflates too far.
        """
        info = self._checked(name)
        size = crc = 0
        try:
            for block in self._inflated(info):
                size += len(block)
                crc = isal_zlib.crc32(block, crc)
                if size > info.file_size:
                    break
                yield block
        except (_BROKEN, EOFError, ValueError, OSError) as error:
            raise UnreadableFile(f"The workbook is damaged: its part {name} breaks off.") from error
        if size != info.file_size or crc != info.CRC:
            raise UnreadableFile(f"The workbook is damaged: its part {name} is not what was packed.")

    def size(self, name: str) -> int:
        """How many bytes the part says it has."""
        return self._parts[_plain(name)].file_size

    def measured(self, name: str) -> Measured:
        """Like `blocks`, telling how far it has come."""
        return Measured(self.blocks(name), self.size(name) if name in self else 0)

    def _checked(self, name: str) -> zipfile.ZipInfo:
        info = self._parts.get(_plain(name))
        if info is None:
            raise UnreadableFile(f"The workbook is damaged: its part {name} is missing.")
        if info.flag_bits & 1:
            raise Unwelcome("The workbook is encrypted; save it without a password.")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UnreadableFile(f"The workbook's part {name} is packed in a way that workbooks never are.")
        if info.file_size > 4 * self.memory or (info.file_size > SMALL and info.file_size > RATIO * info.compress_size):
            raise self._too_large(name, info.file_size)
        return info

    def _inflated(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        if info.compress_type == zipfile.ZIP_STORED:
            yield from self._packed(info)
            return
        stream = isal_zlib.decompressobj(-15)
        for packed in self._packed(info):
            yield stream.decompress(packed, _INFLATED)
            while stream.unconsumed_tail:
                yield stream.decompress(stream.unconsumed_tail, _INFLATED)
        while not stream.eof and (more := stream.decompress(b"", _INFLATED)):  # what it has read, but not yet given
            yield more
        if not stream.eof:
            raise EOFError(info.filename)

    def _packed(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        self._file.seek(info.header_offset)
        header = self._file.read(_LOCAL_HEADER)
        if not header.startswith(b"PK\3\4") or len(header) < _LOCAL_HEADER:
            raise EOFError(info.filename)
        position = info.header_offset + _LOCAL_HEADER + int.from_bytes(header[26:28], "little")
        position += int.from_bytes(header[28:30], "little")
        end = position + info.compress_size
        while position < end:
            self._file.seek(position)
            packed = self._file.read(min(_READ, end - position))
            if not packed:
                raise EOFError(info.filename)
            position += len(packed)
            yield packed

    def _too_large(self, name: str, size: int) -> TooLarge:
        return TooLarge(
            f"The workbook's part {name} inflates to {size:,} bytes or more, too far for SHEAF_WORKBOOK_MEMORY "
            f"({self.memory:,} bytes)."
        )


class Measured:
    """Blocks of `size` bytes in all; `share` is how much of them has been taken, from 0 to 1."""

    def __init__(self, blocks: Iterator[bytes], size: int) -> None:
        self._blocks = blocks
        self._size = max(size, 1)
        self._taken = 0

    @property
    def share(self) -> float:
        return min(self._taken / self._size, 1.0)

    def __iter__(self) -> Measured:
        return self

    def __next__(self) -> bytes:
        block = next(self._blocks)
        self._taken += len(block)
        return block


def _plain(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").lower()
