"""Values of Parquet columns as exact text, each with its kind."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import polars as pl

from backend.errors import UnreadableFile
from backend.inference.batch import Kind

_UNITS = {"ms": 3, "us": 6, "ns": 9}
_FINITE = r"^-?[0-9]"


def digits(frame: pl.LazyFrame) -> dict[str, int]:
    """How many digits of the second each column of points in time needs: 0, 3, 6 or 9."""
    schema = frame.collect_schema()
    checks = []
    for at, (name, kind) in enumerate(schema.items()):
        if isinstance(kind, pl.Datetime | pl.Time):
            most = 9 if isinstance(kind, pl.Time) else _UNITS[kind.time_unit]
            number = pl.col(name).to_physical()
            checks += [
                (number % 10 ** (most - few) != 0).any().cast(pl.Int64).alias(f"{at} {few}")
                for few in range(0, most, 3)
            ]
    found = frame.select(checks).collect(engine="streaming").row(0, named=True) if checks else {}
    names = schema.names()
    needed: dict[str, int] = {}
    for label, beyond in found.items():
        at, few = map(int, label.split())
        needed[names[at]] = max(needed.get(names[at], 0), few + 3 if beyond else 0)
    return needed


def not_text(frame: pl.LazyFrame) -> set[str]:
    """Columns of bytes that are not all UTF-8."""
    names = [name for name, kind in frame.collect_schema().items() if kind == pl.Binary]
    found: set[str] = set()
    for part in frame.select(names).collect_batches() if names else ():
        found |= {values.name for values in part.iter_columns() if not _is_text(values)}
    return found


def _is_text(values: pl.Series) -> bool:
    try:
        values.cast(pl.String)
    except pl.exceptions.PolarsError:
        return False
    return True


def to_text(values: pl.Series, fraction: int, *, raw: bool) -> tuple[pl.Series, pl.Series]:
    """The text of each value and its kind. `fraction`: digits of the second; `raw`: bytes that are no text.

    Raises UnreadableFile for a type that is not known.
    """
    kind = values.dtype
    if kind.is_float():
        return _floats(values)
    if kind.is_nested():
        write = _writer(kind)
        made = [None if value is None else write(value) for value in values.cast(_readable(kind)).to_list()]
        return pl.Series(values.name, made, dtype=pl.String), _all(Kind.JSON, values)
    text, what = _plain(values, fraction, raw=raw)
    return text, _all(what, values)


def _plain(values: pl.Series, fraction: int, *, raw: bool) -> tuple[pl.Series, Kind]:
    kind = values.dtype
    end = f"%.{fraction}f" if fraction else ""
    if isinstance(kind, pl.Datetime):
        zone = "Z" if kind.time_zone else ""
        moments = values.dt.convert_time_zone("UTC") if zone else values
        return moments.dt.to_string(f"%Y-%m-%dT%H:%M:%S{end}{zone}"), Kind.DATETIME
    if kind == pl.Time:
        return values.dt.to_string(f"%H:%M:%S{end}"), Kind.TIME
    if isinstance(kind, pl.Duration):
        return values.dt.to_string("iso"), Kind.TEXT
    if kind == pl.Binary:
        return (values.bin.encode("base64") if raw else values.cast(pl.String)), Kind.TEXT
    if kind in (pl.Null, pl.String) or isinstance(kind, pl.Categorical | pl.Enum):
        return values.cast(pl.String), Kind.TEXT
    kinds = {pl.Boolean: Kind.BOOLEAN, pl.Date: Kind.DATE}
    what = Kind.NUMBER if kind.is_numeric() else kinds.get(type(kind))
    if what is None:
        raise UnreadableFile(f"The column {values.name!r} is of the type {kind}, which cannot be imported.")
    return values.cast(pl.String), what


def _all(kind: Kind, values: pl.Series) -> pl.Series:
    return pl.repeat(kind, len(values), dtype=pl.UInt8, eager=True)


def _floats(values: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The shortest digits of each number, never with a power of ten; what is no number is text."""
    text = values.cast(pl.String)
    powers = text.str.contains("e", literal=True).fill_null(value=False)
    if powers.any():
        text = text.scatter(powers.arg_true(), [plain_number(each) for each in text.filter(powers)])
    text = text.replace("-0.0", "0.0")
    finite = text.str.contains(_FINITE).fill_null(value=True)
    kinds = pl.select(pl.when(finite).then(pl.lit(Kind.NUMBER, pl.UInt8)).otherwise(pl.lit(Kind.TEXT, pl.UInt8)))
    return text, kinds.to_series()


def plain_number(text: str) -> str:
    """`1e-7` as `0.0000001`, `1e16` as `10000000000000000.0`."""
    plain = f"{Decimal(text):f}"
    return plain if "." in plain else f"{plain}.0"


def _readable(kind: pl.DataType) -> Any:
    """The type with texts for what Python could not hold exactly, or would only write out again."""
    if isinstance(kind, pl.List):
        return pl.List(_readable(kind.inner))  # type: ignore[arg-type]
    if isinstance(kind, pl.Array):
        return pl.List(_readable(kind.inner))  # type: ignore[arg-type]
    if isinstance(kind, pl.Struct):
        return pl.Struct({field.name: _readable(field.dtype) for field in kind.fields})  # type: ignore[arg-type]
    if kind == pl.Time or isinstance(kind, pl.Duration):
        return pl.Int64
    if kind.is_float() or kind.is_temporal():
        return pl.String
    return pl.String if isinstance(kind, pl.Categorical | pl.Enum) else kind


def _writer(kind: Any) -> Callable[[Any], str]:
    """What writes a value of the type as JSON."""
    if isinstance(kind, pl.List | pl.Array):
        inner = _writer(kind.inner)
        return lambda values: f"[{','.join('null' if value is None else inner(value) for value in values)}]"
    if isinstance(kind, pl.Struct):
        return _struct_writer(kind)
    if kind.is_float():
        return _float
    if kind.is_temporal():
        return _point_writer(kind)
    if kind.is_numeric():
        return lambda value: f"{value:f}" if isinstance(value, Decimal) else str(value)
    return _scalar


def _point_writer(kind: Any) -> Callable[[Any], str]:
    if isinstance(kind, pl.Date | pl.Datetime):
        return lambda value: json.dumps(value.replace(" ", "T"))
    how = "%H:%M:%S%.f" if kind == pl.Time else "iso"
    return lambda value: json.dumps(pl.Series([value]).cast(kind).dt.to_string(how)[0])


def _struct_writer(kind: pl.Struct) -> Callable[[Any], str]:
    fields = [(field.name, json.dumps(field.name, ensure_ascii=False), _writer(field.dtype)) for field in kind.fields]

    def write(value: dict[str, Any]) -> str:
        parts = [f"{label}:{'null' if value[name] is None else write(value[name])}" for name, label, write in fields]
        return "{" + ",".join(parts) + "}"

    return write


def _float(text: str) -> str:
    if text[-1] in "fFN":
        return json.dumps(text)
    return plain_number(text) if "e" in text else text.removeprefix("-") if text == "-0.0" else text


def _scalar(value: Any) -> str:
    if isinstance(value, bytes):
        value = base64.b64encode(value).decode()
    return json.dumps(value, ensure_ascii=False, default=str)
