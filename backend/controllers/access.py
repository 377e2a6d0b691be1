"""What the OpenAPI document says of who may call."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Parameter
from litestar.plugins import ReceiveRoutePlugin
from litestar.routes import BaseRoute, HTTPRoute

from backend.controllers.problems import failures
from backend.schemas.access import Action
from backend.security.auth import action_of, is_public


class Access(ReceiveRoutePlugin):
    """Ends each description by which role and key the call takes. A handler that says neither does not start.

    Where the call takes a `workspace`, it documents the 409 of a slug that several of the caller's have.
    """

    def receive_route(self, route: BaseRoute) -> None:
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            if "OPTIONS" in handler.http_methods:
                continue
            if is_public(handler):
                handler.security = [{}]
            needs = "No key is needed." if is_public(handler) else _needs(action_of(handler))
            handler.description = "\n\n".join(part for part in (handler.description, needs) if part)
            if _names_a_workspace(handler):
                handler.responses = {**failures(409), **(handler.responses or {})}


def _names_a_workspace(handler: HTTPRouteHandler) -> bool:
    """By a parameter in its signature, or one that is documented because the handler reads it itself."""
    described = handler.operation_class().parameters or ()
    return "workspace" in handler.parsed_fn_signature.parameters or any(
        isinstance(each, Parameter) and each.name == "workspace" for each in described
    )


def _needs(action: Action) -> str:
    """`To list datasets: viewer, editor or owner; a key of scope read or write.`"""
    who = " or ".join(", ".join(action.roles).rsplit(", ", 1)) if action.in_workspace else "anyone"
    return f"To {action.words}: {who}; a key of scope {' or '.join(action.key_scopes)}."
