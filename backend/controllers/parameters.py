"""What many handlers take."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from litestar import Request
from litestar.params import FromPath, FromQuery, HeaderParameter, QueryParameter

from backend.schemas.callers import Caller

CallerRequest: TypeAlias = Request[Caller, Any, Any]

Ref: TypeAlias = FromPath[str]
"""A dataset's id or slug."""
Workspace: TypeAlias = FromQuery[str | None]
"""The workspace that a slug is looked up in: its id or slug."""
IfMatch: TypeAlias = Annotated[str | None, HeaderParameter(name="If-Match")]

Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=1000)]
Offset: TypeAlias = Annotated[int, QueryParameter(ge=0, le=2**31)]
