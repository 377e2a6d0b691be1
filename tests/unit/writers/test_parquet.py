"""Parquet files as polars reads them."""

import datetime as dt
import io
from decimal import Decimal
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from backend.schemas.columns import Column
from backend.schemas.exports import Digits, ExportOptions, Extent, Span
from backend.writers import Table
from backend.writers.parquet import ParquetWriter
from backend.writers.parquet.thrift import decode, encode

OPTIONS = ExportOptions("parquet")
UTC = ZoneInfo("UTC")


def file(columns, records, extents=None, *, wide=False, per_list=3, **bounds) -> bytes:
    lines = [record + b"\n" for record in records]
    lists = [lines[at : at + per_list] for at in range(0, len(lines), per_list)]
    table = Table("t", tuple(columns), len(lines), wide, extents or {})
    return b"".join(ParquetWriter(**bounds).write(lists, table, OPTIONS))


def values(kind: str, *texts: bytes, extent: Extent | None = None, shape: str | None = None) -> pl.Series:
    column = Column("k", "name", kind, shape)
    data = file(
        [column, Column("l", "other", "text")], [text + b"," for text in texts], {"k": extent} if extent else {}
    )
    return pl.read_parquet(io.BytesIO(data))["name"]


class TestTypes:
    @pytest.mark.parametrize(
        ("largest", "kind"),
        [
            ("7", pl.Int64()),
            ("9223372036854775807", pl.Int64()),
            ("9223372036854775808", pl.Decimal(38, 0)),
            ("9" * 38, pl.Decimal(38, 0)),
            ("1" + "0" * 38, pl.String()),
        ],
    )
    def test_integers(self, largest: str, kind: pl.DataType) -> None:
        found = values("integer", largest.encode(), b"", b"-" + largest.encode(), extent=Digits(Decimal(largest), 0))
        assert found.dtype == kind
        expected = [largest, None, f"-{largest}"]
        assert found.cast(pl.String).to_list() == expected

    @pytest.mark.parametrize(
        ("text", "kind"),
        [
            ("0.10", pl.Decimal(18, 2)),
            ("1234567890123456.78", pl.Decimal(18, 2)),
            ("12345678901234567.89", pl.Decimal(38, 2)),
            ("0." + "0" * 37 + "1", pl.Decimal(38, 38)),
            ("0.0", pl.Decimal(18, 1)),
            ("12345678901234567890.1234567890123456789", pl.String()),
        ],
    )
    def test_numbers(self, text: str, kind: pl.DataType) -> None:
        extent = Digits(Decimal(text), len(text.partition(".")[2]))
        found = values("number", text.encode(), b"", extent=extent)
        assert found.dtype == kind
        assert [None if each is None else Decimal(each) for each in found] == [Decimal(text), None]

    @pytest.mark.parametrize("shape", [None, "TRUE", "True"])
    def test_booleans(self, shape: str | None) -> None:
        words = [b"true", b"false"] if shape is None else [b"TRUE", b"False"]
        assert values("boolean", *words, b"", shape=shape).to_list() == [True, False, None]

    def test_dates(self) -> None:
        found = values("date", b"0001-01-01", b"2024-02-29", b"", b"9999-12-31", shape="0000-00-00")
        assert found.to_list() == [dt.date.min, dt.date(2024, 2, 29), None, dt.date.max]

    @pytest.mark.parametrize(
        ("shape", "text", "kind", "physical"),
        [
            ("0000-00-00T00:00", "1970-01-01T00:01", pl.Datetime("ms"), 60_000),
            ("0000-00-00 00:00:00", "1970-01-01 00:00:01", pl.Datetime("ms"), 1_000),
            ("0000-00-00T00:00:00.0", "1970-01-01T00:00:00.1", pl.Datetime("ms"), 100),
            ("0000-00-00T00:00:00.000000", "0001-01-01T00:00:00.000001", pl.Datetime("us"), -62_135_596_799_999_999),
            ("0000-00-00T00:00:00.0000000", "1970-01-01T00:00:00.0000001", pl.Datetime("ns"), 100),
            ("0000-00-00T00:00:00Z", "1970-01-01T00:00:01Z", pl.Datetime("ms", "UTC"), 1_000),
            (None, "1970-01-01T00:00:01Z", pl.Datetime("ms", "UTC"), 1_000),
            ("0000-00-00T00:00:00+02:30", "1970-01-01T02:30:01+02:30", pl.Datetime("ms", "UTC"), 1_000),
            ("0000-00-00T00:00:00.0000000Z", "1970-01-01T00:00:00.0000001Z", pl.Datetime("ns", "UTC"), 100),
            ("0000-00-00 00:00:00.000000000+01:00", "1970-01-01 01:00:00.000000001+01:00", pl.Datetime("ns", "UTC"), 1),
            ("0000-00-00T00:00:00.000-0130", "1969-12-31T22:30:00.500-0130", pl.Datetime("ms", "UTC"), 500),
        ],
    )
    def test_datetimes(self, shape: str | None, text: str, kind: pl.DataType, physical: int) -> None:
        found = values("datetime", text.encode(), b"", shape=shape, extent=Span(text, text))
        assert found.dtype == kind
        assert found.to_physical().to_list() == [physical, None]

    @pytest.mark.parametrize(
        ("shape", "text"),
        [
            ("0000-00-00T00:00:00.0000000000", "2025-01-31T10:20:30.0123456789"),
            ("0000-00-00T00:00:00.000000000", "2300-01-01T00:00:00.000000001"),
            ("0000-00-00T00:00:00.000000000", "1600-01-01T00:00:00.000000001"),
            ("0000-00-00T00:00:00+01:00", "0001-01-01T00:30:00+01:00"),
            ("0000-00-00T00:00:00-01:00", "9999-12-31T23:30:00-01:00"),
        ],
    )
    def test_datetimes_that_no_timestamp_holds_are_text(self, shape: str, text: str) -> None:
        found = values("datetime", text.encode(), b"", shape=shape, extent=Span(text, text))
        assert found.to_list() == [text, None]

    @pytest.mark.parametrize(
        ("shape", "text", "nanoseconds"),
        [
            (None, "00:00:01", 1_000_000_000),
            ("00:00", "23:59", 86_340_000_000_000),
            ("00:00:00.0", "00:00:00.5", 500_000_000),
            ("00:00:00.000000000", "00:00:00.000000001", 1),
        ],
    )
    def test_times(self, shape: str | None, text: str, nanoseconds: int) -> None:
        found = values("time", text.encode(), b"", shape=shape)
        assert (found.dtype, found.to_physical().to_list()) == (pl.Time(), [nanoseconds, None])

    def test_times_that_are_too_fine_are_text(self) -> None:
        text = "10:20:30.0123456789"
        assert values("time", text.encode(), b"", shape="00:00:00.0000000000").to_list() == [text, None]

    @pytest.mark.parametrize("kind", ["text", "json"])
    def test_all_else_is_text(self, kind: str) -> None:
        found = values(kind, b'"a ""b"", \nc"', b'""', b"", "é".encode())
        assert found.to_list() == ['a "b", \nc', "", None, "é"]


class TestFile:
    COLUMNS = (Column("a", "a", "integer"), Column("b", "b", "text"), Column("c", "c", "json"))

    def test_row_groups_are_bounded_and_hold_all_records_in_order(self) -> None:
        records = [b'%d,x%d,"{""n"": %d}"' % (each, each, each) for each in range(1000)]
        data = file(self.COLUMNS, records, per_list=7, group_bytes=2000, group_rows=100)
        frame = pl.read_parquet(io.BytesIO(data))
        assert frame["a"].to_list() == list(range(1000))
        assert frame.rows()[-1] == (999, "x999", '{"n": 999}')
        groups = decode(data[-8 - int.from_bytes(data[-8:-4], "little") :])[4][1][1]
        counts = [group[3][1] for group in groups]
        assert sum(counts) == 1000
        assert max(counts) <= 100
        assert pl.scan_parquet(io.BytesIO(data)).filter(pl.col("a") > 990).collect().height == 9

    def test_a_filter_by_statistics_finds_what_it_should(self) -> None:
        data = file(self.COLUMNS, [b"%d,x," % each for each in range(500)], group_bytes=500)
        assert pl.scan_parquet(io.BytesIO(data)).filter(pl.col("a").is_between(123, 124)).collect().height == 2

    def test_json_says_that_it_is_json(self) -> None:
        data = file(self.COLUMNS, [b"1,x,[]"])
        elements = decode(data[-8 - int.from_bytes(data[-8:-4], "little") :])[2][1][1]
        assert [(each[4][1], 12 in each[10][1]) for each in elements[1:] if 10 in each] == [(b"b", False), (b"c", True)]

    def test_without_records(self) -> None:
        frame = pl.read_parquet(io.BytesIO(file(self.COLUMNS, [])))
        assert (frame.height, frame.schema) == (0, {"a": pl.Int64, "b": pl.String, "c": pl.String})

    def test_records_of_nulls(self) -> None:
        frame = pl.read_parquet(io.BytesIO(file(self.COLUMNS[:1], [b"", b"1", b""])))
        assert frame["a"].to_list() == [None, 1, None]

    def test_a_wide_table(self) -> None:
        columns = [Column(str(at), f"c{at}", "integer") for at in range(2000)]
        record = b'"[' + b",".join(b'""%d""' % at if at % 2 else b"null" for at in range(2000)) + b']"'
        frame = pl.read_parquet(io.BytesIO(file(columns, [record] * 50, wide=True, group_bytes=100_000)))
        assert frame.shape == (50, 2000)
        assert set(frame.rows()) == {tuple(at if at % 2 else None for at in range(2000))}

    def test_names_are_kept_as_they_are(self) -> None:
        names = ["a.b", "a,b", 'x"y', "é 日本", "0", "1", " "]
        columns = [Column(str(at), name, "text") for at, name in enumerate(names)]
        frame = pl.read_parquet(io.BytesIO(file(columns, [b"1,2,3,4,5,6,7"])))
        assert frame.columns == names
        assert frame.row(0) == tuple("1234567")


def test_thrift_is_written_as_it_was_read() -> None:
    frame = pl.DataFrame({f"c{at}": [at, None] for at in range(40)}, schema_overrides={"c3": pl.Decimal(30, 2)})
    out = io.BytesIO()
    frame.write_parquet(out)
    data = out.getvalue()
    footer = data[-8 - int.from_bytes(data[-8:-4], "little") : -8]
    assert encode(decode(footer)) == footer
