"""Problem details, RFC 9457."""

from __future__ import annotations

from http import HTTPStatus

from msgspec import Raw, Struct

PROBLEM_JSON = "application/problem+json"


class ErrorItem(Struct, frozen=True, omit_defaults=True):
    """One bad value: where it is and what is wrong with it. `record`: the id of the record that has it."""

    message: str
    pointer: str | None = None
    row: int | None = None
    column: str | None = None
    cell: str | None = None
    code: str | None = None
    record: int | None = None
    value: str | None = None


class Current(Struct, frozen=True):
    """What a record holds now in those fields that the request would have written otherwise."""

    id: int
    version: int
    data: dict[str, Raw]


class Problem(Struct, frozen=True, omit_defaults=True):
    """The body of every error answer, `application/problem+json`.

    Of a 412: `current` are the records in conflict, or `version` is the newest one of the dataset.
    """

    type: str
    title: str
    status: int
    status_code: int
    detail: str
    error_code: str
    request_id: str | None = None
    errors: tuple[ErrorItem, ...] = ()
    current: tuple[Current, ...] = ()
    version: int | None = None

    @classmethod
    def of(cls, status: int, detail: str, error_code: str) -> Problem:
        """One that needs no type of its own: its status says what it is."""
        return cls("about:blank", HTTPStatus(status).phrase, status, status, detail, error_code)


def pointer(name: str, at: str) -> str:
    """A JSON Pointer (RFC 6901) to a member of what `at` points to; "" is the whole body."""
    token = name.replace("~", "~0").replace("/", "~1")
    return f"{at}/{token}"
