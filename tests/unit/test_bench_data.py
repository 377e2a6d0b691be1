import csv
import json
from datetime import date, datetime
from decimal import Decimal

import openpyxl
import pytest

from scripts.benchmarks import data


@pytest.fixture
def records(tmp_path):
    path = data.write_csv(tmp_path / "orders.csv", data.orders, 2_000)
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_orders_have_what_makes_files_hard(records):
    assert list(records[0]) == list(data.ORDERS)
    assert [row["order_id"] for row in records] == [str(number) for number in range(1, 2_001)]
    assert any(row["zip"].startswith("0") and len(row["zip"]) == 5 for row in records)
    assert any("," in row["city"] for row in records)
    assert all(Decimal(row["amount"]).as_tuple().exponent == -2 for row in records)
    assert any(row["amount"].endswith("0") for row in records)
    assert {row["paid"] for row in records} == {"true", "false"}
    assert all(date.fromisoformat(row["ordered_on"]) for row in records)
    assert all(row["updated_at"].endswith("Z") and datetime.fromisoformat(row["updated_at"]) for row in records)


def test_a_file_is_the_same_each_time_and_a_short_one_its_beginning(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "CHUNK", 50)
    one, same = (data.write_csv(tmp_path / name, data.orders, 150).read_bytes() for name in ("one", "same"))
    short = data.write_csv(tmp_path / "short", data.orders, 100).read_bytes()
    assert one == same
    assert one.startswith(short)
    assert one.count(b"\r\n") == one.count(b"\n") == 151


def test_lines_for_copy_hold_the_same_rows_as_the_file(tmp_path, records):
    lines = data.write_copy_lines(tmp_path / "lines", 2_000).read_text(encoding="utf-8").splitlines()
    parts = [line.split("\x02") for line in lines]
    assert [(id_, version) for id_, version, _ in parts] == [(row["order_id"], "1") for row in records]
    stored = [json.loads(text, parse_int=str, parse_float=str) for _, _, text in parts]
    assert stored == [row | {"paid": row["paid"] == "true"} for row in records]


def test_the_workbook_holds_typed_cells(tmp_path, records):
    sheet = openpyxl.load_workbook(data.write_xlsx(tmp_path / "orders.xlsx", 2_000)).active
    rows = list(sheet.iter_rows(values_only=True))
    assert rows[0] == tuple(data.ORDERS)
    assert len(rows) == 2_001
    first = dict(zip(rows[0], rows[1], strict=True))
    assert [first["order_id"], first["zip"]] == [1, records[0]["zip"]]
    assert [type(first[name]) for name in ("paid", "ordered_on", "updated_at")] == [bool, datetime, datetime]


def test_the_wide_file_has_300_columns_with_gaps(tmp_path):
    path = data.write_csv(tmp_path / "wide.csv", data.wide, 50)
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert len(header) == len(set(header)) == 300
    assert {len(row) for row in rows} == {300}
    assert {row[2] for row in rows} == {"red", "green", "blue", ""}
