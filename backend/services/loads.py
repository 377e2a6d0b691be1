"""One file on its way into COPY lines."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from backend.errors import LimitExceeded
from backend.inference import ColumnPlan, Inference, conflicts, encode, unguarded
from backend.readers.base import ReadLimits, Source
from backend.schemas.columns import Column
from backend.schemas.imports import ImportOptions, ImportReport, Warnings
from backend.services.keys import keys_for
from backend.services.progress import Progress
from backend.services.uploads import Upload


class Load:
    """One file on its way into COPY lines, typed by what was seen so far.

    When a later batch shows that what was already sent was typed too strictly, `redo` is set, no more lines are
    made, the rest of the file is only looked at, and `lines_again` goes over it once more.
    """

    def __init__(
        self,
        source: Source,
        options: ImportOptions,
        limits: ReadLimits,
        progress: Progress,
        *,
        bad_cells: Warnings | None = None,
    ) -> None:
        """`bad_cells` takes what is wrong with single cells; without it the source's own warnings do."""
        self.source = source
        self.inference = Inference(options, source.warnings if bad_cells is None else bad_cells)
        self.rows = 0
        self.redo = False
        self._limits = limits
        self._progress = progress
        self._unguard = options.decode_formulas
        self._plan: tuple[ColumnPlan, ...] = ()
        self._keys: list[str] = []

    @property
    def names(self) -> list[str]:
        """The columns' names as far as they are known: longer rows add some."""
        return unguarded(self.source.names) if self._unguard else self.source.names

    @property
    def columns(self) -> list[Column]:
        keys = keys_for(self.names, self._keys)
        return [
            Column(key, name, plan.type, plan.format)
            for key, name, plan in zip(keys, self.names, self.inference.plan(), strict=True)
        ]

    def lines(self) -> Iterator[bytes]:
        """First pass: looks and encodes. Blocking; for a worker thread."""
        self._progress.begin("reading")
        for batch in self.source.batches():
            cleaned = self.inference.observe(batch, self.names)
            plan = self.inference.plan()
            self._progress.rows, self._progress.share = self.inference.rows, self.source.share
            self.redo = self.redo or conflicts(self._plan, plan)
            self._plan = plan
            if self.redo:
                continue
            self._keys = keys_for(self.names, self._keys)
            first_id = self.rows + 1
            self.rows += cleaned.frame.height
            if self.rows > self._limits.max_rows:
                raise LimitExceeded(f"The file has more rows than SHEAF_MAX_ROWS, {self._limits.max_rows:,}.")
            yield encode(cleaned, plan, self._keys, first_id=first_id, version=1)
        self.inference.finish(self.names)

    def look(self, wanted: int) -> list[tuple[str | None, ...]]:
        """The whole file looked at, nothing encoded; answers the first `wanted` records as text. Blocking."""
        first: list[tuple[str | None, ...]] = []
        self._progress.begin("reading")
        for batch in self.source.batches():
            cleaned = self.inference.observe(batch, self.names)
            if wanted > self.rows:
                first += cleaned.frame.head(wanted - self.rows).rows()
            self.rows += cleaned.frame.height
            self._progress.rows, self._progress.share = self.rows, self.source.share
        self.inference.finish(self.names)
        return first

    def lines_again(self) -> Iterator[bytes]:
        """Second pass, with the types that the whole file asks for."""
        self._progress.begin("reading again")
        self.rows = 0
        self._keys = keys_for(self.names, self._keys)
        for batch in self.source.batches():
            cleaned = self.inference.clean(batch, self.names)
            yield encode(cleaned, self._plan, self._keys, first_id=self.rows + 1, version=1)
            self.rows += cleaned.frame.height
            self._progress.rows, self._progress.share = self.rows, self.source.share


def report(import_id: UUID, upload: Upload, load: Load, seconds: float) -> ImportReport:
    """How the file was read and what came of it."""
    source = load.source
    return ImportReport(
        id=import_id,
        format=source.format,
        encoding=source.encoding,
        delimiter=source.delimiter,
        quote=source.quote,
        sheet=source.sheet,
        header_row=source.header_row,
        rows=load.rows,
        columns=len(load.names),
        rejected=load.inference.rejected,
        bytes=upload.size,
        sha256=upload.sha256,
        seconds=round(seconds, 3),
        warnings=tuple(source.warnings.items),
        warnings_total=source.warnings.total,
    )
