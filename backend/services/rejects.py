"""Rows of a file that did not go in, kept on disk until they are stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import BinaryIO, Self
from uuid import UUID

import msgspec

from backend.repositories import rejected_rows
from backend.repositories.database import Tx
from backend.schemas.callers import WorkspaceScope
from backend.schemas.imports import Rejected

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Rejected)


async def store_rejects(tx: Tx, scope: WorkspaceScope, import_id: UUID, rejects: Rejects) -> None:
    """Stores what an import leaves out with what it brings in."""
    if rejects.count:
        await rejected_rows.add(tx, scope, import_id, rejects.names, rejects)


class Rejects:
    """Takes any number of rows in memory that does not grow; iterate to get them back in their order.

    `names` are those of all columns that rows came with: each row has its cells in that order, the last ones may lack.
    """

    def __init__(self, folder: Path) -> None:
        self.count = 0
        self._folder = folder
        self._file: BinaryIO | None = None
        self._places: dict[str, int] = {}

    @property
    def names(self) -> list[str]:
        return list(self._places)

    def add(self, names: Sequence[str], rows: Sequence[Rejected]) -> None:
        """Rows of a table with these columns. Blocking."""
        if not rows:
            return
        if self._file is None:
            self._file = TemporaryFile(dir=self._folder)  # noqa: SIM115
        places = [self._places.setdefault(name, len(self._places)) for name in names]
        for row in rows:
            cells: list[str | None] = [None] * len(self._places)
            for place, cell in zip(places, row.cells, strict=False):
                cells[place] = cell
            self._file.write(_encoder.encode(Rejected(row.row, row.error, tuple(cells))) + b"\n")
        self.count += len(rows)

    def __iter__(self) -> Iterator[Rejected]:
        if self._file is None:
            return iter(())
        self._file.seek(0)
        return map(_decoder.decode, self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()
