"""Alembic's entry: one engine, the central tables, each migration in a transaction of its own."""

from sqlalchemy import create_engine, text

from alembic import context
from backend.repositories.export_tables import central

SCHEMA = "sheaf"


def ours(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "schema" or name == SCHEMA


engine = create_engine(context.config.get_main_option("sqlalchemy.url") or "")
with engine.connect() as connection:
    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
    # A role of the schema's own name has it as its default schema, and Alembic would then compare it with nothing.
    connection.execute(text("SET search_path TO public"))
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
