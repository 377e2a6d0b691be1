"""Values brought to a type that the caller told: leniently, but never to another value."""

import json
import re
from decimal import Decimal
from typing import Any

import polars as pl

from backend.inference.dates import to_iso
from backend.inference.lattice import CLASSES, Reading, anchored, pattern, roomy, shape, storable
from backend.schemas.columns import ColumnType

_TRUE = ("true", "t", "yes", "y", "1", "on")
_FALSE = ("false", "f", "no", "n", "0", "off")
_EXPONENT = re.compile(r"-?[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]{1,4}")
_UNHOLDABLE = re.compile("[\0\ud800-\udfff]")


class Conversion:
    """How the values of one column become a told type; the first datetime or time met settles the column's shape."""

    def __init__(self, wanted: ColumnType, *, days: str | None, comma: bool) -> None:
        self._wanted = wanted
        self._days = days
        self._comma = comma
        self._shape: str | None = None

    def __call__(self, values: pl.Series) -> pl.Series:
        """The values as text of the type, null where a value cannot be one."""
        if self._wanted == "text":
            return values
        if self._wanted == "json":
            return _through(values, _one_line_json)
        fits = values.str.contains(anchored(CLASSES[self._wanted]))
        if self._wanted in {"datetime", "time"}:
            return self._in_shape(only(values, fits))
        if self._comma and self._wanted in {"integer", "number"}:
            fits = values.is_null()
        strange = values.filter(~fits).unique()
        if strange.is_empty():
            return self._roomy(values)
        known = pl.DataFrame({"value": strange, "loose": self._loosen(strange)})
        joined = values.rename("value").to_frame().join(known, on="value", how="left", maintain_order="left")
        mended = joined.select(pl.when(fits).then("value").otherwise("loose")).to_series()
        return self._roomy(mended.rename(values.name))

    def _loosen(self, values: pl.Series) -> pl.Series:
        bare = values.str.strip_chars()
        if self._wanted == "boolean":
            return bare.str.to_lowercase().replace_strict(
                [*_TRUE, *_FALSE], ["true"] * len(_TRUE) + ["false"] * len(_FALSE), default=None, return_dtype=pl.String
            )
        if self._wanted == "date":
            iso = only(bare, bare.str.contains(anchored(CLASSES["date"])))
            return iso.zip_with(iso.is_not_null(), to_iso(bare, self._days)) if self._days else iso
        if self._comma:
            bare = only(bare, ~bare.str.contains(".", literal=True)).str.replace(",", ".", literal=True)
        if (exponents := bare.str.contains("[eE]")).any():
            bare = bare.zip_with(~exponents, _through(bare, _expanded))
        bare = bare.str.replace(r"^\+", "").str.replace(r"^(-?)0+([0-9])", "$1$2").str.replace(r"^(-?)\.", "${1}0.")
        bare = bare.str.replace(r"\.0*$" if self._wanted == "integer" else r"\.$", "")
        bare = bare.str.replace(r"^-(0(?:\.0*)?)$", "$1")
        return only(bare, bare.str.contains(anchored(CLASSES[self._wanted])))

    def _in_shape(self, values: pl.Series) -> pl.Series:
        if self._shape is None and values.null_count() < len(values):
            self._shape = shape(str(values.drop_nulls()[0]))
        if self._shape is None:
            return values
        return only(values, values.str.contains(pattern(Reading(self._wanted, self._shape))))

    def _roomy(self, values: pl.Series) -> pl.Series:
        return only(values, roomy(values)) if self._wanted in {"integer", "number"} else values


def only(values: pl.Series, where: pl.Series) -> pl.Series:
    """The values where the mask is true, null elsewhere."""
    return pl.select(pl.when(where).then(values)).to_series().rename(values.name)


def _through(values: pl.Series, change: Any) -> pl.Series:
    """Each value through a Python function; only for values that are rare or told to be JSON."""
    return pl.Series(values.name, [None if v is None else change(v) for v in values.to_list()], dtype=pl.String)


def _expanded(value: str) -> str:
    return f"{Decimal(value):f}" if _EXPONENT.fullmatch(value) else value


def _one_line_json(value: str) -> str | None:
    """The JSON text on one line, as it is otherwise; None if it is not JSON, or none that PostgreSQL can hold."""
    try:
        parsed = json.loads(value, parse_constant=_refuse, parse_int=_number, parse_float=_number)
    except (ValueError, RecursionError):
        return None
    return value.translate({10: " ", 13: " "}) if _holdable(parsed) else None


def _number(text: str) -> str:
    number = Decimal(text)
    return text if storable(f"{number:f}" if abs(number.adjusted()) < 200_000 else _refuse(text)) else _refuse(text)


def _holdable(value: Any) -> bool:
    """Without recursion: what is nested as deep as can be stored goes deeper than calls can."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting += [*part.keys(), *part.values()]
        elif isinstance(part, list):
            waiting += part
        elif isinstance(part, str) and _UNHOLDABLE.search(part):
            return False
    return True


def _refuse(text: str) -> str:
    raise ValueError(text)
