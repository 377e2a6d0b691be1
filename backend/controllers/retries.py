"""What the OpenAPI document says of `Idempotency-Key`."""

from __future__ import annotations

from typing import Any, cast

from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Operation
from litestar.plugins import ReceiveRoutePlugin
from litestar.routes import BaseRoute, HTTPRoute

from backend.controllers.documented import parameter
from backend.controllers.problems import failures
from backend.security.idempotency import HEADER, is_repeatable

_KEY = parameter(
    HEADER,
    {"type": "string", "pattern": "^[!-~]{1,255}$"},
    "The same key and request within 24 hours: the first answer again, and nothing written twice.",
    where="header",
)


class Retries(ReceiveRoutePlugin):
    """Documents the header on each call that takes it, with the refusals that come of it."""

    def receive_route(self, route: BaseRoute) -> None:
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            if any(is_repeatable(handler, method) for method in handler.http_methods):
                _document(handler)


def _document(handler: HTTPRouteHandler) -> None:
    make = handler.operation_class

    def with_key(**known: Any) -> Operation:
        operation = make(**known)
        operation.parameters = [*(each for each in operation.parameters or () if each is not _KEY), _KEY]
        return operation

    handler.operation_class = cast("type[Operation]", with_key)
    handler.responses = {**failures(409, 422), **(handler.responses or {})}
