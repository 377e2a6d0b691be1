"""All sheets of a workbook, one after another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from msgspec import structs

from backend.errors import Invalid
from backend.readers.base import ReadLimits
from backend.readers.workbook import WorkbookSource, open_workbook
from backend.readers.workbook_report import report_unfit
from backend.schemas.imports import ImportOptions, Warnings
from backend.sheets.protocol import SheetInfo


class SheetSources:
    """Each visible sheet that holds a table, as a source of its own, in the order of the tabs.

    A sheet is opened when it is asked for and closed when the next one is, so that at most one child process runs;
    `close` ends what was left before the last.
    `warnings` says which sheets were left out and why: whole once the last source was handed out.
    """

    def __init__(
        self,
        file: BinaryIO,
        *,
        format: str,  # noqa: A002
        filename: str | None,
        options: ImportOptions,
        limits: ReadLimits,
        remark: str | None = None,
        owned: bool = False,
    ) -> None:
        self.warnings = Warnings()
        self._remark = remark
        self._file = file
        self._owned = owned
        self._current: WorkbookSource | None = None
        self._format = format
        self._filename = filename
        self._options = options
        self._limits = limits

    def __iter__(self) -> Iterator[WorkbookSource]:
        """The sources. Raises as `open_workbook` does for any sheet, and Invalid when none holds a table."""
        self.warnings = Warnings()
        if self._remark:
            self.warnings.add(self._remark)
        source = self._open(None)
        try:
            found = bool(source.names) and not source.listed[source.place].hidden
            places = self._places(source) if found else []
            if found:
                yield source
            for place in places:
                source.close()
                source = self._open(place + 1)
                if source.names:
                    yield source
                else:
                    self._leave_out(source.listed[place])
        finally:
            source.close()
        if not found:
            raise Invalid("No visible sheet of the workbook holds a table.")

    def close(self) -> None:
        """Close the source that was handed out last, and the file where it was unpacked for this."""
        if self._current is not None:
            self._current.close()
        if self._owned:
            self._file.close()

    def _open(self, sheet: int | None) -> WorkbookSource:
        self._current = open_workbook(
            self._file,
            format=self._format,
            filename=self._filename,
            options=structs.replace(self._options, sheet=sheet),
            limits=self._limits,
            alone=False,
        )
        return self._current

    def _places(self, first: WorkbookSource) -> list[int]:
        """Indices of the visible sheets behind the first one that holds anything; reports those that are not read."""
        fit = [place for place, sheet in enumerate(first.listed) if sheet.cells and not sheet.hidden]
        report_unfit([sheet for place, sheet in enumerate(first.listed) if place not in fit], self.warnings)
        for place in fit:
            if place < first.place:
                self._leave_out(first.listed[place])
        return [place for place in fit if place > first.place]

    def _leave_out(self, sheet: SheetInfo) -> None:
        self.warnings.add("A sheet without any value was left out", value=sheet.name)
