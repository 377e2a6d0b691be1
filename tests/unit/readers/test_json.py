"""One JSON file in; names, exact texts, kinds, places and refusals out."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from backend.errors import AppError, LimitExceeded, UnreadableFile
from backend.inference import Inference, Kind, encode
from backend.readers.base import ReadLimits
from backend.readers.json_pieces import PIECE
from backend.readers.json_source import JsonSource, open_json
from backend.schemas.imports import ImportOptions

N = repr
"""What a number is read as, so that it is no text."""


def opened(data: str | bytes, limits: ReadLimits | None = None, *, lines: bool = False) -> JsonSource:
    content = data.encode() if isinstance(data, str) else data
    return open_json(io.BytesIO(content), options=ImportOptions(), limits=limits or ReadLimits(), lines=lines)


def cells(source: JsonSource) -> dict[str, list[str | None]]:
    batches = list(source.batches())
    found: dict[str, list[str | None]] = {name: [] for name in source.names}
    for batch in batches:
        for at, name in enumerate(source.names):
            found[name] += batch.frame[str(at)].to_list() if at < batch.frame.width else [None] * batch.frame.height
    return found


def kinds(source: JsonSource) -> list[Kind]:
    """The kinds of the only record."""
    (batch,) = source.batches()
    assert batch.kinds is not None
    return [Kind(kind) for kind in batch.kinds.row(0)]


def rows(source: JsonSource) -> list[int]:
    return [row for batch in source.batches() for row in batch.rows.to_list()]


def remarks(source: JsonSource) -> list[str]:
    return [item.message for item in source.warnings.items]


def stored(data: str, **options: Any) -> tuple[list[str], list[dict[str, Any]]]:
    """The types of the columns, and the records as the database would get them, numbers to the letter."""
    told = ImportOptions(**options)
    source = opened(data)
    inference = Inference(told, source.warnings)
    batches = [inference.observe(batch, source.names) for batch in source.batches()]
    inference.finish(source.names)
    plan = inference.plan()
    text = b"".join(encode(batch, plan, source.names, 1, 1) for batch in batches)
    exact = [json.loads(line.split(b"\x02")[2], parse_int=N, parse_float=N) for line in text.splitlines()]
    return [column.type for column in plan], exact


class TestValues:
    def test_each_kind(self) -> None:
        source = opened('[{"s": "x", "n": -1.50, "b": true, "o": {"a": [1]}, "l": [], "z": null}]')
        assert kinds(source)[:-1] == [Kind.STRING, Kind.NUMBER, Kind.BOOLEAN, Kind.JSON, Kind.JSON]
        texts = [cell for (cell,) in cells(source).values()]
        assert texts == ["x", "-1.50", "true", '{"a": [1]}', "[]", None]

    @pytest.mark.parametrize("number", ["0.10", "1e5", "-0", "1E-400", "9" * 40, "0." + "1" * 40])
    def test_numbers_keep_their_digits(self, number: str) -> None:
        assert cells(opened(f'{{"a": {number}}}\n{{"a": {number}}}\n')) == {"a": [number, number]}

    def test_escapes(self) -> None:
        text = r'[{"a": "\u00e9\n\"\\\/\ud83d\ude00", "b": "\\u0000"}, {"a": "\"", "b": ""}]'
        assert cells(opened(text)) == {"a": ['é\n"\\/😀', '"'], "b": ["\\u0000", ""]}

    def test_names_join_as_they_come_and_missing_ones_are_null(self) -> None:
        source = opened('{"b": 1}\n{"a": 2, "c": 3}\n{"b": null, "a": "x"}\n')
        assert cells(source) == {"b": ["1", None, None], "a": [None, "2", "x"], "c": [None, "3", None]}

    def test_names_follow_the_rules_for_headers(self) -> None:
        source = opened('[{" a": 1, "a": 2, "": 3, "__id": 4}]')
        assert list(cells(source)) == ["a", "a_2", "column_3", "__id_2"]
        assert len(remarks(source)) == 4

    def test_texts_that_look_like_names(self) -> None:
        text = r'[{"a": ":", "b": "x\":", "c" : "\\"}, {"a": {"b": ": "}}]'
        assert cells(opened(text)) == {"a": [":", '{"b": ": "}'], "b": ['x":', None], "c": ["\\", None]}

    def test_values_of_other_records_in_escaped_names(self) -> None:
        assert cells(opened(r'[{"\u0061": 1}, {"a": 2}]')) == {"a": ["1", "2"]}


class TestForms:
    @pytest.mark.parametrize(
        ("text", "format_", "where"),
        [
            ('[{"a": 1}, {"a": 2}]', "json", [1, 2]),
            ('\n [\n{"a": 1},\n\n{"a": 2}\n]\n', "json", [1, 2]),
            ('{"a": 1}\n{"a": 2}', "ndjson", [1, 2]),
            ('{"a": 1}\r\n\r\n{"a": 2}\r\n', "ndjson", [1, 3]),
            ('\n\n{"a": 1}\n{"a": 2}\n', "ndjson", [3, 4]),
            ('{\n"a": 1\n}\n{\n"a": 2\n}\n', "ndjson", [1, 4]),
            ('{"a": 1}{"a": 2}', "ndjson", [1, 1]),
            ('\ufeff[{"a": 1}, {"a": 2}]', "json", [1, 2]),
        ],
    )
    def test_two_records(self, text: str, format_: str, where: list[int]) -> None:
        source = opened(text)
        assert (source.format, cells(source), rows(source)) == (format_, {"a": ["1", "2"]}, where)
        assert remarks(source) == []

    @pytest.mark.parametrize("name", ["utf-16", "utf-16-le", "utf-32", "latin-1"])
    def test_encodings(self, name: str) -> None:
        text = '[{"stadt": "Köln an der größten Straße", "land": "Österreich"}]'
        assert cells(opened(text.encode(name)))["land"] == ["Österreich"]

    @pytest.mark.parametrize("text", ["[]", " [ ] \n"])
    def test_an_empty_array(self, text: str) -> None:
        source = opened(text)
        assert (list(source.batches()), source.names) == ([], [])

    def test_one_object_is_a_record(self) -> None:
        source = opened('{\n"a": 1, "b": [1, 2]\n}\n')
        assert cells(source) == {"a": ["1"], "b": ["[1, 2]"]}
        assert remarks(source) == ["The file is one object: it was read as a single record"]

    def test_one_line_of_ndjson(self) -> None:
        source = opened('{"a": [{"b": 1}]}\n', lines=True)
        assert (cells(source), remarks(source)) == ({"a": ['[{"b": 1}]']}, [])

    def test_an_array_in_an_object(self) -> None:
        source = opened('{"total": 2, "none": [],\n "data": [\n {"a": 1},\n {"a": [2]}], "next": {"page": [3]}}')
        assert cells(source) == {"a": ["1", "[2]"]}
        (remark,) = remarks(source)
        assert remark == "The file is one object: the records are those in 'data', all else in it was left out"

    def test_records_without_members(self) -> None:
        assert cells(opened('[{"a": 1}, {}, {"a": 2}]')) == {"a": ["1", None, "2"]}
        source = opened("[{}, {}]")
        assert cells(source) == {}
        assert remarks(source) == ["2 records without any member were left out"]

    @pytest.mark.parametrize("form", ["array", "lines", "pretty", "nested"])
    def test_more_than_one_piece(self, form: str) -> None:
        made = [{"id": at, "s": '},{"a" : "' * 40 + str(at), "n": {"x": [at, "},"]}} for at in range(3_000)]
        text = {
            "array": json.dumps(made),
            "lines": "\n".join(map(json.dumps, made)),
            "pretty": json.dumps(made, indent=1),
            "nested": json.dumps({"page": 1, "records": made, "more": "]}"}),
        }[form]
        assert len(text) > PIECE
        source = opened(text)
        found = cells(source)
        assert [int(cell or "") for cell in found["id"]] == list(range(3_000))
        assert found["s"] == [each["s"] for each in made]
        assert [json.loads(cell or "") for cell in found["n"]] == [each["n"] for each in made]
        assert rows(source) == list(range(1, 3_001))
        assert source.share == 1

    def test_a_record_larger_than_a_piece(self) -> None:
        long = "x" * (2 * PIECE)
        assert cells(opened(json.dumps([{"a": 1}, {"a": long}, {"a": 2}]))) == {"a": ["1", long, "2"]}


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ('[{"id": 1}, {"id": 2', "Line 1, character 20 (record 2)"),
            ('[{"id": 1}, {"id": "x', "in the middle of record 2, line 1"),
            ('[{"id": 1},\n {"id": 2}', "in the middle of record 2, line 2"),
            ('[{"a": 1},\n {"a": NaN}]', "Line 2, character 8 (record 2): NaN is no number in JSON"),
            ('{"a": 1}\n{"a": -Infinity}\n', "Line 2, character 8 (record 2): -Infinity is no number"),
            ('{"a": 1}\n\n{"a": 01}\n', "Line 3, character 8 (record 2): invalid number"),
            ('{"a": 1}\n{"a": "\\ud800 alone"}\n', "(record 2): a lone surrogate is no character"),
            ('{"a": 1}\n{"a": \n{"a": 3}\n', "in the middle of record 2, line 2"),
            ('{"a": 1}\nfoo\n{"a": 2}\n', "Line 2 (record 2): 'foo' is no value in JSON"),
            ('{"a": "foo"}\n{"b": true, "a": fus}\n', "Line 2 (record 2): 'fus' is no value in JSON"),
            ('{"a": 1}\n[1, 2]\n', "Record 2 is an array, but every record must be an object"),
            ("[1, 2, 3]", "Record 1 is a number, but every record must be an object"),
            ('[["a", "b"], [1, 2]]', "Record 1 is an array"),
            ('[{"a": 1}, "x"]', "Record 2 is a text"),
            ('[{"a": 1},]', "trailing comma"),
            ('[{"a": 1}] {"b": 1}', "After the array, in line 1, something else follows"),
            ('[{"a": 1}, {"b": 1, "b": 2}]', "Record 2: 'b' stands twice in one object"),
            ('{"a": 1}\n{"a": {"b": 1, "c": {"x": 1, "x": 2}}}\n', "Line 2: 'x' stands twice in one object"),
            ('{"a": 1}\n{"a": "x\\u0000y"}\n', "Line 2, column a holds the character \\u0000"),
            ('[{"a": {"b": "x\\u0000"}}]', "Record 1, column a holds the character \\u0000"),
            ('[{"a\\u0000": 1}]', "A name of a member holds the character \\u0000"),
            ('[{"a": {"b": 1e99999}}]', "A nested number is too long to be stored"),
            ('{"a": [{"x": 1}], "b": [{"y": 1}]}', "several arrays of records: 'a', 'b'"),
            ('{"a": [{"x": 1}], "b": }', "Behind the array 'a'"),
            ('{"a\\q": [{"x": 1}]}', "Line 1, character 6 (record 1): invalid escape character"),
            ('{"\\ud800": [{"x": 1}]}', "(record 1): a lone surrogate is no character"),
            ('[{"a": ' + "[" * 100_000 + "]" * 100_000 + "}]", "nested too deep"),
        ],
    )
    def test_names_the_place(self, text: str, says: str) -> None:
        with pytest.raises(UnreadableFile) as caught:
            cells(opened(text))
        assert says in str(caught.value)

    @pytest.mark.parametrize(
        ("text", "limits", "says"),
        [
            ('[{"a": 1}, {"b": 2}, {"c": 3}]', ReadLimits(max_columns=2), "3 different names, more than SHEAF_MAX"),
            ('{"a": 1}\n' * 5, ReadLimits(max_rows=4), "more rows than SHEAF_MAX_ROWS, 4"),
            ('[{"a": "' + "x" * 200 + '"}]', ReadLimits(max_cell=99), "column a is longer than SHEAF_MAX_CELL"),
            (
                '[{"a": "' + "x" * 3 * PIECE + '"}]',
                ReadLimits(max_line=2 * PIECE),
                "Record 1 is longer than SHEAF_MAX_LINE",
            ),
        ],
    )
    def test_limits_are_named(self, text: str, limits: ReadLimits, says: str) -> None:
        with pytest.raises(LimitExceeded) as caught:
            cells(opened(text, limits))
        assert says in str(caught.value)

    @pytest.mark.parametrize("text", ['{"?": 1, "?": 2}', '{"?": {"x": 1, "x": 2}}'])
    def test_no_message_is_as_long_as_a_name_of_the_file(self, text: str) -> None:
        with pytest.raises(UnreadableFile, match="stands twice") as caught:
            cells(opened(text.replace("?", "n" * 10_000)))
        assert len(str(caught.value)) < 500

    def test_an_error_far_behind_names_its_line(self) -> None:
        with pytest.raises(AppError, match=r"Line 200001, character 9 \(record 200001\)"):
            cells(opened('{"a": 1}\n' * 200_000 + '{"a": 1,}\n'))


class TestTypes:
    def test_types_by_kind(self) -> None:
        text = '[{"i": 1, "n": 1.50, "b": true, "t": "7", "d": "2025-01-31", "j": [1]}, {"i": 2, "n": 3, "b": false}]'
        assert stored(text)[0] == ["integer", "number", "boolean", "text", "date", "json"]

    def test_several_kinds_make_json(self) -> None:
        types, found = stored('[{"v": 1}, {"v": "1"}, {"v": [1]}, {"v": true}, {"v": "say \\"hi\\""}, {"v": null}]')
        assert types == ["json"]
        assert found == [{"v": N("1")}, {"v": "1"}, {"v": [N("1")]}, {"v": True}, {"v": 'say "hi"'}, {}]
        _, (one, text, *_) = stored('[{"v": 1.0}, {"v": "x"}]')
        assert (one, text) == ({"v": N("1.0")}, {"v": "x"})

    @pytest.mark.parametrize("other", ['"x"', "true", "{}", "[]", '"2025-01-31"'])
    @pytest.mark.parametrize("first", ["1", "true", '"x"', "[1]", '"2025-01-31"'])
    def test_any_two_kinds(self, first: str, other: str) -> None:
        types, found = stored(f'[{{"v": {first}}}, {{"v": {other}}}]')
        assert [each["v"] for each in found] == [json.loads(each, parse_int=N) for each in (first, other)]
        alike = first[0] == other[0] or {first[0], other[0]} <= {"[", "{"}
        assert ("json" in types) == (not alike or other[0] in "[{")

    def test_a_number_with_a_power_is_kept_as_text(self) -> None:
        types, found = stored('[{"v": 1e5}, {"v": 2}]')
        assert (types, found) == (["text"], [{"v": "1e5"}, {"v": "2"}])
        assert stored('[{"v": 1e5}, {"v": 2}]', types={"v": "number"})[1] == [{"v": N("100000")}, {"v": N("2")}]

    def test_told_json_takes_texts(self) -> None:
        types, found = stored('[{"v": "x"}, {"v": "1"}, {"v": 1}]', types={"v": "json"})
        assert (types, found) == (["json"], [{"v": "x"}, {"v": "1"}, {"v": N("1")}])

    def test_null_values_leave_numbers(self) -> None:
        assert stored('[{"v": 1}, {"v": "NA"}]', null_values=("NA",)) == (["integer"], [{"v": N("1")}, {}])
