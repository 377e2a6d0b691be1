"""Raw cells as canonical text."""

from __future__ import annotations

import struct
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.errors import UnreadableFile
from backend.schemas.kinds import Kind
from backend.sheets import raw
from backend.sheets.formats import Format, classify
from backend.sheets.raw import Type
from backend.sheets.values import Values, canonical, no_strings


def one(
    value: str | None, code: str = "General", *, kind: Type = Type.NUMBER, from_1904: bool = False
) -> tuple[str, str | None] | None:
    """The kind and text of a single cell."""
    values = Values(no_strings, [Format(), classify(code)], from_1904=from_1904)
    _, cells = values.resolve(raw.frame([(0, 0, kind, 1, value, False)]))
    return (Kind(cells["kind"][0]).name, cells["text"][0]) if cells.height else None


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("5", "5"),
        ("-0.25", "-0.25"),
        ("0.10000000000000001", "0.1"),
        ("60.564999999999998", "60.565"),
        ("1.0", "1"),
        ("1E3", "1000"),
        ("1e21", "1000000000000000000000"),
        ("1.5e-7", "0.00000015"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("123456789012345", "123456789012345"),
        ("12345678901234567890", "12345678901234567000"),
        (" 7 ", "7"),
        ("+3", "3"),
        ("007", "7"),
        (".5", "0.5"),
        ("9007199254740993", "9007199254740992"),
    ],
)
def test_numbers_are_the_shortest_decimal_of_their_double(written: str, text: str) -> None:
    assert one(written) == ("NUMBER", text)


@given(st.floats(allow_nan=False, allow_infinity=False))
@settings(max_examples=300, deadline=None)
def test_every_double_comes_back(number: float) -> None:
    for written in (repr(number), f"{number:.17g}"):
        text = canonical(pl.Series([written]))[0]
        assert struct.pack("d", float(text)) == struct.pack("d", number + 0.0)
        assert "e" not in text
        assert len(text.replace("-", "").replace(".", "").strip("0")) == len(
            "".join(map(str, Decimal(repr(number)).as_tuple().digits)).strip("0")
        )


@pytest.mark.parametrize("text", ["abc", "1e400", "NaN", "inf", "0x10", "1_000"])
def test_what_is_no_number_stays_text(text: str) -> None:
    assert one(text) == ("TEXT", text)


@pytest.mark.parametrize(
    ("serial", "code", "kind", "text"),
    [
        ("45688", "yyyy-mm-dd", "DATE", "2025-01-31"),
        ("45688.5", "yyyy-mm-dd", "DATETIME", "2025-01-31T12:00:00"),
        ("45688.430902777778", "yyyy-mm-dd hh:mm:ss", "DATETIME", "2025-01-31T10:20:30"),
        ("45688", "yyyy-mm-dd hh:mm", "DATETIME", "2025-01-31T00:00:00"),
        ("44304.532412685185", "yyyy-mm-dd hh:mm", "DATETIME", "2021-04-18T12:46:40.456"),
        ("1", "d/m/yy", "DATE", "1900-01-01"),
        ("59", "d/m/yy", "DATE", "1900-02-28"),
        ("60", "d/m/yy", "DATE", "1900-02-28"),
        ("61", "d/m/yy", "DATE", "1900-03-01"),
        ("2958465", "d/m/yy", "DATE", "9999-12-31"),
        ("2958466", "d/m/yy", "NUMBER", "2958466"),
        ("-5", "d/m/yy", "NUMBER", "-5"),
        ("0", "d/m/yy", "NUMBER", "0"),
        ("0.25", "yyyy-mm-dd hh:mm", "TIME", "06:00:00"),
        ("0.43090277777777775", "hh:mm:ss", "TIME", "10:20:30"),
        ("0", "hh:mm", "TIME", "00:00:00"),
        ("0.999999999", "hh:mm:ss", "TIME", "23:59:59.999"),
        ("1.5", "hh:mm", "DATETIME", "1900-01-01T12:00:00"),
        ("1.2604166666666667", "[h]:mm:ss", "TEXT", "30:15:00"),
        ("-0.5", "[h]:mm", "TEXT", "-12:00:00"),
        ("0.00000578703703703704", "[h]:mm:ss.00", "TEXT", "0:00:00.500"),
        ("soon", "yyyy-mm-dd", "TEXT", "soon"),
        ("1069", "00000", "TEXT", "01069"),
        ("123456", "00000", "TEXT", "123456"),
        ("12345678", "000-00-0000", "TEXT", "012-34-5678"),
        ("1.5", "00000", "NUMBER", "1.5"),
        ("-7", "00000", "NUMBER", "-7"),
    ],
)
def test_number_formats_say_what_a_number_means(serial: str, code: str, kind: str, text: str) -> None:
    assert one(serial, code) == (kind, text)


@pytest.mark.parametrize(("serial", "text"), [("0", "1904-01-01"), ("44226", "2025-01-31"), ("59", "1904-02-29")])
def test_dates_counted_from_1904(serial: str, text: str) -> None:
    assert one(serial, "yyyy-mm-dd", from_1904=True) == ("DATE", text)


def test_a_column_with_fractions_of_seconds_keeps_one_shape() -> None:
    values = Values(no_strings, [classify("yyyy-mm-dd hh:mm:ss")], from_1904=False)
    serials = ["45688.430902777778", "45688.43090278935", "45689"]
    _, cells = values.resolve(raw.frame([(row, 0, Type.NUMBER, 0, text, False) for row, text in enumerate(serials)]))
    expected = ["2025-01-31T10:20:30.000", "2025-01-31T10:20:30.001", "2025-02-01T00:00:00.000"]
    assert cells.sort("row")["text"].to_list() == expected
    _, later = values.resolve(raw.frame([(9, 0, Type.NUMBER, 0, "45690", False)]))
    assert later["text"].to_list() == ["2025-02-02T00:00:00.000"]


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ("2025-01-31", "DATE", "2025-01-31"),
        ("2025-01-31T10:20:30", "DATETIME", "2025-01-31T10:20:30"),
        ("2025-01-31T10:20:30.5", "DATETIME", "2025-01-31T10:20:30.500"),
        ("2025-01-31T10:20:30.000Z", "DATETIME", "2025-01-31T10:20:30Z"),
        ("10:20:30", "TIME", "10:20:30"),
        ("PT9H05M01S", "TIME", "09:05:01"),
        ("PT10H10M10.123456S", "TIME", "10:10:10.123"),
        ("PT30H15M", "TEXT", "30:15:00"),
        ("-PT1H", "TEXT", "-1:00:00"),
        ("tomorrow", "TEXT", "tomorrow"),
    ],
)
def test_iso_values(value: str, kind: str, text: str) -> None:
    assert one(value, kind=Type.ISO) == (kind, text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1", ("BOOLEAN", "true")), ("0", ("BOOLEAN", "false")), ("true", ("BOOLEAN", "true")), ("5", ("TEXT", "5"))],
)
def test_booleans(value: str, expected: tuple[str, str]) -> None:
    assert one(value, kind=Type.BOOLEAN) == expected


def test_an_error_is_a_null_and_reported() -> None:
    values = Values(no_strings, (), from_1904=False)
    _, cells = values.resolve(raw.frame([(1, 2, Type.ERROR, 0, "#N/A", False)]))
    assert cells.select("text", "kind").row(0) == (None, Kind.ERROR)
    (problem,), total = values.take_problems()
    assert (problem.row, problem.column, problem.value, total) == (1, 2, "#N/A", 1)
    assert values.take_problems() == ((), 0)


def test_a_formula_without_value_is_reported() -> None:
    values = Values(no_strings, (), from_1904=False)
    _, cells = values.resolve(raw.frame([(0, 0, Type.NUMBER, 0, None, True)] * 150))
    problems, total = values.take_problems()
    assert cells.is_empty()
    assert (len(problems), total) == (100, 150)


def test_empty_text_is_no_cell() -> None:
    assert one("", kind=Type.TEXT) is None
    assert one(None) is None


def test_a_missing_shared_text_is_damage() -> None:
    values = Values(lambda: pl.Series(["a"]), (), from_1904=False)
    with pytest.raises(UnreadableFile, match="not there"):
        values.resolve(raw.frame([(0, 0, Type.SHARED, 0, "1", False)]))


def test_a_nul_character_is_refused_by_its_cell() -> None:
    values = Values(lambda: pl.Series(["fine", "a\0b"]), (), from_1904=False)
    with pytest.raises(UnreadableFile, match="Cell B3 holds a NUL"):
        values.resolve(raw.frame([(0, 0, Type.SHARED, 0, "0", False), (2, 1, Type.SHARED, 0, "1", False)]))
    with pytest.raises(UnreadableFile, match="Cell A1 holds a NUL"):
        values.resolve(raw.frame([(0, 0, Type.TEXT, 0, "\0", False)]))
