"""Compiled queries on a real PostgreSQL: case, patterns, JSON, names and widths that the model does not cover."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg import sql
from record_table import AT, RecordTable, X, record_table

from backend.errors import InvalidQuery, UnknownColumn, UnknownParameter
from backend.query.compile import csv_select, is_wide, record_json
from backend.query.fields import sorted_expression
from backend.query.spec import parse_body, parse_params
from backend.schemas.columns import Column

COLUMNS = (
    Column("n", "amount", "number"),
    Column("t", "name", "text"),
    Column("b", "paid", "boolean", "TRUE"),
    Column("d", "day", "date", "0000-00-00"),
    Column("m", "at", "datetime", "0000-00-00T00:00:00Z"),
    Column("j", "address", "json"),
    Column("address.zip", "address.zip", "text"),
)
ROWS = {
    1: '{"n": 10, "t": "Émile Ångström", "b": true, "d": "2025-01-30", "m": "2025-01-31T10:20:30Z"}',
    2: '{"n": 9.50, "t": "emile", "b": false, "d": "2025-01-31", "j": {"city": "Bonn", "no": 7, "tags": ["a", "b"]}}',
    3: '{"n": 100, "t": "50% off", "j": {"city": "Köln", "no": "7", "a.b": null}, "address.zip": "53111"}',
    4: '{"t": "", "j": "Bonn", "n": 1e3}',
    5: "{}",
}


@pytest.fixture(scope="module")
def records(empty_postgres_url: str) -> Iterator[RecordTable]:
    with record_table(empty_postgres_url) as table:
        table.fill(ROWS)
        yield table


def found(records: RecordTable, *pairs: tuple[str, str]) -> list[int]:
    return records.ids(records.compiled(parse_params(pairs), COLUMNS))


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("name", "ilike:*ÅNGSTRÖM", [1]),
        ("name", "icontains:ÉM", [1]),
        ("name", "contains:ém", []),
        ("name", "contains:50%", [3]),
        ("name", "like:_mile", [2]),
        ("name", r"like:50\% *", [3]),
        ("name", "starts:É", [1]),
        ("name", "regex:^.mile$", [2]),
        ("name", r"regex:^\w+ \w+$", [1]),
        ("name", "regex:(?i)^é", [1]),
        ("name", "not.regex:mile", [3, 4, 5]),
        ("name", "", [4]),
        ("name", "is_null", [5]),
        ("amount", "starts:10", [1, 3, 4]),
        ("amount", "regex:\\.50$", [2]),
        ("amount", "9.5", [2]),
        ("amount", "between:9,10", [1, 2]),
        ("amount", "ne:10", [2, 3, 4, 5]),
        ("paid", "gt:false", [1]),
        ("day", "starts:2025-01", [1, 2]),
        ("day", "gt:2025-01-30T12:00", [2]),
        ("at", "2025-01-31T12:20:30+02:00", [1]),
        ("at", "gt:2025-01-31", [1]),
        ("at", "in:2025-01-31T10:20:30.5Z", []),
        ("__id", "in:2,4,99", [2, 4]),
        ("__id", "gt:3", [4, 5]),
        ("__id", "ends:5", [5]),
        ("filter[address.city]", "eq:Bonn", [2]),
        ("address.city", "ilike:KÖ*", [3]),
        ("address.city", "is_null", [1, 4, 5]),
        ("address.no", "7", [2, 3]),
        ("address.no", "gt:6.5", [2, 3]),
        ("address.no", "lt:10", [2]),
        ("address.tags.1", "b", [2]),
        ('address."a.b"', "is_null", [1, 2, 3, 4, 5]),
        ("address.zip", "53111", [3]),
        ('filter["address.zip"]', "53111", [3]),
        ('filter["address".zip]', "is_null", [1, 2, 3, 4, 5]),
        ('filter["address"."city"]', "Bonn", [2]),
        ("address", "Bonn", [4]),
        ("q", "émile ångström", [1]),
        ("q", "köln 53111", [3]),
        ("q", "50%", [3]),
        ("q", "bonn true", []),
        ("q", "", [1, 2, 3, 4, 5]),
    ],
)
def test_finds(records: RecordTable, name: str, text: str, expected: list[int]) -> None:
    assert found(records, (name, text)) == expected


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"address": {"eq": {"no": 7, "tags": ["a", "b"], "city": "Bonn"}}}, [2]),
        ({"address": {"in": ["Bonn", {"city": "Köln", "no": "7", "a.b": None}, None]}}, [1, 3, 4, 5]),
        ({"address": {"ne": "Bonn"}}, [1, 2, 3, 5]),
        ({"amount": {"in": []}}, []),
        ({"amount": {"nin": []}}, [1, 2, 3, 4, 5]),
        ({"amount": {"in": [10, None]}}, [1, 5]),
        ({"amount": {"nin": [10, None]}}, [2, 3, 4]),
        ({"or": [{"name": "emile"}, {"__id": {"gt": 4}}]}, [2, 5]),
        ({"not": {"or": [{"name": "emile"}, {"amount": {"gt": 50}}]}}, [1, 5]),
        ([{}, {"name": ""}], [4]),
    ],
)
def test_finds_by_body(records: RecordTable, filters: Any, expected: list[int]) -> None:
    assert records.ids(records.compiled(parse_body({"filters": filters}), COLUMNS)) == expected


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("amount", [2, 1, 3, 4, 5]),
        ("-amount", [4, 3, 1, 2, 5]),
        ("name", [4, 3, 2, 1, 5]),
        ("address.no,-__id", [2, 3, 5, 4, 1]),
        ("-address.no", [2, 3, 1, 4, 5]),
        ("-__id,amount", [5, 4, 3, 2, 1]),
        ("paid,paid:desc", [2, 1, 3, 4, 5]),
    ],
)
def test_sorts(records: RecordTable, sort: str, expected: list[int]) -> None:
    query = records.compiled(parse_params([("sort", sort)]), COLUMNS)
    assert records.ids(query) == expected
    for place, last in enumerate(expected):
        assert records.ids(query, after=last) == expected[place + 1 :]


@pytest.mark.parametrize(
    ("name", "text", "error", "reason"),
    [
        ("amuont", "5", UnknownParameter, "no column and no parameter 'amuont'; the nearest is 'amount'"),
        ("ofset", "5", UnknownParameter, "nearest is 'offset'"),
        ("filter[Name]", "x", UnknownColumn, "nearest is 'name'"),
        ("sort", "nme", UnknownColumn, "nearest is 'name'"),
        ("select", "name,dya", UnknownColumn, "nearest is 'day'"),
        ("select", "__id", UnknownColumn, "part of each record"),
        ("name.city", "x", UnknownParameter, "no column"),
        ("amount", "abc", InvalidQuery, "'abc' is not a number"),
        ("amount", "gtt:5", InvalidQuery, "no operator 'gtt'; the nearest is 'gt'"),
        ("amount", "in:1,x", InvalidQuery, "'x' is not a number"),
        ("paid", "maybe", InvalidQuery, "not true or false"),
        ("day", "31.01.2025", InvalidQuery, "ISO 8601 date"),
        ("at", "gt:yesterday", InvalidQuery, "ISO 8601"),
        ("__id", "1.5", InvalidQuery, "record id"),
        ("name", "regex:" + "a" * 1001, InvalidQuery, "1,000 characters"),
        ("q", " ".join("a" * 21), InvalidQuery, "20 words"),
    ],
)
def test_refuses(records: RecordTable, name: str, text: str, error: type[InvalidQuery], reason: str) -> None:
    with pytest.raises(error, match=reason):
        records.compiled(parse_params([(name, text)]), COLUMNS)


@pytest.mark.parametrize(
    ("filters", "reason"),
    [
        ({"amount": {"eq": [1]}}, "not objects or lists"),
        ({"amount": {"gt": None}}, "compared with null"),
        ({"address": {"gt": {"a": 1}}}, "can only be equal"),
        ({"name": {"like": {"a": 1}}}, "must be text"),
        ({"name": {"like": None}}, "must be text"),
    ],
)
def test_refuses_in_a_body(records: RecordTable, filters: Any, reason: str) -> None:
    with pytest.raises(InvalidQuery, match=reason):
        records.compiled(parse_body({"filters": filters}), COLUMNS)


def test_only_postgresql_knows_a_valid_regular_expression(records: RecordTable) -> None:
    with pytest.raises(psycopg.errors.InvalidRegularExpression):
        found(records, ("name", "regex:(("))


def test_no_columns_at_all(records: RecordTable) -> None:
    query = records.compiled(parse_params([("q", "x")]), ())
    assert records.ids(query) == []
    assert records.texts(record_json(())) == [("{}",)] * 5


def test_select_keeps_the_order_written(records: RecordTable) -> None:
    query = records.compiled(parse_params([("select", "name,amount,name")]), COLUMNS)
    assert [column.name for column in query.columns] == ["name", "amount"]
    assert records.texts(record_json(query.columns))[1] == ('{"name":"emile","amount":9.50}',)


ODD = ["", "'", '"', "\\", "%", "%s", "%(x)s", "{}", "{0}", "$1", ";--", "a\nb", "\u202eé", "'; DROP TABLE records; --"]


@pytest.fixture
def odd_records(empty_postgres_url: str) -> Iterator[RecordTable]:
    with record_table(empty_postgres_url) as table:
        table.fill({1: json.dumps({name: name for name in ODD}), 2: "{}"})
        yield table


@pytest.mark.parametrize("more", [0, 40])
def test_any_name_and_any_key(odd_records: RecordTable, more: int) -> None:
    columns = tuple(Column(name, name, "text") for name in ODD) + tuple(
        Column(f"k{n}", f"k{n}", "text") for n in range(more)
    )
    for name in ODD:
        query = odd_records.compiled(parse_params([(f"filter[{name}]", f"eq:{name}")]), columns)
        assert odd_records.ids(query) == [1]
    quoted = ",".join('"' + name.replace('"', '""') + '"' for name in ODD if name)
    query = odd_records.compiled(parse_params([("sort", quoted), ("q", "DROP")]), columns)
    assert odd_records.ids(query) == [1]
    assert odd_records.ids(odd_records.compiled(parse_params([("sort", quoted)]), columns), after=1) == [2]
    assert json.loads(odd_records.texts(record_json(columns))[0][0]) == {name: name for name in ODD} | {
        f"k{n}": None for n in range(more)
    }
    texts = csv_select(columns)
    assert odd_records.texts(texts, X)[0] == (*ODD, *[None] * more)


@pytest.mark.parametrize("width", [1, 30, 31, 300, 1600, 1601, 2000])
def test_any_width(empty_postgres_url: str, width: int) -> None:
    name = "a name that is longer than the 63 bytes that PostgreSQL leaves of any identifier, column {}".format
    columns = tuple(Column(f"k{n}", name(n), "integer") for n in range(width))
    with record_table(empty_postgres_url) as records:
        records.fill({1: json.dumps({f"k{n}": n for n in range(width) if n != 5}), 2: "{}"})
        full, empty = (msgspec.json.decode(row[0]) for row in records.texts(record_json(columns)))
        assert list(full) == list(empty) == [name(n) for n in range(width)]
        assert list(full.values()) == [None if n == 5 else n for n in range(width)]
        assert set(empty.values()) == {None}
        texts = csv_select(columns)
        row: Any = records.texts(texts, X)[0]
        assert is_wide(columns) == (width > 1600)
        cells = json.loads(row[0]) if is_wide(columns) else list(row)
        assert cells == [None if n == 5 else str(n) for n in range(width)]
        assert records.ids(records.compiled(parse_params([("q", str(width - 1))]), columns)) == [1]


def test_old_images_of_another_type_are_no_obstacle(records: RecordTable) -> None:
    was_text = (Column("t", "name", "number"), Column("n", "amount", "boolean"))
    query = records.compiled(parse_params([("name", "gt:0"), ("sort", "amount,name")]), was_text)
    assert records.ids(query) == []
    assert records.ids(records.compiled(parse_params([("sort", "amount,name")]), was_text)) == [1, 2, 3, 4, 5]
    for name in ("name", "amount"):
        found = [records.ids(records.compiled(parse_params([(name, "is_null")]), each)) for each in (COLUMNS, was_text)]
        assert found[0] == found[1]


@pytest.mark.parametrize(
    ("parameter", "sort", "column"),
    [
        (("amount", "gt:5"), "amount", COLUMNS[0]),
        (("name", "x"), "name", COLUMNS[1]),
        (("paid", "true"), "paid", COLUMNS[2]),
        (("amount", "is_null"), "amount", COLUMNS[0]),
        (("name", "is_not_null"), "name", COLUMNS[1]),
    ],
)
def test_an_index_on_the_value_serves_filter_and_sort(
    records: RecordTable, parameter: tuple[str, str], sort: str, column: Column
) -> None:
    with records.connection.transaction(force_rollback=True):
        index = sql.SQL("CREATE INDEX served ON {} (({}), id)").format(
            records.table, sql.SQL(sorted_expression(column, "data"))
        )
        records.connection.execute(index, {})
        records.connection.execute("SET LOCAL enable_seqscan = off")
        filtered = records.compiled(parse_params([parameter]), COLUMNS)
        query = records.compiled(parse_params([("sort", sort)]), COLUMNS)
        for statement, params in (
            (sql.SQL("SELECT FROM {} r WHERE {}").format(records.table, filtered.where), filtered.params),
            (sql.SQL("SELECT FROM {} r ORDER BY {} LIMIT 1").format(records.table, query.order_by), {}),
        ):
            plan = records.connection.execute(
                sql.SQL("EXPLAIN {}").format(statement), {**params, "version": AT}
            ).fetchall()
            assert any("served" in line for (line,) in plan), plan
            assert not any("Sort" in line for (line,) in plan), plan


def test_the_place_behind_a_record_grows_with_the_sorts_only(records: RecordTable) -> None:
    sort = ",".join(f"address.{n}" for n in range(20))
    ten, twenty = (
        len(records.compiled(parse_params([("sort", text)]), COLUMNS).keyset(records.table).as_string(None))
        for text in (",".join(sort.split(",")[:10]), sort)
    )
    assert twenty < 3 * ten
