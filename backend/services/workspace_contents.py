"""What an archive of a workspace holds: its manifest and the schemas, checked as what anybody may have written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from functools import partial
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from backend.errors import InvalidName, UnreadableFile
from backend.inference.lattice import BOOLEANS, accepts, shape
from backend.query.text import shown
from backend.readers.archived import ArchivedFiles
from backend.readers.base import ReadLimits
from backend.readers.exact import ExactSource
from backend.readers.json_errors import described
from backend.schemas.columns import RECORD_ID, Column, ColumnType
from backend.schemas.datasets import Description
from backend.schemas.imports import Evidence
from backend.schemas.workspace_archives import (
    FORMAT,
    FORMAT_VERSION,
    MANIFEST,
    ArchivedDataset,
    Manifest,
    ManifestHead,
)
from backend.services.column_keys import keys_for
from backend.services.columns import is_column_name
from backend.services.identifiers import check_name, is_slug
from backend.services.progress import Progress
from backend.writers import WRITERS

FORMATS = ("csv", "tsv")
"""Those that are read back to the letter: in XLSX a text cell and a number may look the same."""
MOST_DATASETS = 500
"""Each takes eight locks of PostgreSQL's until the import is done, of some 6,400 that there are by default."""
ALONGSIDE = 20
"""Of archives with more datasets only one at a time comes in, for the sake of those locks."""
LARGEST_MANIFEST = 16 * 2**20
"""Bytes: a manifest is held in memory, and nothing else happens in the process while it is decoded."""
LARGEST_SCHEMA = 32 * 2**20
"""Bytes, as of a manifest. One of 16,384 columns has some 2 KiB for each."""
LARGEST_LINE = LARGEST_SCHEMA
"""Bytes of what is told of one version."""
LARGEST_EVIDENCE = 64 * 2**10
"""Bytes of what one column's evidence is as JSON."""
_LONGEST_FORMAT = 1000
_MOMENTS: tuple[ColumnType, ...] = ("date", "datetime", "time")
_NUL = "it holds the NUL character"
_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)

T = TypeVar("T")


class _Column(Struct, frozen=True):
    """One of the columns that an archive tells; `evidence` is decoded on its own."""

    name: str
    type: ColumnType
    nullable: bool
    description: Description | None
    format: Annotated[str, Meta(max_length=_LONGEST_FORMAT)] | None
    evidence: Raw


class _Columns(Struct, frozen=True):
    columns: tuple[_Column, ...]


class ArchivedSchema(Struct, frozen=True):
    """The columns of a dataset, and for each its evidence as JSON."""

    columns: tuple[Column, ...]
    evidence: tuple[bytes | None, ...]

    def named(self, name: str | None) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)


class Contents:
    """An archive whose manifest makes sense. Blocking.

    Everything here raises UnreadableFile, with the file's name and the reason, where that is not so.
    """

    def __init__(self, files: ArchivedFiles, limits: ReadLimits) -> None:
        if MANIFEST not in files:
            raise UnreadableFile(f"This ZIP archive is no export of a workspace: it has no {MANIFEST}.")
        self._files = files
        self._limits = limits
        self.manifest = _manifest(files.read(MANIFEST, LARGEST_MANIFEST))

    def verify(self, progress: Progress) -> None:
        """All files are there, as the manifest says they are."""
        for at, dataset in enumerate(self.manifest.datasets):
            for file in dataset.files:
                self._files.check(file)
            self._check_versions(dataset.versions.file)
            progress.reached(0, at / len(self.manifest.datasets))

    def _check_versions(self, file: str) -> None:
        number = 0
        for number, line in enumerate(self._files.lines(file, LARGEST_LINE), 1):
            _decoded(line, dict[str, Any], file, f"line {number:,}: ")
        if not number:
            raise _wrong(file, "it tells of no version")

    def schema(self, dataset: ArchivedDataset) -> ArchivedSchema:
        """The columns of a dataset. They are decoded each time."""
        file = dataset.schema.file
        told = _decoded(self._files.read(file, LARGEST_SCHEMA), _Columns, file).columns
        names = [column.name for column in told]
        if len(names) != dataset.columns:
            raise _wrong(file, f"it has {len(names):,} columns; the manifest says {dataset.columns:,}")
        if len(names) > self._limits.max_columns:
            raise _wrong(file, f"it has more columns than SHEAF_MAX_COLUMNS, {self._limits.max_columns:,}")
        if len(set(names)) < len(names) or not all(map(is_column_name, names)):
            wrong = f"a column is named twice, has no name or is called {RECORD_ID}, or it holds the NUL character"
            raise _wrong(file, wrong)
        evidence = tuple(_evidence(column, file) for column in told)
        columns = tuple(
            Column(key, each.name, each.type, each.format, each.nullable, each.description)
            for key, each in zip(keys_for(names, ()), told, strict=True)
        )
        schema = ArchivedSchema(columns, evidence)
        if dataset.key is not None and ((key := schema.named(dataset.key)) is None or key.nullable):
            raise _wrong(file, f"the key {shown(dataset.key)} is no column without nulls")
        return schema

    def source(self, dataset: ArchivedDataset, schema: ArchivedSchema) -> ExactSource:
        """The records of a dataset."""
        options, file = self.manifest.options, dataset.data
        texts = [at for at, column in enumerate(schema.columns) if column.type == "text"]
        return ExactSource(
            partial(self._files.open, file.file),
            [column.name for column in schema.columns],
            told_format=options.format,
            delimiter=WRITERS[options.format].delimiter(options) or "",
            size=file.bytes,
            limits=self._limits,
            mark=options.bom,
            ids=options.ids,
            guarded=texts if options.escape_formulas else None,
        )


def _manifest(data: bytes) -> Manifest:
    if _has_nul(data):
        raise _wrong(MANIFEST, _NUL)
    head = _decoded(data, ManifestHead, MANIFEST)
    if head.format != FORMAT:
        raise _wrong(MANIFEST, f"its format is {shown(head.format)}, not {FORMAT}")
    if head.format_version < 1:
        raise _wrong(MANIFEST, f"there is no version {head.format_version} of the format: the first is 1")
    if head.format_version > FORMAT_VERSION:
        told = f"this server reads version {FORMAT_VERSION} of the format, this is version {head.format_version}"
        raise _wrong(MANIFEST, f"{told}; import it where it was exported, or with a newer version")
    manifest = _decoded(data, Manifest, MANIFEST)
    options = manifest.options
    if options.format not in FORMATS:
        formats = " and ".join(FORMATS)
        raise _wrong(MANIFEST, f"only exports as {formats} can be imported; this one is of {shown(options.format)}")
    if options.null:
        raise _wrong(MANIFEST, f"null is written {shown(options.null)}; only exports without `null` can be imported")
    if len(manifest.datasets) > MOST_DATASETS:
        raise _wrong(MANIFEST, f"it has {len(manifest.datasets):,} datasets; one import takes {MOST_DATASETS:,}")
    _check_datasets(manifest)
    return manifest


def _check_datasets(manifest: Manifest) -> None:
    for what, values in (
        ("slug", [dataset.slug for dataset in manifest.datasets]),
        ("name", [dataset.name.lower() for dataset in manifest.datasets]),
        ("file", [file.file for dataset in manifest.datasets for file in dataset.files]),
    ):
        if (twice := _twice(values)) is not None:
            raise _wrong(MANIFEST, f"two datasets have the {what} {shown(twice)}")
    for dataset in manifest.datasets:
        if not is_slug(dataset.slug):
            raise _wrong(MANIFEST, f"{shown(dataset.slug)} is no slug")
        if dataset.kind != "table":
            raise _wrong(MANIFEST, f"{shown(dataset.slug)} is a dataset of the kind {shown(dataset.kind)}")
        try:
            check_name(dataset.name)
        except InvalidName as error:
            raise _wrong(MANIFEST, f"a dataset is called {shown(dataset.name)}: {error}") from error


def _twice(values: Collection[str]) -> str | None:
    return next((value for value, count in Counter(values).items() if count > 1), None)


def _evidence(column: _Column, file: str) -> bytes | None:
    """What is stored as a column's evidence. Raises UnreadableFile where that or the column makes no sense."""
    data, name = bytes(column.evidence), shown(column.name)
    if "\0" in column.name or _has_nul(data):
        raise _wrong(file, _NUL)
    if not _is_format(column):
        raise _wrong(file, f"column {name} has the format {shown(column.format or '')}")
    if len(data) > LARGEST_EVIDENCE:
        raise _wrong(file, f"the evidence of column {name} is longer than {LARGEST_EVIDENCE:,} bytes")
    try:
        told: Evidence | None = msgspec.json.decode(data, type=Evidence | None)
    except _UNREADABLE as error:
        raise _wrong(file, f"the evidence of column {name}: {described(error, data)}") from error
    return None if told is None else msgspec.json.encode(told)


def _is_format(column: _Column) -> bool:
    """Whether values can be written so: a boolean's casing, a moment's shape. A widened column keeps that of before."""
    form = column.format
    if form is None:
        return True
    if column.type not in _MOMENTS and form in BOOLEANS:
        return True
    value = form.replace("0000-00-00", "2000-01-01", 1)
    kinds = (column.type,) if column.type in _MOMENTS else _MOMENTS
    return column.type != "boolean" and any(accepts(kind, value) and shape(value) == form for kind in kinds)


def _decoded(data: bytes, kind: type[T], file: str, where: str = "") -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except _UNREADABLE as error:
        raise _wrong(file, where + described(error, data)) from error


def _has_nul(data: bytes) -> bool:
    """Whether a string in JSON holds what PostgreSQL cannot store; a backslash that is escaped begins nothing."""
    return rb"\u0000" in data and rb"\u0000" in data.replace(rb"\\", b"")


def _wrong(file: str, reason: str) -> UnreadableFile:
    return UnreadableFile(f"{shown(file)}: {reason}.")
