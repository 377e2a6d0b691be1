"""Text as OOXML writes it: XML entities, line ends, and Excel's `_x000D_` escapes."""

from __future__ import annotations

import re
from collections.abc import Callable

import polars as pl

_ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")
_ENTITY = re.compile("&(#[0-9]+|#x[0-9A-Fa-f]+|lt|gt|amp|quot|apos);")
_NAMED = {"lt": "<", "gt": ">", "quot": '"', "apos": "'", "amp": "&"}


def escaped(text: str) -> str:
    """`text` with `_xHHHH_` escapes decoded; half of a surrogate pair stays as it is written."""
    decoded = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    try:
        return decoded.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        return _ESCAPE.sub(
            lambda found: found[0] if 0xD800 <= (code := int(found[1], 16)) < 0xE000 else chr(code), text
        )


def decode(raw: pl.Series) -> pl.Series:
    """The text behind raw XML character data that holds no markup."""
    if _any(raw, "\r"):
        raw = raw.str.replace_all("\r\n", "\n", literal=True).str.replace_all("\r", "\n", literal=True)
    if _any(raw, "&"):
        raw = _entities(raw)
    return unescape(raw)


def unescape(text: pl.Series) -> pl.Series:
    """Decode Excel's own escapes."""
    return _where(text, text.str.contains("_x", literal=True), escaped)


def _entities(raw: pl.Series) -> pl.Series:
    numeric = raw.str.contains("&#", literal=True)
    named = raw.str.replace_many([f"&{name};" for name in _NAMED], [*_NAMED.values()])
    return _where(raw.zip_with(numeric, named), numeric, lambda text: _ENTITY.sub(_character, text))


def _character(found: re.Match[str]) -> str:
    name = found[1]
    if name[0] != "#":
        return _NAMED[name]
    code = int(f"0{name[1:]}", 0) if name[1] == "x" else int(name[1:])
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else found[0]


def _any(text: pl.Series, piece: str) -> bool:
    return bool(text.str.contains(piece, literal=True).any())


def _where(text: pl.Series, mask: pl.Series, change: Callable[[str], str]) -> pl.Series:
    mask = mask.fill_null(value=False)
    return changed(text, mask, [change(item) for item in text.filter(mask)]) if mask.any() else text


def changed(text: pl.Series, mask: pl.Series, values: list[str]) -> pl.Series:
    """`text` with the rows under `mask` replaced by `values` in order."""
    rows = pl.int_range(len(text), dtype=pl.UInt32, eager=True)
    place = (mask.cum_sum() + (len(text) - 1)).cast(pl.UInt32).zip_with(mask, rows)
    return pl.concat([text, pl.Series(text.name, values, pl.String)]).gather(place)
