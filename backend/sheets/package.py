"""The parts of a ZIP workbook (OOXML, OpenDocument), inflated within bounds."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import IO, BinaryIO

from backend.errors import TooLarge, UnreadableFile

RATIO = 400
"""No honest part of a workbook shrinks by more than this."""
SMALL = 64 * 2**20
"""Parts below this size may shrink as they like, and parts that are read whole end here."""
READ = 1 << 20


class Package:
    """A ZIP file whose parts are found whatever their case and slashes.

    `memory` bounds what parts may inflate to: one part at most four times as much, since parts are streamed.
    """

    def __init__(self, file: BinaryIO, memory: int) -> None:
        self._limit = 4 * memory
        self.memory = memory
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ValueError, OSError, EOFError) as error:
            raise UnreadableFile("The workbook is damaged or cut short: its ZIP directory cannot be read.") from error
        self._parts = {_plain(info.filename): info for info in self._zip.infolist()}

    def __contains__(self, name: str) -> bool:
        return _plain(name) in self._parts

    def names(self) -> list[str]:
        """All part names, in lower case."""
        return list(self._parts)

    def open(self, name: str) -> IO[bytes]:
        """A stream of the part's bytes. Raises UnreadableFile when it is missing, TooLarge when it inflates too far."""
        info = self._parts.get(_plain(name))
        if info is None:
            raise UnreadableFile(f"The workbook is damaged: its part {name} is missing.")
        if info.flag_bits & 1:
            raise UnreadableFile("The workbook is encrypted; save it without a password.")
        if info.file_size > self._limit or (info.file_size > SMALL and info.file_size > RATIO * info.compress_size):
            raise self._too_large(name, info.file_size)
        try:
            return self._zip.open(info)
        except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError) as error:
            raise UnreadableFile(f"The workbook is damaged: its part {name} cannot be read.") from error

    def blocks(self, name: str) -> Iterator[bytes]:
        """The part's bytes piece by piece. Raises like `open`, and UnreadableFile where the data breaks off."""
        with self.open(name) as stream:
            while True:
                try:
                    block = stream.read(READ)
                except (zipfile.BadZipFile, zipfile.zlib.error, EOFError, OSError) as error:  # type: ignore[attr-defined]
                    raise UnreadableFile(f"The workbook is damaged: its part {name} breaks off.") from error
                if not block:
                    return
                yield block

    def read(self, name: str) -> bytes:
        """A part that is read whole. Raises like `blocks`, and TooLarge beyond 64 MiB."""
        found = bytearray()
        for block in self.blocks(name):
            found += block
            if len(found) > SMALL:
                raise self._too_large(name, len(found))
        return bytes(found)

    def _too_large(self, name: str, size: int) -> TooLarge:
        return TooLarge(
            f"The workbook's part {name} inflates to {size:,} bytes or more, too far for SHEAF_WORKBOOK_MEMORY "
            f"({self.memory:,} bytes)."
        )


def _plain(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").lower()
