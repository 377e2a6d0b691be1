"""Cursors: what travels, what must be repeated, what is refused."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
from msgspec import structs

from backend.errors import InvalidCursor
from backend.query.cursor import Cursor, decode, encode, fingerprint, resume
from backend.query.nodes import Query
from backend.query.seal import Seal
from backend.query.spec import parse_body, parse_params

SEAL = Seal()
DATASET = UUID("0190a000-0000-7000-8000-000000000000")
PARAMETERS = [("a", "gt:1"), ("b", "in:x,y"), ("sort", "-a"), ("limit", "50"), ("offset", "5"), ("as_of", "2026-01-01")]


def cursor(query: Query, **changes: object) -> Cursor:
    place = Cursor(DATASET, 3, "token", 17, fingerprint(query), query, 1000)
    return structs.replace(place, **changes)


def test_what_is_encoded_is_decoded() -> None:
    query = parse_params(PARAMETERS)
    token = encode(cursor(query), SEAL)
    assert token.isascii()
    assert token.replace("-", "").replace("_", "").isalnum()
    place = decode(token, SEAL)
    assert (place.dataset, place.version, place.token, place.last, place.total) == (DATASET, 3, "token", 17, 1000)
    assert resume(place, parse_params([("cursor", token)])) == structs.replace(query, cursor=token, given=frozenset())


def test_everything_may_be_repeated_in_any_order() -> None:
    place = decode(encode(cursor(parse_params(PARAMETERS)), SEAL), SEAL)
    resumed = resume(place, parse_params(PARAMETERS[::-1]))
    assert resumed.as_of == datetime(2026, 1, 1, tzinfo=UTC)
    assert resume(place, parse_params([("limit", "50")])) == resumed


def test_a_query_string_may_go_on_as_a_body() -> None:
    place = decode(encode(cursor(parse_params(PARAMETERS)), SEAL), SEAL)
    body = {"filters": {"b": {"in": ["x", "y"]}, "a": {"gt": 1}}, "sort_by": "a", "sort_order": "desc"}
    assert resume(place, parse_body(body)) == resume(place, parse_params([]))
    body["filters"]["a"] = {"gt": 2}
    with pytest.raises(InvalidCursor, match="may be repeated, not changed"):
        resume(place, parse_body(body))


@pytest.mark.parametrize(
    "changed",
    [("a", "gt:2"), ("sort", "a"), ("limit", "51"), ("select", "a"), ("q", "x"), ("count", "none"), ("version", "3")],
)
def test_nothing_may_be_changed(changed: tuple[str, str]) -> None:
    place = decode(encode(cursor(parse_params(PARAMETERS)), SEAL), SEAL)
    with pytest.raises(InvalidCursor, match="may be repeated, not changed"):
        resume(place, parse_params([changed]))


def test_a_long_query_has_to_be_repeated() -> None:
    parameters = [("a", "in:" + ",".join(map(str, range(1000)))), ("sort", "-a")]
    query = parse_params(parameters)
    token = encode(cursor(query), SEAL)
    assert len(token) < 200
    assert resume(decode(token, SEAL), parse_params(parameters)).where == query.where
    with pytest.raises(InvalidCursor, match="repeat every parameter"):
        resume(decode(token, SEAL), parse_params([("cursor", token)]))


def test_no_cursor_holds_the_one_before() -> None:
    query = parse_params(PARAMETERS)
    token = encode(cursor(query), SEAL)
    again = structs.replace(query, cursor=token)
    assert encode(cursor(again, fingerprint=fingerprint(query)), SEAL) == token


def test_a_fingerprint_is_of_the_meaning() -> None:
    query = parse_params([("a", "1"), ("b", "2")])
    assert fingerprint(query) == fingerprint(parse_params([("b", "2"), ("a", "1"), ("version", "7"), ("cursor", "x")]))
    assert fingerprint(query) == fingerprint(parse_body({"filters": {"b": 2, "a": 1}}))
    assert fingerprint(query) != fingerprint(parse_params([("a", "1"), ("b", "3")]))


def test_what_is_signed_and_no_cursor_is_refused() -> None:
    for told in (b"", msgspec.msgpack.encode([1, 2]), msgspec.msgpack.encode(["diff", b"", [1, 2], ["a", "b"], 3])):
        with pytest.raises(InvalidCursor, match="start again without one"):
            decode(SEAL.sealed(told), SEAL)
