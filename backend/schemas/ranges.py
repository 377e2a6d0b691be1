"""Numbers in settings: sizes with units, and the range that each number has to be in."""

from __future__ import annotations

import re
from decimal import Decimal

from msgspec import Struct

_BINARY = {"TiB": 2**40, "GiB": 2**30, "MiB": 2**20, "KiB": 2**10}
_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12} | {
    name.lower(): bytes_ for name, bytes_ in _BINARY.items()
}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", re.IGNORECASE | re.ASCII)


class Size(int):
    """A number of bytes; settings take `2GiB`, `500 MB` or plain digits."""


class Range(Struct, frozen=True):
    """The least and the most that a setting takes."""

    least: float
    most: float

    def told(self, kind: type) -> str:
        """What a value of this kind has to be, for who gave another."""
        if kind is Size:
            return f"it must be a size from {_written(int(self.least))} to {_written(int(self.most))}"
        return f"it must be a {'whole ' if kind is int else ''}number from {self.least:,} to {self.most:,}"


def size(text: str) -> Size:
    """The size that is written. Raises ValueError."""
    match = _SIZE.fullmatch(text)
    if match is None or match[2].lower() not in _UNITS:
        raise ValueError(f"{text!r} is no size")
    return Size(Decimal(match[1]) * _UNITS[match[2].lower()])


def _written(number: int) -> str:
    unit = next((name for name, one in _BINARY.items() if number and number % one == 0), "")
    return f"{number // _BINARY.get(unit, 1)}{unit}"
