"""record tables have names of their own, and are retired when they were written anew

Revision ID: 0009
Revises: 0008
"""

from sqlalchemy import Connection, text

from alembic import op
from backend.repositories.migrate import workspace_schemas

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ADD = """
    BEGIN;
    ALTER TABLE "{0}".datasets ADD COLUMN IF NOT EXISTS store uuid;
    UPDATE "{0}".datasets SET store = id WHERE store IS NULL;
    ALTER TABLE "{0}".datasets ALTER COLUMN store SET NOT NULL;
    CREATE TABLE IF NOT EXISTS "{0}".retired_stores (
        store uuid NOT NULL, dataset_id uuid NOT NULL, retired_at timestamp with time zone DEFAULT now() NOT NULL,
        CONSTRAINT pk_retired_stores PRIMARY KEY (store),
        CONSTRAINT fk_retired_stores_dataset_id FOREIGN KEY (dataset_id) REFERENCES "{0}".datasets (id)
            ON DELETE CASCADE
    );
    CREATE INDEX IF NOT EXISTS ix_retired_stores_dataset_id ON "{0}".retired_stores (dataset_id);
    COMMIT
"""
_DROP = """
    DROP TABLE IF EXISTS "{0}".retired_stores;
    ALTER TABLE "{0}".datasets DROP COLUMN IF EXISTS store
"""
_RETIRED = 'SELECT store FROM "{0}".retired_stores'
_MOVED = 'SELECT store, id FROM "{0}".datasets WHERE store <> id'
_INDEXES = "SELECT indexname FROM pg_indexes WHERE schemaname = :schema AND tablename = :table"
_FORGET = "DELETE FROM sheaf.indexes WHERE store = CAST(:dataset AS uuid)"
_INDEXED = "UPDATE sheaf.indexes SET store = CAST(:dataset AS uuid) WHERE store = CAST(:store AS uuid)"


def upgrade() -> None:
    """Each workspace by itself: locks of all of them have no room in PostgreSQL's memory.

    A migration that was killed is run again from its beginning. What it has done finds itself done; what could not is
    at the end, in one transaction with the migration's number.
    """
    schemas = workspace_schemas(op.get_bind())
    with op.get_context().autocommit_block():
        for schema in schemas:
            op.execute(_ADD.format(schema))
    op.alter_column("indexes", "dataset_id", new_column_name="store", schema="sheaf")


def downgrade() -> None:
    """Record tables are called by their datasets' ids again; one transaction, as this is for development."""
    connection = op.get_bind()
    for schema in workspace_schemas(connection):
        for (store,) in connection.execute(text(_RETIRED.format(schema))).fetchall():
            op.execute(f'DROP TABLE IF EXISTS "{schema}".records_{store.hex}')
        for store, dataset_id in connection.execute(text(_MOVED.format(schema))).fetchall():
            _rename(connection, schema, store.hex, dataset_id.hex)
        op.execute(_DROP.format(schema))
    op.alter_column("indexes", "store", new_column_name="dataset_id", schema="sheaf")


def _rename(connection: Connection, schema: str, store: str, dataset: str) -> None:
    names = connection.execute(text(_INDEXES), {"schema": schema, "table": f"records_{store}"}).fetchall()
    for (name,) in names:
        op.execute(f'ALTER INDEX "{schema}"."{name}" RENAME TO "{name.replace(store, dataset)}"')
    op.execute(f'ALTER TABLE "{schema}".records_{store} RENAME TO records_{dataset}')
    connection.execute(text(_FORGET), {"dataset": dataset})
    connection.execute(text(_INDEXED), {"dataset": dataset, "store": store})
