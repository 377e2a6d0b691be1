import msgspec
import pytest
from tables import infer

from backend.inference import Kind
from backend.schemas.imports import Evidence, SuggestedChange


def evidence(cells: list[str | None], **options: object) -> Evidence:
    return infer({"c": cells}, **options)[0].evidence()[0]


def test_counts_nulls_and_distinct() -> None:
    seen = evidence(["1", "2.5", None, "x", "true", "2024-01-01", "10:00", "2024-01-01 10:00", "x"])
    assert seen.counts == {
        "integer": 1, "number": 1, "boolean": 1, "date": 1, "time": 1, "datetime": 1, "text": 2,
    }  # fmt: skip
    assert (seen.nulls, seen.distinct, seen.longest) == (1, 7, 16)


@pytest.mark.parametrize(
    ("cells", "low", "high"),
    [
        (["10", "9", "-3"], "-3", "10"),
        (["9007199254740993", "9007199254740992"], "9007199254740992", "9007199254740993"),
        (["0.1" + "0" * 30 + "2", "0.1" + "0" * 30 + "1"], "0.1" + "0" * 30 + "1", "0.1" + "0" * 30 + "2"),
        (["1" + "0" * 310, "2", "1" + "0" * 309], "2", "1" + "0" * 199 + "…"),
        (["-" + "9" * 310, "-" + "8" * 310], "-" + "9" * 199 + "…", "-" + "8" * 199 + "…"),
        (["10", "9", "b", "Z"], "10", "b"),
        (["2024-01-02", "2023-12-31", None], "2023-12-31", "2024-01-02"),
        ([None], None, None),
    ],
)
def test_range_by_type(cells: list[str | None], low: str | None, high: str | None) -> None:
    for splits in ([], [1]):
        seen = evidence(cells, splits=splits if len(cells) > 1 else [])
        assert (seen.min, seen.max) == (low, high)


def test_range_of_text_that_began_as_numbers() -> None:
    seen = evidence(["10", "9", "a"], splits=[2])
    assert (seen.min, seen.max) == ("10", "a")


def test_long_values_are_cut() -> None:
    seen = evidence(["é" * 1000])
    assert (seen.longest, seen.max) == (1000, "é" * 200 + "…")


@pytest.mark.parametrize("splits", [[], [1], [2]])
def test_the_first_refusing_cells_are_named(splits: list[int]) -> None:
    seen = evidence(["10115", "01069", "007"], splits=splits)
    refusal = seen.refused["integer"]
    assert refusal.reason == "leading zero"
    assert (refusal.cells[0].row, refusal.cells[0].value) == (3, "01069")
    assert evidence(["01069", "10115"]).refused["integer"].cells[0].row == 2


@pytest.mark.parametrize(
    ("wanted", "cells", "reason"),
    [
        ("integer", ["1", "2.0"], "decimal point"),
        ("number", ["1", "-0"], "negative zero"),
        ("number", ["+5"], "plus sign"),
        ("number", ["1e5"], "exponent"),
        ("number", ["1,234.5"], "thousands separators"),
        ("number", ["1,5"], "decimal comma"),
        ("number", [".5"], "no digit before the point"),
        ("number", ["5."], "no digit after the point"),
        ("number", ["5 %"], "percent sign"),
        ("number", ["€ 5.00"], "currency or other sign"),
        ("number", [" 5"], "white space around"),
        ("number", [""], "empty text"),
        ("number", ["abc"], "not a number"),
        ("integer", ["1", "9" * 131_073], "more digits than a number can hold"),
        ("boolean", ["true", "TRUE"], "another casing than the cells before"),
        ("boolean", ["yes"], "another word than true or false"),
        ("date", ["2025-02-29"], "no such day"),
        ("date", ["13/04/2025"], "not written as YYYY-MM-DD"),
        ("date", ["2025-01-01 10:00", "x"], "a time follows"),
        ("datetime", ["2025-01-01T10:00", "2025-01-01T10:00:30"], "another format than 0000-00-00T00:00"),
        ("datetime", ["2025-01-01T24:00"], "no such day, time or zone"),
        ("datetime", ["2025-01-01", "x"], "no time of day"),
        ("time", ["24:00"], "no such time of day"),
    ],
)
def test_reasons(wanted: str, cells: list[str | None], reason: str) -> None:
    seen = evidence(cells)
    assert seen.refused[wanted].reason == reason
    assert seen.refused[wanted].cells[0].message == reason


def test_reasons_of_a_workbook_are_its_kinds() -> None:
    seen = evidence(["1", "2"], kinds=[[Kind.TEXT, Kind.TEXT]])
    assert seen.refused["integer"].reason == "text cell"
    seen = evidence(["1", "2"], kinds=[[Kind.NUMBER, Kind.TEXT]])
    assert (seen.refused["integer"].reason, seen.refused["integer"].cells[0].row) == ("cell of another kind", 3)


def test_a_strict_type_has_nothing_refused() -> None:
    assert evidence(["1", "2"]).refused == {}
    assert set(evidence(["1", "2.5"]).refused) == {"integer"}


DAY_FIRST = {"type": "date", "date_format": "%d/%m/%Y"}


@pytest.mark.parametrize(
    ("cells", "suggestion", "patch"),
    [
        (["1", "NA", "2"], "integer, null for NA", {"type": "integer", "null_values": ["NA"]}),
        (["1", "n/a", "2.5", "-"], "number, null for -, n/a", {"type": "number", "null_values": ["-", "n/a"]}),
        (["31.01.2024", "1.2.2024"], "date, day first", {"type": "date", "date_format": "%d.%m.%Y"}),
        (["01/31/2024", "02/01/2024"], "date, month first", {"type": "date", "date_format": "%m/%d/%Y"}),
        (["2024/1/31"], "date, year first", {"type": "date", "date_format": "%Y/%m/%d"}),
        (["31 Jan 2024", "1 FEB 2024"], "date, month by name", {"type": "date", "date_format": "%d %b %Y"}),
        (["Jan 31, 2024"], "date, month by name", {"type": "date", "date_format": "%b %d, %Y"}),
        (["31/01/2024", "?"], "date, day first, null for ?", DAY_FIRST | {"null_values": ["?"]}),
        (["31/01/2024", "2024-01-31"], "date, day first", DAY_FIRST),
        (["31/01/2024", "01/02/2024", "31.01.2024"], None, None),
        (["01/02/2024"], None, None),
        (["31/02/2024"], None, None),
        (["31/01/2024", "12"], None, None),
        (["Yes", "no", "yes"], "boolean from yes/no", {"type": "boolean"}),
        (["y", "n"], "boolean from y/n", {"type": "boolean"}),
        (["yes", "no", "n/a"], "boolean from yes/no, null for n/a", {"type": "boolean", "null_values": ["n/a"]}),
        (["TRUE", "true", "False"], "boolean in any casing", {"type": "boolean"}),
        (["yes"], None, None),
        (["1", "two"], None, None),
        (["NA"], None, None),
        (["1", "2"], None, None),
        (["2024-01-01", "NA"], "date, null for NA", {"type": "date", "null_values": ["NA"]}),
        (["10:00", "NA"], "time, null for NA", {"type": "time", "null_values": ["NA"]}),
        (["10:00", "10:00:30", "NA"], None, None),
        (["1,5", "1,25", "7"], "number, decimal comma", {"type": "number", "decimal_comma": True}),
        (["1,5", "-"], "number, decimal comma, null for -",
         {"type": "number", "decimal_comma": True, "null_values": ["-"]}),
        (["1,500", "2,000"], None, None),
        (["1,5", "1.5"], None, None),
        ([" 1", "2 ", "3"], "integer, white space left out", {"type": "integer"}),
        ([" 1.5", "2"], "number, white space left out", {"type": "number"}),
        ([" 01"], None, None),
    ],
)  # fmt: skip
def test_suggestions(cells: list[str | None], suggestion: str | None, patch: dict[str, object] | None) -> None:
    for many in (cells, cells * 100, [None, *cells]):
        for splits in ([], [1]):
            seen = evidence(many, splits=splits if len(many) > 1 else [])
            assert seen.suggestion == suggestion
            assert msgspec.json.decode(msgspec.json.encode(seen.patch)) == patch


@pytest.mark.parametrize("count", [10, 5000])
def test_one_value_among_many_counts(count: int) -> None:
    days = [f"{n % 12 + 1:02}/{n % 12 + 1:02}/{1900 + n % 1200:04}" for n in range(count)]
    assert evidence(days).suggestion is None
    assert evidence([*days, "13/01/2024"]).patch == SuggestedChange("date", "%d/%m/%Y")
    assert evidence([*days, "13/01/2024", "01/13/2024"]).suggestion is None
    numbers = [f" {n}" for n in range(count)]
    assert evidence(numbers).patch == SuggestedChange("integer")
    assert evidence([*numbers, "na"]).patch == SuggestedChange("integer", null_values=("na",))
    assert evidence([*numbers, "x"]).suggestion is None


def test_dates_that_can_be_read_both_ways() -> None:
    refusal = evidence(["03/04/2025", "05/06/2025"]).refused["date"]
    assert refusal.reason == "not written as YYYY-MM-DD; day and month cannot be told apart"
    assert refusal.cells[0].value == "03/04/2025"


@pytest.mark.parametrize(
    ("cells", "patch"),
    [(["1,5", "NA"], SuggestedChange("number", decimal_comma=True, null_values=("NA",))),
     (["1", "NA"], SuggestedChange("integer", decimal_comma=True, null_values=("NA",)))],
)  # fmt: skip
def test_a_told_decimal_comma_is_part_of_the_suggestion(cells: list[str | None], patch: SuggestedChange) -> None:
    assert evidence(cells, decimal_comma=True).patch == patch


def test_suggestion_for_a_workbook() -> None:
    assert evidence(["1", "NA"], kinds=[[Kind.NUMBER, Kind.TEXT]]).suggestion == "integer, null for NA"


def test_distinct_is_exact_while_small_and_near_beyond() -> None:
    assert evidence([str(n % 1000) for n in range(5000)], splits=[100, 2500]).distinct == 1000
    assert evidence([None, "a", None]).distinct == 1
    many = evidence([str(n) for n in range(50_000)], splits=[20_000]).distinct
    assert abs(many - 50_000) < 6_000
