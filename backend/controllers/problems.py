"""Errors as `application/problem+json` (RFC 9457), and what the OpenAPI document says of them."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.plugins.problem_details import ProblemDetailsConfig, ProblemDetailsException, ProblemDetailsPlugin
from msgspec import structs

from backend.controllers.parameters import not_a_flag
from backend.errors import AppError, InvalidParameter, StorageFull, TooLarge
from backend.metrics import PROBLEMS
from backend.schemas.problems import PROBLEM_JSON, ErrorItem, Problem

log = structlog.get_logger()


class ProblemAnswer(ProblemDetailsException):
    """A failure on its way out."""

    def __init__(self, problem: Problem, headers: Mapping[str, str]) -> None:
        super().__init__(detail=problem.detail, status_code=problem.status, headers=dict(headers))
        self.problem = problem
        PROBLEMS.labels(problem.error_code).inc()

    def to_response(self, request: Request[Any, Any, Any]) -> Response[Any]:
        problem = structs.replace(self.problem, request_id=request.scope["state"].get("request_id"))
        return Response(problem, status_code=problem.status, headers=self.headers, media_type=PROBLEM_JSON)


def _from_app_error(error: AppError) -> ProblemAnswer:
    headers = error.headers if error.status != HTTPStatus.UNAUTHORIZED else {"WWW-Authenticate": "Bearer"}
    return ProblemAnswer(error.problem(), headers)


def _from_http(error: HTTPException, max_body: int) -> ProblemAnswer:
    if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return _from_app_error(TooLarge(f"The request body is larger than SHEAF_MAX_BODY, {max_body:,} bytes."))
    problem = Problem.of(error.status_code, error.detail, HTTPStatus(error.status_code).name)
    return ProblemAnswer(problem, error.headers or {})


def _from_validation(error: ValidationException) -> ProblemAnswer:
    """A parameter that is not what its handler takes; bodies are decoded by handlers themselves."""
    items = tuple(_parameter_item(item) for item in error.extra or [] if isinstance(item, dict))
    detail = "; ".join(item.message for item in items) or error.detail
    return _from_app_error(InvalidParameter(detail, errors=items))


def _parameter_item(item: dict[str, Any]) -> ErrorItem:
    name, message = item.get("key", "A parameter"), item.get("message", "")
    if message.startswith("Expected `bool`"):
        return not_a_flag(name).errors[0]
    return ErrorItem(f"{name}: {message}", code="INVALID_VALUE")


def _from_bug(error: Exception) -> ProblemAnswer:
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        log.error("storage_full", path=error.filename)
        return _from_app_error(StorageFull(headers={"Retry-After": "10"}))
    log.error("unexpected_error", exc_info=error)
    return _from_app_error(AppError())


def problem_details(max_body: int) -> ProblemDetailsPlugin:
    """Every failure as a problem; `max_body` is the largest JSON body, in bytes."""
    return ProblemDetailsPlugin(
        ProblemDetailsConfig(
            exception_to_problem_detail_map={
                AppError: _from_app_error,
                ValidationException: _from_validation,
                HTTPException: lambda error: _from_http(error, max_body),
                Exception: _from_bug,
            }
        )
    )


_MEANING = {
    304: "As the caller has it already; no body",
    400: "The request cannot be understood",
    401: "No valid API key",
    403: "This key may not do that",
    404: "Not found",
    409: "Conflicts with what is there",
    410: "A version that is no longer kept",
    412: "Changed since it was read",
    413: "Larger than a limit",
    415: "Not a format that can be imported",
    416: "The file has no such bytes",
    422: "The content is not valid",
    429: "More requests than this key, or address, may send",
    431: "An address and header fields of more than 64 KiB",
    503: "Try again in a moment",
}


def failures(*statuses: int) -> dict[int, ResponseSpec]:
    """These statuses as documented answers; 400, 401, 429, 431 and 503 are always among them."""
    return {status: _documented(status) for status in sorted({400, 401, 429, 431, 503, *statuses})}


def _documented(status: int) -> ResponseSpec:
    content = None if status == 304 else Problem
    return ResponseSpec(content, generate_examples=False, description=_MEANING[status], media_type=PROBLEM_JSON)
