"""What the codec takes is what the slow check takes, and the same is stored of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.json import decode

from backend.schemas.columns import Column
from backend.services.record_codec import RecordCodec
from backend.services.record_values import check

PLAIN = (
    Column("n", "n", "integer", nullable=False),
    Column("x", "x", "number"),
    Column("b", "b", "boolean"),
    Column("t", "t", "text"),
    Column("d", "d", "date"),
    Column("at", "at", "datetime"),
    Column("c", "c", "time"),
    Column("j", "j", "json"),
)
FORMED = (
    Column("n", "n", "integer"),
    Column("d", "d", "date", "0000-00-00"),
    Column("at", "at", "datetime", "0000-00-00 00:00:00.000"),
    Column("z", "z", "datetime", "0000-00-00T00:00+02:00"),
    Column("c", "c", "time", "00:00"),
)
RENAMED = tuple(Column(f"key_{column.key}", column.name, column.type) for column in PLAIN)
TEXTS = [
    "", "x", "null", "\0", "1e9999", "2025-01-31", "2025-02-29", "2024-02-29", "2025-04-31", "0000-01-01", "10:20",
    "10:20:30", "24:00", "2025-01-31T10:20:30Z", "2025-01-31t10:20:30z", "2025-01-31T10:20:30Z\n",
    "2025-01-31 10:20:30.000", "2025-01-31 10:20:30.0000", "2025-01-31T10:20+02:00", "0001-01-01T00:00+02:00",
    "2025-01-31T10:20:60Z", "\u0662025-01-31",
]  # fmt: skip
NUMBERS = [
    "0",
    "-0",
    "7",
    "0.10",
    "1e5",
    "1E-7",
    "0e99999",
    "1e-99999",
    "1e0005",
    "1e400",
    "1" * 5000,
    "0." + "1" * 2000,
]
SCALARS = st.sampled_from(
    ["true", "false", "null", "{}", "[1, null]", '{"a": 1e-99999}', *NUMBERS, *map(json.dumps, TEXTS)]
)
MEMBERS = st.lists(
    st.tuples(st.sampled_from(["n", "x", "b", "t", "d", "at", "z", "c", "j", "other"]), SCALARS), max_size=6
)


def texts(values: dict[str, Raw]) -> dict[str, Any]:
    """Values with numbers as they are written."""
    return {key: json.loads(bytes(raw), parse_int=str, parse_float=str) for key, raw in values.items()}


@pytest.mark.parametrize("columns", [PLAIN, FORMED, RENAMED], ids=["plain", "formed", "renamed"])
@given(members=MEMBERS)
def test_what_it_takes_is_stored_as_after_the_slow_check(
    columns: tuple[Column, ...], members: list[tuple[str, str]]
) -> None:
    line = ("{" + ", ".join(f"{json.dumps(name)}: {text}" for name, text in members) + "}").encode()
    codec = RecordCodec(columns)
    stored = None if codec.hides(line, len(line)) else codec.stored(line)
    if stored is None:
        return
    values, errors = check(
        decode(line, type=dict[str, Raw]), {each.name: each for each in columns}, columns, "", longest=2**25
    )
    assert not errors or "1e0005" in line.decode()
    assert texts(decode(stored, type=dict[str, Raw])) == texts(values) or errors


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (PLAIN, '{"n":1,"x":0.10,"b":true,"t":"é","d":"2024-02-29","at":"2025-01-31T10:20:30Z","j":[null]}'),
        (PLAIN, '{"j":"x","n":12345678901234567890}'),
        (FORMED, '{"at":"2025-01-31 10:20:30.000","z":"2025-01-31T10:20+02:00","c":"10:20","d":"2025-12-31"}'),
    ],
)  # fmt: skip
def test_what_is_plain_stays_to_the_letter(columns: tuple[Column, ...], line: str) -> None:
    assert RecordCodec(columns).stored(line.encode()) == line.encode()


@pytest.mark.parametrize(
    "line", ['{"n": 1, "x": null}', '{"x": 1}', '{"n": 1, "other": 1}', '{"n": "1"}', "{", "", "[]"]
)
def test_what_is_not_plain(line: str) -> None:
    assert RecordCodec(PLAIN).stored(line.encode()) == (b'{"n":1}' if "null" in line else None)


def test_names_that_msgspec_takes_for_none_are_left_to_the_slow_check() -> None:
    assert RecordCodec([Column('"', '"', "integer")]).stored(b'{"\\"": 1}') is None
