"""What no handler should meet: parameters that are no text, numbers in paths that are not written as such."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

from litestar import Request

from backend.controllers.parameters import only_known_parameters
from backend.errors import InvalidParameter, NotFound
from backend.query.text import shown


async def only_well_formed(request: Request[Any, Any, Any]) -> None:
    """Before each handler. Raises InvalidParameter, NotFound, UnknownParameter."""
    scope = request.scope
    refuse_other_than_utf8(scope["query_string"])
    values: Iterable[object] = scope["path_params"].values()
    for value in values:
        if isinstance(value, int) and str(value) not in scope["path"].split("/"):
            raise NotFound  # Python's int() takes `1_0`, `+1` and ` 1` too
    await only_known_parameters(request)


def refuse_other_than_utf8(query_string: bytes) -> None:
    """Those who decode a query string put a replacement character in place of broken bytes and say nothing.

    Raises InvalidParameter.
    """
    if b"%" not in query_string:
        return
    for part in query_string.split(b"&"):
        plain = unquote_to_bytes(part)
        try:
            plain.decode()
        except UnicodeDecodeError:
            name = plain.partition(b"=")[0].decode(errors="replace")
            raise InvalidParameter(f"The parameter {shown(name)} is not UTF-8.") from None
