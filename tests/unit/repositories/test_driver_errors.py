"""An error of the driver is said to be what it is."""

from __future__ import annotations

import psycopg
import pytest

from backend.errors import BadRequest
from backend.repositories.driver_errors import translated


@pytest.mark.parametrize("statement", ["SELECT %s", "SELECT convert_from(%b, 'UTF8')", "SELECT %s::jsonb->>0"])
def test_a_nul_is_called_one(postgres_url: str, statement: str) -> None:
    value = b"a\0" if "%b" in statement else '["\\u0000"]' if "jsonb" in statement else "a\0"
    with psycopg.connect(postgres_url) as connection, pytest.raises(psycopg.DataError) as raised:
        connection.execute(statement.encode(), [value])
    told = translated(raised.value)
    assert isinstance(told, BadRequest)
    assert str(told) == "Text cannot hold the NUL character."


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT now() + interval '9999 years'",
        "SELECT date 'infinity'",
        "SELECT now() + interval '999999 years'",
        "SELECT convert_from('\\xff', 'UTF8')",
    ],
)
def test_other_data_is_not(postgres_url: str, statement: str) -> None:
    with psycopg.connect(postgres_url) as connection, pytest.raises(psycopg.DataError) as raised:
        connection.execute(statement.encode()).fetchone()
    assert translated(raised.value) is None
