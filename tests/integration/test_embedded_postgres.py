"""The private PostgreSQL starts, keeps its data and knows Unicode."""

from __future__ import annotations

import psycopg


def test_the_database_folds_case_beyond_ascii(empty_postgres_url: str) -> None:
    with psycopg.connect(empty_postgres_url) as connection:
        row = connection.execute("SELECT lower('ÉÀŽ' COLLATE pg_c_utf8), current_setting('server_encoding')").fetchone()
    assert row == ("éàž", "UTF8")
