"""What the JSON and NDJSON writers make of PostgreSQL's lines."""

import pytest
from msgspec import json

from backend.errors import InvalidQuery
from backend.schemas.exports import ExportOptions
from backend.writers import Table, writer_for

LINES = [b'{"a":0.10,"b":null}\n', b'{"a":12345678901234567890,"b":"x\\ny"}\n', b'{"a":null,"b":[1, {"c": 2}]}\n']


def written(form: str, *lists: list[bytes]) -> bytes:
    options = ExportOptions(form)
    return b"".join(writer_for(options).write(lists, Table("t", (), sum(map(len, lists))), options))


def test_lines_pass_as_they_are() -> None:
    assert written("ndjson", LINES[:1], [], LINES[1:]) == b"".join(LINES)
    assert written("ndjson") == b""


def test_an_array_of_the_same_objects_each_on_its_line() -> None:
    text = written("json", LINES[:1], [], LINES[1:])
    assert text == b"[\n" + b",\n".join(line[:-1] for line in LINES) + b"\n]\n"
    assert json.decode(text) == [json.decode(line) for line in LINES]


@pytest.mark.parametrize("lists", [[], [[]]])
def test_no_records_are_an_empty_array(lists: list[list[bytes]]) -> None:
    assert json.decode(written("json", *lists)) == []


def test_the_bracket_leaves_before_the_first_record_is_asked_for() -> None:
    def rows():
        pytest.fail("the records were asked for")
        yield []

    options = ExportOptions("json")
    assert next(writer_for(options).write(rows(), Table("t", (), 1), options)) == b"["


@pytest.mark.parametrize("form", ["json", "ndjson", "parquet"])
def test_options_of_csv_are_refused(form: str) -> None:
    with pytest.raises(InvalidQuery, match="bom is no option"):
        writer_for(ExportOptions(form, bom=True))
    assert writer_for(ExportOptions(form, ids=True)).extension == form
