"""Column names and where they stand."""

from __future__ import annotations

import pytest

from backend.readers.headers import clean_names, extra_names
from backend.readers.table import find_table
from backend.schemas.imports import Warnings


def named(*cells: str | None) -> tuple[list[str], int]:
    warnings = Warnings()
    return clean_names(cells, warnings, row=1), warnings.total


def test_good_names_are_kept() -> None:
    assert named("a", "b c", "Ünï") == (["a", "b c", "Ünï"], 0)


def test_each_change_is_reported() -> None:
    assert named(" a ", "a", None, "a") == (["a", "a_2", "column_3", "a_3"], 4)


def test_the_name_of_the_record_id_is_taken() -> None:
    assert named("__id", "a", "__id") == (["__id_2", "a", "__id_3"], 2)
    assert named("__id", "__id_2", "__row", "__error") == (["__id_3", "__id_2", "__row", "__error"], 1)


def test_made_up_names_go_around_those_that_are_there() -> None:
    assert named("a", "a_2", "a", "column_5", "")[0] == ["a", "a_2", "a_3", "column_5", "column_5_2"]


def test_many_equal_names_take_no_time() -> None:
    names, _ = named(*["x"] * 16_000)
    assert names[-1] == "x_16000"


def test_extra_columns_are_named_by_their_place() -> None:
    assert extra_names(["a", "column_3"], 4) == ["column_3_2", "column_4"]


@pytest.mark.parametrize(
    ("rows", "header", "first"),
    [
        ([], None, 0),
        ([["a", "b"]], 0, 1),
        ([["32"]], None, 0),
        ([["a", "b"], ["1", "x"], ["2", "y"]], 0, 1),
        ([["1", "x"], ["2", "y"]], None, 0),
        ([["Title", None, None], ["a", "b", "c"], ["1", "2", "3"], ["4", "5", "6"]], 1, 2),
        ([["# note"], ["id", "name"], ["1", "x"], ["2", "y"]], 1, 2),
        ([["some notes..."], ["more notes", "..."], ["number", "text", "date"], ["3.0", "T", "2000-12-13"]], 2, 3),
        ([["a", "b"], ["1", "2", "3"], ["4", "5", "6"]], 0, 1),
        ([["Year", "2000", "2001"], ["a", "1.5", "2"], ["b", "3.5", "4"]], 0, 1),
        ([["Title"], ["1", "2", "x"], ["3", "4", "y"]], None, 1),
        ([["id", "name"], ["1", "a"], ["2", "b"], ["sku", "price", "stock"], ["x", "1", "2"], ["y", "1", "2"]], 0, 1),
        ([["new", "x"], ["paid", "y"], ["new", "x"], ["new", "z"]], None, 0),
    ],
)
def test_tables_are_found(rows: list[list[str | None]], header: int | None, first: int) -> None:
    assert find_table(rows) == (header, first)
