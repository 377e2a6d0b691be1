"""A failure as a problem, for those who ask later."""

from __future__ import annotations

import msgspec

from backend.errors import AppError


def problem_json(error: BaseException) -> bytes:
    """What an answer would say of it; what is no failure of the caller's is told as `INTERNAL_ERROR`."""
    return msgspec.json.encode((error if isinstance(error, AppError) else AppError()).problem())
