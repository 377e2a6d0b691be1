"""Serial numbers and ISO text of spreadsheets as dates, times of day and durations."""

from __future__ import annotations

from functools import cache

import polars as pl

from backend.schemas.kinds import Kind
from backend.sheets.formats import Style

DAY = 86_400_000
"""Milliseconds: as fine as a spreadsheet tells time, and coarse enough to lose the noise of its doubles."""
_LEAP_BUG = 60
_ISO_DATE = r"^([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]+)?)?((?:Z|[+-][0-9:]+)?)$"
_ISO_TIME = r"^T?([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]+)?$"
_ISO_SPAN = r"^(-?)PT(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+)(?:[.,]([0-9]+))?S)?$"


class Calendar:
    """Reads the serials of one workbook; counts from 1900, with the 29 February 1900 that never was, or from 1904.

    Columns in which a fraction of a second was met keep milliseconds from then on, so that their texts have one shape.
    """

    def __init__(self, *, from_1904: bool) -> None:
        self._from_1904 = from_1904
        self._epoch = -24_107 if from_1904 else -25_569
        self._first = 0 if from_1904 else 1
        self._last = 2_957_004 if from_1904 else 2_958_466
        self._fractions: set[int] = set()

    def serials(self, cells: pl.DataFrame) -> pl.DataFrame:
        """`cells` with `text` and `kind` from `serial` (Float64) and `look` (a `Style`), in another order.

        Text and kind are null where no date or time has that number.
        """
        serial, look = pl.col("serial"), pl.col("look")
        whole = (serial * DAY).round().cast(pl.Int64, strict=False)
        of_day = (serial >= 0) & (serial < 1) & ((look == Style.TIME) | ((serial > 0) & (self._first > 0)))
        kind = (
            pl.when(serial.is_null()).then(None)
            .when(look == Style.DURATION).then(int(Kind.TEXT))
            .when(of_day).then(int(Kind.TIME))
            .when((serial < self._first) | (serial >= self._last)).then(None)
            .when((look == Style.DATE) & (whole % DAY == 0)).then(int(Kind.DATE))
            .otherwise(int(Kind.DATETIME))
        )  # fmt: skip
        timed = cells.with_columns(kind=kind.cast(pl.UInt8), whole=whole)
        groups = timed.partition_by("kind", as_dict=True)
        return pl.concat([self._write(kind, group) for (kind,), group in groups.items()]).drop("whole")

    def _write(self, kind: object, cells: pl.DataFrame) -> pl.DataFrame:
        if kind is None:
            return cells.with_columns(text=pl.lit(None, pl.String))
        whole = cells["whole"]
        if kind == Kind.TEXT:
            return cells.with_columns(text=duration(pl.col("whole")))
        if kind == Kind.TIME:
            return cells.with_columns(text=self._clock(cells["column"], whole.clip(0, DAY - 1)))
        days = (whole // DAY).cast(pl.Int32) + self._epoch
        if not self._from_1904:
            days += (cells["serial"] < _LEAP_BUG).cast(pl.Int32)
        text = _days(days)
        if kind == Kind.DATETIME:
            text = text + "T" + self._clock(cells["column"], whole % DAY)
        return cells.with_columns(text=text)

    def _clock(self, columns: pl.Series, whole: pl.Series) -> pl.Series:
        """The time of day, with milliseconds in columns where there are any."""
        milli = whole % 1000
        self._fractions.update(columns.filter(milli != 0).unique())
        text = _clocks().gather((whole // 1000).cast(pl.UInt32))
        fine = columns.is_in([*self._fractions])
        if not fine.any():
            return text
        return (text + "." + milli.cast(pl.String).str.zfill(3)).zip_with(fine, text)

    def iso(self, cells: pl.DataFrame) -> pl.DataFrame:
        """`cells` with `text` and `kind` from `value`: an ISO 8601 date, datetime, time or span; else text as it is."""
        value = pl.col("value").str.strip_chars()
        date, clock, span = (value.str.extract_groups(shape) for shape in (_ISO_DATE, _ISO_TIME, _ISO_SPAN))
        read = cells.with_columns(value=value, date=date, clock=clock, span=span)
        day = pl.col("date").struct
        whole = _milliseconds(pl.col("span"))
        return read.with_columns(
            text=pl.when(day["1"].is_not_null() & day["2"].is_null()).then(day["1"])
            .when(day["1"].is_not_null()).then(day["1"] + "T" + day["2"] + _fraction(day["3"]) + day["4"])
            .when(pl.col("clock").struct["1"].is_not_null())
            .then(pl.col("clock").struct["1"] + _fraction(pl.col("clock").struct["2"]))
            .when(whole.is_between(0, DAY - 1)).then(_clock(whole))
            .when(whole.is_not_null()).then(duration(whole))
            .otherwise(value),
            kind=pl.when(day["1"].is_not_null() & day["2"].is_null()).then(int(Kind.DATE))
            .when(day["1"].is_not_null()).then(int(Kind.DATETIME))
            .when(pl.col("clock").struct["1"].is_not_null() | whole.is_between(0, DAY - 1)).then(int(Kind.TIME))
            .otherwise(int(Kind.TEXT)).cast(pl.UInt8),
        ).drop("date", "clock", "span")  # fmt: skip


def _days(days: pl.Series) -> pl.Series:
    """ISO dates for days since 1970, written once for each day of the span that they cover."""
    first, last = int(days.min()), int(days.max())  # type: ignore[arg-type]
    if last - first > len(days):
        return days.cast(pl.Date).cast(pl.String)
    span = pl.int_range(first, last + 1, dtype=pl.Int32, eager=True).cast(pl.Date).cast(pl.String)
    return span.gather((days - first).cast(pl.UInt32))


@cache
def _clocks() -> pl.Series:
    """`00:00:00` and so on, for each second of a day."""
    seconds = pl.int_range(86_400, dtype=pl.Int64, eager=True)
    return (seconds * 1000).cast(pl.Datetime("ms")).dt.strftime("%H:%M:%S")


def duration(whole: pl.Expr) -> pl.Expr:
    """Milliseconds as `h:mm:ss`, with `.mmm` where there is a fraction."""
    seconds = whole.abs() // 1000
    rest = whole.abs() % 1000
    return pl.format(
        "{}{}:{}:{}{}",
        pl.when(whole < 0).then(pl.lit("-")).otherwise(pl.lit("")),
        seconds // 3600,
        _two(seconds // 60 % 60),
        _two(seconds % 60),
        pl.when(rest > 0).then(pl.format(".{}", rest.cast(pl.String).str.zfill(3))).otherwise(pl.lit("")),
    )


def _two(number: pl.Expr) -> pl.Expr:
    return number.cast(pl.String).str.zfill(2)


def _clock(whole: pl.Expr) -> pl.Expr:
    return pl.when(whole < 10 * 3_600_000).then("0" + duration(whole)).otherwise(duration(whole))


def _fraction(digits: pl.Expr) -> pl.Expr:
    """`.5000` → `.500`; nothing where there are only zeros."""
    milli = digits.str.slice(1).str.pad_end(3, "0").str.slice(0, 3)
    return pl.when(milli.is_null() | (milli == "000")).then(pl.lit("")).otherwise("." + milli)


def _milliseconds(span: pl.Expr) -> pl.Expr:
    """The length of an ISO span (groups of `_ISO_SPAN`); null where it is none."""
    part = span.struct
    hours, minutes, seconds = (part[name].cast(pl.Int64, strict=False).fill_null(0) for name in ("2", "3", "4"))
    milli = part["5"].str.pad_end(3, "0").str.slice(0, 3).cast(pl.Int64, strict=False).fill_null(0)
    length = ((hours * 60 + minutes) * 60 + seconds) * 1000 + milli
    signed = pl.when(part["1"] == "-").then(-length).otherwise(length)
    return pl.when(part["1"].is_not_null()).then(signed)
