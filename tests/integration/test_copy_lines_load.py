"""What the encoder writes is what PostgreSQL stores."""

import psycopg
import pytest
from tables import Cells, infer

from backend.inference import encode

COPY = "COPY loaded (id, added_in, data) FROM STDIN (FORMAT csv, QUOTE e'\\x01', DELIMITER e'\\x02')"


@pytest.fixture
def connection(empty_postgres_url: str) -> psycopg.Connection:
    with psycopg.connect(empty_postgres_url) as connection:
        connection.execute("CREATE TEMPORARY TABLE loaded (id bigint, added_in integer, data jsonb)")
        yield connection


def test_every_value_is_stored_as_written(connection: psycopg.Connection) -> None:
    characters = "".join(chr(code) for code in range(1, 256)) + "\u2028😀\ufeff"
    columns: dict[str, Cells] = {
        "integer": ["0", "9007199254740993", "-" + "9" * 40, "9" * 131_072, None],
        "number": ["0.10", "-0.00100", "1", "0." + "0" * 16_382 + "1", None],
        "boolean": ["true", "false", None, "true", None],
        "datetime": ["2024-02-29T10:20:30.50Z", None, None, None, None],
        'text \\ "key"\n': [characters, "\\.", "", "\x02\x01", None],
    }
    inference, cleaned = infer(columns)
    assert [column.type for column in inference.plan()] == ["integer", "number", "boolean", "datetime", "text"]
    with connection.cursor().copy(COPY) as copy:
        for batch in cleaned:
            copy.write(encode(batch, inference.plan(), list(columns), 7, 3))
    for name, cells in columns.items():
        rows = connection.execute("SELECT data ->> %s FROM loaded WHERE added_in = 3 ORDER BY id", [name])
        assert [row[0] for row in rows] == list(cells)
    (last,) = connection.execute("SELECT data FROM loaded WHERE id = 11").fetchone() or ()
    assert last == {}


def test_a_lone_end_marker_is_no_end(connection: psycopg.Connection) -> None:
    inference, cleaned = infer({"a": ["\\.", "b"]})
    with connection.cursor().copy(COPY) as copy:
        copy.write(encode(cleaned[0], inference.plan(), ["a"], 1, 1))
    assert connection.execute("SELECT count(*) FROM loaded").fetchone() == (2,)
