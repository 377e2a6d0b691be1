"""The rows that an import left out, as a file to mend and send again."""

from __future__ import annotations

from uuid import UUID

from backend.errors import ImportNotFound
from backend.query.compile import is_wide
from backend.repositories import imports, rejected_rows
from backend.repositories.copying import copy_out
from backend.repositories.database import Database
from backend.schemas.callers import Caller
from backend.schemas.columns import Column
from backend.schemas.exports import ExportOptions
from backend.services import spool
from backend.services.exports import Export
from backend.writers import Table, writer_for


class RejectedFiles:
    def __init__(self, database: Database, streams: spool.Streams) -> None:
        self._database = database
        self._streams = streams

    async def start(self, caller: Caller, import_id: UUID) -> Export:
        """CSV: `__row` as a person counts, `__error`, and the row's cells as they stood. Raises ImportNotFound."""
        scopes, options = caller.workspaces, ExportOptions()
        async with self._database.read() as tx:
            if await imports.find(tx, [scope.id for scope in scopes], import_id) is None:
                raise ImportNotFound
            names, rows = await rejected_rows.table(tx, scopes, import_id)
        about = Column("__row", "__row", "integer"), Column("__error", "__error", "text")
        columns = (*about, *(Column(name, name, "text") for name in names))
        table, writer = Table("rejected", columns, rows, wide=is_wide(columns)), writer_for(options)

        def produce(out: spool.Spool) -> None:
            with self._database.bulk_read() as tx, out.interruptible(tx.cancel):
                statement = rejected_rows.statement(tx, scopes, import_id, len(names))
                for chunk in writer.write(copy_out(tx, statement), table, options):
                    out.put(chunk)

        chunks = await self._streams.start(produce, caller.user_id)
        return Export(f"rejected-{import_id}.{writer.extension}", writer.media_type, 0, rows, chunks)
