"""Names that stand twice in one object of JSON text, where decoders keep the last value and drop the others."""

from __future__ import annotations

import json
from typing import Any

from backend.query.text import shown
from backend.schemas.problems import ErrorItem, pointer

_SHOWN = 200
"""Characters of a place that a message repeats."""


class _Twice(Exception):
    """Ends the decoding."""


class _Object(list[tuple[str, Any]]):
    """The members, also those whose name has been there before."""


def repeated(text: bytes, at: str = "") -> ErrorItem | None:
    """The first member whose name its object has already, in JSON text that stands at the pointer `at`.

    None where there is none, and for what is no JSON; nesting too deep to look for one is said as well.
    """
    try:
        _refusing(text.decode())
    except _Twice:
        return _place(_keeping(text.decode()), at)
    except ValueError:
        return None
    except RecursionError:
        return ErrorItem("It is nested too deep to be read", at, code="INVALID_JSON")
    return None


def _refuse(members: list[tuple[str, Any]]) -> None:
    if len(dict(members)) != len(members):
        raise _Twice


_refusing = json.JSONDecoder(object_pairs_hook=_refuse, parse_int=str, parse_float=str, strict=False).decode
_keeping = json.JSONDecoder(object_pairs_hook=_Object, parse_int=str, parse_float=str, strict=False).decode


def _place(top: Any, start: str) -> ErrorItem | None:
    waiting = [(start, top)]
    while waiting:
        at, value = waiting.pop()
        if isinstance(value, _Object):
            names: set[str] = set()
            for name, _ in value:
                if name in names:
                    return _fault(name, pointer(name, at))
                names.add(name)
            waiting += [(pointer(name, at), each) for name, each in reversed(value)]
        elif isinstance(value, list):
            waiting += [(f"{at}/{number}", each) for number, each in reversed(list(enumerate(value)))]
    return None


def _fault(name: str, place: str) -> ErrorItem:
    where = place if len(place) <= _SHOWN else place[:_SHOWN] + "…"
    return ErrorItem(f"{shown(name)} stands twice in one object ({where})", place, code="DUPLICATE_NAME")
