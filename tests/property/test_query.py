"""Filters, sorts, pages and records written by PostgreSQL agree with a plain Python model on random data."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from query_model import Row, holds, ordered, text_of, written
from record_table import AT, RecordTable, X, record_table

from backend.query import cursor as cursors
from backend.query.compile import csv_select, record_json
from backend.query.indexing import Access, accesses
from backend.query.nodes import Query
from backend.query.seal import Seal
from backend.query.spec import parse_body, parse_params
from backend.schemas.columns import Column

SEAL = Seal()
DATASET = UUID("0190a000-0000-7000-8000-000000000000")
ZONES = {
    "": None,
    "Z": UTC,
    "+02:00": timezone(timedelta(hours=2)),
    "-05:30": timezone(-timedelta(hours=5, minutes=30)),
}
DATETIME_FORMATS = [
    f"0000-00-00{between}00:00:00{fraction}{zone}" for between in "T " for fraction in ("", ".000") for zone in ZONES
]
LETTERS = "aAbBéÉñÑ日𝄞%_*\\\",: '\n.{}[]-~"
TEXTS = st.sampled_from(["", "gt:3", "not.eq:1", "is_null", "10:20:30", "https://a.b/?c=d", "null", "007", '"a,b"']) | (
    st.text(LETTERS, max_size=5)
)
NUMBERS = (
    st.integers(-3, 3).map(Decimal)
    | st.integers(-(10**40), 10**40).map(Decimal)
    | st.decimals(-10, 10, places=2)
    | st.just(Decimal("0.10"))
)
DATES = st.dates(date(2024, 12, 30), date(2025, 1, 3))
MOMENTS = st.builds(
    datetime.combine,
    DATES,
    st.builds(
        time, st.sampled_from([0, 1, 12, 23]), st.just(59), st.sampled_from([0, 59]), st.sampled_from([0, 500_000])
    ),
)
JSON = NUMBERS | TEXTS | st.booleans() | st.lists(st.integers(0, 2), max_size=2) | st.builds(lambda x: {"a": x}, TEXTS)


@st.composite
def tables(draw: st.DrawFn) -> tuple[tuple[Column, ...], dict[int, Row]]:
    moments = draw(st.sampled_from(DATETIME_FORMATS))
    columns = (
        Column("n", "number", "number"),
        Column("i", 'a "quoted", 100%', "integer"),
        Column("b", "flag", "boolean", draw(st.sampled_from([None, "TRUE", "True"]))),
        Column("d", "day", "date", "0000-00-00"),
        Column("m", "sort", "datetime", moments),
        Column("t", "time", "time", "00:00:00"),
        Column("x'y%\\", "text", "text"),
        Column("j", "json", "json"),
    )
    stored = _in_zone(moments)
    kinds = (
        NUMBERS,
        st.integers(-5, 5).map(Decimal),
        st.booleans(),
        DATES,
        MOMENTS.map(stored),
        st.times().map(lambda value: value.replace(microsecond=0)),
        TEXTS,
        JSON,
    )
    record = st.fixed_dictionaries({}, optional={column.key: kind for column, kind in zip(columns, kinds, strict=True)})
    pool = draw(st.lists(record, min_size=1, max_size=12))
    rows = draw(st.lists(st.sampled_from(pool) | record, max_size=12))
    return columns, dict(enumerate(rows, start=1))


def _in_zone(form: str) -> Any:
    """Brings a moment to what the shape can say."""
    zone = next(zone for suffix, zone in reversed(ZONES.items()) if form.endswith(suffix))
    return lambda moment: moment.replace(microsecond=moment.microsecond if ".000" in form else 0, tzinfo=zone)


def _fill(records: RecordTable, columns: tuple[Column, ...], rows: dict[int, Row]) -> None:
    by_key = {column.key: column for column in columns}
    encode = msgspec.json.Encoder(decimal_format="number").encode
    records.fill(
        {
            record: encode({key: written(by_key[key], value) for key, value in row.items()}).decode()
            for record, row in rows.items()
        }
    )


def _operand(column: Column) -> st.SearchStrategy[str]:
    numbers = NUMBERS.map(lambda value: format(value, "f"))
    match column.type:
        case "integer" | "number":
            return numbers | st.sampled_from(["1e0", "+2", ".5", "1."])
        case "boolean":
            return st.sampled_from(["true", "FALSE", "1", "0"])
        case "date":
            return DATES.map(str)
        case "time":
            return st.times().map(lambda value: value.isoformat())
        case "datetime":
            return DATES.map(str) | st.builds(
                lambda moment, zone: moment.isoformat() + zone, MOMENTS, st.sampled_from(list(ZONES))
            )
        case "json":
            return numbers | TEXTS
        case _:
            return TEXTS


ONE = ["eq", "ne", "gt", "gte", "lt", "lte"]
PATTERNS = ["like", "ilike", "contains", "icontains", "starts", "ends"]


@st.composite
def conditions(draw: st.DrawFn, columns: tuple[Column, ...]) -> tuple[Column, str, list[str], bool]:
    column = draw(st.sampled_from(columns))
    operator = draw(st.sampled_from([*ONE, *PATTERNS, "in", "nin", "between", "is_null", "is_not_null"]))
    count = {"in": 3, "nin": 2, "between": 2, "is_null": 0, "is_not_null": 0}.get(operator, 1)
    operand = TEXTS if operator in PATTERNS else _operand(column)
    return column, operator, [draw(operand) for _ in range(count)], draw(st.booleans())


def _as_parameter(condition: tuple[Column, str, list[str], bool]) -> tuple[str, str]:
    column, operator, operands, negated = condition
    listed = [f'"{text.replace(chr(34), chr(34) * 2)}"' for text in operands]
    value = operands[0] if len(operands) == 1 and operator != "in" else ",".join(listed)
    return f"filter[{column.name}]", f"{'not.' if negated else ''}{operator}:{value}"


def _as_body(condition: tuple[Column, str, list[str], bool]) -> dict[str, Any]:
    column, operator, operands, negated = condition
    value: Any = operands if operator in {"in", "nin", "between"} else operands[0] if operands else True
    explicit = {"column": column.name, "op": operator, "value": value}
    return {"not": explicit} if negated else explicit


def _met(condition: tuple[Column, str, list[str], bool], row: Row) -> bool:
    column, operator, operands, negated = condition
    return holds(column, row.get(column.key), operator, operands) != negated


@pytest.fixture(scope="module", params=["scanned", "indexed"])
def records(empty_postgres_url: str, request: pytest.FixtureRequest) -> Iterator[RecordTable]:
    """With and without every index that there could be from use, which PostgreSQL is then made to take."""
    with record_table(empty_postgres_url) as table:
        if request.param == "indexed":
            _index(table)
        yield table


def _index(records: RecordTable) -> None:
    records.connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    types = {"n": "number", "i": "integer", "b": "boolean", "d": "date", "m": "datetime", "t": "time", "j": "json"}
    columns = tuple(Column(key, key, kind) for key, kind in {**types, "x'y%\\": "text"}.items())  # type: ignore[arg-type]
    found = {
        access.digest: access
        for column in columns
        for text in ("sort=", "sort=-", "ilike=abc", "contains=abc")
        for access in _accesses(column, text, records.fold)
    }
    for access in (*found.values(), *accesses(parse_params([("q", "abc")]), columns, records.fold)):
        _build(records, access)
    records.connection.execute("SET enable_seqscan = off")


def _build(records: RecordTable, access: Access) -> None:
    first = access.expression.join(("(", ") DESC NULLS LAST" if access.form == "desc" else ")"))
    ordered_by = f"({', '.join((first, *access.following, 'id'))})"
    keys = f"USING gin (({access.expression}) gin_trgm_ops)" if access.form == "trigram" else ordered_by
    records.connection.execute(f"CREATE INDEX ON records {keys}".encode(), {})


def _accesses(column: Column, text: str, fold: str) -> tuple[Access, ...]:
    name, _, value = text.partition("=")
    query = (
        parse_body({"sort_by": column.name, "sort_order": "desc" if value.startswith("-") else "asc"})
        if name == "sort"
        else parse_body({"filters": {column.name: {name: value}}})
    )
    return accesses(query, (column,), fold)


EXAMPLES = settings(max_examples=75, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@EXAMPLES
@given(table=tables(), data=st.data())
def test_filters_let_through_what_the_model_does(records: RecordTable, table: Any, data: st.DataObject) -> None:
    columns, rows = table
    _fill(records, columns, rows)
    for _ in range(3):
        wanted = data.draw(st.lists(conditions(columns), min_size=1, max_size=3))
        every = [record for record, row in rows.items() if all(_met(condition, row) for condition in wanted)]
        some = [record for record, row in rows.items() if any(_met(condition, row) for condition in wanted)]
        parsed = parse_params(map(_as_parameter, wanted))
        assert records.ids(records.compiled(parsed, columns)) == every
        assert records.ids(records.compiled(parse_body({"filters": [*map(_as_body, wanted)]}), columns)) == every
        either = parse_body({"filters": {"or": [*map(_as_body, wanted)]}})
        assert records.ids(records.compiled(either, columns)) == some
        neither = parse_body({"filters": {"not": {"or": [*map(_as_body, wanted)]}}})
        assert records.ids(records.compiled(neither, columns)) == [record for record in rows if record not in some]


@st.composite
def sorts(draw: st.DrawFn, columns: tuple[Column, ...]) -> list[tuple[Column | None, bool]]:
    names = draw(st.lists(st.sampled_from([None, *columns]), max_size=4, unique=True))
    return [(column, draw(st.booleans())) for column in names]


@EXAMPLES
@given(table=tables(), data=st.data())
def test_pages_by_cursor_are_the_sorted_list(records: RecordTable, table: Any, data: st.DataObject) -> None:
    columns, rows = table
    _fill(records, columns, rows)
    wanted = data.draw(st.lists(conditions(columns), max_size=1))
    sort = data.draw(sorts(columns))
    kept = {record: row for record, row in rows.items() if all(_met(condition, row) for condition in wanted)}
    expected = ordered(kept, sort)
    names = [("__id" if column is None else column.name.replace('"', '""'), descending) for column, descending in sort]
    terms = [f'-"{name}"' if descending else f'"{name}":asc' for name, descending in names]
    parameters = [*map(_as_parameter, wanted), *([("sort", ",".join(terms))] if terms else [])]

    query = parse_params(parameters)
    with records.connection.transaction(force_rollback=True):
        for access in accesses(query, columns, records.fold):
            if access.following:
                _build(records, access)
        assert records.ids(records.compiled(query, columns), limit=3, offset=2) == expected[2:5]
        assert _paged(records, query, columns, data.draw(st.integers(1, 5))) == expected


def _paged(records: RecordTable, query: Query, columns: tuple[Column, ...], size: int) -> list[int]:
    """By cursors, page by page."""
    seen = page = records.ids(records.compiled(query, columns), limit=size)
    while len(page) == size:
        place = cursors.Cursor(DATASET, AT, "token", page[-1], cursors.fingerprint(query), query)
        query = cursors.resume(cursors.decode(cursors.encode(place, SEAL), SEAL), parse_params([("cursor", "…")]))
        page = records.ids(records.compiled(query, columns), limit=size, after=page[-1])
        seen = seen + page
    return seen


@EXAMPLES
@given(table=tables(), data=st.data())
def test_records_are_written_in_the_order_and_to_the_letter(
    records: RecordTable, table: Any, data: st.DataObject
) -> None:
    columns, rows = table
    _fill(records, columns, rows)
    chosen = data.draw(st.permutations(columns))[: data.draw(st.integers(1, len(columns)))]
    found = records.texts(record_json(chosen))
    decode = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode
    for (text,), row in zip(found, rows.values(), strict=True):
        written_row = decode(text)
        assert list(written_row) == [column.name for column in chosen]
        for column in chosen:
            value = written(column, row.get(column.key))
            assert written_row[column.name] == (int(value) if column.type == "integer" and value is not None else value)
            if isinstance(value, Decimal):
                assert str(written_row[column.name]) == format(value, "f")
    texts = csv_select(chosen)
    cells = [tuple(_cell(column, row) for column in chosen) for row in rows.values()]
    assert records.texts(texts, X) == cells


def _cell(column: Column, row: Row) -> str | None:
    value = row.get(column.key)
    if isinstance(value, bool) and column.type == "boolean":
        word = str(value)
        return {"TRUE": word.upper(), "True": word}.get(column.format or "", word.lower())
    if column.type == "json" and isinstance(value, str):
        return msgspec.json.encode(value).decode()
    return text_of(column, value)
