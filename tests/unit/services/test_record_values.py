"""What is stored of a JSON value, and what is wrong with one that does not fit."""

from __future__ import annotations

import pytest
from msgspec import Raw

from backend.schemas.columns import Column, ColumnType
from backend.services.record_values import NULL, check, pointer, stored_value


def stored(kind: ColumnType, raw: str, form: str | None = None) -> str | None:
    """The JSON text stored; None where it is refused."""
    value = stored_value(Column("c", "c", kind, form), raw.encode())
    return value.decode() if isinstance(value, bytes) else None


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("integer", "0"), ("integer", "-1"), ("integer", "9" * 16_000), ("number", "0.10"), ("number", "-0.0"),
        ("number", "1e5"), ("number", "1E-5"), ("number", "7"), ("boolean", "true"), ("text", '""'),
        ("text", '"\\u00e9\\ud83d\\ude00"'), ("text", '"\\\\u0000"'),
        ("json", f'["\\\\ud83d\\\\ude00", {"9" * 5000}]'), ("json", "[1.50]"), ("json", '{"a": null}'),
        ("date", '"2024-02-29"'), ("datetime", '"2025-01-31T10:20:30Z"'), ("time", '"10:20:30"'),
    ],
)  # fmt: skip
def test_what_fits_is_stored_to_the_letter(kind: ColumnType, raw: str) -> None:
    assert stored(kind, raw) == raw


@pytest.mark.parametrize("kind", ["integer", "number", "boolean", "date", "datetime", "time", "text", "json"])
def test_null_fits_everywhere(kind: ColumnType) -> None:
    assert stored_value(Column("c", "c", kind), b"null") == NULL


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("integer", "1.0"), ("integer", "1e2"), ("integer", '"1"'), ("integer", "true"), ("integer", "9" * 16_001),
        ("number", '"1"'), ("number", "1e1000"), ("boolean", "1"), ("boolean", '"true"'), ("text", "1"),
        ("text", "true"), ("text", "[]"), ("text", '"\\u0000"'), ("text", '"\\ud800"'), ("text", '"\\udc00\\ud800"'),
        ("json", '["\\u0000"]'), ("json", '{"\\u0000": 1}'), ("json", "[1e1000]"),
        ("json", f'{{"a": [{"9" * 16_001}]}}'), ("json", "[" * 5000 + "1e9999" + "]" * 5000),
        ("date", '"2025-02-29"'), ("date", '"31.01.2025"'), ("date", "20250131"), ("datetime", '"now"'),
        ("time", '"24:00:00"'), ("time", '"10:20:30Z"'),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(kind: ColumnType, raw: str) -> None:
    assert stored(kind, raw) is None


@pytest.mark.parametrize(
    ("form", "raw", "written"),
    [
        ("0000-00-00 00:00:00", '"2025-01-31T10:20:30"', '"2025-01-31 10:20:30"'),
        ("0000-00-00T00:00:00Z", '"2025-01-31T12:20:30+02:00"', '"2025-01-31T10:20:30Z"'),
        ("0000-00-00T00:00:00+01:00", '"2025-01-31T10:20:30Z"', '"2025-01-31T11:20:30+01:00"'),
        ("0000-00-00T00:00:00.000", '"2025-01-31T10:20:30.5"', '"2025-01-31T10:20:30.500"'),
        ("0000-00-00T00:00:00.000", '"2025-01-31"', '"2025-01-31T00:00:00.000"'),
        ("0000-00-00T00:00", '"2025-01-31T10:20:30"', None),
        ("0000-00-00T00:00:00Z", '"2025-01-31T10:20:30.5Z"', None),
    ],
)
def test_a_datetime_takes_its_columns_form_or_is_refused(form: str, raw: str, written: str | None) -> None:
    assert stored("datetime", raw, form) == written


def test_a_record_is_told_all_that_is_wrong_with_it() -> None:
    columns = [
        Column("k1", "a/b", "integer", nullable=False),
        Column("k2", "c~d", "text", nullable=False),
        Column("k3", "e"[:1], "text"),
        Column("k4", "must", "text", nullable=False),
    ]
    by_name = {column.name: column for column in columns}
    data = {"a/b": Raw(b'"x"'), "c~d": Raw(b"null"), "e": Raw(b'"ok"'), "f": Raw(b"1")}
    values, errors = check(data, by_name, columns, "/3", longest=99)
    assert values == {"k3": Raw(b'"ok"')}
    assert [(error.pointer, error.code) for error in errors] == [
        ("/3/a~1b", "INVALID_VALUE"),
        ("/3/c~0d", "NULL"),
        ("/3/f", "UNKNOWN_COLUMN"),
        ("/3/must", "NULL"),
    ]


def test_a_pointer_without_an_index() -> None:
    assert pointer("~/x", "") == "/~0~1x"
