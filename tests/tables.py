"""Small tables through inference and encoding, for tests."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from backend.inference import Batch, Inference, encode
from backend.schemas.imports import ImportOptions, Warnings

Cells = Sequence[str | None]


def frame(columns: Mapping[str, Cells]) -> pl.DataFrame:
    return pl.DataFrame({str(at): pl.Series(cells, dtype=pl.String) for at, cells in enumerate(columns.values())})


def batches(
    columns: Mapping[str, Cells], *, splits: Sequence[int] = (), kinds: Sequence[Sequence[int]] = ()
) -> list[Batch]:
    """The table cut before the rows at `splits`; its first record is on line 2."""
    table = frame(columns)
    rows = pl.int_range(2, table.height + 2, dtype=pl.UInt32, eager=True)
    typed = pl.DataFrame({str(at): pl.Series(codes, dtype=pl.UInt8) for at, codes in enumerate(kinds)})
    ends = [*sorted(splits), table.height]
    starts = [0, *ends[:-1]]
    return [
        Batch(table[start:end], rows[start:end], typed[start:end] if kinds else None)
        for start, end in zip(starts, ends, strict=True)
    ]


def infer(
    columns: Mapping[str, Cells],
    *,
    splits: Sequence[int] = (),
    kinds: Sequence[Sequence[int]] = (),
    warnings: Warnings | None = None,
    **options: Any,
) -> tuple[Inference, list[Batch]]:
    """What inference says, and its batches as they are to be encoded."""
    inference = Inference(ImportOptions(**options), warnings)
    names = list(columns)
    cleaned = [inference.observe(batch, names) for batch in batches(columns, splits=splits, kinds=kinds)]
    inference.finish(names)
    return inference, cleaned


def types(columns: Mapping[str, Cells], **options: Any) -> dict[str, str]:
    inference, _ = infer(columns, **options)
    return {name: column.type for name, column in zip(columns, inference.plan(), strict=True)}


def records(data: bytes, version: int = 1) -> list[tuple[int, dict[str, Any]]]:
    """COPY lines parsed: id and object; numbers as `("number", text)`."""
    parsed = []
    for line in data.decode().split("\n")[:-1]:
        identity, added, text = line.split("\x02")
        assert added == str(version)
        assert "\x01" not in line
        parsed.append((int(identity), json.loads(text, parse_int=numeral, parse_float=numeral, parse_constant=refuse)))
    return parsed


def stored(columns: Mapping[str, Cells], **options: Any) -> list[dict[str, Any]]:
    """The records of a table as they would be stored."""
    inference, cleaned = infer(columns, **options)
    data = b"".join(encode(batch, inference.plan(), list(columns), 1, 1) for batch in cleaned)
    return [record for _, record in records(data)]


def numeral(text: str) -> tuple[str, str]:
    return "number", text


def refuse(word: str) -> None:
    raise AssertionError(word)
