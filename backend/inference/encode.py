"""A batch as lines for COPY, made by polars expressions over all rows at once."""

import json
from collections.abc import Sequence
from functools import lru_cache

import polars as pl

from backend.inference.batch import Batch, Kind
from backend.inference.dates import to_iso
from backend.inference.plan import ColumnPlan

_ESCAPES = {'"': '\\"', "\\": "\\\\"} | {chr(code): f"\\u{code:04x}" for code in range(32)}
_LINE = "line"


def encode(
    batch: Batch, plan: Sequence[ColumnPlan], keys: Sequence[str], first_id: int | pl.Series, version: int
) -> bytes:
    r"""`id \x02 version \x02 {"key":value,…} \n` for each row, ids as given or counted up from `first_id`.

    For `COPY … (FORMAT csv, QUOTE e'\x01', DELIMITER e'\x02')`: neither byte nor a raw line end is ever in the JSON.
    Nulls are left out. Numbers stand as in the source, digit by digit.
    """
    frame = batch.frame
    if not frame.height:
        return b""
    nulls = frame.null_count().row(0)
    live = [at for at, null in enumerate(nulls) if null < frame.height]
    full = [at for at in live if not nulls[at]]
    frame = _stored(batch, frame.select(pl.nth(live)), [plan[at] for at in live])
    height = batch.frame.height
    ids = pl.int_range(first_id, first_id + height) if isinstance(first_id, int) else pl.lit(first_id)
    parts: list[pl.Expr] = [ids.cast(pl.String)]
    pending = f"\x02{version}\x02{{"
    for at in full:
        opening, closing = _around(keys[at], plan[at])
        parts += [pl.lit(pending + opening), pl.col(str(at))]
        pending = closing + ","
    pending = pending.removesuffix(",")
    for at in live:
        if nulls[at]:
            opening, closing = _around(keys[at], plan[at])
            parts += [pl.lit(pending), pl.concat_str(pl.lit("," + opening), pl.col(str(at)), pl.lit(closing))]
            pending = ""
    parts.append(pl.lit(pending + "}\n"))
    lines = frame.select(pl.concat_str(parts, ignore_nulls=True).alias(_LINE)).to_series()
    text: bytes = lines.str.join("").cast(pl.Binary).item()
    return text if full else text.replace(b"\x02{,", b"\x02{")


def quoted(column: pl.Series, batch: Batch) -> pl.Series:
    """A column of `batch` as JSON texts: its strings in quotes, all else is JSON already."""
    if batch.kinds is None:
        return column
    strings = batch.kinds[column.name] == Kind.STRING
    if not strings.any():
        return column
    escaped = _escape([column])[0]
    return pl.select(pl.when(strings).then('"' + escaped + '"').otherwise(column)).to_series().rename(column.name)


def _stored(batch: Batch, frame: pl.DataFrame, plan: Sequence[ColumnPlan]) -> pl.DataFrame:
    """The columns with the text of each value as it stands in JSON, quotes apart."""
    escaped = [column for column, how in zip(frame.get_columns(), plan, strict=True) if how.type == "text"]
    changed = _escape(escaped)
    for column, how in zip(frame.get_columns(), plan, strict=True):
        if how.reading == "comma":
            changed.append(column.str.replace(",", ".", literal=True))
        elif how.reading:
            changed.append(to_iso(column, how.reading))
        elif how.type == "json" and not how.forced:
            changed.append(quoted(column, batch))
        elif how.json == "boolean" and (how.format or how.forced):
            changed.append(column.str.to_lowercase())
    return frame.with_columns(changed)


def _escape(columns: Sequence[pl.Series]) -> list[pl.Series]:
    if not columns:
        return []
    height = len(columns[0])
    stack = pl.concat(columns, rechunk=False).str.replace_many(_ESCAPES)
    return [stack.slice(place * height, height).rename(column.name) for place, column in enumerate(columns)]


@lru_cache(maxsize=65536)
def _around(key: str, plan: ColumnPlan) -> tuple[str, str]:
    quote = '"' if plan.json == "string" else ""
    return f"{json.dumps(key, ensure_ascii=False)}:{quote}", quote
