"""Inference and encoding against a slow model in plain Python."""

import re
from collections import Counter
from datetime import date, time
from decimal import Decimal, InvalidOperation
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tables import Cells, batches, infer, records

from backend.inference import encode

TRAPS = [
    "", " 1", "1 ", "1\n", "0", "-0", "-0.0", "007", "1e5", "+1", "1,5", ".5", "5.", "1_0", "nan", "inf", "NA", "yes",
    "true", "True", "TRUE", "false", "FALSE", "{,", '"', "\\", "2024-02-29", "2023-02-29", "0000-01-01", "10:20",
    "24:00", "10:20:30", "10:20:60", "2024-01-01 10:20", "2024-01-01T10:20", "2024-01-01T10:20:30Z",
    "2024-01-01T10:20:30+02:00", "2024-01-01T10:20:30+0200",
]  # fmt: skip
words = st.sampled_from(TRAPS)
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
integers = st.integers(-(10**25), 10**25).map(str)
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=3).map(lambda number: f"{number:f}")
days = st.dates().map(date.isoformat)
moments = st.datetimes().map(lambda moment: moment.isoformat(timespec="milliseconds") + "Z")
kinds = [
    integers,
    decimals,
    days,
    moments,
    st.times().map(time.isoformat),
    st.sampled_from(["TRUE", "FALSE"]),
    words,
    text,
]
cells = st.one_of([st.lists(st.one_of(st.none(), kind), max_size=12) for kind in [*kinds, st.one_of(kinds)]])


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Cells]:
    columns = draw(st.lists(cells, min_size=1, max_size=5))
    names = draw(st.lists(text, min_size=len(columns), max_size=len(columns), unique=True))
    height = max(map(len, columns))
    return {name: [*column, *[None] * (height - len(column))] for name, column in zip(names, columns, strict=True)}


def model_type(value: str) -> tuple[str, str]:
    """The type of one value and what a column of it must agree on, as the contract says it in words."""
    if re.fullmatch("0|-?[1-9][0-9]*", value):
        return "integer", ""
    if re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", value) and not (value[0] == "-" and Decimal(value) == 0):
        return "number", ""
    if value in {"true", "false", "True", "False", "TRUE", "FALSE"}:
        return "boolean", {"TRUE": "TRUE", "FALSE": "TRUE", "True": "True", "False": "True"}.get(value, "")
    day, clock = value[:10], value[11:]
    if real_day(value):
        return "date", ""
    if real_day(day) and value[10:11] in {"T", " "}:
        zone = re.search("(Z|[+-][0-9]{2}:?[0-9]{2})$", clock)
        bare = clock[: zone.start()] if zone else clock
        if real_time(bare):
            return "datetime", f"{value[10]} {re.sub('[0-9]', '0', bare)} {zone[0] if zone else ''}"
    return ("time", re.sub("[0-9]", "0", value)) if real_time(value) else ("text", "")


def real_day(value: str) -> bool:
    try:
        return bool(re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", value)) and bool(date.fromisoformat(value))
    except ValueError:
        return False


def real_time(value: str) -> bool:
    parts = re.fullmatch(r"([0-9]{2}):([0-9]{2})(:([0-9]{2})(\.[0-9]+)?)?", value)
    return bool(parts) and int(parts[1]) < 24 and int(parts[2]) < 60 and int(parts[4] or 0) < 60


def model_column(values: list[str]) -> str:
    found = {model_type(value) for value in values}
    if {kind for kind, _ in found} == {"integer", "number"}:
        return "number"
    return found.pop()[0] if len(found) == 1 else "text"


@given(tables())
@settings(max_examples=150, deadline=None)
def test_agrees_with_the_model(table: dict[str, Cells]) -> None:
    inference, _ = infer(table)
    for column, plan, evidence in zip(table.values(), inference.plan(), inference.evidence(), strict=True):
        values = [cell for cell in column if cell is not None]
        assert plan.type == model_column(values)
        assert evidence.counts == Counter(model_type(value)[0] for value in values)
        assert (evidence.nulls, evidence.distinct) == (len(column) - len(values), len(set(values)))
        assert evidence.longest == max(map(len, values), default=0)
        if plan.type in {"integer", "number"}:
            numbers = [Decimal(value) for value in values]
            assert (Decimal(evidence.min or ""), Decimal(evidence.max or "")) == (min(numbers), max(numbers))
        elif values:
            assert (evidence.min, evidence.max) == (min(values), max(values))


@given(tables(), st.integers(0, 2**40), st.integers(1, 2**31 - 1))
@settings(max_examples=150, deadline=None)
def test_every_value_comes_back_as_written(table: dict[str, Cells], first_id: int, version: int) -> None:
    inference, cleaned = infer(table)
    plan = inference.plan()
    rows = records(b"".join(encode(batch, plan, list(table), first_id, version) for batch in cleaned), version)
    assert [identity for identity, _ in rows] == list(range(first_id, first_id + len(rows)))
    for name, column in zip(table, plan, strict=True):
        assert [shown(record.get(name), column.format) for _, record in rows] == list(table[name])
    assert not any(value is None for _, record in rows for value in record.values())


def shown(value: Any, form: str | None) -> str | None:
    if isinstance(value, bool):
        word = str(value).lower()
        return {None: word, "TRUE": word.upper(), "True": word.title()}[form]
    return value[1] if isinstance(value, tuple) else value


@given(tables(), st.sets(st.integers(0, 12), max_size=4))
@settings(max_examples=150, deadline=None)
def test_the_split_into_batches_makes_no_difference(table: dict[str, Cells], splits: set[int]) -> None:
    height = len(next(iter(table.values())))
    whole, _ = infer(table)
    parts, _ = infer(table, splits=[split for split in splits if split <= height])
    assert parts.plan() == whole.plan()
    for one, other in zip(parts.evidence(), whole.evidence(), strict=True):
        assert (one.counts, one.nulls, one.distinct, one.longest) == (
            other.counts,
            other.nulls,
            other.distinct,
            other.longest,
        )
        assert (one.min, one.max, one.suggestion) == (other.min, other.max, other.suggestion)
        assert one.refused.keys() == other.refused.keys()


@given(tables(), st.sampled_from(["integer", "number", "boolean", "date", "datetime", "time", "text", "json"]))
@settings(max_examples=100, deadline=None)
def test_a_told_type_holds_for_every_cell_left(table: dict[str, Cells], kind: str) -> None:
    told = dict.fromkeys(table, kind)
    inference, cleaned = infer(table, types=told, on_error="null")
    assert {column.type for column in inference.plan()} == {kind}
    data = b"".join(encode(batch, inference.plan(), list(table), 1, 1) for batch in cleaned)
    for (_, record), row in zip(records(data), range(len(next(iter(table.values())))), strict=True):
        for name, value in record.items():
            source = table[name][row]
            assert source is not None
            if kind in {"integer", "number"}:
                assert same_number(value[1], source)
            elif kind == "text":
                assert value == source


def same_number(stored: str, source: str) -> bool:
    try:
        return Decimal(stored) == Decimal(source.strip())
    except InvalidOperation:
        return False


def test_batches_cut_where_told() -> None:
    assert [batch.rows.to_list() for batch in batches({"a": ["1", "2", "3"]}, splits=[0, 1])] == [[], [2], [3, 4]]
