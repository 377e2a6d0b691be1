"""Alembic's entry: one engine, the central tables, each migration in a transaction of its own."""

from sqlalchemy import Connection, NullPool, create_engine, event, text

from alembic import context
from backend.repositories.export_tables import central

SCHEMA = "sheaf"


def ours(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "schema" or name == SCHEMA


def in_public(connection: Connection) -> None:
    """A role of the schema's own name has it as its default schema, and Alembic would then compare it with nothing."""
    connection.exec_driver_sql("SET LOCAL search_path TO public")


url = context.config.get_main_option("sqlalchemy.url") or ""
engine = create_engine(url, poolclass=NullPool, connect_args={"prepare_threshold": None})
with engine.connect() as connection:
    event.listen(connection, "begin", in_public)
    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
    connection.dialect.default_schema_name = "public"
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=central,
        include_schemas=True,
        include_name=ours,
        version_table_schema=SCHEMA,
        transaction_per_migration=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
