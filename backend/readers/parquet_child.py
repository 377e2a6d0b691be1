"""The child process that reads a Parquet file: what it holds comes out as text, within bounds of memory."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import BinaryIO

import msgspec
import polars as pl
from msgspec import Struct

from backend.errors import UnreadableFile
from backend.readers.parquet_text import digits, not_text, to_text
from backend.sheets.confine import confine, die_with_parent

CELLS = 500_000
"""Cells that are handed on at once."""
LARGE = 64 * 2**20
"""Bytes of text beyond which a part is handed on in halves."""


class ParquetJob(Struct, frozen=True):
    """What the child is asked for: memory in bytes; `file` and `out` are inherited file descriptors."""

    memory: int
    file: int
    out: int


class Head(Struct, frozen=True, tag="head"):
    """The first message."""

    names: list[str]
    rows: int
    notes: list[str]


class Part(Struct, frozen=True, tag="part"):
    """`rows` records; an Arrow stream of `size` bytes follows: for each column its text `t0`, … and kind `k0`, …."""

    size: int
    rows: int


class End(Struct, frozen=True, tag="end"):
    """All was read, or why nothing more can be."""

    refused: str | None = None


Message = Head | Part | End
decode_message = msgspec.json.Decoder(Message).decode
_encode = msgspec.json.Encoder().encode


def read(file: int, out: BinaryIO) -> None:
    """Write all messages about the file. Raises UnreadableFile, or whatever a damaged file makes polars raise."""
    source = pl.scan_parquet(f"/dev/fd/{file}")
    schema = source.collect_schema()
    rows = source.select(pl.len()).collect().item()
    fractions, raw = digits(source), not_text(source)
    _say(out, Head(schema.names(), rows, _notes(schema, raw)))
    size = max(64, min(65_536, CELLS // max(1, len(schema))))
    for frame in source.collect_batches(chunk_size=size, maintain_order=True):
        for start in range(0, frame.height, size):
            piece = frame[start : start + size]
            texts, kinds = [], []
            for at, values in enumerate(piece.iter_columns()):
                text, kind = to_text(values, fractions.get(values.name, 0), raw=values.name in raw)
                texts.append(text.alias(f"t{at}"))
                kinds.append(kind.alias(f"k{at}"))
            for part in _halves(pl.DataFrame([*texts, *kinds])):
                _hand_on(part, out)


def _notes(schema: pl.Schema, raw: set[str]) -> list[str]:
    notes = [f"The bytes in column {name!r} are no text: they are given in base64" for name in sorted(raw)]
    spans = [name for name, kind in schema.items() if isinstance(kind, pl.Duration)]
    return notes + [f"The durations in column {name!r} are given as ISO 8601 text" for name in spans]


def _halves(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    if frame.estimated_size() <= LARGE or frame.height < 2:
        yield frame
        return
    middle = frame.height // 2
    yield from _halves(frame[:middle])
    yield from _halves(frame[middle:])


def _hand_on(frame: pl.DataFrame, out: BinaryIO) -> None:
    stream = frame.write_ipc_stream(None, compat_level=pl.CompatLevel.oldest()).getvalue()
    _say(out, Part(len(stream), frame.height))
    out.write(stream)
    out.flush()


def _say(out: BinaryIO, message: Message) -> None:
    out.write(_encode(message) + b"\n")
    out.flush()


def main() -> None:
    """Do the job in the first argument."""
    job = msgspec.json.decode(sys.argv[1], type=ParquetJob)
    die_with_parent()
    confine(job.memory, largest_file=0)
    with os.fdopen(job.out, "wb") as out:
        try:
            read(job.file, out)
        except UnreadableFile as error:
            _say(out, End(str(error)))
        except pl.exceptions.PolarsError as error:
            _say(out, End(f"The Parquet file is damaged: {str(error).splitlines()[0][:200]}."))
        else:
            _say(out, End())


if __name__ == "__main__":
    main()
