"""XLSX: typed cells below a bold, frozen header with a filter, as a stream of constant memory."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import polars as pl
from msgspec import Struct

from backend.schemas.columns import Column
from backend.schemas.exports import ExportOptions
from backend.writers.archive import Archive
from backend.writers.base import Limits, Rows, Table
from backend.writers.frames import beside, frames
from backend.writers.xlsx.cells import rows_xml
from backend.writers.xlsx.skeleton import Sheet, skeleton


class XlsxWriter(Struct, frozen=True):
    """Records as the rows of a workbook, on a further sheet whenever one has `sheet_rows` of them."""

    media_type: str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    extension: str = "xlsx"
    options: frozenset[str] = frozenset()
    limits: Limits | None = Limits(columns=16_384, cell=32_767)
    sheet_rows: int = 1_048_575

    def delimiter(self, options: ExportOptions) -> str:
        """COPY's own."""
        return ","

    def measured(self, columns: Sequence[Column]) -> Sequence[Column]:
        """None: each cell has a type of its own."""
        return ()

    def write(self, rows: Rows, table: Table, options: ExportOptions) -> Iterator[bytes]:
        """The workbook in chunks, the first once some records are there.

        Raises `RuntimeError` when other than `table.rows` records come: the file's head has announced their number.
        """
        counts = [min(self.sheet_rows, table.rows - start) for start in range(0, table.rows, self.sheet_rows)] or [0]
        batches = frames(rows, table, self.delimiter(options))
        first = next(batches, pl.DataFrame())
        book = skeleton(table.title, table.columns, counts, first)
        archive = Archive()
        for name, content in book.parts.items():
            yield archive.begin(name) + archive.add(content) + archive.end()
        pieces = _rendered(_pieces(chain([first], batches), counts), table.columns, book.styles)
        for sheet in book.sheets:
            yield archive.begin(sheet.part) + archive.add(sheet.head)
            yield from _records(archive, sheet, pieces)
            yield archive.add(sheet.tail) + archive.end()
        if next(pieces, None) is not None:
            raise _miscounted()
        yield archive.finish()


class _Piece(Struct, frozen=True):
    """Records of one sheet; `first` is the sheet row, from 1, that the first of them goes to."""

    frame: pl.DataFrame
    first: int


def _pieces(batches: Iterable[pl.DataFrame], counts: Iterable[int]) -> Iterator[_Piece]:
    """The batches cut where a sheet ends."""
    room = iter(counts)
    left = count = next(room)
    for batch in batches:
        start = 0
        while start < batch.height:
            if left == 0 and (left := (count := next(room, 0))) == 0:
                raise _miscounted()
            frame = batch.slice(start, left)
            yield _Piece(frame, 2 + count - left)
            left -= frame.height
            start += frame.height


def _rendered(
    pieces: Iterable[_Piece], columns: Sequence[Column], styles: Sequence[int]
) -> Iterator[tuple[int, memoryview]]:
    """How many records, and their XML, in order."""

    def render(piece: _Piece) -> tuple[int, memoryview]:
        return piece.frame.height, rows_xml(piece.frame, columns, styles, piece.first)

    return beside(render, pieces, ahead=2)


def _records(archive: Archive, sheet: Sheet, pieces: Iterator[tuple[int, memoryview]]) -> Iterator[bytes]:
    left = sheet.rows
    while left > 0:
        count, xml = next(pieces, (0, memoryview(b"")))
        if count == 0:
            raise _miscounted()
        yield archive.add(xml)
        left -= count


def _miscounted() -> RuntimeError:
    return RuntimeError("other than the announced number of records came")


XLSX = XlsxWriter()
