"""A query as it arrives: from a query string, or from the JSON body of `POST …/query`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from backend.errors import InvalidQuery, UnknownParameter
from backend.query.filters import body_filter, parameter_condition
from backend.query.limits import check_count
from backend.query.nodes import MAX_LIMIT, PARAMETERS, And, Node, Query, Sort
from backend.query.text import clean, items, nearest, scan, shown
from backend.query.values import moment, whole

MEMBERS = ("columns", "filters", "sort_by", "sort_order", *(name for name in PARAMETERS if name != "select"))
"""Names in the body of a query."""

_COUNTS = ("exact", "bounded", "none")
MAX_SORTS = 20
_SORT = re.compile(
    r'\s*+(?P<minus>-?)\s*+(?:"(?P<quoted>(?:[^"]|"")+)"|(?!")(?P<bare>[^,]+?))\s*(?::(?P<order>asc|desc))?\s*(?P<end>,|\Z)',
    re.IGNORECASE,
)


def parse_params(
    params: Iterable[tuple[str, str]], *, extra: frozenset[str] = frozenset(), max_limit: int | None = MAX_LIMIT
) -> Query:
    """The query in a query string's parameters, decoded and in order.

    `extra`: parameters of this endpoint that are not ours to read. `max_limit`: None where any `limit` will do.
    Raises InvalidQuery. Which columns there are is only known to `compile_query`.
    """
    found: dict[str, Any] = {}
    conditions: list[Node] = []
    for name, text in params:
        if name in extra:
            continue
        clean(text)
        if name not in _FROM_TEXT:
            conditions.append(parameter_condition(clean(name), text))
        elif name in found:
            raise InvalidQuery(f"{name} is given twice.")
        else:
            found[name] = _FROM_TEXT[name](text)
    check_count(*conditions)
    if conditions:
        found["where"] = conditions[0] if len(conditions) == 1 else And(tuple(conditions))
    return _query(found, max_limit)


def parse_body(
    body: Mapping[str, Any], *, extra: frozenset[str] = frozenset(), max_limit: int | None = MAX_LIMIT
) -> Query:
    """The query in a JSON body (numbers decoded to int and Decimal). Raises InvalidQuery and UnknownParameter."""
    found: dict[str, Any] = {}
    for name, value in body.items():
        if name in extra:
            continue
        if name not in _FROM_JSON:
            raise UnknownParameter(f"There is no {shown(clean(name))} in a query; {nearest(name, MEMBERS)}.")
        if value is not None:
            found[_FIELDS.get(name, name)] = _FROM_JSON[name](name, value)
    order = found.pop("sort_order", "asc")
    if "sort_by" in found:
        first = Sort(found.pop("sort_by"), descending=order == "desc")
        found["sort"] = (first, *found.get("sort", ()))
    elif "sort_order" in body:
        raise InvalidQuery("sort_order needs sort_by.")
    return _query(found, max_limit)


def parse_filter(body: object) -> Node | None:
    """A FILTER inside of another body; None where it lets every record through. Raises InvalidQuery."""
    return body_filter(body)


def _query(found: dict[str, Any], max_limit: int | None) -> Query:
    if "version" in found and "as_of" in found:
        raise InvalidQuery("version and as_of cannot both be given.")
    limit = found.get("limit")
    if limit is not None and max_limit is not None and limit > max_limit:
        raise InvalidQuery(f"limit is a whole number from 1 to {max_limit:,}, not {limit}.")
    sorts = len(found.get("sort", ()))
    if sorts > MAX_SORTS:
        raise InvalidQuery(f"A query may sort by {MAX_SORTS} columns; this one has {sorts}.")
    return Query(**found, given=frozenset(found) - {"cursor"})


def parse_sort(text: str) -> tuple[Sort, ...]:
    """Sort terms such as `-amount, "odd, name":desc`. Raises InvalidQuery."""
    if not text.strip():
        raise InvalidQuery("sort names no column.")
    return tuple(_sort(match) for match in scan(_SORT, text))


def _sort(match: re.Match[str]) -> Sort:
    name = match["bare"] if match["quoted"] is None else match["quoted"].replace('""', '"')
    order = (match["order"] or "").lower()
    if match["minus"] and order:
        raise InvalidQuery(f"The order of {shown(name)} is given twice, by - and by :{order}.")
    return Sort(name, descending=bool(match["minus"]) or order == "desc")


def parse_names(text: str) -> tuple[str, ...]:
    """Column names separated by commas, which may be quoted. Raises InvalidQuery."""
    names = tuple(items(text))
    if "" in names:
        raise InvalidQuery("A column name is missing between the commas.")
    return names


def _whole(name: str, text: str, low: int) -> int:
    number = whole(text)
    if number is None or number < low:
        raise InvalidQuery(f"{name} is a whole number from {low} on, not {shown(text)}.")
    return number


def _limit(text: str) -> int:
    return _whole("limit", text, 1)


def _offset(text: str) -> int:
    if text.isdecimal() and whole(text) is None:
        raise InvalidQuery(f"offset is at most {10**18 - 1:,}, not {shown(text)}.")
    return _whole("offset", text, 0)


def _count(text: str) -> str:
    if text not in _COUNTS:
        raise InvalidQuery(f"count is exact, bounded or none, not {shown(text)}.")
    return text


def parse_moment(text: str) -> datetime:
    """An ISO 8601 date or datetime, in UTC where it does not say, as a moment in UTC. Raises InvalidQuery."""
    read = moment(text)
    if read is None:
        raise InvalidQuery(f"as_of is an ISO 8601 datetime such as 2026-11-01T12:00:00Z, not {shown(text)}.")
    point, fraction = read
    microseconds = int(fraction[:6].ljust(6, "0"))
    try:
        return point.replace(microsecond=microseconds, tzinfo=point.tzinfo or UTC).astimezone(UTC)
    except OverflowError as error:
        raise InvalidQuery(f"as_of is a moment of the years 1 to 9999 in UTC, which {shown(text)} is not.") from error


def _present(name: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not text:
            raise InvalidQuery(f"{name} is empty.")
        return text

    return read


_FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "sort": parse_sort,
    "select": parse_names,
    "limit": _limit,
    "offset": _offset,
    "cursor": _present("cursor"),
    "count": _count,
    "version": _present("version"),
    "as_of": parse_moment,
    "q": str,
}
_FIELDS = {"columns": "select", "filters": "where"}


def _from_text(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        raise InvalidQuery(f"{name} is a text.")
    return _FROM_TEXT[name](clean(value))


def _from_whole(name: str, value: Any) -> Any:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidQuery(f"{name} is a whole number.")
    return _FROM_TEXT[name](str(value))


def _version(name: str, value: Any) -> str:
    if isinstance(value, bool) or (isinstance(value, int) and value < 1):
        raise InvalidQuery(f"{name} is a number from 1 on, or a tag.")
    return str(value) if isinstance(value, int) else str(_from_text(name, value))


def _body_sort(name: str, value: Any) -> tuple[Sort, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise InvalidQuery(f"{name} is a text such as '-amount,date' or a list of such texts.")
    return tuple(term for text in texts for term in parse_sort(clean(text)))


def _body_names(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise InvalidQuery(f"{name} is a list of column names.")
    return tuple(clean(item) for item in value)


def _body_name(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidQuery(f"{name} is a column name.")
    return clean(value)


def _body_order(name: str, value: Any) -> str:
    if not isinstance(value, str) or value.lower() not in {"asc", "desc"}:
        raise InvalidQuery(f"{name} is asc or desc.")
    return value.lower()


_FROM_JSON: dict[str, Callable[[str, Any], Any]] = {
    "columns": _body_names,
    "filters": lambda _name, value: body_filter(value),
    "sort_by": _body_name,
    "sort_order": _body_order,
    "sort": _body_sort,
    "limit": _from_whole,
    "offset": _from_whole,
    "version": _version,
    **dict.fromkeys(("cursor", "count", "as_of", "q"), _from_text),
}
