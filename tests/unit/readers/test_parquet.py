"""Parquet files by polars' own writer: exact texts and kinds of every type, and files that are not what they claim."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from backend.errors import AppError, LimitExceeded, TooLarge, UnreadableFile
from backend.inference import Batch, Inference, Kind
from backend.readers.base import ReadLimits
from backend.readers.parquet import ParquetSource
from backend.readers.parquet_text import digits, not_text, to_text
from backend.schemas.imports import ImportOptions

EARLY = datetime(1969, 12, 31, 23, 59, 59, 500_000)  # noqa: DTZ001


def moment(day: int, hour: int, minute: int = 0) -> datetime:
    """A point in time without a zone."""
    return datetime(2025, 1, day, hour, minute)  # noqa: DTZ001


def write(folder: Path, frame: pl.DataFrame, **options: Any) -> Path:
    path = folder / "table.parquet"
    frame.write_parquet(path, **options)
    return path


def read(path: Path, limits: ReadLimits | None = None) -> tuple[list[dict[str, str | None]], list[str], list[str]]:
    """The records, the type of each column, and what was remarked."""
    with path.open("rb") as file:
        source = ParquetSource(file, limits or ReadLimits())
        try:
            inference = Inference(ImportOptions(), source.warnings)
            batches = [inference.observe(batch, source.names) for batch in source.batches()]
            inference.finish(source.names)
        finally:
            source.close()
        rows = [dict(zip(source.names, row, strict=True)) for batch in batches for row in batch.frame.rows()]
        return rows, [plan.type for plan in inference.plan()], [item.message for item in source.warnings.items]


@pytest.mark.parametrize(
    ("values", "dtype", "texts", "found"),
    [
        ([1, -2, None], pl.Int64, ["1", "-2", None], "integer"),
        ([2**64 - 1], pl.UInt64, ["18446744073709551615"], "integer"),
        ([1.0, 0.1, 1e20, 1e-7], pl.Float64, ["1.0", "0.1", "1" + "0" * 20 + ".0", "0.0000001"], "number"),
        ([0.1, 16777216.0], pl.Float32, ["0.1", "16777216.0"], "number"),
        ([1.5, float("nan"), float("-inf"), -0.0], pl.Float64, ["1.5", "NaN", "-inf", "0.0"], "text"),
        ([Decimal("1.10"), Decimal("-0.05")], pl.Decimal(10, 2), ["1.10", "-0.05"], "number"),
        ([True, False], pl.Boolean, ["true", "false"], "boolean"),
        (["007", "", None], pl.String, ["007", "", None], "text"),
        (["2025-01-31"], pl.String, ["2025-01-31"], "text"),
        (["a", "b", "a"], pl.Categorical, ["a", "b", "a"], "text"),
        ([b"abc", b"\xc3\xa9"], pl.Binary, ["abc", "é"], "text"),
        ([b"abc", b"\xff"], pl.Binary, ["YWJj", "/w=="], "text"),
        ([date(2025, 1, 31), date(1, 1, 1)], pl.Date, ["2025-01-31", "0001-01-01"], "date"),
        ([moment(31, 10, 20)], pl.Datetime("us"), ["2025-01-31T10:20:00"], "datetime"),
        (
            [moment(31, 10, 20), EARLY],
            pl.Datetime("us"),
            ["2025-01-31T10:20:00.000", "1969-12-31T23:59:59.500"],
            "datetime",
        ),
        ([datetime(2025, 1, 31, tzinfo=UTC)], pl.Datetime("ms", "UTC"), ["2025-01-31T00:00:00Z"], "datetime"),
        ([time(1, 2, 3), time(1, 2, 3, 4)], pl.Time, ["01:02:03.000000", "01:02:03.000004"], "time"),
        ([timedelta(days=1, seconds=5)], pl.Duration("us"), ["P1DT5S"], "text"),
        ([[1, None], [], None], pl.List(pl.Int8), ["[1,null]", "[]", None], "json"),
        ([["a"], ['"']], pl.List(pl.String), ['["a"]', '["\\""]'], "json"),
        ([[0.1, 1e20, float("nan")]], pl.List(pl.Float32), ['[0.1,100000000000000000000.0,"NaN"]'], "json"),
        ([None, None], pl.Null, [None, None], "text"),
        ([None, None], pl.Int64, [None, None], "text"),
    ],
)
def test_every_type(values: list[Any], dtype: Any, texts: list[str | None], found: str) -> None:
    frame = pl.DataFrame({"a": pl.Series(values, dtype=dtype)})
    fraction, raw = digits(frame.lazy()).get("a", 0), "a" in not_text(frame.lazy())
    text, kinds = to_text(frame["a"], fraction, raw=raw)
    assert text.to_list() == texts
    inference = Inference(ImportOptions())
    rows = pl.Series(range(1, len(values) + 1), dtype=pl.UInt32)
    inference.observe(Batch(text.alias("0").to_frame(), rows, kinds.alias("0").to_frame()), ["a"])
    assert [plan.type for plan in inference.plan()] == [found]


def test_a_file_of_several_types(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1, None], "b": ["x", "007"], "c": [date(2025, 1, 31), None], "d": [0.1, 2.0]})
    assert read(write(tmp_path, frame)) == (
        [{"a": "1", "b": "x", "c": "2025-01-31", "d": "0.1"}, {"a": None, "b": "007", "c": None, "d": "2.0"}],
        ["integer", "text", "date", "number"],
        [],
    )


def test_nested_values_of_many_types(tmp_path: Path) -> None:
    value = {"d": Decimal("1.10"), "on": date(2025, 1, 1), "at": [moment(1, 1)], "raw": b"a", "ok": True}
    rows, types, _ = read(write(tmp_path, pl.DataFrame({"s": [value]})))
    said = '{"d":1.10,"on":"2025-01-01","at":["2025-01-01T01:00:00.000000"],"raw":"YQ==","ok":true}'
    assert (rows, types) == ([{"s": said}], ["json"])


def test_nested_times_and_durations_are_exact(tmp_path: Path) -> None:
    exact = pl.DataFrame({"t": pl.Series([123_456_789]).cast(pl.Time), "d": pl.Series([1], dtype=pl.Duration("ns"))})
    whole = pl.DataFrame({"t": [time(23, 59)], "d": pl.Series([5 * 10**9], dtype=pl.Duration("ns"))})
    frame = pl.DataFrame({"s": pl.concat([exact, whole]).to_struct()})
    assert read(write(tmp_path, frame))[0] == [
        {"s": '{"t":"00:00:00.123456789","d":"PT0.000000001S"}'},
        {"s": '{"t":"23:59:00","d":"PT5S"}'},
    ]


def test_nan_is_suggested_to_be_null(tmp_path: Path) -> None:
    with write(tmp_path, pl.DataFrame({"a": [1.5, float("nan")]})).open("rb") as file:
        source = ParquetSource(file, ReadLimits())
        inference = Inference(ImportOptions())
        for batch in source.batches():
            assert batch.kinds is not None
            assert batch.kinds["0"].to_list() == [Kind.NUMBER, Kind.TEXT]
            inference.observe(batch, source.names)
        source.close()
        (evidence,) = inference.evidence()
        assert (evidence.type, evidence.suggestion) == ("text", "number, null for NaN")


def test_bytes_and_durations_are_remarked(tmp_path: Path) -> None:
    _, _, remarks = read(write(tmp_path, pl.DataFrame({"b": [b"\xff"], "d": [timedelta(seconds=1)]})))
    assert remarks == [
        "The bytes in column 'b' are no text: they are given in base64",
        "The durations in column 'd' are given as ISO 8601 text",
    ]


def test_many_row_groups_are_read_in_order_and_again(tmp_path: Path) -> None:
    path = write(tmp_path, pl.DataFrame({"id": range(200_000)}), row_group_size=7_000)
    with path.open("rb") as file:
        source = ParquetSource(file, ReadLimits())
        for _ in range(2):
            batches = list(source.batches())
            assert [int(cell) for batch in batches for cell in batch.frame["0"]] == list(range(200_000))
            assert [row for batch in batches for row in batch.rows] == list(range(1, 200_001))
            assert source.share == 1
        passing = source.batches()
        next(passing)
        assert 0 < source.share < 1
        source.close()


def test_no_rows(tmp_path: Path) -> None:
    assert read(write(tmp_path, pl.DataFrame({"a": []}, schema={"a": pl.Int8}))) == ([], ["text"], [])


def test_names_follow_the_rules_for_headers(tmp_path: Path) -> None:
    rows, _, remarks = read(write(tmp_path, pl.DataFrame({" a": [1], "a": [2], "__id": [3]})))
    assert rows == [{"a": "1", "a_2": "2", "__id_2": "3"}]
    assert len(remarks) == 3


def test_a_nul_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"Record 2, column a holds the character \\u0000"):
        read(write(tmp_path, pl.DataFrame({"a": ["x", "\0"]})))
    with pytest.raises(UnreadableFile, match=r"Column 2 has the character \\u0000 in its name"):
        read(write(tmp_path, pl.DataFrame({"a": ["x"], "b\0": ["y"]})))


@pytest.mark.parametrize(
    ("limits", "error", "says"),
    [
        (ReadLimits(max_rows=2), LimitExceeded, "3 rows, more than SHEAF_MAX_ROWS, 2"),
        (ReadLimits(max_columns=1), LimitExceeded, "2 columns, more than SHEAF_MAX_COLUMNS, 1"),
        (ReadLimits(max_cell=9), LimitExceeded, "record 3, column b is longer than SHEAF_MAX_CELL, 9 bytes"),
    ],
)
def test_limits_are_named(tmp_path: Path, limits: ReadLimits, error: type[AppError], says: str) -> None:
    path = write(tmp_path, pl.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z" * 10]}))
    with pytest.raises(error, match=says):
        read(path, limits)


def test_memory_is_bounded(tmp_path: Path) -> None:
    path = write(tmp_path, pl.DataFrame({"a": pl.repeat("x" * 1000, 300_000, eager=True)}))
    assert path.stat().st_size < 2**20
    with pytest.raises(TooLarge, match="more memory than SHEAF_WORKBOOK_MEMORY"):
        read(path, ReadLimits(workbook_memory=64 * 2**20))


@pytest.mark.parametrize("seed", range(6))
def test_a_damaged_file_is_refused_or_read(tmp_path: Path, seed: int) -> None:
    path = write(tmp_path, pl.DataFrame({"a": range(1000), "b": ["x"] * 1000, "c": [[1, 2]] * 1000}))
    chance = random.Random(seed)
    data = bytearray(path.read_bytes())
    for _ in range(chance.choice([1, 5, 50])):
        data[chance.randrange(4, len(data))] = chance.randrange(256)
    path.write_bytes(data if seed else data[:-20])
    with suppress(UnreadableFile, TooLarge):
        read(path)
