"""What else the passing of 10 or 30 seconds does."""

import psycopg


def end_leases(database_url: str) -> None:
    """Nobody has a dataset to itself any more."""
    with psycopg.connect(database_url) as connection:
        schemas = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'ws\\_%'").fetchall()
        for (schema,) in schemas:
            query = psycopg.sql.SQL("UPDATE {} SET busy_until = now() WHERE busy_until IS NOT NULL")
            connection.execute(query.format(psycopg.sql.Identifier(schema, "datasets")))


def end_all_leases(database_url: str) -> None:
    """Nor an import."""
    end_leases(database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE sheaf.imports SET lease_until = now() WHERE lease_until > now()")
