"""If-Match and If-None-Match, by RFC 9110."""

from __future__ import annotations

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


def test_without_if_match_anything_may_be_written() -> None:
    require_match(None, '"a"')


def test_who_has_read_something_older_is_told_what_there_is() -> None:
    with pytest.raises(PreconditionFailed) as caught:
        require_match('"old"', '"new"')
    assert caught.value.headers == {"ETag": '"new"'}
