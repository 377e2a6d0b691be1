"""One file on its way into COPY lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from uuid import UUID

from msgspec import Struct, structs

from backend.errors import LimitExceeded
from backend.inference import JSON_CLASS, Batch, ColumnPlan, Inference, conflicts, encode, unguarded
from backend.readers.base import ReadLimits, Source
from backend.schemas.columns import Column
from backend.schemas.imports import Evidence, ImportOptions, ImportReport, Warnings
from backend.services.column_keys import keys_for
from backend.services.progress import Progress
from backend.services.quotas import Room
from backend.services.rejects import Rejects
from backend.services.uploads import Upload


class Target(Struct, frozen=True):
    """Where a file's rows go; as it stands, into a new dataset.

    `columns`: those that are there, by name; `untyped` names those that never had a value and take the file's type.
    `used`: every column key that was ever used. `keys` names the columns in which each row needs a value. Ids are
    counted up from `first_id`; None: each row's is its place in the file as a person counts. `version`: in which the
    rows begin.
    """

    columns: Mapping[str, Column] = {}
    untyped: frozenset[str] = frozenset()
    used: frozenset[str] = frozenset()
    keys: tuple[str, ...] = ()
    first_id: int | None = 1
    version: int = 1

    @property
    def typed(self) -> dict[str, Column]:
        """The columns whose types hold for the file."""
        return {
            name: structs.replace(column, nullable=column.nullable and name not in self.keys)
            for name, column in self.columns.items()
            if name not in self.untyped
        }


NEW = Target()
ANY = Room()
SHOWN_ROWS = 20
"""First rows of the file that a plan shows."""


class Load:
    """One file on its way into COPY lines, typed by what was seen so far.

    When a later batch shows that what was already sent was typed too strictly, `redo` is set, no more lines are
    made, the rest of the file is only looked at, and `lines_again` goes over it once more. `lacking`: the first rows
    that came before a column of the target in which each needs a value, by its name.
    """

    def __init__(
        self,
        source: Source,
        options: ImportOptions,
        limits: ReadLimits,
        progress: Progress,
        *,
        bad_cells: Warnings | None = None,
        target: Target = NEW,
        rejects: Rejects | None = None,
        room: Room = ANY,
    ) -> None:
        """`bad_cells` takes what is wrong with single cells, for a plan, which that does not refuse; without it the
        source's own warnings do.

        `rejects` takes the rows that are left out. `room`: what the workspace has for the file.
        """
        self.source = source
        self.room = room
        self._typed = target.typed
        noted = source.warnings if bad_cells is None else bad_cells
        self.inference = Inference(options, noted, known=self._typed, planning=bad_cells is not None)
        self.rows = 0
        self.redo = False
        self.first: list[tuple[str | None, ...]] = []
        self.lacking: dict[str, list[int]] = {}
        self._limits = limits
        self._progress = progress
        self._rejects = rejects
        self._unguard = options.decode_formulas
        self._target = target
        self._needed = {name for name, column in self._typed.items() if not column.nullable}
        self._plan: tuple[ColumnPlan, ...] = ()
        self._new_keys: list[str] = []

    @property
    def names(self) -> list[str]:
        """The columns' names as far as they are known: longer rows add some."""
        return unguarded(self.source.names) if self._unguard else self.source.names

    @property
    def columns(self) -> list[Column]:
        """The file's columns in its order: known ones as they are, all others as the file has them."""
        found = []
        for key, name, plan in zip(self._keys(), self.names, self.inference.plan(), strict=True):
            known = self._target.columns.get(name)
            if known is None:
                known = Column(key, name, plan.type, plan.format)
            elif name in self._target.untyped and plan.json != "none":
                known = structs.replace(known, type=plan.type, format=plan.format)
            found.append(known)
        return found

    @property
    def evidence(self) -> dict[str, Evidence]:
        """Why the file's columns are what they are, by their keys."""
        return dict(zip(self._keys(), self.inference.evidence(), strict=True))

    def _keys(self) -> list[str]:
        """The key of each of the file's columns; the names of new ones are only ever added to."""
        known = self._target.columns
        self._new_keys = keys_for([name for name in self.names if name not in known], self._new_keys, self._target.used)
        new = iter(self._new_keys)
        return [known[name].key if name in known else next(new) for name in self.names]

    def _plans(self) -> tuple[ColumnPlan, ...]:
        plans = self.inference.plan()
        if not self._typed:
            return plans
        return tuple(
            ColumnPlan(known.type, known.format, JSON_CLASS.get(known.type, "string"), forced=True)
            if (known := self._typed.get(name))
            else plan
            for name, plan in zip(self.names, plans, strict=False)
        )

    def _count(self, cleaned: Batch) -> None:
        """Rows that are taken, the first ones kept to be shown. Raises LimitExceeded, QuotaExceeded."""
        if len(self.first) < SHOWN_ROWS:
            self.first += cleaned.frame.head(SHOWN_ROWS - len(self.first)).rows()
        self.rows += cleaned.frame.height
        if self.rows > self._limits.max_rows:
            raise LimitExceeded(f"The file has more rows than SHEAF_MAX_ROWS, {self._limits.max_rows:,}.")
        self.room.check(rows=self.rows)

    def _encoded(self, cleaned: Batch) -> bytes:
        """The rows as COPY lines; they are counted."""
        target = self._target
        for name in self._needed.difference(self.names[: cleaned.frame.width]) if self._needed else ():
            self.lacking.setdefault(name, cleaned.rows.head(SHOWN_ROWS).to_list())
        ids = cleaned.rows if target.first_id is None else target.first_id + self.rows
        self._count(cleaned)
        return encode(cleaned, self._plan, self._keys(), ids, target.version)

    def _observed(self) -> Iterator[Batch]:
        """The whole file once, each batch looked at and cleaned; rows that are left out go where they are kept."""
        self._progress.begin("reading")
        for batch in self.source.batches():
            cleaned = self.inference.observe(batch, self.names)
            rejected = self.inference.take_rejected()
            if self._rejects is not None:
                self._rejects.add(self.names, rejected)
            self._progress.reached(self.inference.rows, self.source.share)
            yield cleaned
        self.inference.finish(self.names)

    def lines(self) -> Iterator[bytes]:
        """First pass: looks and encodes. Blocking; for a worker thread."""
        for cleaned in self._observed():
            plan = self._plans()
            self.redo = self.redo or conflicts(self._plan, plan)
            self._plan = plan
            if not self.redo:
                yield self._encoded(cleaned)

    def look(self) -> None:
        """The whole file looked at, nothing encoded. Blocking; for a worker thread."""
        for cleaned in self._observed():
            self._count(cleaned)

    def lines_again(self) -> Iterator[bytes]:
        """Second pass, with the types that the whole file asks for."""
        self._progress.begin("reading again")
        self.rows = 0
        for batch in self.source.batches():
            cleaned = self.inference.clean(batch, self.names)
            yield self._encoded(cleaned)
            self._progress.reached(self.rows, self.source.share)


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
