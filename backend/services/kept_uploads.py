"""Files that are kept in the database, so that any worker can read them and a killed one leaves none behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import BinaryIO
from uuid import UUID

from backend.errors import LimitExceeded, UnreadableFile, UploadNotFound
from backend.repositories import lookup, uploads
from backend.repositories.database import Database, Tx
from backend.schemas.callers import Caller, WorkspaceScope
from backend.services.identifiers import uuid7
from backend.services.uploads import Upload, UploadFolder

_CHUNK = 2**20


class KeptUploads:
    """`keep`: how long a file is kept for the one who sent it; `most_bytes`: of all files of a workspace, 0 for any
    number.
    """

    def __init__(self, database: Database, folder: UploadFolder, *, keep: timedelta, most_bytes: int) -> None:
        self._database = database
        self._folder = folder
        self._keep = keep
        self._most_bytes = most_bytes

    async def keep(self, caller: Caller, workspace: str | None, upload: Upload) -> tuple[UUID, datetime]:
        """Keeps a received file; answers its id and when it expires. Raises WorkspaceNotFound, LimitExceeded."""
        scope = lookup.workspace(caller, workspace)
        async with self._database.publishing() as tx:
            return await self.store(tx, caller, scope, upload, kept=True)

    async def store(
        self, tx: Tx, caller: Caller, scope: WorkspaceScope, upload: Upload, *, kept: bool
    ) -> tuple[UUID, datetime]:
        """The same within a transaction; not `kept`: only for the import that is added with it."""
        upload_id = uuid7()
        facts = uploads.FileFacts(
            upload.filename, upload.media_type, upload.charset, upload.format, upload.size, upload.sha256
        )
        expires_at = await uploads.add(tx, upload_id, scope.id, caller.user_id, facts, kept=kept, keep=self._keep)
        await self._check_room(tx, scope)
        await uploads.add_chunks(tx, upload_id, _chunks(upload.file))
        await uploads.take_turn(tx, scope.id)
        await self._check_room(tx, scope)
        return upload_id, expires_at

    async def _check_room(self, tx: Tx, scope: WorkspaceScope) -> None:
        """Raises LimitExceeded where the files are too many with the one that was added."""
        if self._most_bytes and await uploads.stored(tx, scope.id) > self._most_bytes:
            raise LimitExceeded(
                "The files that are kept for this workspace, or wait for their import, would take more bytes than"
                f" SHEAF_WORKSPACE_UPLOAD_BYTES, {self._most_bytes:,}; delete one, or wait until one is imported."
            )

    @staticmethod
    async def find(tx: Tx, caller: Caller, upload_id: UUID, *, even_expired: bool = False) -> uploads.Stored:
        """What is known of a file. Raises UploadNotFound."""
        workspace_ids = [scope.id for scope in caller.workspaces]
        found = await uploads.find(tx, workspace_ids, upload_id, even_expired=even_expired)
        if found is None:
            raise UploadNotFound
        return found

    @asynccontextmanager
    async def open(
        self, caller: Caller, upload_id: UUID, *, even_expired: bool = False
    ) -> AsyncIterator[tuple[Upload, uploads.Stored]]:
        """The file as it was received, for a block. Raises UploadNotFound."""
        async with self._database.read() as tx:
            found = await self.find(tx, caller, upload_id, even_expired=even_expired)
        with self._folder.open() as upload:
            upload.filename, upload.media_type = found.filename, found.media_type
            upload.charset, upload.format = found.charset, found.format
            await upload.receive(uploads.chunks(self._database, upload_id))
            if upload.sha256 != found.sha256:
                raise UnreadableFile("The stored file is not what was received; send it again.")
            yield upload, found

    async def forget(self, caller: Caller, upload_id: UUID) -> None:
        """Nobody can ask for it from now on; imports that wait for it still get it.

        Raises UploadNotFound, Forbidden.
        """
        async with self._database.transaction() as tx:
            scope = lookup.workspace_of(caller, (await self.find(tx, caller, upload_id)).workspace_id)
            if not await uploads.expire(tx, scope.id, upload_id):
                raise UploadNotFound
            await uploads.sweep(tx)

    async def sweep(self) -> None:
        """Removes what has expired."""
        async with self._database.transaction() as tx:
            await uploads.sweep(tx)


async def _chunks(file: BinaryIO) -> AsyncIterator[bytes]:
    file.seek(0)
    while chunk := await asyncio.to_thread(file.read, _CHUNK):
        yield chunk
