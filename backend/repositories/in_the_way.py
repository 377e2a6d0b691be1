"""Indexes from use that do not take a value that somebody writes."""

from __future__ import annotations

import re
from uuid import UUID

import psycopg

from backend.errors import AppError, Unavailable
from backend.schemas.datasets import Store

_NAME = re.compile("xu_([0-9a-f]{32})_([0-9a-f]{12})")
in_the_way: set[tuple[Store, str]] = set()
"""By store and digest, those that refused a write since somebody looked."""


def refused_by_index(error: psycopg.Error) -> AppError | None:
    """It is the index that has to go, and the caller to come again; None where no such index says so."""
    if not isinstance(error, psycopg.errors.ProgramLimitExceeded):
        return None
    found = _NAME.search(error.diag.message_primary or "")
    if found is None:
        return None
    in_the_way.add((Store(UUID(found[1])), found[2]))
    return Unavailable("A value is too long for an index, which is being removed.", headers={"Retry-After": "5"})
