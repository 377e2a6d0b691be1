"""Text of a query: names and lists that may be quoted, paths, and the nearest names when one is unknown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from backend.errors import InvalidQuery

_SHOWN = 80
_COMPARED = 2_000
_ITEM = re.compile(r'\s*+(?:"(?P<quoted>(?:[^"]|"")*)"\s*|(?!")(?P<bare>[^,]*))(?P<end>,|\Z)')
_STEP = re.compile(r'(?:^|(?<=\.))("(?:[^"]|"")*"(?=\.|\Z)|[^.]*)')


def shown(text: str) -> str:
    """A caller's text as an error message repeats it: quoted, and cut where it is long."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def why(error: Exception) -> str:
    """What msgspec says of a value, with an example where it names a standard only."""
    return str(error).replace("Invalid RFC3339 encoded datetime", "Expected a time such as 2027-01-31T00:00:00Z")


def clean(text: str) -> str:
    """The text itself. Raises InvalidQuery if PostgreSQL could not hold it."""
    if "\x00" in text:
        raise InvalidQuery("A query cannot hold the NUL character (%00).")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidQuery("A query cannot hold half a surrogate pair.") from None
    return text


def nearest(name: str, known: Iterable[str]) -> str:
    """The names most like an unknown one, as the end of a sentence; where none is like it, the first that there are."""
    names = list(dict.fromkeys(known))
    if not names:
        return "there are none"
    folded = {other.casefold(): other for other in reversed(names)}
    alike = sorted(folded, key=lambda other: abs(len(other) - len(name)))[:_COMPARED]
    close = get_close_matches(name[:200].casefold(), alike, n=3, cutoff=0.6)
    if close:
        return "the nearest is " + " or ".join(shown(folded[other]) for other in close)
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return "there are " + ", ".join(shown(other) for other in names[:10]) + more


def scan(pattern: re.Pattern[str], text: str) -> list[re.Match[str]]:
    """Every item of a comma-separated list; `pattern` matches one, and as `end` the comma behind it or nothing.

    Raises InvalidQuery where an item does not match.
    """
    matches, position = [], 0
    while True:
        match = pattern.match(text, position)
        if match is None:
            raise InvalidQuery(
                f"{shown(text[position:])} cannot be read: items stand between commas; one that begins with a double "
                "quote ends with one, and those inside are doubled."
            )
        matches.append(match)
        if match["end"] != ",":
            return matches
        position = match.end()


def items(text: str) -> list[str]:
    """The items of a list such as `a, "b, c"`: quoted ones to the letter, others without outer spaces."""
    return [
        match["bare"].strip() if match["quoted"] is None else match["quoted"].replace('""', '"')
        for match in scan(_ITEM, text)
    ]


def steps(path: str) -> list[str]:
    """Member names and list positions between dots; one that holds a dot is quoted."""
    return [
        step[1:-1].replace('""', '"') if step.startswith('"') and step.endswith('"') else step
        for step in _STEP.findall(path)
    ]
