"""If-Match and If-None-Match, by RFC 9110."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from backend.errors import PreconditionFailed
from backend.services.preconditions import matches, require_match


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
    ("if_match", "etag", "may"),
    [
        (None, '"new"', True),
        ("*", '"new"', True),
        ('"new"', '"new"', True),
        ('"old", "new"', '"new"', True),
        ('"old"', '"new"', False),
        ('W/"new"', '"new"', False),
        ("", '"new"', False),
    ],
)
def test_who_has_read_something_older_may_not_write(if_match: str | None, etag: str, *, may: bool) -> None:
    assert refusal(if_match, etag) == (None if may else ({"ETag": etag}, 7))


def refusal(if_match: str | None, etag: str) -> tuple[Mapping[str, str], int | None] | None:
    """What the refusal tells of what there is."""
    try:
        require_match(if_match, etag, 7)
    except PreconditionFailed as refused:
        return refused.headers, refused.version
    return None
