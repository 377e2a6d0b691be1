"""The page that shows the OpenAPI document in a browser; all that it needs comes from here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get
from litestar.datastructures import CacheControlHeader
from litestar.exceptions import NotFoundException
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.response import File
from litestar.status_codes import HTTP_404_NOT_FOUND
from openapi_ui_bundles import swagger_ui

if TYPE_CHECKING:
    from litestar import Router

SCRIPT, PRESET, STYLE = ASSETS = ("swagger-ui-bundle.js", "swagger-ui-standalone-preset.js", "swagger-ui.css")
_MEDIA_TYPES = {"js": "text/javascript", "css": "text/css"}


class SchemaPage(SwaggerRenderPlugin):
    """Swagger UI below `base`, with its scripts beside it: a service without internet shows it too."""

    def __init__(self, base: str) -> None:
        super().__init__(
            path="/",
            js_url=f"{base}/{SCRIPT}",
            standalone_preset_js_url=f"{base}/{PRESET}",
            css_url=f"{base}/{STYLE}",
            favicon="<link rel='icon' href='data:,'>",
        )

    def receive_router(self, router: Router) -> None:
        """Adds the scripts; there is no OAuth to return from."""
        router.register(_asset)


def told_as_elsewhere(response: Response[Any]) -> Response[Any]:
    """After each request below the page. Raises NotFoundException for what Litestar would answer with a page."""
    if response.status_code == HTTP_404_NOT_FOUND:
        raise NotFoundException
    return response


@get([f"/{name}" for name in ASSETS], include_in_schema=False, cache_control=CacheControlHeader(max_age=86400))
async def _asset(request: Request[Any, Any, Any]) -> File:
    name = request.url.path.rpartition("/")[2]
    return File(
        swagger_ui.static_path / name,
        media_type=_MEDIA_TYPES[name.rpartition(".")[2]],
        content_disposition_type="inline",
    )
