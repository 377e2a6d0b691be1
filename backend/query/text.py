"""Text of a query: names and lists that may be quoted, and the nearest names when one is unknown."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from backend.errors import InvalidQuery

_SHOWN = 80
_COMPARED = 2_000


def shown(text: str) -> str:
    """A caller's text as an error message repeats it: quoted, and cut where it is long."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


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


def split(text: str, separator: str = ",") -> list[str]:
    """Parts between separators that stand outside of double quotes, quotes kept. Raises InvalidQuery: quote left open."""
    if '"' not in text:
        return text.split(separator)
    parts, start, quoted = [], 0, False
    for position, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif character == separator and not quoted:
            parts.append(text[start:position])
            start = position + 1
    if quoted:
        raise InvalidQuery(f"A double quote in {shown(text)} is not closed.")
    return [*parts, text[start:]]


def unquote(part: str) -> str:
    """The text meant by one part: what stands in its double quotes (`""` is one), else itself without outer spaces."""
    part = part.strip()
    if not part.startswith('"'):
        return part
    inner = part[1:-1]
    if len(part) < 2 or not part.endswith('"') or '"' in inner.replace('""', ""):
        raise InvalidQuery(f"{shown(part)} is not quoted as a whole; a double quote inside of quotes is doubled.")
    return inner.replace('""', '"')


def items(text: str) -> list[str]:
    """The items of a list such as `a, "b, c"`."""
    return [unquote(part) for part in split(text)]
