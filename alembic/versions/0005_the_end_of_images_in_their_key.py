"""the end of images in their key

Revision ID: 0005
Revises: 0004
"""

from sqlalchemy import text

from alembic import op
from backend.repositories.migrate import workspace_schemas

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_KEY = """
    ALTER TABLE "{0}"."{1}" DROP CONSTRAINT "pk_{1}", ADD CONSTRAINT "pk_{1}" PRIMARY KEY ({2})
"""
_TABLES = text("SELECT tablename FROM pg_tables WHERE schemaname = :schema AND starts_with(tablename, 'records_')")


def upgrade() -> None:
    _make_keys("id, added_in, removed_in")


def downgrade() -> None:
    _make_keys("id, added_in")


def _make_keys(columns: str) -> None:
    """The primary key of every record table anew; half a second per million images."""
    connection = op.get_bind()
    for schema in workspace_schemas(connection):
        for (table,) in connection.execute(_TABLES, {"schema": schema}):
            op.execute(_KEY.format(schema, table, columns))
