"""What the driver's errors mean to callers."""

from __future__ import annotations

import re

import psycopg

from backend.errors import (
    AppError,
    BadRequest,
    Conflict,
    DatasetNameTaken,
    DatasetNotFound,
    DuplicateKeys,
    InvalidQuery,
    InvalidRecord,
    TagTaken,
    Unavailable,
    WorkspaceNotFound,
)
from backend.schemas.problems import ErrorItem

ERROR_BY_CONSTRAINT: dict[str | None, type[AppError]] = {
    "uq_datasets_name": DatasetNameTaken,
    "uq_datasets_slug": DatasetNameTaken,
    "uq_versions_tag": TagTaken,
}
_KEY_INDEX = re.compile("uq_records_[0-9a-f]{32}_key_[0-9a-f]{8}")
_KEY_VALUE = re.compile(r"\)=\((.*)\)", re.DOTALL)
"""In what PostgreSQL says of a value that is there already, in whatever language."""
_SWEPT = re.compile(r"\bws_[0-9a-f]{32}\b(\.records_)?")
"""In what PostgreSQL says of a schema or table that is not there, in whatever language."""
_SHOWN = 80


def translated(error: psycopg.Error, key: str | None = None) -> AppError | None:
    """What a driver error means to the caller, by SQLSTATE and constraint name; None: it is our fault.

    `key`: what the key column of the dataset that is written to is called.
    """
    if (known := _about_key(error, key) or _gone(error)) is not None:
        return known
    if isinstance(error, psycopg.errors.UniqueViolation):
        return ERROR_BY_CONSTRAINT.get(error.diag.constraint_name, Conflict)()
    if isinstance(error, psycopg.errors.InvalidRegularExpression):
        return InvalidQuery(f"The regular expression cannot be used: {error.diag.message_primary}.")
    if _is_about_nul(error):
        return BadRequest("Text cannot hold the NUL character.")
    if isinstance(error, psycopg.OperationalError | psycopg.errors.AdminShutdown):
        return Unavailable(headers={"Retry-After": "1"})
    return None


def _is_about_nul(error: psycopg.Error) -> bool:
    """By PostgreSQL, in text or as JSON's escape, or by the driver, which has no SQLSTATE for it."""
    if isinstance(error, psycopg.errors.UntranslatableCharacter):
        return True
    if isinstance(error, psycopg.errors.CharacterNotInRepertoire):
        return (error.diag.message_primary or "").endswith(": 0x00")
    return isinstance(error, psycopg.DataError) and error.sqlstate is None and "NUL (0x00)" in str(error)


def _about_key(error: psycopg.Error, key: str | None) -> AppError | None:
    """What the unique index on a key column does not take."""
    told = error.diag
    too_large = isinstance(error, psycopg.errors.ProgramLimitExceeded)
    if too_large and (key is not None or _KEY_INDEX.search(told.message_primary or "")):
        text = "A value in the key column is too long for a key, which takes 2,600 bytes; nothing was stored."
        return InvalidRecord(text, errors=[ErrorItem(text, column=key, code="INVALID_VALUE")])
    if not isinstance(error, psycopg.errors.UniqueViolation) or not _KEY_INDEX.fullmatch(told.constraint_name or ""):
        return None
    found = _KEY_VALUE.search(told.message_detail or "")
    value = found[1] if found else None
    shown = "a value" if value is None else repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "…")
    text = f"Two records would have {shown} in the key column{f' {key!r}' if key else ''}; nothing was stored."
    return DuplicateKeys(text, errors=[ErrorItem(text, column=key, code="DUPLICATE_KEY", value=value)])


def _gone(error: psycopg.Error) -> AppError | None:
    """What was swept while its caller was at it: a table of records, or all of a workspace."""
    if not isinstance(error, psycopg.errors.UndefinedTable | psycopg.errors.InvalidSchemaName):
        return None
    found = _SWEPT.search(error.diag.message_primary or "")
    return found and (DatasetNotFound() if found[1] else WorkspaceNotFound())
