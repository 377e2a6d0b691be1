"""The structure of JSON text, found in all of its bytes at once: which signs stand outside strings, and how deep."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from msgspec import Struct

Positions = npt.NDArray[np.int64]
Signs = npt.NDArray[np.uint8]

_QUOTE, _COMMA, _COLON, _OPEN, _CLOSE = b'",:{}'
_SPACE = np.zeros(256, np.bool_)
_SPACE[list(b" \t\r\n")] = True
_STRUCTURAL = np.zeros(256, np.bool_)
_STRUCTURAL[list(b'"{}[]:,')] = True
_STEP = np.zeros(256, np.int8)
_STEP[list(b"{[")] = 1
_STEP[list(b"}]")] = -1


class Structure(Struct, frozen=True):
    """Positions of `{}[]:,` outside strings, the signs there, and the depth behind each; it is 0 at the start."""

    at: Positions
    signs: Signs
    depth: Positions

    @classmethod
    def of(cls, text: bytes) -> Structure:
        at, signs = _outside(text)
        return cls(at, signs, np.cumsum(_STEP[signs], dtype=np.int64))

    def closed(self) -> int | None:
        """Where a bracket closes that was open before the text began."""
        below = np.flatnonzero(self.depth < 0)
        return int(self.at[below[0]]) if below.size else None

    def last_comma(self) -> int | None:
        """Where the last comma between two elements stands, before any such closing bracket."""
        return self._last((self.signs == _COMMA) & (self.depth == 0))

    def last_end(self) -> int | None:
        """Where the last whole object ends that stands by itself."""
        return self._last((self.signs == _CLOSE) & (self.depth == 0))

    def commas(self) -> int:
        """How many commas there are between elements."""
        return int(((self.signs == _COMMA) & (self.depth == 0)).sum())

    def objects(self) -> Positions:
        """Where objects begin that are in no other."""
        return np.compress((self.signs == _OPEN) & (self.depth == 1), self.at)

    def members(self) -> list[tuple[int, int]]:
        """For each member of the object that the text begins with: where its name begins, and the colon behind it."""
        colons = np.flatnonzero((self.signs == _COLON) & (self.depth == 1))
        return [(int(self.at[place - 1]) + 1, int(self.at[place])) for place in colons.tolist()]

    def _last(self, wanted: npt.NDArray[np.bool_]) -> int | None:
        below = np.flatnonzero(self.depth < 0)
        found = np.flatnonzero(wanted[: below[0]] if below.size else wanted)
        return int(self.at[found[-1]]) if found.size else None


def most_members(text: bytes) -> int:
    """How many members valid JSON text has at most, at any depth: so many colons stand behind a quote or white space.

    They may stand in values, too, or the text begins with one; so where decoding finds fewer members, nothing is said.
    """
    signs = np.frombuffer(text, np.uint8)
    before = signs[np.flatnonzero(signs == _COLON) - 1]
    return int(np.count_nonzero((before == _QUOTE) | _SPACE[before]))


def count_members(text: bytes) -> int:
    """How many members valid JSON text has, at any depth."""
    _, signs = _outside(text)
    return int((signs == _COLON).sum())


def _outside(text: bytes) -> tuple[Positions, Signs]:
    if b"\\" in text:
        text = text.replace(b"\\\\", b"__").replace(b'\\"', b"__")
    signs = np.frombuffer(text, np.uint8)
    at = np.flatnonzero(_STRUCTURAL[signs])
    signs = signs[at]
    quotes = signs == _QUOTE
    outside = ~quotes & (np.cumsum(quotes, dtype=np.int64) & 1 == 0)
    return at[outside], signs[outside]
