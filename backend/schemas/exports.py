"""What an export may be told."""

import unicodedata
from decimal import Decimal
from typing import Literal

from msgspec import Struct


class Digits(Struct, frozen=True):
    """The number of a column that is farthest from zero, as a positive one, and the most digits after the point."""

    largest: Decimal
    fraction: int

    @property
    def whole(self) -> int:
        """The most digits before the point."""
        return max(self.largest.adjusted() + 1, 0)


class Span(Struct, frozen=True):
    """The first and the last of a column's datetimes, as they are written."""

    first: str
    last: str


Extent = Digits | Span

_DELIMITER_WORDS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}


class ExportOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """How the file is written. All but `format` and `ids` belong to CSV and TSV; `writers.writer_for` checks that.

    Raises `ValueError` for a delimiter or null word that would make the file ambiguous.
    """

    format: str = "csv"
    """A name in `writers.WRITERS`."""
    ids: bool = False
    """Put each record's id first, as `__id`."""
    bom: bool = False
    """Begin with a byte order mark, by which Excel knows UTF-8."""
    delimiter: str | None = None
    """One ASCII character, or one of the words `tab`, `comma`, `semicolon`, `pipe`; None: the format's own."""
    newline: Literal["crlf", "lf"] = "crlf"
    """The end of each record."""
    null: str = ""
    """What stands for null; a text that equals it is quoted."""
    escape_formulas: bool = False
    """Put an apostrophe before text that a spreadsheet would take for a formula (`writers.csv` says which)."""

    def __post_init__(self) -> None:
        if self.delimiter is not None:
            _check_delimiter(self.separator(""))
        if any(unicodedata.category(character) in {"Cc", "Cs"} for character in self.null):
            msg = "null cannot contain control characters"
            raise ValueError(msg)
        if set(self.null) & {'"', "\r", "\n", self.separator(",")}:
            msg = "null cannot contain a quote, a line end or the delimiter"
            raise ValueError(msg)

    def separator(self, default: str) -> str:
        """The delimiter as the character that it is, or `default` where none was given."""
        return default if self.delimiter is None else _DELIMITER_WORDS.get(self.delimiter, self.delimiter)


def _check_delimiter(delimiter: str) -> None:
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter.isalnum() or delimiter in '"\r\n\0':
        msg = "delimiter must be one ASCII character that is no letter, digit, quote or line end"
        raise ValueError(msg)
