"""The query string: what is an operator, what is a value, which names mean what."""

import pytest

from backend.errors import InvalidQuery
from backend.query.nodes import And, Condition, Node, Not, Query, Sort
from backend.query.spec import parse_names, parse_params, parse_sort


def where(name: str, text: str) -> Node | None:
    return parse_params([(name, text)]).where


def condition(operator: str, *values: str, column: str = "a") -> Condition:
    return Condition(column, operator, values, bare=True)


class TestCondition:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("5", condition("eq", "5")),
            ("", condition("eq", "")),
            ("gt:5", condition("gt", "5")),
            ("gt", condition("eq", "gt")),
            ("GT:5", condition("eq", "GT:5")),
            ("eq:gt:30", condition("eq", "gt:30")),
            ("10:20:30", condition("eq", "10:20:30")),
            ("https://example.com/?a=b", condition("eq", "https://example.com/?a=b")),
            ("gte:2025-01-31T10:20:30+01:00", condition("gte", "2025-01-31T10:20:30+01:00")),
            ("ilke:*ann*", condition("eq", "ilke:*ann*")),
            ("not.eq:5", Not(condition("eq", "5"))),
            ("not.5", condition("eq", "not.5")),
            ("not.gt", condition("eq", "not.gt")),
            ("not.not.eq:5", condition("eq", "not.not.eq:5")),
            ("ne:5", condition("ne", "5")),
            ("in:new,paid", condition("in", "new", "paid")),
            ("not.in:a,b", Not(condition("in", "a", "b"))),
            ('in:a, "b, ""c""" ,', condition("in", "a", 'b, "c"', "")),
            ('in:5" pipe,7" pipe', condition("in", '5" pipe', '7" pipe')),
            ("eq:a,b", condition("eq", "a,b")),
            ('eq:"a"', condition("eq", '"a"')),
            ("between:1,10", condition("between", "1", "10")),
            ("is_null", condition("is_null")),
            ("is_null:", condition("is_null")),
            ("is_null:true", condition("is_null")),
            ("is_null:FALSE", Not(condition("is_null"))),
            ("not.is_null", Not(condition("is_null"))),
            ("not.is_null:false", condition("is_null")),
            ("is_not_null", condition("is_not_null")),
            ("eq:is_null", condition("eq", "is_null")),
        ],
    )
    def test_reads(self, text: str, expected: Node) -> None:
        assert where("a", text) == expected

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("between:1", "takes two values"),
            ("between:1,2,3", "takes two values"),
            ("is_null:maybe", "takes no value"),
            ('in:"a', "cannot be read"),
            ('in:"a"b,c', "cannot be read"),
            ("in:" + "," * 1000, "at most 1,000 values"),
            ("a\x00b", "NUL"),
            ("\ud800", "surrogate"),
        ],
    )
    def test_refuses(self, text: str, reason: str) -> None:
        with pytest.raises(InvalidQuery, match=reason):
            where("a", text)

    @pytest.mark.parametrize("name", ["limit", "a b", "filter[x]", "a]", '"', "ä:b", "not.", "__id", "a.b"])
    def test_brackets_take_any_name(self, name: str) -> None:
        assert where(f"filter[{name}]", "eq:5") == Condition(name, "eq", ("5",))

    def test_a_column_given_twice_must_satisfy_both(self) -> None:
        query = parse_params([("a", "gt:1"), ("a", "lt:5")])
        assert query.where == And((condition("gt", "1"), condition("lt", "5")))

    def test_has_at_most_100_conditions(self) -> None:
        parse_params([("a", "1")] * 100)
        with pytest.raises(InvalidQuery, match="100 conditions"):
            parse_params([("a", "1")] * 101)

    def test_what_the_endpoint_reads_itself_is_no_column(self) -> None:
        assert parse_params([("format", "csv"), ("a", "1")], extra=frozenset({"format"})).where == condition("eq", "1")


class TestSort:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("-amount,date", [Sort("amount", descending=True), Sort("date")]),
            ("date:desc", [Sort("date", descending=True)]),
            ("date:ASC , -b", [Sort("date"), Sort("b", descending=True)]),
            (" amount", [Sort("amount")]),
            ("-__id", [Sort("__id", descending=True)]),
            ('"odd, ""name""":desc', [Sort('odd, "name"', descending=True)]),
            ('-"-minus"', [Sort("-minus", descending=True)]),
            ('"a:desc"', [Sort("a:desc")]),
            ("a:b:desc", [Sort("a:b", descending=True)]),
            ("two words", [Sort("two words")]),
            ("address.city", [Sort("address.city")]),
        ],
    )
    def test_reads(self, text: str, expected: list[Sort]) -> None:
        assert list(parse_sort(text)) == expected

    @pytest.mark.parametrize("text", ["", " ", "a,,b", "a,", '"a', '"a"b', "-a:desc"])
    def test_refuses(self, text: str) -> None:
        with pytest.raises(InvalidQuery):
            parse_sort(text)


class TestParameters:
    def test_nothing_is_everything(self) -> None:
        assert parse_params([]) == Query()

    def test_reads_each(self) -> None:
        query = parse_params(
            [
                *(("sort", "-a"), ("select", 'a, "b,c"'), ("limit", "50"), ("offset", "10"), ("cursor", "xyz")),
                *(("count", "bounded"), ("q", "two words"), ("version", "audited-2026")),
            ]
        )
        assert (query.sort, query.select) == ((Sort("a", descending=True),), ("a", "b,c"))
        assert (query.limit, query.offset, query.cursor, query.count) == (50, 10, "xyz", "bounded")
        assert (query.q, query.version) == ("two words", "audited-2026")
        assert query.given == {"sort", "select", "limit", "offset", "count", "q", "version"}

    @pytest.mark.parametrize(
        ("text", "utc"),
        [
            ("2026-11-01T12:00:00Z", "2026-11-01T12:00:00+00:00"),
            ("2026-11-01", "2026-11-01T00:00:00+00:00"),
            ("2026-11-01T12:00:00.25+02:00", "2026-11-01T10:00:00.250000+00:00"),
            ("2026-11-01T12:00:00 02:00", "2026-11-01T10:00:00+00:00"),
        ],
    )
    def test_as_of_is_a_moment(self, text: str, utc: str) -> None:
        query = parse_params([("as_of", text)])
        assert query.as_of is not None
        assert query.as_of.isoformat() == utc

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            *(("limit", text) for text in ("0", "-1", "1001", "ten", "", "1.5", "٣", "9" * 30)),
            *(("offset", text) for text in ("-1", "x")),
            *(
                ("count", "some"),
                ("as_of", "yesterday"),
                ("as_of", "2026-13-01"),
                ("as_of", "9999-12-31T23:59:59-01:00"),
            ),
            *(
                ("version", ""),
                ("cursor", ""),
                ("select", ""),
                ("select", "a,,b"),
                ("sort", ""),
                ("sort", ",".join("a" * 21)),
            ),
        ],
    )
    def test_refuses(self, name: str, text: str) -> None:
        with pytest.raises(InvalidQuery):
            parse_params([(name, text)])

    @pytest.mark.parametrize("pairs", [[("limit", "5"), ("limit", "5")], [("version", "1"), ("as_of", "2026-01-01")]])
    def test_refuses_together(self, pairs: list[tuple[str, str]]) -> None:
        with pytest.raises(InvalidQuery):
            parse_params(pairs)

    def test_an_export_takes_any_limit(self) -> None:
        assert parse_params([("limit", "5000000")], max_limit=None).limit == 5_000_000

    def test_names_may_be_quoted(self) -> None:
        assert parse_names('a, "b, c" ,"d""e"') == ("a", "b, c", 'd"e')
