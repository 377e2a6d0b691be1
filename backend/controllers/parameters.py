"""What many handlers take, and the refusal of what they do not know."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec
from litestar import Request
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, FromQuery, HeaderParameter, QueryParameter

from backend.errors import BadRequest, InvalidParameter, UnknownParameter
from backend.query.text import nearest, shown
from backend.schemas.callers import Caller
from backend.schemas.problems import ErrorItem

T = TypeVar("T")
CallerRequest: TypeAlias = Request[Caller, Any, Any]

Ref: TypeAlias = FromPath[str]
"""A dataset's id or slug."""
Workspace: TypeAlias = FromQuery[str | None]
"""The workspace that a slug is looked up in: its id or slug."""
IfMatch: TypeAlias = Annotated[str | None, HeaderParameter(name="If-Match")]

Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=1000)]
Offset: TypeAlias = Annotated[int, QueryParameter(ge=0, le=2**31)]

READS_PARAMETERS = {"reads_parameters": True}
"""Handler option: it reads the query string itself, and refuses what it does not know."""
_NO_FLAG = re.compile(r"Expected `bool`, got `\w+` - at `\$\.(\w+)`")


def header(request: CallerRequest, name: bytes, default: T) -> str | T:
    """A header's first value, without the table of all of them that `request.headers` makes."""
    return next((value.decode("latin-1") for key, value in request.scope["headers"] if key == name), default)


def wants_minimal(request: CallerRequest) -> bool:
    """Whether `Prefer: return=minimal` (RFC 7240) asks for an answer without the records themselves."""
    given = header(request, b"prefer", "").lower().replace(" ", "").replace('"', "")
    return "return=minimal" in given.replace(";", ",").split(",")


async def only_known_parameters(request: Request[Any, Any, Any]) -> None:
    """A query parameter that the handler does not take is refused, never ignored. Raises UnknownParameter.

    No guard: for those Litestar copies the handler on each request.
    """
    handler = request.route_handler
    if "reads_parameters" not in handler.opt:
        parameters_of(request, _declared(handler))


def parameters_of(request: Request[Any, Any, Any], known: Sequence[str]) -> dict[str, str]:
    """The query string's, which are all of these.

    Raises UnknownParameter with the nearest names, and InvalidParameter for one that is given twice.
    """
    given = list(request.query_params.multi_items())
    for name, _ in given:
        if name not in known:
            raise UnknownParameter(f"There is no parameter {shown(name)}; {nearest(name, known)}.")
    refuse_repeated(name for name, _ in given)
    return dict(given)


def refuse_repeated(names: Iterable[str]) -> None:
    """Raises InvalidParameter for the first name that is there twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidParameter(f"{shown(name)} is given twice.")
        seen.add(name)


def converted(values: Mapping[str, Any], kind: type[T], what: str, refusal: type[BadRequest] = BadRequest) -> T:
    """Parameters, which may be text, as one `kind`.

    Raises InvalidParameter for a flag that is none, and for all else `refusal`, which calls it `what`.
    """
    try:
        return msgspec.convert(values, kind, strict=False)
    except (msgspec.ValidationError, ValueError) as error:
        if found := _NO_FLAG.fullmatch(str(error)):
            raise not_a_flag(found[1]) from error
        raise refusal(f"{what} cannot be used: {error}.") from error


def flag(name: str, given: object) -> bool:
    """A flag, as text or JSON, where a handler reads it itself. Raises InvalidParameter."""
    try:
        return msgspec.convert(given, bool, strict=False)
    except msgspec.ValidationError as error:
        raise not_a_flag(name) from error


def not_a_flag(name: str) -> InvalidParameter:
    text = f"{name} is true or false."
    return InvalidParameter(text, errors=[ErrorItem(text, code="INVALID_VALUE")])


@cache
def _declared(handler: BaseRouteHandler) -> tuple[str, ...]:
    fields = handler.parsed_fn_signature.parameters
    return tuple(
        kwarg.name or name
        for name, field in fields.items()
        if isinstance(kwarg := field.kwarg_definition, QueryParameter)
    )
