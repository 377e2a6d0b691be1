"""A file while it arrives: to disk, hashed, never held in memory."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterable
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import BinaryIO, Self

from msgspec import Struct

from backend.errors import BadRequest, TooLarge
from backend.metrics import RECEIVED
from backend.query.text import shown

_WRITE_SIZE = 2**20


class Upload:
    """A temporary file without a name, so that a killed process leaves nothing of it.

    `file` is a real file at position 0 once everything was received; `size` is in bytes, `sha256` in hexadecimal.
    `format` is the one that the caller insists on, `folder` where other temporary files belong.
    """

    def __init__(self, folder: Path, *, limit: int) -> None:
        self.file: BinaryIO = TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        self.folder = folder
        self.size = 0
        self._filename: str | None = None
        self.media_type: str | None = None
        self.charset: str | None = None
        self.format: str | None = None
        self._limit = limit
        self._hash = hashlib.sha256()
        self._pending = bytearray()

    @property
    def filename(self) -> str | None:
        """What its sender calls the file. Setting it raises BadRequest for what cannot be stored."""
        return self._filename

    @filename.setter
    def filename(self, name: str | None) -> None:
        if name is not None and "\0" in name:
            raise BadRequest(f"The file's name {shown(name)} holds the NUL character; rename the file.")
        self._filename = name

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    async def write(self, chunk: bytes | bytearray) -> None:
        """Takes the next bytes. Raises TooLarge past the limit."""
        self.size += len(chunk)
        self._bound(self.size)
        self._pending += chunk
        if len(self._pending) >= _WRITE_SIZE:
            await self._flush()

    async def receive(self, chunks: AsyncIterable[bytes], announced: int | None = None) -> Self:
        """Takes all of a body and rewinds. Raises TooLarge at once when too many bytes are `announced`."""
        self._bound(announced or 0)
        async for chunk in chunks:
            await self.write(chunk)
        return await self.finish()

    async def finish(self) -> Self:
        """Everything has arrived: the file is complete and rewound."""
        await self._flush()
        self.file.seek(0)
        RECEIVED.inc(self.size)
        return self

    def _bound(self, size: int) -> None:
        if size > self._limit:
            raise TooLarge(f"The file is larger than SHEAF_MAX_UPLOAD, {self._limit:,} bytes.")

    async def _flush(self) -> None:
        pending, self._pending = self._pending, bytearray()
        await asyncio.to_thread(self._store, pending)

    def _store(self, data: bytearray) -> None:
        self._hash.update(data)
        view = memoryview(data)
        while view:
            view = view[self.file.write(view) :]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.file.close()


class UploadFolder(Struct, frozen=True):
    """Where files are kept while they arrive; the largest file and the largest JSON body that are taken, in bytes."""

    path: Path
    limit: int
    json_limit: int

    def open(self) -> Upload:
        return Upload(self.path, limit=self.limit)
