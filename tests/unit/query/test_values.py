"""Filter values as the column's type compares them, and the texts around them."""

from decimal import Decimal

import pytest

from backend.errors import InvalidQuery
from backend.query.patterns import literal_pattern, wild_pattern
from backend.query.sqltext import collation, literal, text_array
from backend.query.text import clean, nearest, shown
from backend.query.values import boolean, number, shaped, whole

UTC_SECONDS = "0000-00-00T00:00:00Z"
UTC_MILLIS = "0000-00-00T00:00:00.000Z"
LOCAL = "0000-00-00 00:00:00"
BERLIN_MINUTES = "0000-00-00 00:00+01:00"


class TestNumber:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("5", "5"),
            ("+5", "5"),
            ("-0.10", "-0.10"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1e3", "1E+3"),
            ("007", "7"),
            ("9" * 40, "9" * 40),
            ("0.1234567890123456789012345678901234567890", "0.1234567890123456789012345678901234567890"),
        ],
    )
    def test_is_exact(self, text: str, expected: str) -> None:
        assert number(text) == Decimal(expected)

    @pytest.mark.parametrize(
        "text", ["", "abc", "1,5", "1 000", "NaN", "Infinity", "0x10", "1_000", "٣", "1e", "1e99999", "9" * 1001, "5\n"]
    )
    def test_is_none(self, text: str) -> None:
        assert number(text) is None

    def test_a_record_id_is_whole(self) -> None:
        assert [whole(text) for text in ("17", "-1", "1.0", "9" * 18, "9" * 19)] == [17, -1, None, int("9" * 18), None]


def test_booleans_come_in_any_casing() -> None:
    assert [boolean(text) for text in ("true", "TRUE", "True", "1")] == [True] * 4
    assert [boolean(text) for text in ("false", "FALSE", "0")] == [False] * 3
    assert [boolean(text) for text in ("yes", "", "2")] == [None] * 3


class TestShaped:
    @pytest.mark.parametrize(
        ("form", "text", "expected"),
        [
            (UTC_SECONDS, "2025-01-31", "2025-01-31T00:00:00Z"),
            (UTC_SECONDS, "2025-01-31T10:20", "2025-01-31T10:20:00Z"),
            (UTC_SECONDS, "2025-01-31 10:20:30z", "2025-01-31T10:20:30Z"),
            (UTC_SECONDS, "2025-01-31T10:20:30+02:00", "2025-01-31T08:20:30Z"),
            (UTC_SECONDS, "2025-01-31T10:20:30 02:00", "2025-01-31T08:20:30Z"),
            (UTC_SECONDS, "2025-01-01T00:20:30+0100", "2024-12-31T23:20:30Z"),
            (UTC_SECONDS, "2025-01-31T10:20:30.000Z", "2025-01-31T10:20:30Z"),
            (UTC_SECONDS, "2025-01-31T10:20:30.5Z", "2025-01-31T10:20:30Z~"),
            (UTC_MILLIS, "2025-01-31T10:20:30.5Z", "2025-01-31T10:20:30.500Z"),
            (UTC_MILLIS, "2025-01-31T10:20:30,123456Z", "2025-01-31T10:20:30.123Z~"),
            (LOCAL, "2025-01-31T10:20:30", "2025-01-31 10:20:30"),
            (LOCAL, "2025-01-31T10:20:30-01:00", "2025-01-31 11:20:30"),
            (BERLIN_MINUTES, "2025-01-31T10:20", "2025-01-31 10:20+01:00"),
            (BERLIN_MINUTES, "2025-01-31T10:20:00Z", "2025-01-31 11:20+01:00"),
            (BERLIN_MINUTES, "2025-01-31T10:20:01Z", "2025-01-31 11:20+01:00~"),
            (None, "0999-01-31", "0999-01-31T00:00:00Z"),
        ],
    )
    def test_a_datetime(self, form: str | None, text: str, expected: str) -> None:
        assert shaped("datetime", form, text) == expected

    def test_a_date(self) -> None:
        assert shaped("date", "0000-00-00", "2025-01-31") == "2025-01-31"
        assert shaped("date", None, "2025-01-31T00:00:00+02:00") == "2025-01-31"
        assert shaped("date", None, "2025-01-31T00:00:01") == "2025-01-31~"

    def test_a_time(self) -> None:
        assert shaped("time", "00:00", "10:20") == "10:20"
        assert shaped("time", "00:00", "10:20:30") == "10:20~"
        assert shaped("time", "00:00:00.00", "10:20") == "10:20:00.00"

    @pytest.mark.parametrize(
        "text", ["", "x", "2025-02-30", "2025-1-3", "2025", "20250131", "2025-01-31T24:00", "2025-01-31T10", "10:20",
                 "2025-01-31T10:20+99:00", "0001-01-01T00:00+02:00", "2025-01-31T10:20:30Z\n"]
    )  # fmt: skip
    def test_is_none(self, text: str) -> None:
        assert shaped("datetime", UTC_SECONDS, text) is None

    @pytest.mark.parametrize("text", ["", "24:00", "10", "1:20", "2025-01-31T10:20"])
    def test_is_no_time(self, text: str) -> None:
        assert shaped("time", "00:00:00", text) is None


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("*ann*", "%ann%"),
        ("a_b%", "a_b%"),
        (r"\*", "*"),
        (r"\%\_\\", r"\%\_\\"),
        (r"C:\temp*", r"C:\\temp%"),
        ("\\", r"\\"),
    ],
)
def test_a_star_is_wild_unless_escaped(text: str, pattern: str) -> None:
    assert wild_pattern(text) == pattern


def test_a_literal_pattern_has_nothing_wild() -> None:
    assert literal_pattern(r"50%_\*") == r"50\%\_\\*"


class TestNearest:
    def test_is_the_name_meant(self) -> None:
        assert nearest("Amuont", ["date", "amount", "AMOUNTS"]) == "the nearest is 'amount' or 'AMOUNTS'"

    def test_else_shows_what_there_is(self) -> None:
        assert nearest("zzz", ["a", "b"]) == "there are 'a', 'b'"
        assert nearest("zzz", [f"column {n}" for n in range(12)]).endswith("'column 9' and 2 more")
        assert nearest("zzz", []) == "there are none"


def test_a_long_text_is_shown_in_part() -> None:
    assert shown("x" * 100) == f"'{'x' * 80}…'"


@pytest.mark.parametrize("text", ["a\x00", "\udfff"])
def test_what_postgresql_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(InvalidQuery):
        clean(text)


class TestSqlText:
    def test_literals_are_quoted(self) -> None:
        assert literal("it's") == "'it''s'"
        assert literal("100%") == "'100%%'"
        assert literal("a\\'") == r" E'a\\'''"
        assert text_array(["a,b", 'c"']) == r""" E'{"a,b","c\\""}'::text[]"""

    def test_collations_may_name_their_schema(self) -> None:
        assert collation("pg_catalog.C.utf8") == '"pg_catalog"."C.utf8"'
        assert collation("C.utf8") == '"C.utf8"'
        assert collation('odd"') == '"odd"""'
