"""If-Match and If-None-Match, by RFC 9110."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

import pytest

from backend.errors import PreconditionFailed
from backend.schemas.datasets import Dataset, Head, Store
from backend.services.preconditions import matches, require_match

ID, NOW = UUID(int=1), datetime(2026, 1, 1, tzinfo=UTC)
DATASET = Dataset(ID, "a", "A", None, "table", ID, ID, 7, 0, 0, 0, NOW, NOW)
HEAD = Head(DATASET, token="new", revision=0, store=Store(ID), open_schema=False, next_id=1)


@pytest.mark.parametrize(
    ("header", "etag", "weakly", "strongly"),
    [
        (None, '"a"', False, False),
        ('"a"', '"a"', True, True),
        ('"b"', '"a"', False, False),
        ("*", '"a"', True, True),
        ('"b", "a"', '"a"', True, True),
        ('"b","a"', '"a"', True, True),
        ('W/"a"', '"a"', True, False),
        ('"a"', 'W/"a"', True, False),
        ('W/"a"', 'W/"a"', True, False),
        ("a", '"a"', False, False),
        ("", '"a"', False, False),
    ],
)
def test_a_header_names_an_entity(header: str | None, etag: str, *, weakly: bool, strongly: bool) -> None:
    assert matches(header, etag, weak=True) is weakly
    assert matches(header, etag, weak=False) is strongly


@pytest.mark.parametrize(
    ("if_match", "part", "may"),
    [
        (None, None, True),
        ("*", None, True),
        ('"new.0"', None, True),
        ('"old.0", "new.0"', None, True),
        ('"old.0"', None, False),
        ('W/"new.0"', None, False),
        ("", None, False),
        ('"new.schema"', None, False),
        ('"new.schema"', '"new.schema"', True),
        ('"new.0"', '"new.schema"', True),
        ('"old.schema"', '"new.schema"', False),
    ],
)
def test_who_has_read_something_older_may_not_write(if_match: str | None, part: str | None, *, may: bool) -> None:
    assert refusal(if_match, part) == (None if may else ({"ETag": part or '"new.0"'}, 7))


def refusal(if_match: str | None, part: str | None) -> tuple[Mapping[str, str], int | None] | None:
    """What the refusal tells of what there is."""
    try:
        require_match(if_match, HEAD, part)
    except PreconditionFailed as refused:
        return refused.headers, refused.version
    return None
