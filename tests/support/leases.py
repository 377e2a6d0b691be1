"""What else the passing of 30 seconds does."""

import psycopg


def end_leases(database_url: str) -> None:
    """Nobody has a dataset to itself any more."""
    with psycopg.connect(database_url) as connection:
        schemas = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'ws\\_%'").fetchall()
        for (schema,) in schemas:
            query = psycopg.sql.SQL("UPDATE {} SET busy_until = now() WHERE busy_until IS NOT NULL")
            connection.execute(query.format(psycopg.sql.Identifier(schema, "datasets")))
