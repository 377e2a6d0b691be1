"""A failure as a problem, for those who ask later."""

from __future__ import annotations

from http import HTTPStatus

import msgspec

from backend.errors import AppError
from backend.schemas.problems import Problem


def problem_of(error: AppError) -> Problem:
    """What an answer would say of it."""
    return Problem(
        type="about:blank",
        title=HTTPStatus(error.status).phrase,
        status=error.status,
        status_code=error.status,
        detail=str(error),
        error_code="INTERNAL_ERROR" if type(error) is AppError else error.code(),
        errors=error.errors,
        version=error.version,
    )


def problem_json(error: BaseException) -> bytes:
    """The same as JSON; what is no failure of the caller's is told as `INTERNAL_ERROR`."""
    return msgspec.json.encode(problem_of(error if isinstance(error, AppError) else AppError()))
