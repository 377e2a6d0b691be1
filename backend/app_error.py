"""What every failure that a caller can meet has; the failures themselves are in `backend.errors`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from msgspec import structs

from backend.schemas.problems import Current, ErrorItem, Problem


class AppError(Exception):
    """Something went wrong on our side."""

    status: ClassVar[int] = 500

    def __init__(
        self,
        message: str | None = None,
        *,
        errors: Sequence[ErrorItem] = (),
        headers: Mapping[str, str] | None = None,
        current: Sequence[Current] = (),
        version: int | None = None,
    ) -> None:
        """`current`: what the records in conflict hold now. `version`: of the dataset in conflict, its newest one."""
        super().__init__(message or self.__doc__)
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.current = tuple(current)
        self.version = version

    @classmethod
    def code(cls) -> str:
        return "INTERNAL_ERROR" if cls is AppError else re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).upper()

    def problem(self) -> Problem:
        """What an answer says of it."""
        plain = Problem.of(self.status, str(self), self.code())
        return structs.replace(plain, errors=self.errors, current=self.current, version=self.version)
