"""Filter, sort, select and page as they come in a request."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import Raw

from backend.controllers.bodies import refuse_repeated_names
from backend.controllers.parameters import CallerRequest, flag, refuse_repeated
from backend.errors import BadRequest, InvalidBody
from backend.query.nodes import MAX_LIMIT, Query
from backend.query.spec import parse_body, parse_filter, parse_params
from backend.repositories.remembered import Remembered
from backend.schemas.problems import ErrorItem
from backend.services.record_lines import why_no_json

DESCRIPTION = (
    "Query parameters: any column as `column=operator:value`, and `sort`, `select`, `limit`, `offset`, `cursor`, "
    "`count`, `q`, `version`, `as_of`, `workspace`, `explain`."
)
MOST_PARAMETERS = 1_000
_parsed = Remembered[tuple[bytes, frozenset[str], int | None], tuple[str | None, Query]](4 * 2**20)
_DECODER = msgspec.json.Decoder(Any, float_hook=Decimal)


def string_members(request: CallerRequest, names: frozenset[str]) -> dict[str, str]:
    """Those of the query string's parameters that have one of these names."""
    members = [(name, value) for name, value in _pairs(request.scope["query_string"]) if name in names]
    refuse_repeated(name for name, _ in members)
    return dict(members)


def query_from_string(
    query_string: bytes, extra: frozenset[str] = frozenset(), *, max_limit: int | None = MAX_LIMIT
) -> tuple[str | None, Query]:
    """The workspace named and the query. Raises InvalidQuery, UnknownParameter."""
    key = query_string, extra | {"workspace"}, max_limit
    if (parsed := _parsed.get(key)) is None:
        parsed = _parse(*key)
        _parsed.put(key, parsed, len(query_string) + parsed[1].weight)
    return parsed


EXPLAIN = frozenset({"explain"})


def explain_asked(members: Mapping[str, Any]) -> bool:
    """Whether `explain` among the members of a query string or body is true. Raises InvalidParameter."""
    given = members.get("explain")
    return given is not None and flag("explain", given)


def version_asked(version: str | None, as_of: str | None) -> tuple[str | None, datetime | None]:
    """`version` and `as_of` where they stand alone, read as in a query. Raises InvalidQuery."""
    given = [("version", version), ("as_of", as_of)]
    query = parse_params([(name, value) for name, value in given if value is not None])
    return query.version, query.as_of


def _parse(query_string: bytes, extra: frozenset[str], max_limit: int | None) -> tuple[str | None, Query]:
    pairs = _pairs(query_string)
    refuse_repeated(name for name, _ in pairs if name == "workspace")
    workspace = next((value for name, value in pairs if name == "workspace"), None)
    return workspace, parse_params(pairs, extra=extra, max_limit=max_limit)


async def body_members(request: CallerRequest) -> dict[str, Any]:
    """The members of a JSON object; numbers are exact. Raises BadRequest."""
    text = await request.body() or b"{}"
    body = _decoded(text)
    refuse_repeated_names(text)
    if not isinstance(body, dict):
        raise BadRequest("The body must be a JSON object.")
    return body


def query_from_members(
    members: dict[str, Any], extra: frozenset[str] = frozenset(), *, max_limit: int | None = MAX_LIMIT
) -> Query:
    """The query in a body. Raises InvalidQuery, UnknownParameter."""
    return parse_body(members, extra=extra, max_limit=max_limit)


def filter_member(text: Raw) -> Query:
    """The query of a FILTER within a body, `{}` for all records. Raises InvalidQuery, InvalidBody."""
    where = _decoded(text)
    if where is None:
        reason = "`where` is a filter, {} the one that lets all records through; null is none."
        raise InvalidBody(reason, errors=[ErrorItem(reason, "/where")])
    return Query(parse_filter(where))


def _decoded(text: bytes | Raw) -> Any:
    try:
        return _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadRequest(f"The body is not valid JSON: {why_no_json(error)}.") from error


def _pairs(query_string: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query_string.decode("latin-1"), keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
    except ValueError as error:
        raise BadRequest(f"There are more than {MOST_PARAMETERS:,} query parameters.") from error
