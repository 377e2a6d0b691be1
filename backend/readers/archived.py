"""An exported workspace, still packed: its files by name, each one as it was or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from types import TracebackType
from typing import IO, BinaryIO, Self

from backend.errors import TooLarge, UnreadableFile
from backend.query.text import shown
from backend.readers.containers import DAMAGE, METHODS, open_zip
from backend.schemas.workspace_archives import ArchivedFile

_BLOCK = 2**20


class ArchivedFiles:
    """The files in a ZIP by their names. Blocking; one thread at a time.

    `file` is a real file, which stays open until this is closed. Raises UnreadableFile for what is no ZIP file or has
    two files of one name, TooLarge for one that unpacks to more than `max_inflated` bytes.
    """

    def __init__(self, file: BinaryIO, *, max_inflated: int) -> None:
        try:
            self._zip = open_zip(file)
        except DAMAGE as error:
            raise UnreadableFile("This is no ZIP archive, or a damaged one: it has no directory at its end.") from error
        names = set[str]()
        for member in self._zip.infolist():
            if member.filename in names:
                raise UnreadableFile(f"{shown(member.filename)} is in the archive twice.")
            names.add(member.filename)
        if sum(member.file_size for member in self._zip.infolist()) > max_inflated:
            raise TooLarge(f"The archive unpacks to more than SHEAF_MAX_INFLATED, {max_inflated:,} bytes.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._zip.close()

    def __contains__(self, name: str) -> bool:
        return name in self._zip.NameToInfo

    def open(self, name: str) -> IO[bytes]:
        """A file of the archive, unpacked as it is read."""
        member = self._zip.NameToInfo.get(name)
        if member is None:
            raise UnreadableFile(f"{shown(name)} is missing from the archive.")
        if member.flag_bits & 1 or member.compress_type not in METHODS:
            raise UnreadableFile(f"{shown(name)} is encrypted or packed in a way other than deflate.")
        try:
            return self._zip.open(member)
        except DAMAGE as error:
            raise _damaged(name) from error

    def read(self, name: str, most: int) -> bytes:
        """A whole file of at most so many bytes."""
        with self.open(name) as file:
            try:
                data = file.read(most + 1)
            except DAMAGE as error:
                raise _damaged(name) from error
        if len(data) > most:
            raise UnreadableFile(f"{shown(name)} is larger than the {most:,} bytes that such a file may have.")
        return data

    def lines(self, name: str, most: int) -> Iterator[bytes]:
        """A file line by line, each of at most so many bytes."""
        with self.open(name) as file:
            try:
                while line := file.readline(most + 1):
                    if len(line) > most:
                        raise UnreadableFile(f"{shown(name)} has a line longer than {most:,} bytes.")
                    yield line
            except DAMAGE as error:
                raise _damaged(name) from error

    def check(self, told: ArchivedFile) -> None:
        """Reads a file to its end. Raises UnreadableFile where it is not what was told of it."""
        digest, size = hashlib.sha256(), 0
        with self.open(told.file) as file:
            try:
                while block := file.read(_BLOCK):
                    digest.update(block)
                    size += len(block)
            except DAMAGE as error:
                raise _damaged(told.file) from error
        if size != told.bytes or digest.hexdigest() != told.sha256:
            raise UnreadableFile(f"{shown(told.file)} has changed since the export: its SHA-256 is another one.")


def _damaged(name: str) -> UnreadableFile:
    return UnreadableFile(f"{shown(name)} is damaged: it cannot be unpacked.")
