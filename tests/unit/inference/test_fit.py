"""Cells for a column that is there: as they are, the same written otherwise, or not at all."""

from __future__ import annotations

import polars as pl
import pytest

from backend.inference.fit import Fit, all_match
from backend.schemas.columns import Column, ColumnType


def fitted(
    kind: ColumnType, *cells: str | None, form: str | None = None, days: str | None = None, comma: bool = False
) -> list[str | None]:
    fit = Fit(Column("k", "k", kind, form), days=days, comma=comma)
    return fit(pl.Series("0", cells, dtype=pl.String)).to_list()


@pytest.mark.parametrize(
    ("kind", "cell"),
    [
        ("integer", "007"), ("integer", "1.0"), ("integer", "+1"), ("integer", "1e5"), ("integer", "-0"),
        ("integer", "9" * 200_000), ("number", "1,5"), ("number", ".5"), ("number", "1."), ("number", "NaN"),
        ("boolean", "yes"), ("boolean", "1"), ("date", "31.01.2025"), ("date", "2025-02-30"), ("time", "24:00"),
        ("datetime", "2025-01-31"), ("datetime", "2025-01-31T10:20:30"), ("json", "x"), ("json", '{"a":'),
    ],
)  # fmt: skip
def test_what_would_not_come_back_does_not_fit(kind: ColumnType, cell: str) -> None:
    assert fitted(kind, None, cell) == [None, None]


@pytest.mark.parametrize(
    ("kind", "cell"),
    [
        ("integer", "-12"), ("number", "0.10"), ("number", "12345678901234567890.50"), ("text", "007"), ("text", ""),
        ("date", "2025-01-31"), ("datetime", "2025-01-31T10:20:30Z"), ("time", "10:20:30"), ("json", '{"a":1.50}'),
    ],
)  # fmt: skip
def test_what_comes_back_goes_in_as_it_is(kind: ColumnType, cell: str) -> None:
    assert fitted(kind, cell, None) == [cell, None]


def test_the_same_moment_is_written_as_the_column_writes_it() -> None:
    form = "0000-00-00 00:00:00.000Z"
    cells = ("2025-01-31T12:20:30+02:00", "2025-01-31 10:20:30.5Z", "2025-01-31 10:20:30.0005Z", "2025-01-31T10:20:30")
    assert fitted("datetime", *cells, form=form) == [
        "2025-01-31 10:20:30.000Z",
        "2025-01-31 10:20:30.500Z",
        None,
        None,
    ]
    assert fitted("time", "10:20", "10:20:31", form="00:00:00") == ["10:20:00", "10:20:31"]


def test_told_readings() -> None:
    assert fitted("number", "2,50", "2.50", "7", comma=True) == ["2.50", None, "7"]
    assert fitted("date", "31.01.2025", "2025-01-31", "x", days="%d.%m.%Y") == ["2025-01-31", "2025-01-31", None]


def test_columns_that_match_as_a_whole() -> None:
    columns = [["1", None], ["1", "x"], ["x", "y"], [None, None], ["9" * 20_000, "1"]]
    frame = pl.DataFrame([pl.Series(str(at), cells, dtype=pl.String) for at, cells in enumerate(columns)])
    whole = "^[0-9]+$"
    assert all_match(frame, {0: whole, 1: whole, 2: "", 3: whole, 4: whole}) == {0, 2, 3}
    assert all_match(frame, {}) == set()
