"""The body of POST …/query, and FILTER inside of other bodies."""

from decimal import Decimal
from typing import Any

import pytest

from backend.errors import InvalidQuery, UnknownParameter
from backend.query.nodes import And, Condition, Json, Node, Not, Or, Query, Sort
from backend.query.spec import parse_body, parse_filter


def condition(operator: str, *values: str | Json | None, column: str = "a") -> Condition:
    return Condition(column, operator, values)


def nested(depth: int) -> dict[str, Any]:
    return {"not": nested(depth - 1)} if depth > 1 else {"a": 1}


class TestFilter:
    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({"a": 1}, condition("eq", "1")),
            ({"a": "gt:1"}, condition("eq", "gt:1")),
            ({"a": True}, condition("eq", "true")),
            ({"a": Decimal("0.10")}, condition("eq", "0.10")),
            ({"a": None}, condition("is_null")),
            ({"a": {"eq": None}}, condition("is_null")),
            ({"a": {"ne": None}}, Not(condition("is_null"))),
            ({"a": {"not.eq": None}}, Not(condition("is_null"))),
            ({"a": ["x", "y"]}, condition("in", "x", "y")),
            ({"a": {"gt": 100, "lt": 1000}}, And((condition("gt", "100"), condition("lt", "1000")))),
            ({"a": {"in": [1, None]}}, condition("in", "1", None)),
            ({"a": {"in": []}}, condition("in")),
            ({"a": {"not.in": ["x"]}}, Not(condition("in", "x"))),
            ({"a": {"between": [1, 2]}}, condition("between", "1", "2")),
            ({"a": {"is_null": True}}, condition("is_null")),
            ({"a": {"is_null": False}}, Not(condition("is_null"))),
            ({"a": {"eq": {"b": [1]}}}, condition("eq", Json('{"b":[1]}'))),
            ({"or": [{"a": 1}, {"b": 2}]}, Or((condition("eq", "1"), condition("eq", "2", column="b")))),
            ({"and": [{"a": 1}]}, And((condition("eq", "1"),))),
            ({"not": {"a": 1}}, Not(condition("eq", "1"))),
            ([{"a": 1}, {"b": 2}], And((condition("eq", "1"), condition("eq", "2", column="b")))),
            ({"column": "or", "op": "eq", "value": 1}, condition("eq", "1", column="or")),
            ({"column": "a", "op": "is_null"}, condition("is_null")),
            (
                {"column": 1, "value": 2},
                And((condition("eq", "1", column="column"), condition("eq", "2", column="value"))),
            ),
            ({}, None),
            (None, None),
        ],
    )
    def test_reads(self, body: object, expected: Node | None) -> None:
        assert parse_filter(body) == expected

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ("a=1", "an object or a list"),
            ({"a": {"gtt": 1}}, "no operator 'gtt'; the nearest is 'gt'"),
            ({"a": {}}, "no operator"),
            ({"a": {"in": "x"}}, "takes a list"),
            ({"a": {"in": ["x"] * 1001}}, "at most 1,000 values"),
            ({"a": {"between": [1, None]}}, "takes two values"),
            ({"a": {"is_null": 1}}, "true or false"),
            ({"or": {"a": 1}}, "list of filters"),
            ({"or": []}, "list of filters"),
            ({"or": 5}, '"column": "or"'),
            ({"not": 5}, '"column": "not"'),
            ({"column": 1, "op": "eq"}, "are texts"),
            ({"a": "\x00"}, "NUL"),
            ({"a": {"eq": {"b": "\x00"}}}, "NUL"),
            ({"a": {"eq": {"\x00": 1}}}, "NUL"),
            ({"a": {"eq": [Decimal("1e99999")]}}, "digits"),
            ({"a": {"in": [[[[[[[[[[[[1]]]]]]]]]]]]}}, "10 deep"),
            (nested(12), "10 deep"),
            ([{"a": 1}] * 101, "100 conditions"),
        ],
    )
    def test_refuses(self, body: object, reason: str) -> None:
        with pytest.raises(InvalidQuery, match=reason):
            parse_filter(body)

    def test_may_be_ten_deep(self) -> None:
        assert parse_filter(nested(10)) is not None


class TestBody:
    def test_nothing_is_everything(self) -> None:
        assert parse_body({}) == Query()

    def test_reads_each(self) -> None:
        query = parse_body(
            {
                "columns": ["a", "b,c"],
                "filters": {"a": 1},
                "sort_by": "-odd",
                "sort_order": "desc",
                "sort": ["-amount", "date"],
                "limit": 50,
                "offset": 10,
                "cursor": None,
                "count": "none",
                "q": "word",
                "version": 7,
            }
        )
        assert query.select == ("a", "b,c")
        assert query.where == condition("eq", "1")
        assert query.sort == (Sort("-odd", descending=True), Sort("amount", descending=True), Sort("date"))
        assert (query.limit, query.offset, query.count, query.q, query.version) == (50, 10, "none", "word", "7")
        assert query.given == {"select", "where", "sort", "limit", "offset", "count", "q", "version"}

    def test_says_the_same_as_the_query_string(self) -> None:
        assert parse_body({"sort": "-a,b", "as_of": "2026-01-01", "version": None}).sort == (
            Sort("a", descending=True),
            Sort("b"),
        )

    @pytest.mark.parametrize(
        "body",
        [
            *({"limit": value} for value in (0, 1001, "5", 1.5, Decimal(5), True)),
            *({"offset": value} for value in (-1, "0")),
            *({"columns": value} for value in ("a", [], [1])),
            *({"sort": value} for value in (1, [1], "", {"a": 1})),
            *({"sort_by": value} for value in (1, "", ["a"])),
            *({"sort_by": "a", "sort_order": value} for value in ("down", 1)),
            {"sort_order": "desc"},
            *({name: 5} for name in ("cursor", "count", "q", "as_of", "filters")),
            {"version": -1},
            {"version": 1, "as_of": "2026-01-01"},
            {"q": "\x00"},
        ],
    )
    def test_refuses(self, body: dict[str, Any]) -> None:
        with pytest.raises(InvalidQuery):
            parse_body(body)

    def test_an_unknown_member_is_answered_with_the_nearest(self) -> None:
        with pytest.raises(UnknownParameter, match="no 'filter' in a query; the nearest is 'filters'"):
            parse_body({"filter": {}})

    def test_what_the_endpoint_reads_itself_is_left_to_it(self) -> None:
        assert parse_body({"format": "csv"}, extra=frozenset({"format"})) == Query()
