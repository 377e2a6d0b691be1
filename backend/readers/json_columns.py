"""Records of JSON as columns of text, each cell with its kind."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from operator import itemgetter

import msgspec
import polars as pl
from msgspec import Raw

from backend.errors import LimitExceeded, UnreadableFile
from backend.inference.batch import Batch, Kind
from backend.readers.base import ReadLimits
from backend.readers.headers import clean_names
from backend.readers.json_errors import twice
from backend.readers.json_pieces import Piece, Record
from backend.readers.json_scan import count_members, most_members
from backend.readers.limits import refuse_long_values, zero_value
from backend.schemas.imports import Warnings

CELLS = 4_000_000
"""Most cells of one batch, nulls included: records may have few of many columns."""
_NULL = Raw(b"null")
_LONG = 16_000
"""Digits, or power of ten, beyond which a number may not fit into a database's: such are kept as text."""
_POWER = "[eE][+-]?[0-9]{4}"
_LINES = msgspec.json.Encoder()
_NESTED = msgspec.json.Decoder(float_hook=str)


class Columns:
    """Turns records into batches; names join in the order in which they are first seen.

    `what`: what rows are called to a person, `line` or `record`.
    """

    def __init__(self, limits: ReadLimits, warnings: Warnings, *, what: str) -> None:
        self.names: list[str] = []
        self._keys: dict[str, int] = {}
        self._limits = limits
        self._warnings = warnings
        self._what = what

    def batches(self, piece: Piece) -> Iterator[Batch]:
        """The records of a piece. Raises UnreadableFile for a name that stands twice in an object or a NUL."""
        self._learn(piece)
        members, most = sum(map(len, piece.records)), most_members(piece.text)
        check = members != most
        size = max(64, CELLS // max(1, len(self._keys)))
        made = []
        for start in range(0, len(piece.records), size):
            rows = pl.Series("row", piece.rows[start : start + size], pl.UInt32)
            batch, nested = self._batch(piece.records[start : start + size], rows, check=check)
            members += nested
            made.append(batch)
        if check and members != most and members != count_members(piece.text):
            raise twice(piece.raws(), piece.rows.tolist(), self._what)
        yield from made

    def _learn(self, piece: Piece) -> None:
        new = set().union(*piece.records) - self._keys.keys()
        if not new:
            return
        ordered = [key for record in piece.records for key in record if key in new]
        fresh = list(dict.fromkeys(ordered))
        if any("\0" in key for key in fresh):
            raise UnreadableFile("A name of a member holds the character \\u0000, which cannot be stored.")
        if (width := len(self._keys) + len(fresh)) > self._limits.max_columns:
            limit = self._limits.max_columns
            raise LimitExceeded(f"The records have {width:,} different names, more than SHEAF_MAX_COLUMNS, {limit:,}.")
        self.names[:] = clean_names([*self.names, *fresh], self._warnings, row=None)
        self._keys.update(zip(fresh, range(len(self._keys), width), strict=True))

    def _batch(self, records: Sequence[Record], rows: pl.Series, *, check: bool) -> tuple[Batch, int]:
        places = self._places(records)
        height, members = len(records), 0
        tokens = pl.DataFrame([_tokens(values).alias(str(at)) for at, values in places.items()])
        refuse_long_values(tokens, self.names, rows, self._limits, self._what)
        texts, kinds = self._cells(tokens, rows) if places else (tokens, tokens)
        for name in kinds.columns:
            nested = kinds[name] == Kind.JSON
            if nested.any():
                where = int(name)
                members += self._look_into(texts[name].filter(nested), rows.filter(nested), where, count=check)
        if len(places) < len(self._keys):
            names = [str(at) for at in range(len(self._keys))]
            empty = pl.repeat(None, height, dtype=pl.String, eager=True)
            nothing = pl.repeat(Kind.EMPTY, height, dtype=pl.UInt8, eager=True)
            texts = pl.DataFrame([texts[name] if name in texts else empty.alias(name) for name in names])
            kinds = pl.DataFrame([kinds[name] if name in kinds else nothing.alias(name) for name in names])
        return Batch(texts, rows, kinds, nested=True), members

    def _places(self, records: Sequence[Record]) -> dict[int, Sequence[Raw]]:
        """The values of each column that has any, by its position."""
        keys = list(self._keys)
        if len(keys) > 1 and set(map(len, records)) == {len(keys)}:
            return dict(enumerate(zip(*map(itemgetter(*keys), records), strict=True)))
        present: set[str] = set().union(*records)
        return {at: [record.get(key, _NULL) for record in records] for at, key in enumerate(keys) if key in present}

    def _cells(self, tokens: pl.DataFrame, rows: pl.Series) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The text of each value, null for null, and its kind."""
        every = pl.all()
        strings, nulls, escapes = (
            tokens.lazy()
            .select(
                pl.struct(every.str.starts_with('"').sum()).alias("s"),
                pl.struct((every == "null").sum()).alias("n"),
                pl.struct(every.str.contains("\\", literal=True).any()).alias("e"),
            )
            .collect()
            .row(0)
        )
        texts, kinds = [], []
        for name in tokens.columns:
            value = pl.col(name)
            text = value.str.strip_chars('"')
            if escapes[name]:
                text = pl.lit(self._unescaped(tokens[name], rows, int(name)))
            if strings[name] + nulls[name] == tokens.height:
                kinds.append(pl.lit(Kind.STRING, pl.UInt8).alias(f"kind {name}"))
            else:
                kinds.append(_kind(value).alias(f"kind {name}"))
            texts.append((pl.when(value != "null").then(text) if nulls[name] else text).alias(name))
        made = tokens.lazy().select(*texts, *kinds).collect()
        return made[tokens.columns], made[:, len(texts) :].rename(lambda name: name.removeprefix("kind "))

    def _unescaped(self, tokens: pl.Series, rows: pl.Series, at: int) -> pl.Series:
        """Strings without quotes and escapes, other values as they are. Raises UnreadableFile for a NUL."""
        escaped = tokens.str.contains("\\", literal=True) & tokens.str.starts_with('"')
        values = msgspec.json.decode("[" + ",".join(tokens.filter(escaped)) + "]", type=list[str])
        decoded = pl.Series(values, dtype=pl.String)
        if (zeros := decoded.str.contains("\0", literal=True)).any():
            raise zero_value(int(rows.filter(escaped).filter(zeros)[0]), self.names[at], self._what)
        return tokens.str.strip_chars('"').scatter(escaped.arg_true(), decoded)

    def _look_into(self, values: pl.Series, rows: pl.Series, at: int, *, count: bool) -> int:
        """How many members nested objects have. Raises UnreadableFile for what the database cannot hold."""
        zeros = values.str.contains("\\u0000", literal=True)
        wild = values.str.contains(f"[0-9]{{500}}|[0-9]{_POWER}")
        members = 0
        for place in (zeros | wild).arg_true():
            parsed = json.loads(values[place], parse_int=_short, parse_float=_short)
            if "\0" in "".join(_strings(parsed)):
                raise zero_value(int(rows[place]), self.names[at], self._what)
        if count:
            strange = zeros | wild
            for value in values.filter(strange):
                members += _members(json.loads(value, parse_int=str, parse_float=str))
            members += _members(_NESTED.decode("[" + ",".join(values.filter(~strange)) + "]"))
        return members


def _kind(value: pl.Expr) -> pl.Expr:
    """The kind of each value, by how it begins."""
    long = (value.str.len_bytes() > _LONG) | value.str.contains(_POWER)
    numbers = value.str.contains("^[-0-9]")
    return (
        pl.when(value.str.starts_with('"') | (numbers & long))
        .then(pl.lit(Kind.STRING, pl.UInt8))
        .when(numbers)
        .then(pl.lit(Kind.NUMBER, pl.UInt8))
        .when(value.is_in(["true", "false"]))
        .then(pl.lit(Kind.BOOLEAN, pl.UInt8))
        .when(value != "null")
        .then(pl.lit(Kind.JSON, pl.UInt8))
        .otherwise(pl.lit(Kind.EMPTY, pl.UInt8))
    )


def _tokens(values: Sequence[Raw]) -> pl.Series:
    """The text of each value as it stands in the file, on one line."""
    lines = _LINES.encode_lines(values)
    if lines.count(b"\n") != len(values) or b"\r" in lines:
        lines = b"\n".join(bytes(value).translate(_ONE_LINE) for value in values) + b"\n"
    return pl.Series([lines[:-1]]).cast(pl.String).str.split("\n").explode()


_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")


def _members(value: object) -> int:
    count = 0
    rest = [value]
    while rest:
        part = rest.pop()
        if isinstance(part, dict):
            count += len(part)
            rest.extend(part.values())
        elif isinstance(part, list):
            rest.extend(part)
    return count


def _strings(value: object) -> Iterator[str]:
    rest = [value]
    while rest:
        part = rest.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict):
            rest += [*part.keys(), *part.values()]
        elif isinstance(part, list):
            rest.extend(part)


def _short(text: str) -> str:
    """A nested number. Raises UnreadableFile for one that no number of the database can hold."""
    digits, _, power = text.lower().partition("e")
    if len(digits) > _LONG or len(power) > 6 or abs(int(power or 0)) > _LONG:
        raise UnreadableFile(f"A nested number is too long to be stored: {text[:40]}….")
    return text
