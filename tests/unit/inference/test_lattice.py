from datetime import date

import polars as pl
import pytest

from backend.inference.lattice import Reading, any_typed, pattern, read, shape


@pytest.mark.parametrize("value", ["0", "7", "-1", "9007199254740993", "9" * 19, "-" + "9" * 40, "9" * 131_072])
def test_reads_integers_of_any_length(value: str) -> None:
    assert read(value) == Reading("integer")


@pytest.mark.parametrize("value", ["0.0", "0.10", "-0.5", "-0.001", "1.5", "123456789.987654321", "0." + "1" * 16_383])
def test_reads_numbers_digit_by_digit(value: str) -> None:
    assert read(value) == Reading("number")


@pytest.mark.parametrize(
    "value",
    [
        "", " ", "007", "+5", "-0", "-0.0", "-0.00", ".5", "5.", "1e5", "1,5", "1_000", " 1", "1 ", "1\n", "--1", "-",
        "NaN", "inf", "٣", "１", "1.2.3", "9" * 131_073, "0." + "1" * 16_384,
    ],
)  # fmt: skip
def test_what_a_number_would_not_give_back_is_text(value: str) -> None:
    assert read(value) == Reading("text")


@pytest.mark.parametrize(
    ("value", "form"),
    [("true", None), ("false", None), ("True", "True"), ("False", "True"), ("TRUE", "TRUE"), ("FALSE", "TRUE")],
)
def test_reads_booleans_with_their_casing(value: str, form: str | None) -> None:
    assert read(value) == Reading("boolean", form)


@pytest.mark.parametrize("value", ["tRUE", "yes", "1 ", "t", "Falsch"])
def test_other_words_are_text(value: str) -> None:
    assert read(value).type == "text"


def test_knows_the_calendar() -> None:
    years = [1, 4, 99, 100, 400, 999, 1000, 1900, 2000, 2023, 2024, 2100, 2400, 9999]
    for year in years:
        for month in range(14):
            for day in range(33):
                value = f"{year:04}-{month:02}-{day:02}"
                assert (read(value) == Reading("date", "0000-00-00")) == is_date(value), value


def is_date(value: str) -> bool:
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


@pytest.mark.parametrize(
    "value", ["0000-01-01", "0000-02-29", "2025-02-29", "2025-1-1", "20250101", "2025-01-01 ", "2025-W01-1"]
)
def test_no_such_day(value: str) -> None:
    assert read(value).type == "text" if value != "20250101" else read(value).type == "integer"


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("2025-01-31T10:20:30Z", "0000-00-00T00:00:00Z"),
        ("2025-01-31 10:20", "0000-00-00 00:00"),
        ("2025-01-31 10:20:30.1234567890", "0000-00-00 00:00:00.0000000000"),
        ("2025-01-31T10:20:30.123+02:00", "0000-00-00T00:00:00.000+02:00"),
        ("2025-01-31T10:20:30-0530", "0000-00-00T00:00:00-0530"),
        ("2025-01-31T10:20+02:00", "0000-00-00T00:00+02:00"),
        ("2024-02-29T23:59:59", "0000-00-00T00:00:00"),
    ],
)
def test_reads_datetimes_with_their_shape(value: str, form: str) -> None:
    assert read(value) == Reading("datetime", form)
    assert pl.Series([value]).str.contains(pattern(Reading("datetime", form))).item()


@pytest.mark.parametrize(
    "value",
    [
        "2025-01-31T24:00:00", "2025-01-31T10:60:00", "2025-01-31T10:20:60", "2025-02-30T10:20:30",
        "2025-01-31T10:20:30.",
        "2025-01-31T10:20:30z", "2025-01-31t10:20:30", "2025-01-31T10:20:30 Z", "2025-01-31  10:20", "2025-01-31T10",
        "2025-01-31T10:20:30+2", "2025-01-31T10:20:30+99:00", "2025-01-31T",
    ],
)  # fmt: skip
def test_no_such_datetime(value: str) -> None:
    assert read(value).type == "text"


@pytest.mark.parametrize(
    ("value", "form"), [("10:20", "00:00"), ("00:00:00", "00:00:00"), ("23:59:59.5", "00:00:00.0")]
)
def test_reads_times_with_their_shape(value: str, form: str) -> None:
    assert read(value) == Reading("time", form)


@pytest.mark.parametrize("value", ["24:00", "1:30", "10:20:60", "30:15:00", "10:20Z"])
def test_no_such_time(value: str) -> None:
    assert read(value).type == "text"


def test_decimal_comma_takes_the_place_of_the_point() -> None:
    assert read("1,5", decimal_comma=True) == Reading("number")
    assert read("1.5", decimal_comma=True) == Reading("text")
    assert read("1.234,5", decimal_comma=True) == Reading("text")
    assert read("15", decimal_comma=True) == Reading("integer")


def test_shape_keeps_the_zone() -> None:
    assert shape("2025-01-31T10:20:30-05:00") == "0000-00-00T00:00:00-05:00"


def test_one_pattern_tells_the_typed_from_text() -> None:
    values = pl.Series(["1", "1.5", "TRUE", "2025-01-01", "2025-01-01 10:00Z", "10:00", "x", "", "1\n"])
    assert values.str.contains(any_typed(decimal_comma=False)).to_list() == [True] * 6 + [False] * 3
