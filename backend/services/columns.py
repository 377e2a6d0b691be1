"""What columns may be called, and how many a dataset may have."""

from __future__ import annotations

from backend.errors import LimitExceeded
from backend.schemas.columns import RECORD_ID
from backend.schemas.problems import ErrorItem

UNNAMEABLE = f"A column name cannot be blank, hold a NUL character or be {RECORD_ID}, the record's own id."


def is_column_name(name: str) -> bool:
    return bool(name.strip()) and "\0" not in name and name != RECORD_ID


def check_columns(count: int, most: int, *, pointer: str | None = None) -> None:
    """Raises LimitExceeded for more than `most` columns; `pointer` says where they are asked for."""
    if count > most:
        text = f"The dataset would have {count:,} columns; SHEAF_MAX_COLUMNS is {most:,}."
        raise LimitExceeded(text, errors=[ErrorItem(text, pointer)] if pointer else ())
