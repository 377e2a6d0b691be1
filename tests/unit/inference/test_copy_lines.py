import polars as pl
from tables import batches, infer, records, stored

from backend.inference import ColumnPlan, encode

TEXT = ColumnPlan("text", None, "string")


def test_one_line_for_each_row() -> None:
    inference, cleaned = infer({"id": ["7", "8"], "name": ["a", None]})
    assert encode(cleaned[0], inference.plan(), ["id", "name"], 41, 3) == (
        b'41\x023\x02{"id":7,"name":"a"}\n42\x023\x02{"id":8}\n'
    )


def test_rows_of_nulls_are_empty_objects() -> None:
    columns = {"a": [None, "1", None], "b": [None, None, "x"], "c": [None, None, None]}
    assert stored(columns) == [{}, {"a": ("number", "1")}, {"b": "x"}]
    assert stored({"a": [None, None]}) == [{}, {}]


def test_no_rows_no_bytes() -> None:
    assert encode(batches({"a": []})[0], [TEXT], ["a"], 1, 1) == b""


def test_every_character_comes_back() -> None:
    characters = [chr(code) for code in range(1, 0x2100)] + ["😀", "\U0010ffff", "\ufeff", "\uffff"]
    text = ["".join(characters), "{,", '"},{"', "\\u0001", "\r\n", " ", ""]
    columns = {"a": [*characters, *text], "b": [None] * (len(characters) + len(text))}
    assert [record["a"] for record in stored(columns)] == [*characters, *text]


def test_only_what_must_be_is_escaped() -> None:
    line = encode(batches({"a": ["é\x7f\u2028/😀"]})[0], [TEXT], ["a"], 1, 1)
    assert line == '1\x021\x02{"a":"é\x7f\u2028/😀"}\n'.encode()


def test_keys_are_escaped() -> None:
    keys = ['a "b"', "c\\", "d\n", "ключ", "", "{,"]
    names = [str(at) for at in range(len(keys))]
    for cells in (["1"], [None]):
        table = batches({name: [*cells, "2"] for name in names})[0]
        (_, first), (_, second) = records(encode(table, [TEXT] * len(keys), keys, 1, 1))
        assert first == (dict.fromkeys(keys, "1") if cells == ["1"] else {})
        assert second == dict.fromkeys(keys, "2")


def test_booleans_lose_their_casing_and_numbers_nothing() -> None:
    columns = {"b": ["TRUE", "FALSE"], "l": ["true", None], "n": ["0.10", "-123456789012345678901234567890.50"]}
    assert stored(columns) == [
        {"b": True, "l": True, "n": ("number", "0.10")},
        {"b": False, "n": ("number", "-123456789012345678901234567890.50")},
    ]


def test_a_batch_may_be_narrower_than_the_plan() -> None:
    table = batches({"a": ["1"]})[0]
    assert encode(table, [TEXT, TEXT], ["a", "b"], 1, 1) == b'1\x021\x02{"a":"1"}\n'


def test_two_thousand_columns() -> None:
    keys = [f"c{at}" for at in range(2000)]
    columns = {key: [None if at % 3 == 0 else str(at), "x" if at % 5 == 0 else None] for at, key in enumerate(keys)}
    rows = stored(columns)
    assert [len(row) for row in rows] == [sum(cells[at] is not None for cells in columns.values()) for at in (0, 1)]


def test_chunked_columns_are_one_column() -> None:
    table = batches({"a": ["1", "2"], "b": ["x", None]})[0]
    frame = pl.concat([table.frame, table.frame], rechunk=False)
    batch = type(table)(frame, pl.concat([table.rows, table.rows]))
    assert [record for _, record in records(encode(batch, [TEXT, TEXT], ["a", "b"], 1, 1))] == [
        {"a": "1", "b": "x"}, {"a": "2"}, {"a": "1", "b": "x"}, {"a": "2"},
    ]  # fmt: skip
