"""live images and kept versions

Revision ID: 0004
Revises: 0003
"""

from sqlalchemy import text

from alembic import op
from backend.repositories.migrate import workspace_schemas

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_KEPT = """
    CREATE INDEX IF NOT EXISTS ix_versions_kept ON "{0}".versions (dataset_id, version) WHERE pruned_at IS NULL;
    CREATE INDEX IF NOT EXISTS ix_versions_unswept ON "{0}".versions (dataset_id, version)
        WHERE pruned_at IS NOT NULL AND NOT swept
"""
_LIVE = 'CREATE INDEX IF NOT EXISTS "ix_{1}_live" ON "{0}"."{1}" (id) WHERE removed_in = 2147483647'
_TABLES = text("SELECT tablename FROM pg_tables WHERE schemaname = :schema AND starts_with(tablename, 'records_')")


def upgrade() -> None:
    for schema, tables in _record_tables():
        op.execute(_KEPT.format(schema))
        for table in tables:
            op.execute(_LIVE.format(schema, table))


def downgrade() -> None:
    for schema, tables in _record_tables():
        op.execute(f'DROP INDEX IF EXISTS "{schema}".ix_versions_kept, "{schema}".ix_versions_unswept')
        for table in tables:
            op.execute(f'DROP INDEX IF EXISTS "{schema}"."ix_{table}_live"')


def _record_tables() -> list[tuple[str, list[str]]]:
    """Each workspace's schema and the names of its record tables."""
    connection = op.get_bind()
    return [
        (schema, [name for (name,) in connection.execute(_TABLES, {"schema": schema})])
        for schema in workspace_schemas(connection)
    ]
