"""Readers: uploaded files in, batches of text columns out."""

from typing import BinaryIO

from backend.errors import UnsupportedFormat
from backend.readers.base import ReadLimits, Source
from backend.readers.containers import Unpacked, unpack
from backend.readers.contradictions import refuse_contradictions
from backend.readers.delimited import open_delimited
from backend.readers.json_source import open_json
from backend.readers.parquet import ParquetSource
from backend.readers.recognise import CONTAINERS, Format, recognise
from backend.readers.workbook import open_workbook
from backend.readers.workbook_sheets import SheetSources
from backend.schemas.imports import ImportOptions

__all__ = ["ReadLimits", "SheetSources", "Source", "open_sheets", "open_source"]


def open_source(
    file: BinaryIO,
    *,
    filename: str | None,
    media_type: str | None,
    options: ImportOptions,
    limits: ReadLimits,
    told: str | None = None,
    charset: str | None = None,
) -> Source:
    """The table in an uploaded file, recognised by content first, then by ending, then by media type.

    `file` is a real, seekable file; `told` the format that the caller insists on, `charset` the media type's. Raises
    UnsupportedFormat, UnreadableFile, Invalid for options that do not fit, TooLarge or LimitExceeded.
    """
    found, remark = recognise(file, filename, media_type)
    if found not in CONTAINERS:
        return _open(file, found, remark, filename, options=options, limits=limits, told=told, charset=charset)
    inner, name, kind, remark, told = _unpack(file, found, remark, filename, limits=limits, told=told)
    try:
        source = _open(inner, kind, remark, name, options=options, limits=limits, told=told, charset=None)
    except BaseException:
        inner.close()
        raise
    return Unpacked(source, inner)


def _unpack(
    file: BinaryIO, found: Format, remark: str | None, filename: str | None, *, limits: ReadLimits, told: str | None
) -> tuple[BinaryIO, str | None, Format, str | None, str | None]:
    """What is in a packed file: its bytes, name and format, with what is left of `remark` and `told`."""
    inner, name = unpack(file, found, filename, folder=limits.folder, limit=limits.max_inflated)
    try:
        kind, inner_remark = recognise(inner, name, None)
        if kind in CONTAINERS:
            raise UnsupportedFormat(f"The {found} file holds a {kind} file: only one level of packing is read.")
    except BaseException:
        inner.close()
        raise
    return inner, name, kind, inner_remark if told else remark or inner_remark, None if told == found else told


def _open(
    file: BinaryIO,
    found: Format,
    remark: str | None,
    filename: str | None,
    *,
    options: ImportOptions,
    limits: ReadLimits,
    told: str | None,
    charset: str | None,
) -> Source:
    refuse_contradictions(found, told, options)
    source: Source
    if found == "text":
        source = open_delimited(file, options=options, limits=limits, charset=charset)
    elif found in ("json", "ndjson"):
        source = open_json(file, options=options, limits=limits, charset=charset, lines=found == "ndjson")
    elif found == "parquet":
        source = ParquetSource(file, limits)
    else:
        source = open_workbook(file, format=found, filename=filename, options=options, limits=limits)
    if remark:
        source.warnings.add(remark)
    return source


def open_sheets(
    file: BinaryIO,
    *,
    filename: str | None,
    media_type: str | None,
    options: ImportOptions,
    limits: ReadLimits,
    told: str | None = None,
) -> SheetSources:
    """Each visible sheet of an uploaded workbook as a source of its own; `options.sheet` is `"*"`.

    Raises what `open_source` does, for the file at once and for a sheet when it is asked for.
    """
    found, remark = recognise(file, filename, media_type)
    packed = None
    if found in CONTAINERS:
        packed, filename, found, remark, told = _unpack(file, found, remark, filename, limits=limits, told=told)
    try:
        refuse_contradictions(found, told, options)
    except BaseException:
        if packed is not None:
            packed.close()
        raise
    return SheetSources(
        packed or file,
        format=found,
        filename=filename,
        options=options,
        limits=limits,
        remark=remark,
        owned=packed is not None,
    )
